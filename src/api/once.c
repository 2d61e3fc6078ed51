/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up is not what makes it once: two may look at the same time and find nothing. That is the
 * row's key, which only one of them can commit. So whoever fails looks again, and finds what the
 * other has answered. Changes that go through the log are committed by the engine, which asks no
 * rows before it decides: there it is the list of keys in progress, and waiting for what the last
 * life of the server left in the log.
 */
#include "api/once.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/api.h"
#include "base/map.h"
#include "engine/control.h"

/* Right after a start the engine has what came in last still before it; mostly milliseconds. */
#define CATCH_UP_NAPS_MAX 1000 /* of a millisecond */

/* Keys in progress. */

struct onces {
	pthread_mutex_t lock;
	struct map by_key;
	uint64_t found_seq;
};

/* On the heap: who left unsure is gone, his record is still on its way. */
struct entry {
	char key[2 * SHA256_BYTES];
	uint64_t seq;
	bool left;
	bool refused; /* the record was not stored */
};

static struct slice key_of(const struct entry *entry)
{
	return (struct slice) { entry->key, sizeof(entry->key) };
}

struct onces *onces_new(uint64_t found_seq)
{
	struct onces *o = mem_alloc(1, sizeof(*o));

	ensure(pthread_mutex_init(&o->lock, NULL) == 0);
	map_init(&o->by_key);
	o->found_seq = found_seq;
	return o;
}

void onces_free(struct onces **op)
{
	struct onces *o = *op;
	struct entry *entry;
	size_t at = 0;

	if (o == NULL) {
		return;
	}
	while ((entry = map_next(&o->by_key, &at)) != NULL) {
		free(map_del(&o->by_key, key_of(entry)));
	}
	map_release(&o->by_key);
	pthread_mutex_destroy(&o->lock);
	free(o);
	*op = NULL;
}

static bool is_over(const struct entry *entry, uint64_t applied)
{
	return entry->left && (entry->refused || (entry->seq > 0 && entry->seq <= applied));
}

/* Few are ever unsure: the rules were more than CHANGE_WAIT_US behind. */
static void forget_over(struct onces *o, uint64_t applied)
{
	struct entry *entry;
	size_t at = 0;

	while ((entry = map_next(&o->by_key, &at)) != NULL) {
		if (is_over(entry, applied)) {
			free(map_del(&o->by_key, key_of(entry)));
		}
	}
}

bool onces_enter(struct onces *o, struct slice key, uint64_t applied)
{
	struct entry *entry;
	bool in;

	ensure(key.n == sizeof(entry->key));
	ensure(pthread_mutex_lock(&o->lock) == 0);
	forget_over(o, applied);
	in = map_get(&o->by_key, key) == NULL;
	if (in) {
		entry = mem_alloc(1, sizeof(*entry));
		memcpy(entry->key, key.p, key.n);
		map_put(&o->by_key, key_of(entry), entry);
	}
	ensure(pthread_mutex_unlock(&o->lock) == 0);
	return in;
}

void onces_leave(struct onces *o, struct slice key, bool unsure)
{
	struct entry *entry;

	ensure(pthread_mutex_lock(&o->lock) == 0);
	entry = map_get(&o->by_key, key);
	ensure(entry != NULL && !entry->left);
	if (unsure) {
		entry->left = true;
	} else {
		free(map_del(&o->by_key, key));
	}
	ensure(pthread_mutex_unlock(&o->lock) == 0);
}

void onces_stored(struct onces *o, struct slice key, uint64_t seq)
{
	struct entry *entry;

	ensure(pthread_mutex_lock(&o->lock) == 0);
	entry = map_get(&o->by_key, key);
	if (entry != NULL) {
		entry->seq = seq;
		entry->refused = seq == 0;
	}
	ensure(pthread_mutex_unlock(&o->lock) == 0);
}

size_t onces_n(struct onces *o)
{
	size_t n;

	ensure(pthread_mutex_lock(&o->lock) == 0);
	n = o->by_key.n;
	ensure(pthread_mutex_unlock(&o->lock) == 0);
	return n;
}

/* What the request is. */

/* A call of a person about himself, whichever org he acts in: it may even change that. */
static bool is_personal(const struct call *c)
{
	return c->route->who == WHO_USER && c->route->role == ROLE_NONE;
}

