/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in and out. Whatever is wrong, mail, password or that there is no such user, has one
 * answer and takes one time; each try counts against the account and the address until it was right
 * (api/guess.h).
 */
#include "api/account/account.h"
#include "api/account/session.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/compat/compat.h"
#include "api/guess.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "model/mail.h"
#include "store/directory.h"

#define RACE_US (10 * US_PER_S) /* two pages of one browser refresh at a time */

struct login_fields {
	struct slice mail;
	struct slice password;
	struct slice code;
	bool cookie;
};

static const struct field login_rows[] = {
	FIELD_STR(struct login_fields, mail, "email", .min = 1, .max = MAIL_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "ana@example.com"),
	FIELD_STR(struct login_fields, password, "password", .min = 1, .max = PASSWORD_BYTES_MAX,
		  .flags = FIELD_REQUIRED, .example = "correct horse battery"),
	FIELD_STR(struct login_fields, code, "code", .min = 6, .max = 20,
		  .help = "Of the authenticator, or a recovery code, where one is asked for."),
	FIELD_BOOL(struct login_fields, cookie, "cookie",
		   .help = "Keep the tokens in cookies: for pages of this server."),
};

bool account_cookie_is_right(struct call *c, bool cookie, struct err *err)
{
	return !cookie || caller_is_at_home(c, err);
}

static bool refuse(struct err *err)
{
	return err_set(err, ERR_UNAUTHORIZED, "email or password is wrong");
}

/* FOUND, or the one refusal. An unknown user costs the time of a known one. */
static bool check_password(struct call *c, const struct login_fields *in, struct slice mail,
			   struct user_row *user, struct err *err)
{
	enum found found = store_user_by_mail(c->db, mail, c->req, user, err);

	if (found == FAILED) {
		return false;
	}
	if (found == NOT_FOUND) {
		*user = (struct user_row) { 0 };
	}
	switch (password_verify(c->api->gate, in->password, user->password, err)) {
	case FOUND:
		break;
	case NOT_FOUND:
		return refuse(err);
	case FAILED:
		return false;
	}
	return user->status == USER_ACTIVE ||
	       err_set(err, ERR_FORBIDDEN, "this account is disabled");
}

/* A hash of older costs is made anew while the password is at hand. */
static bool renew_hash(struct call *c, const struct login_fields *in, const struct user_row *user,
		       struct err *err)
{
	struct password_hash hash;

	return !password_is_old(user->password) ||
	       (password_hash(c->api->gate, in->password, &hash, err) &&
		store_user_set_password(c->db, user->id, slice_of(hash.text), user->password_us,
					err) != FAILED);
}

static bool prove(struct call *c, const struct login_fields *in, struct login *l, struct err *err)
{
	struct slice mail;

	if (!mail_read("email", in->mail, c->req, &mail, err) || !rate_login(c, mail, err) ||
	    !guess_login(c, mail, err)) {
		return false;
	}
	if (!check_password(c, in, mail, &l->user, err)) {
		if (err->kind != ERR_UNAUTHORIZED) {
			guess_undo(c, mail);
		}
		return false;
	}
	if (l->user.totp_us != 0 && in->code.n == 0) {
		guess_undo(c, mail);
		return err_set(err, ERR_CODE,
			       "a code of the authenticator is needed, too: send it as \"code\"");
	}
	if (l->user.totp_us != 0 && !account_take_code(c, &l->user, in->code, err)) {
		return false;
	}
	guess_right(c, mail);
	return renew_hash(c, in, &l->user, err);
}

static bool note_login(struct call *c, const struct login *l, struct err *err)
{
	struct audit_note note = { .action = AUDIT_LOGIN_OK,
				   .org = l->org.id,
				   .user = l->user.id,
				   AUDIT_OF(c, SESSION, l->session.id.v, S("")) };

	return audit_put(c, &note, err);
}

void account_note_refusal(struct call *c, struct user_id user, struct slice mail,
			  struct slice after)
{
	struct audit_note note = { .action = AUDIT_LOGIN_FAILED,
				   .target = AUDIT_ON_USER,
				   .target_name = mail,
				   .after = after };
	struct member_list orgs = { 0 };
	struct err err;

	if (user.v != 0) {
		note.target_id = audit_id(c, ID_USER, user.v);
	}
	/* Of somebody and of nobody the same steps. */
	if (store_members_of(c->db, user, (struct org_id) { 0 }, 1, c->req, &orgs, &err) &&
	    orgs.n > 0) {
		note.org = orgs.rows[0].org;
	}
	if (!audit_alone(c, &note, &err)) {
		db_rollback(c->db);
		log_warn("audit_failed", log_str("error", err.text));
	}
}

