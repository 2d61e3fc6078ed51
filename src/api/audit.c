/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a call to an entry of the audit log. What comes from outside is cut and cleaned here: an
 * entry is hashed byte by byte and goes into a database that takes nothing but UTF-8.
 */
#include "api/audit.h"

#include "api/api.h"
#include "api/route.h"
#include "base/json_put.h"
#include "base/utf8.h"
#include "store/audit.h"

/* Before what is alike is taken out; what a handler shows of a thing is smaller. */
#define FIELDS_BYTES_MAX ((size_t)256 << 10)

struct slice audit_id(struct call *c, enum id_kind kind, uint64_t v)
{
	struct id_text text = id_format(kind, v);

	return arena_dup(c->req, slice_of(text.p));
}

/* The start of a text, with a question mark for each byte that has no place in one. */
static struct slice clean(struct slice text, size_t bytes_max, struct arena *req)
{
	char *p = (char *)arena_dup(req, utf8_cut(text, bytes_max)).p;
	struct slice out = { p, utf8_cut(text, bytes_max).n };

	for (size_t i = 0; i < out.n;) {
		size_t n = utf8_seq(slice_from(out, i));

		if (n == 0 || (unsigned char)p[i] < ' ' || p[i] == 0x7f) {
			p[i] = '?';
			n = 1;
		}
		i += n;
	}
	return out;
}

static void put_actor(struct call *c, enum audit_actor actor, struct slice id,
		      struct audit_entry *e)
{
	e->actor = slice_of(audit_actor_words[actor]);
	e->actor_id = id.n == 0 ? id : arena_dup(c->req, id);
}

static void find_actor(struct call *c, const struct audit_note *note, struct audit_entry *e)
{
	if (note->user.v != 0) {
		put_actor(c, AUDIT_BY_USER, audit_id(c, ID_USER, note->user.v), e);
	} else if (c->route->who == WHO_SOCKET) {
		put_actor(c, AUDIT_BY_OPERATOR, (struct slice) { 0 }, e);
	} else if (c->caller.user.v != 0) {
		put_actor(c, AUDIT_BY_USER, audit_id(c, ID_USER, c->caller.user.v), e);
	} else if (c->caller.key.v != 0) {
		put_actor(c, AUDIT_BY_KEY, audit_id(c, ID_KEY, c->caller.key.v), e);
	} else {
		put_actor(c, AUDIT_BY_ANYONE, (struct slice) { 0 }, e);
	}
}

bool audit_compose(struct call *c, const struct audit_note *note, struct audit_entry *out,
		   struct err *err)
{
	*out = (struct audit_entry) {
		.at_us = c->now_us,
		.action = slice_of(audit_word(note->action)),
		.target = slice_of(audit_target_words[note->target]),
		.target_id = clean(note->target_id, AUDIT_NAME_BYTES_MAX, c->req),
		.target_name = clean(note->target_name, AUDIT_NAME_BYTES_MAX, c->req),
		.address = clean(api_client(c->api, c->http), AUDIT_NAME_BYTES_MAX, c->req),
		.agent = clean(http_request_header(c->http, HTTP_H_USER_AGENT),
			       AUDIT_AGENT_BYTES_MAX, c->req),
		.request = clean(c->http->id, AUDIT_REQUEST_BYTES_MAX, c->req),
	};
	ensure(note->action != AUDIT_NONE);
	find_actor(c, note, out);
	c->audited = true;
	return audit_diff(note->before, note->after, note->shown, c->req, &out->before, &out->after,
			  err);
}

static struct org_id chain_of(const struct call *c, const struct audit_note *note)
{
	if (note->installation) {
		return (struct org_id) { 0 };
	}
	return note->org.v != 0 ? note->org : c->caller.org;
}

bool audit_put(struct call *c, const struct audit_note *note, struct err *err)
{
	struct audit_entry e;

	return audit_compose(c, note, &e, err) &&
	       store_audit_append(chain_of(c, note), c->db, &e, c->req, err);
}

bool audit_alone(struct call *c, const struct audit_note *note, struct err *err)
{
	return db_begin(c->db, err) && audit_put(c, note, err) && db_commit(c->db, err);
}

void audit_nothing(struct call *c)
{
	c->audited = true;
}

static struct slice kept(struct call *c, struct buf *out)
{
	struct slice text;

	ensure(!out->overflow);
	text = arena_dup(c->req, buf_slice(out));
	buf_release(out);
	return text;
}

struct slice audit_fields(struct call *c, const struct field_set *set, const void *in)
{
	struct json_w w;
	struct buf out;

	buf_init(&out, FIELDS_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	fields_write(&w, set->rows, set->n, in);
	json_w_end(&w);
	return kept(c, &out);
}

struct slice audit_text(struct call *c, const char *name, struct slice value)
{
	struct json_w w;
	struct buf out;

	buf_init(&out, FIELDS_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, name, value);
	json_w_end(&w);
	return kept(c, &out);
}

struct slice audit_number(struct call *c, const char *name, int64_t value)
{
	struct json_w w;
	struct buf out;

	buf_init(&out, FIELDS_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_int(&w, name, value);
	json_w_end(&w);
	return kept(c, &out);
}
