/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a session begins, and what of it is told to whom. Pages of this server keep their tokens in
 * cookies that scripts cannot read; programs get them in the reply.
 */
#include "api/account/session.h"

#include "api/account/account.h"
#include "api/api.h"
#include "api/caller.h"
#include "api/compat/compat.h"
#include "api/route.h"
#include "api/show.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "base/rand.h"

#define TOKEN_BYTES 32
#define ADDRESS_BYTES_MAX 64
#define AGENT_BYTES_MAX 200 /* what a browser says of itself, cut */
#define ORGS_LOOKED_AT 100

struct slice token_make(const char *prefix, struct arena *req)
{
	unsigned char random[TOKEN_BYTES];
	char hex[2 * TOKEN_BYTES];

	rand_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), hex);
	return arena_printf(req, "%s%.*s", prefix, (int)sizeof(hex), hex);
}

struct slice token_hash(struct slice token, struct arena *req)
{
	char hex[SHA256_HEX_CHARS];

	sha256_hex(token, hex);
	return arena_dup(req, (struct slice) { hex, sizeof(hex) });
}

/* Memory. */

struct news {
	struct api *api;
	struct people_change *changes;
	size_t n;
};

static void hear(struct api *api, const struct people_change *ch)
{
	const struct people_session *s = &ch->session;

	switch (ch->op) {
	case PEOPLE_SESSION:
		api->set_up = true;
		people_put_session(api->people, s);
		return;
	case PEOPLE_SESSION_END:
		people_del_session(api->people, s->id);
		live_drop_session(api->live, s->id);
		return;
	case PEOPLE_END_OTHERS:
		people_end_others(api->people, s->user, s->id);
		live_drop_user(api->live, s->user, s->id);
		return;
	case PEOPLE_LEAVING:
		people_put_leaving(api->people, s->user, ch->leaving);
		if (ch->leaving) {
			people_end_others(api->people, s->user, s->id);
			live_drop_user(api->live, s->user, s->id);
		}
		return;
	case PEOPLE_MEMBER:
		api->set_up |= ch->role != ROLE_NONE;
		people_put_member(api->people, ch->org.id, s->user, ch->role);
		if (ch->role == ROLE_NONE) {
			live_drop_member(api->live, ch->org.id, s->user);
		}
		return;
	case PEOPLE_ORG_NEW:
		project_set_add(api->projects, ch->org.id, ch->org.project);
		if (api->people != NULL && people_org(api->people, ch->org.id) == NULL) {
			people_put_org(api->people, &ch->org);
		}
		return;
	case PEOPLE_ORG:
		people_put_org(api->people, &ch->org);
		project_set_add(api->projects, ch->org.id, ch->org.project);
		if (ch->org.suspended || ch->org.leaving) {
			live_drop_member(api->live, ch->org.id, (struct user_id) { 0 });
		}
		return;
	}
	never("enum people_op");
}

static void hear_all(void *arg)
{
	const struct news *news = arg;

	for (size_t i = 0; i < news->n; i++) {
		hear(news->api, &news->changes[i]);
	}
}

void people_tell(struct call *c, const struct people_change *changes, size_t n)
{
	struct news *news = arena_new(c->req, struct news);

	*news = (struct news) { c->api, arena_alloc(c->req, n * sizeof(*changes)), n };
	memcpy(news->changes, changes, n * sizeof(*changes));
	/* Posts keep their order: memory knows before the answer leaves. */
	api_post(c->api, hear_all, news);
}

void people_tell_org(struct call *c, struct org_id org, struct project_id project)
{
	struct people_change change = { .op = PEOPLE_ORG_NEW,
					.org = { .id = org, .project = project } };

	people_tell(c, &change, 1);
}

/* Beginning. */

static struct slice cut(struct slice text, size_t max)
{
	bool whole = text.n <= max;

	text.n = whole ? text.n : max;
	while (!whole && text.n > 0 && ((unsigned char)text.p[text.n - 1] & 0x80) != 0) {
		text.n--; /* never half of a character */
	}
	return text;
}

struct slice account_agent(const struct call *c)
{
	struct slice agent = { 0 };
	size_t at = 0;

	(void)http_request_next(c->http, S("user-agent"), &at, &agent);
	return cut(agent, AGENT_BYTES_MAX);
}

