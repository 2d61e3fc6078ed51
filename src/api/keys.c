/* SPDX-License-Identifier: Apache-2.0 */
/* API keys that are there: shown, named, revoked. How they are made is in keys_make.c. */
#include "api/keys.h"

#include "api/api.h"
#include "api/match.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

struct project_id keys_reach(const struct call *c)
{
	return c->caller.key.v != 0 ? c->caller.project : (struct project_id) { 0 };
}

static void write_scopes(struct slice scopes, struct json_w *w)
{
	struct slice word;

	json_w_key(w, "scopes");
	json_w_array(w);
	while (slice_split(&scopes, ' ', &word)) {
		json_w_str(w, word);
	}
	json_w_end(w);
}

static void put_id_or_null(struct json_w *w, const char *name, enum id_kind kind, uint64_t v)
{
	if (v == 0) {
		json_w_key(w, name);
		json_w_null(w);
	} else {
		show_id(w, name, kind, v);
	}
}

/* What a key has from the start, in the open object. */
static void write_start(const struct key_row *row, struct slice secret, struct json_w *w)
{
	show_id(w, "id", ID_KEY, row->id.v);
	show_id(w, "projectId", ID_PROJECT, row->project.v);
	json_put_str(w, "name", row->name);
	if (secret.n > 0) {
		json_put_str(w, "key", secret);
	}
	json_put_str(w, "keyPrefix", row->prefix);
	write_scopes(row->scopes, w);
	json_put_time_or_null(w, "expiresAt", row->expires_us);
	put_id_or_null(w, "madeBy", ID_USER, row->made_by.v);
	json_put_int(w, "version", (int64_t)row->version);
	json_put_time(w, "createdAt", row->created_us);
}

void keys_write_made(const struct key_made *made, struct json_w *w)
{
	json_w_object(w);
	write_start(&made->row, made->secret, w);
	json_w_end(w);
}

void keys_write(const struct key_row *row, struct json_w *w)
{
	json_w_object(w);
	write_start(row, (struct slice) { 0 }, w);
	json_put_time_or_null(w, "lastUsedAt", row->last_used_us);
	json_put_str_or_null(w, "lastUsedFrom",
			     row->used_from.n == 0 ? (struct slice) { 0 } : row->used_from);
	put_id_or_null(w, "rotatedTo", ID_KEY, row->rotated_to.v);
	json_put_time_or_null(w, "revokedAt", row->revoked_us);
	json_w_end(w);
}

static struct slice as_shown(struct call *c, const struct key_row *row)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	if (row == NULL) {
		return (struct slice) { 0 };
	}
	buf_init(&out, KEY_BODY_BYTES_MAX);
	json_w_init(&w, &out);
	keys_write(row, &w);
	ensure(!out.overflow);
	text = arena_dup(c->req, buf_slice(&out));
	buf_release(&out);
	return text;
}

bool keys_tell(struct call *c, enum audit_action action, const struct key_row *old,
	       const struct key_row *row, struct err *err)
{
	static const char *const shown[] = { "projectId", "name",      "keyPrefix", "scopes",
					     "expiresAt", "rotatedTo", "revokedAt", NULL };
	struct audit_note note = { .action = action,
				   .org = row->org,
				   AUDIT_OF(c, KEY, row->id.v, row->name),
				   .before = as_shown(c, old),
				   .after = as_shown(c, row),
				   .shown = shown };

	return audit_put(c, &note, err);
}

static bool no_such_key(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such API key");
}

static bool find_key(struct call *c, struct key_row *row, struct err *err)
{
	struct key_id id;

	if (!id_parse(ID_KEY, c->params[0], &id.v)) {
		return no_such_key(err);
	}
	switch (store_key_get(c->caller.org, c->db, keys_reach(c), id, c->req, row, err)) {
	case FOUND:
		return true;
	case NOT_FOUND:
		return no_such_key(err);
	case FAILED:
		break;
	}
	return false;
}