static bool begin(struct call *c, struct login *l, struct err *err)
{
	return db_begin(c->db, err) && session_choose_org(c, l, err) &&
	       session_insert(c, l, true, err) && note_login(c, l, err) && db_commit(c->db, err);
}

bool account_begin(struct call *c, int status, struct login *l, struct err *err)
{
	if (!begin(c, l, err)) {
		return false;
	}
	session_tell_login(c, l);
	return session_answer(c, status, l, err);
}

bool account_login(struct call *c, struct err *err)
{
	struct login_fields in = { 0 };
	struct login l = { 0 };

	if (!account_read(c, login_rows, ARRAY_LEN(login_rows), &in, err) ||
	    !account_cookie_is_right(c, in.cookie, err)) {
		return false;
	}
	if (!prove(c, &in, &l, err)) {
		if (err->kind == ERR_UNAUTHORIZED || (err->kind == ERR_CODE && in.code.n > 0)) {
			db_rollback(c->db);
			account_note_refusal(c, l.user.id, in.mail, (struct slice) { 0 });
		}
		return false;
	}
	l.cookie = in.cookie;
	return account_begin(c, 200, &l, err);
}

/* Refresh. */

struct refresh_fields {
	struct slice token;
};

static const struct field refresh_rows[] = {
	FIELD_STR(struct refresh_fields, token, "refreshToken", .min = 1, .max = 200,
		  .help = "Where it is not in a cookie."),
};

/* The token of the body, else of the cookie, which counts from a page of ours alone. */
static bool refresh_token(struct call *c, struct slice *token, bool *cookie, struct err *err)
{
	struct refresh_fields in = { 0 };

	if (c->http->body.n > 0 &&
	    !account_read(c, refresh_rows, ARRAY_LEN(refresh_rows), &in, err)) {
		return false;
	}
	*cookie = in.token.n == 0;
	*token = in.token;
	if (*cookie && !caller_cookie(c->http, S(CALLER_REFRESH_COOKIE), token) &&
	    !compat_refresh_cookie(c, token)) {
		return err_field(err, ERR_INVALID, "refreshToken", "\"refreshToken\" is missing");
	}
	return account_cookie_is_right(c, *cookie, err);
}

static bool turn(struct call *c, struct slice token, struct login *l, enum session_turn *how,
		 struct err *err)
{
	struct session_refresh in = { .hash = token_hash(token, c->req),
				      .now_us = c->now_us,
				      .expires_us = c->now_us + SESSION_LIFE_US,
				      .race_us = RACE_US,
				      .address = api_client(c->api, c->http),
				      .agent = account_agent(c) };

	l->refresh = token_make("rt_", c->req);
	in.next = token_hash(l->refresh, c->req);
	return db_begin(c->db, err) &&
	       store_session_refresh(c->db, &in, c->req, &l->session, how, err) &&
	       db_commit(c->db, err);
}

/* Whose session it is now. The org may be gone from it. */
static bool look(struct call *c, struct login *l, struct err *err)
{
	struct member_row member;
	enum found found;

	if (store_user_get(c->db, l->session.user, c->req, &l->user, err) != FOUND) {
		return false;
	}
	if (l->session.org.v == 0) {
		return true;
	}
	found = store_member_get(l->session.org, c->db, l->user.id, c->req, &member, err);
	if (found != FOUND) {
		return found == NOT_FOUND;
	}
	l->role = member.role;
	return store_org_get(l->session.org, c->db, c->req, &l->org, err) != FAILED;
}

static void tell_end(struct call *c, struct session_id id)
{
	struct people_change change = { .op = PEOPLE_SESSION_END, .session = { .id = id } };

	people_tell(c, &change, 1);
}

static void note_reuse(struct call *c, const struct login *l)
{
	struct audit_note note = { .action = AUDIT_SESSION_REUSE,
				   .org = l->session.org,
				   AUDIT_OF(c, SESSION, l->session.id.v, S("")) };
	struct err err;

	if (!audit_alone(c, &note, &err)) {
		db_rollback(c->db);
		log_warn("audit_failed", log_str("error", err.text));
	}
}