static bool end_oldest(struct call *c, struct login *l, struct err *err)
{
	struct page page = { .limit = SESSIONS_PER_USER_MAX };
	struct session_list list;

	if (!store_session_list(c->db, l->user.id, &page, c->req, &list, err)) {
		return false;
	}
	if (list.n < SESSIONS_PER_USER_MAX) {
		return true;
	}
	l->ended = list.rows[list.n - 1].id;
	return store_session_end(c->db, l->user.id, l->ended, err) != FAILED;
}

bool session_insert(struct call *c, struct login *l, bool proved, struct err *err)
{
	l->refresh = token_make("rt_", c->req);
	l->session = (struct session_row) {
		.id = { id_random() },
		.user = l->user.id,
		.org = l->org.id,
		.refresh_hash = token_hash(l->refresh, c->req),
		.created_us = c->now_us,
		.refreshed_us = c->now_us,
		.expires_us = c->now_us + SESSION_LIFE_US,
		.proved_us = proved ? c->now_us : 0,
		.address = cut(api_client(c->api, c->http), ADDRESS_BYTES_MAX),
		.agent = account_agent(c),
	};
	if (!end_oldest(c, l, err) || !store_session_insert(c->db, &l->session, err)) {
		return false;
	}
	switch (store_user_logged_in(c->db, l->user.id, c->now_us, err)) {
	case FOUND:
		return true;
	case NOT_FOUND:
		return err_set(err, ERR_FORBIDDEN, "this account is disabled");
	case FAILED:
		break;
	}
	return false;
}

/*
 * Whoever ends a session does so in the store before memory. So one that is there still, after
 * memory was told of it, is ended in memory later than it began there; else it is done here.
 */
void session_tell(struct call *c, const struct session_row *row)
{
	struct people_change change = { .op = PEOPLE_SESSION,
					.session = { .id = row->id,
						     .user = row->user,
						     .org = row->org,
						     .expires_us = row->expires_us,
						     .proved_us = row->proved_us } };
	struct session_row now;
	struct err ignored;

	people_tell(c, &change, 1);
	if (store_session_get(c->db, row->id, c->req, &now, &ignored) != FOUND) {
		change.op = PEOPLE_SESSION_END;
		people_tell(c, &change, 1);
	}
}

void session_tell_login(struct call *c, const struct login *l)
{
	struct people_change change = { .op = PEOPLE_SESSION_END, .session = { .id = l->ended } };

	if (l->ended.v != 0) {
		people_tell(c, &change, 1);
	}
	session_tell(c, &l->session);
}