static void answer_key(struct call *c, const struct key_row *row)
{
	struct json_w w = call_json(c, 200);

	match_tell(c, row->version);
	keys_write(row, &w);
}

static bool get_key(struct call *c, struct err *err)
{
	struct key_row row;

	if (!find_key(c, &row, err)) {
		return false;
	}
	answer_key(c, &row);
	return true;
}

static bool list_keys(struct call *c, struct err *err)
{
	struct key_list list;
	struct page page;
	struct json_w w;

	if (!page_read(c, ID_KEY, &page, err) ||
	    !store_key_list(c->caller.org, c->db, c->caller.project, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		keys_write(&list.rows[i], &w);
	}
	page_end(c, ID_KEY, list.next, &w);
	return true;
}

static void write_live_keys(const struct key_list *list, int64_t now_us, struct json_w *w)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct key_row *row = &list->rows[i];

		if (row->revoked_us == 0 && (row->expires_us == 0 || row->expires_us > now_us)) {
			keys_write(row, w);
		}
	}
}

/* Page by page, so that only the answer grows with the keys. */
bool keys_write_live(struct call *c, struct json_w *w, struct err *err)
{
	struct page page = { .limit = PAGE_ROWS_MAX };
	struct key_list list;
	struct arena one;
	bool ok;

	arena_init(&one, 0);
	do {
		arena_clear(&one);
		ok = store_key_list(c->caller.org, c->db, c->caller.project, &page, &one, &list,
				    err);
		if (!ok) {
			break;
		}
		write_live_keys(&list, c->now_us, w);
		page.after = list.next;
	} while (page.after.id != 0 && !w->out->overflow);
	arena_release(&one);
	return ok;
}

/* What a change met: the key is gone, or at another version than was meant. */
static bool say_missed(struct call *c, uint64_t expect, struct err *err)
{
	struct key_row row;

	if (!find_key(c, &row, err)) {
		return false;
	}
	return match_check("API key", expect, row.version, err) && no_such_key(err);
}

struct name_fields {
	struct slice name;
};
static const struct field name_rows[] = {
	FIELD_STR(struct name_fields, name, "name", .min = 1, .max = KEY_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .example = "shop",
		  .help = "What people will see in the list of keys."),
};
static const struct shape shape_key_change = {
	.name = "KeyChange",
	.help = "What can be changed of a key.",
	.fields = &(const struct field_set) { name_rows, ARRAY_LEN(name_rows) },
	.sent = true,
};

static bool rename_key(struct call *c, const struct key_row *row, struct slice name,
		       uint64_t expect, struct err *err)
{
	struct key_row renamed = *row;

	if (row->revoked_us != 0) {
		return err_set(err, ERR_CONFLICT, "this API key was revoked");
	}
	if (!db_begin(c->db, err)) {
		return false;
	}
	switch (store_key_rename(row->org, c->db, row->project, row->id, name, expect, err)) {
	case FOUND:
		renamed.name = name;
		return keys_tell(c, AUDIT_KEY_UPDATE, row, &renamed, err) && db_commit(c->db, err);
	case NOT_FOUND:
		return say_missed(c, expect, err);
	case FAILED:
		break;
	}
	return false;
}

static bool patch_key(struct call *c, struct err *err)
{
	struct fields_in how = { .partial = true };
	const struct json *body;
	struct name_fields in;
	struct key_row row;
	uint64_t expect;

	if (!call_body(c, &body, err) || !match_read(c, "API key", &expect, err) ||
	    !find_key(c, &row, err) || !match_check("API key", expect, row.version, err)) {
		return false;
	}
	in.name = row.name;
	if (!fields_parse(body, name_rows, ARRAY_LEN(name_rows), &in, &how, c->req, err) ||
	    (how.present != 0 &&
	     (!rename_key(c, &row, in.name, expect, err) || !find_key(c, &row, err)))) {
		return false;
	}
	audit_nothing(c);
	answer_key(c, &row);
	return true;
}

