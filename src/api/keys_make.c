/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are made here: the first one of an installation, further ones, and those that take another's
 * place. Whatever a key asks for is held against what it is itself, in one function, because a way
 * around that would be a way to more rights. The first key may be made without one, by who sits at
 * this machine or holds the setup token; the refusal says so.
 */
#include "api/account/session.h"
#include "api/api.h"
#include "api/caller.h"
#include "api/first.h"
#include "api/keys.h"
#include "api/match.h"
#include "api/once.h"
#include "api/route.h"
#include "api/setup.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "model/month.h"
#include "store/global.h"

struct key_fields {
	struct slice name;
	struct slice project;
	unsigned expires;
	int64_t expires_us;
	struct field_list scopes;
};

static const char *const expiry_words[] = { "never", "30d", "90d", "1y", NULL };
static const int64_t expiry_us[] = { 0, 30 * DAY_US, 90 * DAY_US, 365 * DAY_US };

/* The first rows are what a rotation can say, too. */
static const struct field key_rows[] = {
	FIELD_STR(struct key_fields, name, "name", .min = 1, .max = KEY_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .example = "shop",
		  .help = "What people will see in the list of keys."),
	FIELD_STR(struct key_fields, project, "projectId",
		  .help = "The project that it opens; by default that of the call."),
	FIELD_ENUM(struct key_fields, expires, "expiresIn", expiry_words, .fallback = "never",
		   .help = "When the key stops working by itself."),
	FIELD_TIME(struct key_fields, expires_us, "expiresAt",
		   .help = "The same as a time, in the place of expiresIn."),
	FIELD_LIST(struct key_fields, scopes, "scopes", .max = SCOPES_COUNT,
		   .help = "What the key may do; empty means everything."),
};
const struct shape shape_key_in = {
	.name = "KeyInput",
	.help = "A key to be made.",
	.fields = &(const struct field_set) { key_rows, ARRAY_LEN(key_rows) },
	.sent = true,
};
const struct shape shape_open_key_in = {
	.fields = &(const struct field_set) { key_rows, ARRAY_LEN(key_rows) },
	.sent = true,
	.open = true,
};

struct rotation_fields {
	int64_t overlap_s;
	unsigned expires;
	int64_t expires_us;
};

static const struct field rotation_rows[] = {
	FIELD_SECONDS(struct rotation_fields, overlap_s, "overlapSeconds",
		      .max = KEY_OVERLAP_SECONDS_MAX, .fallback = "24h",
		      .help = "How long the old key goes on working."),
	FIELD_ENUM(struct rotation_fields, expires, "expiresIn", expiry_words, .fallback = "never",
		   .help = "When the new key stops working by itself; when nothing is said, it "
			   "is when the old one would have."),
	FIELD_TIME(struct rotation_fields, expires_us, "expiresAt",
		   .help = "The same as a time, in the place of expiresIn."),
};
const struct shape shape_rotation_in = {
	.name = "KeyRotation",
	.help = "How a key is to be followed by another.",
	.fields = &(const struct field_set) { rotation_rows, ARRAY_LEN(rotation_rows) },
	.sent = true,
};

/* What is handed over to the loop, where the keyring is; the answer comes behind it. */
struct handover {
	struct api *api;
	struct api_key key;
	struct key_id old; /* ends then; 0: none does */
	int64_t old_ends_us;
};

static void put_in_ring(void *arg)
{
	const struct handover *h = arg;
	struct api *api = h->api;

	api->set_up = true;
	keyring_put(api->keys, &h->key);
	project_set_add(api->projects, h->key.org, h->key.project);
	if (h->old.v != 0) {
		live_expire_key(api->live, h->old,
				keyring_expire(api->keys, h->old, h->old_ends_us));
	}
}

static struct handover *handover_of(struct call *c, const struct key_made *made)
{
	struct handover *h = arena_new(c->req, struct handover);

	*h = (struct handover) { .api = c->api, .key = made->key };
	return h;
}

void keys_announce(struct call *c, const struct key_made *made)
{
	api_post(c->api, put_in_ring, handover_of(c, made));
}

static bool no_such_project(struct err *err)
{
	return err_field(err, ERR_NOT_FOUND, "projectId", "there is no such project");
}