bool session_choose_org(struct call *c, struct login *l, struct err *err)
{
	struct member_row *oldest = NULL;
	struct member_list list;

	if (!store_members_of(c->db, l->user.id, (struct org_id) { 0 }, ORGS_LOOKED_AT, c->req,
			      &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n && l->user.delete_after_us == 0; i++) {
		if (oldest == NULL || list.rows[i].created_us < oldest->created_us) {
			oldest = &list.rows[i];
		}
	}
	l->org = (struct org_row) { 0 };
	if (oldest == NULL) {
		return true;
	}
	l->role = oldest->role;
	return store_org_get(oldest->org, c->db, c->req, &l->org, err) == FOUND;
}

/* The answer. */

/* Each at the paths where it is needed: the refresh token goes to few. */
static void set_cookie(struct call *c, const char *name, struct slice value, const char *path,
		       const char *same_site, int64_t life_us)
{
	bool secure = slice_starts(c->api->public_url, S("https://"));

	call_header(c, S("Set-Cookie"),
		    arena_printf(c->req, "%s=%.*s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=%s%s",
				 name, SARG(value), path, (long long)(life_us / US_PER_S),
				 same_site, secure ? "; Secure" : ""));
}

static const char *refresh_path(const struct call *c)
{
	return slice_starts(c->http->path, S("/api/v1/")) ? "/api/v1/auth" : "/auth";
}

void session_set_cookies(struct call *c, const struct login *l, struct slice access,
			 const char *refresh)
{
	set_cookie(c, CALLER_ACCESS_COOKIE, access, "/", "Lax", SIGNER_LIFE_US);
	set_cookie(c, refresh, l->refresh, refresh_path(c), "Strict", SESSION_LIFE_US);
}

void session_clear_cookies(struct call *c)
{
	set_cookie(c, CALLER_ACCESS_COOKIE, S(""), "/", "Lax", 0);
	set_cookie(c, CALLER_REFRESH_COOKIE, S(""), refresh_path(c), "Strict", 0);
}

void show_user_members(struct json_w *w, const struct user_row *user)
{
	show_id(w, "id", ID_USER, user->id.v);
	json_put_str(w, "email", user->mail);
	json_put_str(w, "name", user->name);
	json_put_bool(w, "emailVerified", user->mail_verified_us != 0);
	json_put_bool(w, "twoFactor", user->totp_us != 0);
	json_put_time(w, "createdAt", user->created_us);
	json_put_time_or_null(w, "deleteAfter", user->delete_after_us);
}

void show_user(struct json_w *w, const char *name, const struct user_row *user)
{
	json_w_key(w, name);
	json_w_object(w);
	show_user_members(w, user);
	json_w_end(w);
}

void show_org(struct json_w *w, const char *name, const struct org_row *org, enum role role)
{
	json_w_key(w, name);
	if (org->id.v == 0) {
		json_w_null(w);
		return;
	}
	json_w_object(w);
	show_id(w, "id", ID_ORG, org->id.v);
	json_put_str(w, "name", org->name);
	json_put_str(w, "slug", org->slug);
	json_put_str(w, "role", role_name(role));
	json_w_end(w);
}

bool session_answer(struct call *c, int status, const struct login *l, struct err *err)
{
	struct slice access;
	struct json_w w;

	if (!signer_issue(c->api->signer, c->db, l->user.id, l->session.id, c->now_us, c->req,
			  &access, err)) {
		return false;
	}
	if (c->route->older != NULL) {
		compat_login(c, status, l, access);
		return true;
	}
	w = call_json(c, status);
	json_w_object(&w);
	if (l->cookie) {
		session_set_cookies(c, l, access, CALLER_REFRESH_COOKIE);
		access = (struct slice) { 0 };
	}
	json_put_str_or_null(&w, "accessToken", access);
	json_put_time(&w, "expiresAt", c->now_us + SIGNER_LIFE_US);
	json_put_str_or_null(&w, "refreshToken", l->cookie ? (struct slice) { 0 } : l->refresh);
	show_user(&w, "user", &l->user);
	show_org(&w, "org", &l->org, l->role);
	json_w_end(&w);
	return true;
}

static const struct prop user_props[] = {
	PROP_ID("id", ID_USER),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("name", .example = "\"Ana\""),
	PROP_BOOL("emailVerified"),
	PROP_BOOL("twoFactor", .help = "A code is asked for at each login."),
	PROP_TIME("createdAt"),
	PROP_TIME("deleteAfter", .flags = PROP_NULL, .help = "When the account will be deleted."),
};
const struct shape shape_user = { .name = "User",
				  .help = "Somebody who can log in.",
				  SHAPE_PROPS(user_props) };
static const struct prop org_props[] = {
	PROP_ID("id", ID_ORG),
	PROP_STR("name", .example = "\"Acme\""),
	PROP_STR("slug", .example = "\"acme\""),
	PROP_WORD("role", role_names, .help = "What you are there."),
};
const struct shape shape_own_org = { .name = "OwnOrg",
				     .help = "An organization that you are a member of.",
				     SHAPE_PROPS(org_props) };
static const struct prop login_props[] = {
	PROP_STR("accessToken", .flags = PROP_NULL,
		 .help = "Good until expiresAt, as a Bearer token; null: in a cookie.",
		 .example = "\"eyJhbGciOiJFZERTQSJ9.e30.c2ln\""),
	PROP_TIME("expiresAt"),
	PROP_STR("refreshToken", .flags = PROP_NULL,
		 .help = "Good once, for thirty days; null: in a cookie.",
		 .example = "\"rt_2c26b46b68ffc68ff99b453c1d304134\""),
	PROP_SHAPE("user", &shape_user),
	PROP_SHAPE("org", &shape_own_org, .flags = PROP_NULL,
		   .help = "The organization that calls act in; null: you are in none."),
};
const struct shape shape_login = { .name = "Login",
				   .help = "Tokens, and whose they are.",
				   SHAPE_PROPS(login_props) };