/* Callers without org and name, as who makes the first key, have nobody to keep a reply for. */
static bool is_asked(const struct call *c)
{
	enum route_once how = route_once(c->route);
	bool somebody = is_personal(c) ? c->caller.user.v != 0 : c->caller.org.v != 0;

	return (how == ONCE_KEPT || how == ONCE_SECRET) && somebody &&
	       http_request_has(c->http, HTTP_H_IDEMPOTENCY_KEY);
}

static void hash_text(struct slice text, char out[SHA256_HEX_CHARS + 1])
{
	sha256_hex(text, out);
	out[SHA256_HEX_CHARS] = '\0';
}

/*
 * No part can hold what follows it: numbers and methods have no spaces, a target has none either.
 */
static struct once *read_once(struct call *c)
{
	struct once *once = arena_new(c->req, struct once);
	struct slice key = http_request_header(c->http, HTTP_H_IDEMPOTENCY_KEY);
	struct slice target = c->http->target;
	uint64_t project = is_personal(c) ? 0 : c->caller.project.v;
	char body[2 * SHA256_BYTES + 1];

	once->org.v = is_personal(c) ? 0 : c->caller.org.v;
	hash_text(c->http->body, body);
	hash_text(arena_printf(c->req, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %.*s", once->org.v,
			       project, c->caller.user.v, SARG(key)),
		  once->key);
	hash_text(arena_printf(c->req, "%s %.*s %s", route_method_name(c->http->method),
			       SARG(target), body),
		  once->request);
	return once;
}

void once_ask(const struct call *c, struct control *control)
{
	control->once_key = slice_of(c->once->key);
	control->once_request = slice_of(c->once->request);
}

void once_kept(struct call *c)
{
	if (c->once != NULL) {
		c->once->kept = true;
	}
}

void once_unsure(struct call *c)
{
	if (c->once != NULL) {
		c->once->unsure = true;
	}
}

/* Keeping. */

static struct slice header_of(const struct answer *a, struct slice name)
{
	for (size_t i = 0; i < a->n_headers; i++) {
		if (slice_eq_nocase(a->headers[i].name, name)) {
			return a->headers[i].value;
		}
	}
	return (struct slice) { 0 };
}

static bool insert(struct call *c, struct reply_row *row, struct err *err)
{
	row->org = c->once->org;
	row->key = slice_of(c->once->key);
	row->request = slice_of(c->once->request);
	row->created_us = c->now_us;
	row->expires_us = c->now_us + REPLY_KEPT_US;
	return store_reply_insert(row->org, c->db, row, err);
}

/* The id in an answer that makes one thing; an answer without one has none. */
static struct slice id_in(const struct answer *a, struct arena *req)
{
	const struct json *root, *id;
	struct err ignored;

	if (a->body.overflow ||
	    !json_parse(req, buf_slice(&a->body), JSON_DEPTH_LIMIT, &root, &ignored)) {
		return (struct slice) { 0 };
	}
	id = json_get(root, "id");
	return id != NULL && id->type == JSON_STRING ? id->text : (struct slice) { 0 };
}

static bool insert_answer(struct call *c, bool secret, struct err *err)
{
	const struct answer *a = &c->answer;
	struct reply_row row = { .status = (uint32_t)a->status,
				 .etag = header_of(a, S("ETag")),
				 .location = header_of(a, S("Location")) };

	ensure(a->status >= 200 && a->status < 300);
	row.whole = !secret && !a->body.overflow && a->body.n <= REPLY_BODY_BYTES_MAX;
	if (row.whole) {
		row.body = buf_slice(&a->body);
	} else {
		row.object = id_in(a, c->req);
	}
	return insert(c, &row, err);
}

bool once_commit(struct call *c, struct err *err)
{
	if (c->once == NULL) {
		return db_commit(c->db, err);
	}
	ensure(!c->route->secret);
	if (!insert_answer(c, false, err) || !db_commit(c->db, err)) {
		return false;
	}
	c->once->kept = true;
	return true;
}

