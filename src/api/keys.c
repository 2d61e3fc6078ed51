/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys: made, listed, revoked. The secret is shown once and only its hash is kept. The very
 * first key of an installation may be made without one, by who sits at this machine or holds the
 * setup token; the refusal says so.
 */
#include "api/keys.h"

#include "api/api.h"
#include "api/caller.h"
#include "api/guess.h"
#include "api/page.h"
#include "api/route.h"
#include "api/setup.h"
#include "base/clock.h"
#include "base/field.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "base/rand.h"
#include "model/month.h"
#include "store/global.h"

struct key_fields {
	struct slice name;
	unsigned expires;
	struct field_list scopes;
};

static const char *const expiry_words[] = { "never", "30d", "90d", "1y", NULL };
static const int64_t expiry_us[] = { 0, 30 * DAY_US, 90 * DAY_US, 365 * DAY_US };

static const struct field key_rows[] = {
	FIELD_STR(struct key_fields, name, "name", .min = 1, .max = 255, .flags = FIELD_REQUIRED,
		  .example = "shop", .help = "What people will see in the list of keys."),
	FIELD_ENUM(struct key_fields, expires, "expiresIn", expiry_words, .fallback = "never",
		   .help = "When the key stops working by itself."),
	FIELD_LIST(struct key_fields, scopes, "scopes", .max = SCOPES_COUNT,
		   .help = "What the key may do; empty means everything."),
};

static bool read_scopes(const struct field_list *list, uint32_t *set, struct err *err)
{
	*set = list->n == 0 ? SCOPES_ALL : 0;
	for (size_t i = 0; i < list->n; i++) {
		uint32_t scope = scope_parse(list->v[i]);

		if (scope == 0) {
			return err_field(err, ERR_INVALID, "scopes",
					 "\"scopes\" has the unknown word \"%.*s\"",
					 SARG(list->v[i]));
		}
		*set |= scope;
	}
	return true;
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

static void write_key(const struct key_row *row, struct slice secret, struct json_w *w)
{
	struct id_text id = id_format(ID_KEY, row->id.v);

	json_w_object(w);
	json_put_str(w, "id", slice_of(id.p));
	json_put_str(w, "name", row->name);
	if (secret.n > 0) {
		json_put_str(w, "key", secret);
	}
	json_put_str(w, "keyPrefix", row->prefix);
	write_scopes(row->scopes, w);
	json_put_time_or_null(w, "expiresAt", row->expires_us);
	if (secret.n == 0) {
		json_put_time_or_null(w, "lastUsedAt", row->last_used_us);
		json_put_time_or_null(w, "revokedAt", row->revoked_us);
	}
	json_put_time_or_null(w, "createdAt", row->created_us);
	json_w_end(w);
}

/* The keyring belongs to the loop: the change is handed over, and the answer waits for it. */
struct ring_change {
	struct call *c;
	struct api_key put;
	struct key_id del;
};

static void change_ring(void *arg)
{
	struct ring_change *change = arg;
	struct call *c = change->c;

	if (change->put.id.v != 0) {
		c->api->set_up = true;
		keyring_put(c->api->keys, &change->put);
	} else {
		keyring_del(c->api->keys, change->del);
		live_drop_key(c->api->live, change->del);
	}
}

static bool create_key(struct call *c, struct err *err)
{
	struct key_fields in = { 0 };
	struct ring_change *change = arena_new(c->req, struct ring_change);
	const struct json *body;
	struct key_row row;
	struct slice secret;
	uint32_t scopes;
	struct fields_in how = { .ignore_unknown = !route_is_strict(c->route) };
	struct json_w w;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, key_rows, ARRAY_LEN(key_rows), &in, &how, c->req, err) ||
	    !read_scopes(&in.scopes, &scopes, err)) {
		return false;
	}
	if ((scopes & ~c->caller.scopes) != 0 && c->caller.key.v != 0 && in.scopes.n > 0) {
		return err_field(err, ERR_FORBIDDEN, "scopes",
				 "\"scopes\" asks for more than the key that asks has");
	}
	if (c->caller.key.v != 0) {
		scopes &= c->caller.scopes;
	}
	secret = setup_new_secret(c->req);
	row = (struct key_row) {
		.org = c->caller.org,
		.project = c->caller.project,
		.name = in.name,
		.created_us = c->now_us,
		.expires_us = in.expires == 0 ? 0 : c->now_us + expiry_us[in.expires],
	};
	if (!setup_insert_key(c, &row, secret, scopes, &change->put, err)) {
		return false;
	}
	change->c = c;
	api_post(c->api, change_ring, change);
	w = call_json(c, 201);
	write_key(&row, secret, &w);
	return true;
}

/* The token comes in a header of its own, or where a key would be. */
static bool setup_token_ok(struct call *c)
{
	struct slice token = http_request_header(c->http, HTTP_H_AUTHORIZATION);
	unsigned char hash[SHA256_BYTES];
	size_t at = 0;
	bool right;

	if (!http_request_next(c->http, S("x-setup-token"), &at, &token)) {
		token = slice_starts(token, S("Bearer ")) ? slice_from(token, 7)
							  : (struct slice) { 0 };
	}
	sha256(token, hash);
	right = equal_const_time(hash, c->api->setup_hash, sizeof(hash));
	return guess_secret(c, token, right, &c->err) && right;
}