bool account_refresh(struct call *c, struct err *err)
{
	struct login l = { 0 };
	enum session_turn how;
	struct slice token;

	if (!refresh_token(c, &token, &l.cookie, err) || !turn(c, token, &l, &how, err)) {
		return false;
	}
	switch (how) {
	case SESSION_TURNED:
		audit_nothing(c);
		session_tell(c, &l.session);
		return look(c, &l, err) && session_answer(c, 200, &l, err);
	case SESSION_RACED:
		return err_set(err, ERR_CONFLICT,
			       "this token was used a moment ago: use the tokens that came with "
			       "that");
	case SESSION_REUSED:
		log_warn("refresh_token_reused", log_slice("cid", c->http->id));
		tell_end(c, l.session.id);
		note_reuse(c, &l);
		break;
	case SESSION_UNKNOWN:
		break;
	}
	return err_set(err, ERR_UNAUTHORIZED, "this session has ended: log in again");
}

/* Logout. */

static bool end_session(struct call *c, struct user_id user, struct session_id id,
			struct org_id org, struct err *err)
{
	struct audit_note note = {
		.action = AUDIT_LOGOUT, .org = org, .user = user, AUDIT_OF(c, SESSION, id.v, S(""))
	};

	return db_begin(c->db, err) && store_session_end(c->db, user, id, err) != FAILED &&
	       audit_put(c, &note, err) && db_commit(c->db, err);
}

/* A token in the body or a cookie names the session, too; one that names none has ended already. */
static bool end_by_token(struct call *c, struct err *err)
{
	struct login l = { 0 };
	enum session_turn how;
	struct slice token;

	if (!refresh_token(c, &token, &l.cookie, err)) {
		return false;
	}
	if (!turn(c, token, &l, &how, err)) {
		return false;
	}
	if (how != SESSION_UNKNOWN) {
		if (!end_session(c, l.session.user, l.session.id, l.session.org, err)) {
			return false;
		}
		tell_end(c, l.session.id);
	}
	audit_nothing(c);
	return true;
}

bool account_logout(struct call *c, struct err *err)
{
	if (c->caller.user.v == 0) {
		return end_by_token(c, err);
	}
	if (!end_session(c, c->caller.user, c->caller.session, c->caller.org, err)) {
		return false;
	}
	tell_end(c, c->caller.session);
	return true;
}

static bool post_logout(struct call *c, struct err *err)
{
	if (!account_logout(c, err)) {
		return false;
	}
	call_empty(c, 204);
	session_clear_cookies(c);
	return true;
}

static void submit_logout(struct call *c)
{
	c->work = post_logout;
	api_submit(c);
}

static const struct field_set login_fields = { login_rows, ARRAY_LEN(login_rows) };
static const struct field_set refresh_fields = { refresh_rows, ARRAY_LEN(refresh_rows) };
static const struct shape shape_login_in = {
	.name = "LoginInput", .help = "Who wants to log in.", .fields = &login_fields, .sent = true
};
static const struct shape shape_refresh_in = { .name = "RefreshInput",
					       .help = "The token to be changed.",
					       .fields = &refresh_fields,
					       .sent = true };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/login",
		.name = "login",
		.tag = "Auth",
		.summary = "Log in with a password",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "Where the account asks for a second factor and none was sent, the answer "
		       "is 401 with the code `code_required`: send all of it again with a `code`.",
		.bodies = { { .shape = &shape_login_in } },
		.replies = { { .status = 200, .help = "Tokens.", .shape = &shape_login } },
		.errors = { ERR_UNAUTHORIZED, ERR_CODE, ERR_FORBIDDEN, ERR_OVERLOADED },
		.audits = { AUDIT_LOGIN_OK, AUDIT_LOGIN_FAILED, AUDIT_RECOVERY_USE },
		.work = account_login,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/refresh",
		.name = "refreshSession",
		.tag = "Auth",
		.summary = "Change a refresh token for new tokens",
		.who = WHO_PUBLIC,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "A refresh token is good once. When an old one comes back somebody has a "
		       "copy, and the session ends.",
		.bodies = { { .shape = &shape_refresh_in, .maybe = true } },
		.replies = { { .status = 200, .help = "New tokens.", .shape = &shape_login } },
		.errors = { ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_CONFLICT },
		.audits = { AUDIT_SESSION_REUSE },
		.work = account_refresh,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/logout",
		.name = "logout",
		.tag = "Auth",
		.summary = "End this session",
		.who = WHO_OWN,
		.role = ROLE_VIEWER,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "The session of the access token, else of the refresh token in body or "
		       "cookie.",
		.bodies = { { .shape = &shape_refresh_in, .maybe = true } },
		.replies = { { .status = 204, .help = "It has ended." } },
		.errors = { ERR_FORBIDDEN },
		.audits = { AUDIT_LOGOUT },
		.loop = submit_logout,
	},
};
const struct route_set routes_login = { rows, ARRAY_LEN(rows) };