bool once_commit_made(struct call *c, enum id_kind kind, uint64_t id, struct err *err)
{
	struct id_text text = id_format(kind, id);
	struct reply_row row = { .status = 201, .object = slice_of(text.p) };

	if (c->once == NULL) {
		return db_commit(c->db, err);
	}
	if (!insert(c, &row, err) || !db_commit(c->db, err)) {
		return false;
	}
	c->once->kept = true;
	return true;
}

/*
 * A handler that does not commit by once_commit is at fault: a kill right now, and what it did is
 * done a second time. The scenarios fail on this line of the log; clients are served all the same.
 */
static void keep_late(struct call *c)
{
	struct err err;

	if (c->answer.status < 200 || c->answer.status >= 300) {
		return;
	}
	log_error("reply_kept_late", log_slice("cid", c->http->id),
		  log_str("route", c->route->path));
	if (!db_begin(c->db, &err) || !insert_answer(c, c->route->secret, &err) ||
	    !db_commit(c->db, &err)) {
		db_rollback(c->db);
		log_warn("reply_not_kept", log_slice("cid", c->http->id),
			 log_str("error", err.text));
	}
}

/* Answering again. */

static enum found look(struct call *c, struct reply_row *row, struct err *err)
{
	return store_reply_get(c->once->org, c->db, slice_of(c->once->key), c->now_us, c->req, row,
			       err);
}

static bool answer_again(struct call *c, const struct reply_row *row, struct err *err)
{
	if (!slice_eq(row->request, slice_of(c->once->request))) {
		return err_set(err, ERR_IDEMPOTENCY,
			       "this idempotency key was used with another request");
	}
	c->once->object = row->object;
	if (!row->whole) {
		return err_set(err, ERR_ALREADY_CREATED,
			       "this request was done before, and its reply is not kept");
	}
	if (row->body.n == 0) {
		call_empty(c, (int)row->status);
	} else {
		(void)call_json(c, (int)row->status);
		buf_puts(&c->answer.body, row->body);
	}
	if (row->etag.n > 0) {
		call_header(c, S("ETag"), row->etag);
	}
	if (row->location.n > 0) {
		call_header(c, S("Location"), row->location);
	}
	call_header(c, S("Idempotent-Replayed"), S("true"));
	return true;
}

/* Persons are held to few calls about themselves anyway, and share no number with others. */
static bool has_room(struct call *c, struct err *err)
{
	uint64_t n = 0;

	return (is_personal(c) || store_reply_count(c->once->org, c->db, c->now_us, &n, err)) &&
	       (n < REPLIES_PER_ORG_MAX ||
		err_set(err, ERR_RATE,
			"an organization has at most %d replies under idempotency keys in 24 hours",
			REPLIES_PER_ORG_MAX));
}

static bool run_once(struct call *c, work_handler *run, struct err *err)
{
	struct reply_row row;
	struct err ignored;

	switch (look(c, &row, err)) {
	case FOUND:
		return answer_again(c, &row, err);
	case FAILED:
		return false;
	case NOT_FOUND:
		break;
	}
	if (!has_room(c, err)) {
		return false;
	}
	if (run(c, err)) {
		if (!c->once->kept) {
			keep_late(c);
		}
		return true;
	}
	db_rollback(c->db);
	return look(c, &row, &ignored) == FOUND && answer_again(c, &row, err);
}

static bool caught_up(const struct call *c)
{
	struct timespec nap = { .tv_nsec = 1000 * 1000 };

	for (int i = 0; i < CATCH_UP_NAPS_MAX; i++) {
		if (engine_applied(c->api->engine) >= c->api->onces->found_seq) {
			return true;
		}
		nanosleep(&nap, NULL);
	}
	return false;
}

bool once_do(struct call *c, work_handler *run, struct err *err)
{
	struct slice key;
	bool ok;

	if (!is_asked(c)) {
		return run(c, err);
	}
	if (!caught_up(c)) {
		return err_set(err, ERR_OVERLOADED,
			       "the server has started and still reads what came in last");
	}
	c->once = read_once(c);
	key = slice_of(c->once->key);
	if (!onces_enter(c->api->onces, key, engine_applied(c->api->engine))) {
		return err_set(err, ERR_IN_PROGRESS,
			       "another request under this idempotency key is not done yet");
	}
	ok = run_once(c, run, err);
	onces_leave(c->api->onces, key, c->once->unsure);
	return ok;
}