bool keys_insert(struct call *c, struct key_made *made, struct err *err)
{
	struct project_row project;
	uint64_t n = 0;

	ensure(db_in_transaction(c->db));
	switch (store_project_get(made->row.org, c->db, made->row.project, c->req, &project, err)) {
	case FOUND:
		break;
	case NOT_FOUND:
		return no_such_project(err);
	case FAILED:
		return false;
	}
	made->secret = setup_new_secret(c->req);
	setup_fill_key(&made->row, made->secret, made->scopes, c->req, &made->key);
	if (!store_key_live(made->row.org, c->db, made->row.project, c->now_us, &n, err)) {
		return false;
	}
	if (n >= KEYS_PER_PROJECT_MAX) {
		return err_set(err, ERR_LIMIT, "a project has at most %d keys that work",
			       KEYS_PER_PROJECT_MAX);
	}
	return store_key_insert(made->row.org, c->db, &made->row, err) &&
	       keys_tell(c, AUDIT_KEY_CREATE, NULL, &made->row, err);
}

static bool tell_rotated(struct call *c, const struct key_row *old, struct key_id to,
			 int64_t ends_us, struct err *err)
{
	struct key_row row = *old;

	row.rotated_to = to;
	row.expires_us = old->expires_us != 0 && old->expires_us < ends_us ? old->expires_us
									   : ends_us;
	return keys_tell(c, AUDIT_KEY_ROTATE, old, &row, err);
}

bool keys_read_scopes(const struct field_list *words, uint32_t *set, struct err *err)
{
	*set = words->n == 0 ? SCOPES_ALL : 0;
	for (size_t i = 0; i < words->n; i++) {
		uint32_t scope = scope_parse(words->v[i]);

		if (scope == 0) {
			return err_field(err, ERR_INVALID, "scopes",
					 "\"scopes\" has the unknown word \"%.*s\"",
					 SARG(words->v[i]));
		}
		*set |= scope;
	}
	return true;
}

/* What was said of the end of a key. fallback_us is when it ends if nothing was. */
struct life {
	bool in_said, at_said;
	unsigned word;
	int64_t at_us;
	int64_t fallback_us;
};

static bool read_end(const struct call *c, const struct life *life, int64_t *ends_us,
		     struct err *err)
{
	if (life->in_said && life->at_said) {
		return err_field(err, ERR_INVALID, "expiresAt",
				 "only one of \"expiresAt\" and \"expiresIn\" can be said");
	}
	if (life->at_said) {
		*ends_us = life->at_us;
	} else if (life->in_said) {
		*ends_us = life->word == 0 ? 0 : c->now_us + expiry_us[life->word];
	} else {
		*ends_us = life->fallback_us;
	}
	return *ends_us == 0 || *ends_us > c->now_us ||
	       err_field(err, ERR_INVALID, "expiresAt", "\"expiresAt\" must be in the future");
}

static bool is_said(const struct json *body, const char *name)
{
	const struct json *value = json_get(body, name);

	return value != NULL && value->type != JSON_NULL;
}

/* No key makes one that is more than itself. What was not asked for is cut down without a word. */
static bool hold_to_caller(const struct call *c, struct key_made *made, bool scopes_said,
			   bool end_said, struct err *err)
{
	int64_t end_us = c->caller.expires_at_us;
	int64_t *ends_us = &made->row.expires_us;

	if (c->caller.key.v == 0) {
		return true;
	}
	if (scopes_said && (made->scopes & ~c->caller.scopes) != 0) {
		return err_field(err, ERR_FORBIDDEN, "scopes",
				 "\"scopes\" asks for more than the key that asks has");
	}
	made->scopes &= c->caller.scopes;
	if (end_us == 0 || (*ends_us != 0 && *ends_us <= end_us)) {
		return true;
	}
	if (end_said) {
		return err_field(err, ERR_FORBIDDEN, "expiresAt",
				 "a key cannot make one that lives longer than itself");
	}
	*ends_us = end_us;
	return true;
}