/* The keyring belongs to the loop: the change is handed over, and the answer waits for it. */
struct farewell {
	struct api *api;
	struct key_id key;
};

static void take_off_ring(void *arg)
{
	const struct farewell *f = arg;

	keyring_del(f->api->keys, f->key);
	live_drop_key(f->api->live, f->key);
}

static enum found revoke(struct call *c, struct key_id id, uint64_t expect, struct err *err)
{
	enum found found;
	struct key_row was, row;

	if (!db_begin(c->db, err)) {
		return FAILED;
	}
	found = store_key_revoke(c->caller.org, c->db, keys_reach(c), id, expect, c->now_us, err);
	if (found != FOUND) {
		db_rollback(c->db);
		return found;
	}
	if (!find_key(c, &row, err)) {
		return FAILED;
	}
	was = row;
	was.revoked_us = 0;
	return keys_tell(c, AUDIT_KEY_REVOKE, &was, &row, err) && db_commit(c->db, err) ? FOUND
											: FAILED;
}

bool keys_revoke(struct call *c, struct err *err)
{
	struct farewell *f = arena_new(c->req, struct farewell);
	enum found found = NOT_FOUND;
	uint64_t expect;

	f->api = c->api;
	if (!match_read(c, "API key", &expect, err)) {
		return false;
	}
	if (id_parse(ID_KEY, c->params[0], &f->key.v)) {
		found = revoke(c, f->key, expect, err);
	}
	if (found == NOT_FOUND) {
		return say_missed(c, expect, err);
	}
	if (found == FAILED) {
		return false;
	}
	/* Posts keep their order: the keyring forgets the key before the answer leaves. */
	api_post(c->api, take_off_ring, f);
	call_empty(c, 204);
	return true;
}

static bool rotate_key(struct call *c, struct err *err)
{
	struct key_row row;
	uint64_t expect;

	return match_read(c, "API key", &expect, err) && find_key(c, &row, err) &&
	       keys_rotate(c, &row, expect, err);
}

static const struct prop made_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_ID("projectId", ID_PROJECT, .help = "The project that it opens."),
	PROP_STR("name", .example = "\"shop\""),
	PROP_STR("key", .help = "The key itself: shown once, never again.",
		 .example = "\"sk_4f1d0b27c8a94e53b6c2e1f09d7a8b3c5e6f7a8091b2c3d4\""),
	PROP_STR("keyPrefix", .help = "Enough to tell keys apart.",
		 .example = "\"sk_4f1d0b27c...\""),
	PROP_WORD("scopes", scope_names, .many = PROP_LIST),
	PROP_TIME("expiresAt", .flags = PROP_NULL, .example = "null"),
	PROP_ID("madeBy", ID_USER, .flags = PROP_NULL,
		.help = "The person who made it, if one did."),
	PROP_INT("version", .min = 1, .help = "Counts the changes."),
	PROP_TIME("createdAt"),
};
const struct shape shape_key_made = { .name = "KeyMade",
				      .help = "A new key, with its secret.",
				      SHAPE_PROPS(made_props) };
static const struct prop previous_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_TIME("expiresAt", .help = "Until then it goes on working."),
};
static const struct shape shape_previous = { SHAPE_PROPS(previous_props) };
static const struct prop rotated_props[] = {
	PROP_SHAPE("key", &shape_key_made),
	PROP_SHAPE("previous", &shape_previous, .help = "The one whose place it takes."),
};
const struct shape shape_key_rotated = { .name = "KeyRotated",
					 .help = "A key that takes another's place.",
					 SHAPE_PROPS(rotated_props) };