static bool local_or_token(struct call *c)
{
	struct slice type = http_request_header(c->http, HTTP_H_CONTENT_TYPE);

	return setup_token_ok(c) ||
	       (api_is_local(c->http) && !http_request_has(c->http, HTTP_H_AUTHORIZATION) &&
		slice_starts(type, S("application/json")));
}

/* Without a key: only as the first one, which setup_insert_key makes sure of. */
void keys_post(struct call *c)
{
	c->work = create_key;
	if (caller_is_known(&c->caller)) {
		if (!route_allows(c->route, &c->caller, &c->err)) {
			call_problem(c, &c->err);
			call_send(c);
			return;
		}
		api_submit(c);
		return;
	}
	if (keyring_len(c->api->keys) > 0 || c->api->set_up) {
		err_set(&c->err, ERR_UNAUTHORIZED, SETUP_DONE);
	} else if (!local_or_token(c)) {
		err_set(&c->err, ERR_UNAUTHORIZED,
			"the first key is made from the server's own machine (http://127.0.0.1, JSON body, no "
			"proxy), or with the setup token that the server printed at its start, as the header "
			"X-Setup-Token");
	} else {
		api_submit(c);
		return;
	}
	call_problem(c, &c->err);
	call_send(c);
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
		write_key(&list.rows[i], (struct slice) { 0 }, &w);
	}
	page_end(c, ID_KEY, list.next, &w);
	return true;
}

static void write_live_keys(const struct key_list *list, struct json_w *w)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->rows[i].revoked_us == 0) {
			write_key(&list->rows[i], (struct slice) { 0 }, w);
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
		write_live_keys(&list, w);
		page.after = list.next;
	} while (page.after.id != 0 && !w->out->overflow);
	arena_release(&one);
	return ok;
}

bool keys_revoke(struct call *c, struct err *err)
{
	struct ring_change *change = arena_new(c->req, struct ring_change);
	enum found found = NOT_FOUND;

	if (id_parse(ID_KEY, c->params[0], &change->del.v)) {
		found = store_key_revoke(c->caller.org, c->db, c->caller.project, change->del, 0,
					 c->now_us, err);
	}
	if (found == NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "there is no such API key");
	}
	if (found == FAILED) {
		return false;
	}
	change->c = c;
	/* Posts keep their order: the keyring forgets the key before the answer leaves. */
	api_post(c->api, change_ring, change);
	call_empty(c, 204);
	return true;
}

static const struct field_set key_fields = { key_rows, ARRAY_LEN(key_rows) };
static const struct shape shape_key_in = {
	.name = "KeyInput", .help = "A key to be made.", .fields = &key_fields, .sent = true
};
const struct shape shape_open_key_in = { .fields = &key_fields, .sent = true, .open = true };

static const struct prop made_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_STR("name", .example = "\"shop\""),
	PROP_STR("key", .help = "The key itself: shown once, never again.",
		 .example = "\"sk_4f1d0b27c8a94e53b6c2e1f09d7a8b3c5e6f7a8091b2c3d4\""),
	PROP_STR("keyPrefix", .example = "\"sk_4f1d0b27c...\""),
	PROP_WORD("scopes", scope_names, .many = PROP_LIST),
	PROP_TIME("expiresAt", .flags = PROP_NULL, .example = "null"),
	PROP_TIME("createdAt"),
};
const struct shape shape_key_made = { .name = "KeyMade",
				      .help = "A new key, with its secret.",
				      SHAPE_PROPS(made_props) };
static const struct prop key_props[] = {
	PROP_ID("id", ID_KEY),
	PROP_STR("name", .example = "\"shop\""),
	PROP_STR("keyPrefix", .help = "Enough to tell keys apart.",
		 .example = "\"sk_4f1d0b27c...\""),
	PROP_WORD("scopes", scope_names, .many = PROP_LIST),
	PROP_TIME("expiresAt", .flags = PROP_NULL),
	PROP_TIME("lastUsedAt", .flags = PROP_NULL, .help = "Within a minute or so."),
	PROP_TIME("revokedAt", .flags = PROP_NULL),
	PROP_TIME("createdAt"),
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
		.body_max = KEY_BODY_BYTES_MAX,
		.doc = KEYS_FIRST,
		.bodies = { { .shape = &shape_key_in } },
		.replies = { { .status = 201, .help = "The key.", .shape = &shape_key_made } },
		.errors = { ERR_IO, ERR_CORRUPT, ERR_INTERNAL, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
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
		.role = ROLE_VIEWER,
		.query = { &page_query },
		.replies = { { .status = 200,
			       .help = "A page of keys, revoked ones, too.",
			       .shape = &shape_key,
			       .page = true } },
		.work = list_keys,
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
		.replies = { { .status = 204, .help = "It opens nothing from now on." } },
		.work = keys_revoke,
	},
};
const struct route_set routes_keys = { rows, ARRAY_LEN(rows) };