/* Keys know their own project alone. To the first key of all, nobody can name one. */
static bool read_project(struct call *c, struct slice text, struct project_id *out, struct err *err)
{
	struct project_row row;

	*out = c->caller.project;
	if (text.p == NULL) {
		return true;
	}
	if (id_parse(ID_PROJECT, text, &out->v) && caller_is_known(&c->caller) &&
	    (c->caller.key.v == 0 || out->v == c->caller.project.v)) {
		switch (store_project_get(c->caller.org, c->db, *out, c->req, &row, err)) {
		case FOUND:
			return true;
		case FAILED:
			return false;
		case NOT_FOUND:
			break;
		}
	}
	return no_such_project(err);
}

static bool read_wish(struct call *c, struct key_made *made, struct err *err)
{
	struct key_fields in = { 0 };
	struct fields_in how = { .ignore_unknown = !route_is_strict(c->route) };
	const struct json *body;
	struct life life;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, key_rows, ARRAY_LEN(key_rows), &in, &how, c->req, err) ||
	    !keys_read_scopes(&in.scopes, &made->scopes, err)) {
		return false;
	}
	life = (struct life) { .in_said = is_said(body, "expiresIn"),
			       .at_said = is_said(body, "expiresAt"),
			       .word = in.expires,
			       .at_us = in.expires_us };
	made->row = (struct key_row) { .org = c->caller.org,
				       .name = in.name,
				       .created_us = c->now_us,
				       .made_by = c->caller.user };
	return read_end(c, &life, &made->row.expires_us, err) &&
	       read_project(c, in.project, &made->row.project, err) &&
	       hold_to_caller(c, made, in.scopes.n > 0, life.in_said || life.at_said, err);
}

/* The very first key makes its org and project, too; there is nothing to count. */
static bool insert_first(struct call *c, struct key_made *made, struct err *err)
{
	made->secret = setup_new_secret(c->req);
	if (!setup_insert_key(c, &made->row, made->secret, made->scopes, &made->key, err)) {
		return false;
	}
	people_tell_org(c, made->row.org, made->row.project);
	keys_announce(c, made);
	return true;
}

static bool insert_further(struct call *c, struct key_made *made, struct err *err)
{
	bool ok;

	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = db_begin(c->db, err) && keys_insert(c, made, err) &&
	     once_commit_made(c, ID_KEY, made->row.id.v, err);
	if (ok) {
		keys_announce(c, made);
	} else {
		db_rollback(c->db);
	}
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok;
}

static bool create_key(struct call *c, struct err *err)
{
	struct key_made made;
	struct json_w w;

	if (!read_wish(c, &made, err) ||
	    !(made.row.org.v == 0 ? insert_first : insert_further)(c, &made, err)) {
		return false;
	}
	w = call_json(c, 201);
	match_tell(c, made.row.version);
	keys_write_made(&made, &w);
	return true;
}

/* Without a caller: only as the first key, which setup_insert_key makes sure of. */
static bool may_post(struct call *c, struct err *err)
{
	if (caller_is_known(&c->caller)) {
		return route_allows(c->route, &c->caller, err);
	}
	if (keyring_len(c->api->keys) > 0 || c->api->set_up) {
		return err_set(err, ERR_UNAUTHORIZED, SETUP_DONE);
	}
	return first_is_allowed(c, err) ||
	       err_set(err, ERR_UNAUTHORIZED,
		       "the first key is made from the server's own machine (http://127.0.0.1, JSON "
		       "body, no proxy), or with the setup token that the server printed at its "
		       "start, as the header X-Setup-Token");
}

void keys_post(struct call *c)
{
	c->work = create_key;
	if (may_post(c, &c->err)) {
		api_submit(c);
		return;
	}
	call_problem(c, &c->err);
	call_send(c);
}

static bool read_rotation(struct call *c, struct rotation_fields *in, struct life *life,
			  struct err *err)
{
	const struct json *body;

	if (c->http->body.n == 0) {
		fields_defaults(rotation_rows, ARRAY_LEN(rotation_rows), in, c->req);
		return true;
	}
	if (!call_body(c, &body, err) ||
	    !fields_parse(body, rotation_rows, ARRAY_LEN(rotation_rows), in, NULL, c->req, err)) {
		return false;
	}
	life->in_said = is_said(body, "expiresIn");
	life->at_said = is_said(body, "expiresAt");
	life->word = in->expires;
	life->at_us = in->expires_us;
	return true;
}