static const struct prop key_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_ID("projectId", ID_PROJECT, .help = "The project that it opens."),
	PROP_STR("name", .example = "\"shop\""),
	PROP_STR("keyPrefix", .help = "Enough to tell keys apart.",
		 .example = "\"sk_4f1d0b27c...\""),
	PROP_WORD("scopes", scope_names, .many = PROP_LIST),
	PROP_TIME("expiresAt", .flags = PROP_NULL),
	PROP_ID("madeBy", ID_USER, .flags = PROP_NULL,
		.help = "The person who made it, if one did."),
	PROP_INT("version", .min = 1, .help = "Counts the changes."),
	PROP_TIME("createdAt"),
	PROP_TIME("lastUsedAt", .flags = PROP_NULL, .help = "Within a minute or so."),
	PROP_STR("lastUsedFrom", .flags = PROP_NULL, .help = "The address of that use.",
		 .example = "\"192.0.2.7\""),
	PROP_ID("rotatedTo", ID_KEY, .flags = PROP_NULL, .help = "The key that takes its place.",
		.example = "null"),
	PROP_TIME("revokedAt", .flags = PROP_NULL),
};
const struct shape shape_key = { .name = "Key",
				 .help = "A key, without its secret.",
				 SHAPE_PROPS(key_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/keys",
		.name = "createKey",
		.tag = "Keys",
		.summary = "Make an API key",
		.who = WHO_OWN,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.secret = true,
		.body_max = KEY_BODY_BYTES_MAX,
		.doc = KEYS_FIRST,
		.bodies = { { .shape = &shape_key_in } },
		.replies = { { .status = 201,
			       .help = "The key.",
			       .shape = &shape_key_made,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_LIMIT, ERR_NOT_FOUND, ERR_IO, ERR_CORRUPT, ERR_INTERNAL,
			    ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.audits = { AUDIT_ORG_CREATE, AUDIT_KEY_CREATE },
		.loop = keys_post,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/keys",
		.name = "listKeys",
		.tag = "Keys",
		.summary = "List API keys",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_READ,
		.role = ROLE_MEMBER,
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of keys, revoked ones, too.",
			       .shape = &shape_key,
			       .page = true } },
		.work = list_keys,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/keys/:id",
		.name = "getKey",
		.tag = "Keys",
		.summary = "Get one API key",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_READ,
		.role = ROLE_MEMBER,
		.params = { ROUTE_ID(ID_KEY) },
		.replies = { { .status = 200,
			       .help = "The key, without its secret.",
			       .shape = &shape_key,
			       .headers = REPLY_ETAG } },
		.work = get_key,
	},
	{
		.method = HTTP_PATCH,
		.path = "/api/v1/keys/:id",
		.name = "changeKey",
		.tag = "Keys",
		.summary = "Rename an API key",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.body_max = KEY_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_KEY) },
		.match = MATCH_MAY,
		.bodies = { { .shape = &shape_key_change } },
		.replies = { { .status = 200,
			       .help = "The key as it is now.",
			       .shape = &shape_key,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_CONFLICT },
		.audits = { AUDIT_KEY_UPDATE },
		.work = patch_key,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/keys/:id/rotate",
		.name = "rotateKey",
		.tag = "Keys",
		.summary = "Put a new API key in the place of one",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.secret = true,
		.body_max = KEY_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_KEY) },
		.doc = "The new key has the name, project and scopes of the old one, which goes on "
		       "working for the overlap, so that no program stands still meanwhile. A key "
		       "is rotated once; `rotatedTo` leads to the one behind it.",
		.match = MATCH_MAY,
		.bodies = { { .shape = &shape_rotation_in, .maybe = true } },
		.replies = { { .status = 201,
			       .help = "The new key.",
			       .shape = &shape_key_rotated,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_LIMIT, ERR_CONFLICT },
		.audits = { AUDIT_KEY_ROTATE, AUDIT_KEY_CREATE },
		.work = rotate_key,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api/v1/keys/:id",
		.name = "revokeKey",
		.tag = "Keys",
		.summary = "Revoke an API key",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_KEY) },
		.match = MATCH_MAY,
		.replies = { { .status = 204, .help = "It opens nothing from now on." } },
		.audits = { AUDIT_KEY_REVOKE },
		.work = keys_revoke,
	},
};
const struct route_set routes_keys = { rows, ARRAY_LEN(rows) };