static bool may_rotate(const struct call *c, const struct key_row *old, struct err *err)
{
	if (old->revoked_us != 0) {
		return err_set(err, ERR_CONFLICT, "this API key was revoked");
	}
	if (old->rotated_to.v != 0) {
		return err_set(err, ERR_CONFLICT, "this API key was rotated before, to %s",
			       id_format(ID_KEY, old->rotated_to.v).p);
	}
	return old->expires_us == 0 || old->expires_us > c->now_us ||
	       err_set(err, ERR_CONFLICT, "this API key has expired");
}

static bool replace(struct call *c, const struct key_row *old, uint64_t expect,
		    struct key_made *made, int64_t old_ends_us, struct err *err)
{
	if (!db_begin(c->db, err)) {
		return false;
	}
	/* The old one first: if it ends at once, its place is free for the new one. */
	made->row.id.v = id_random();
	switch (store_key_rotate(old->org, c->db, old->project, old->id, made->row.id, old_ends_us,
				 expect, err)) {
	case FOUND:
		return tell_rotated(c, old, made->row.id, old_ends_us, err) &&
		       keys_insert(c, made, err) &&
		       once_commit_made(c, ID_KEY, made->row.id.v, err);
	case NOT_FOUND:
		return err_set(err, expect == 0 ? ERR_CONFLICT : ERR_PRECONDITION,
			       "this API key was changed meanwhile");
	case FAILED:
		break;
	}
	return false;
}

static bool replace_locked(struct call *c, const struct key_row *old, uint64_t expect,
			   struct key_made *made, int64_t old_ends_us, struct err *err)
{
	struct handover *h;
	bool ok;

	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = replace(c, old, expect, made, old_ends_us, err);
	if (ok) {
		h = handover_of(c, made);
		h->old = old->id;
		h->old_ends_us = old_ends_us;
		api_post(c->api, put_in_ring, h);
	} else {
		db_rollback(c->db);
	}
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok;
}

static void answer_rotation(struct call *c, const struct key_row *old, const struct key_made *made,
			    int64_t old_ends_us)
{
	struct json_w w = call_json(c, 201);

	match_tell(c, made->row.version);
	json_w_object(&w);
	json_w_key(&w, "key");
	keys_write_made(made, &w);
	json_w_key(&w, "previous");
	json_w_object(&w);
	json_put_str(&w, "id", slice_of(id_format(ID_KEY, old->id.v).p));
	json_put_time(&w, "expiresAt", old_ends_us);
	json_w_end(&w);
	json_w_end(&w);
}

bool keys_rotate(struct call *c, const struct key_row *old, uint64_t expect, struct err *err)
{
	struct life life = { .fallback_us = old->expires_us };
	struct rotation_fields in = { 0 };
	struct key_made made = { .row = { .org = old->org,
					  .project = old->project,
					  .name = old->name,
					  .created_us = c->now_us,
					  .made_by = c->caller.user } };
	int64_t ends_us;

	if (!read_rotation(c, &in, &life, err) || !may_rotate(c, old, err) ||
	    !match_check("API key", expect, old->version, err) ||
	    !read_end(c, &life, &made.row.expires_us, err)) {
		return false;
	}
	if (!scopes_parse(old->scopes, &made.scopes)) {
		return err_set(err, ERR_CORRUPT, "the scopes of key %s cannot be read",
			       id_format(ID_KEY, old->id.v).p);
	}
	made.scopes = old->scopes.n == 0 ? SCOPES_ALL : made.scopes;
	/* The new secret opens all that the old one did: whoever gets it must have that already. */
	if (!hold_to_caller(c, &made, true, true, err)) {
		return false;
	}
	ends_us = c->now_us + in.overlap_s * US_PER_S;
	ends_us = old->expires_us != 0 && old->expires_us < ends_us ? old->expires_us : ends_us;
	if (!replace_locked(c, old, expect, &made, ends_us, err)) {
		return false;
	}
	answer_rotation(c, old, &made, ends_us);
	return true;
}
