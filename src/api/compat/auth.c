/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in by the calls of SignalDesk and PulseBoard. Some of them have the same path, so one
 * answer has what either of them read: flat members, and success and data besides.
 */
#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/compat/compat.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

#define REFRESH_COOKIE "refreshToken"
#define REGISTER "/auth/register"
#define NAME_MIN 2

bool compat_refresh_cookie(const struct call *c, struct slice *token)
{
	return c->route->older != NULL && caller_cookie(c->http, S(REFRESH_COOKIE), token);
}

bool compat_signup(const struct call *c, struct slice name, struct slice *org_name, struct err *err)
{
	if (strcmp(c->route->path, REGISTER) != 0) {
		return true;
	}
	*org_name = name;
	return name.n >= NAME_MIN || err_field(err, ERR_INVALID, "name",
					       "\"name\" must be at least %d characters", NAME_MIN);
}

static void write_user(struct json_w *w, const struct user_row *user)
{
	json_w_key(w, "user");
	json_w_object(w);
	show_id(w, "id", ID_USER, user->id.v);
	json_put_str(w, "email", user->mail);
	json_put_str(w, "name", user->name);
	json_w_end(w);
}

/* A browser says where a page is from; what says nothing is a program, and acts for itself. */
static bool may_keep_cookies(const struct call *c)
{
	struct err elsewhere;

	return (!http_request_has(c->http, HTTP_H_ORIGIN) &&
		!http_request_has(c->http, HTTP_H_SEC_FETCH_SITE)) ||
	       caller_is_at_home(c, &elsewhere);
}

/* The same answer for all of them: what a client does not know it passes over. */
void compat_login(struct call *c, int status, const struct login *l, struct slice access)
{
	struct json_w w = call_json(c, status);

	if (may_keep_cookies(c)) {
		session_set_cookies(c, l, access, CALLER_REFRESH_COOKIE);
		session_set_cookies(c, l, access, REFRESH_COOKIE);
	}
	json_w_object(&w);
	json_put_str(&w, "accessToken", access);
	json_put_str(&w, "refreshToken", l->refresh);
	write_user(&w, &l->user);
	show_org(&w, "org", &l->org, l->role);
	json_put_bool(&w, "success", true);
	json_w_key(&w, "data");
	json_w_object(&w);
	json_put_str(&w, "accessToken", access);
	write_user(&w, &l->user);
	json_w_end(&w);
	json_w_end(&w);
}

/* Nobody who leaves is told that he was not there. */
static bool log_out(struct call *c, struct err *err)
{
	struct json_w w;

	if (!account_logout(c, err)) {
		if (err->kind != ERR_INVALID) {
			return false;
		}
		audit_nothing(c);
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_bool(&w, "success", true);
	json_put_str(&w, "message", S("Logged out"));
	json_w_end(&w);
	session_clear_cookies(c);
	return true;
}

static void post_logout(struct call *c)
{
	c->work = log_out;
	api_submit(c);
}

static bool get_me(struct call *c, struct err *err)
{
	struct org_row org = { 0 };
	struct user_row user;
	struct json_w w;

	if (!account_me(c, &user, err) ||
	    (c->caller.org.v != 0 &&
	     store_org_get(c->caller.org, c->db, c->req, &org, err) == FAILED)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	write_user(&w, &user);
	show_org(&w, "org", &org, c->caller.role);
	json_w_end(&w);
	return true;
}

/* Descriptions only: the bodies are read by the calls of ours. */
static const struct prop login_in_props[] = {
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("password", .min = 1, .example = "\"correct horse battery\""),
	PROP_STR("code", .flags = PROP_MAYBE,
		 .help = "Of the authenticator, where the account asks for one."),
};
static const struct shape shape_login_in = { .sent = true,
					     .open = true,
					     SHAPE_PROPS(login_in_props) };
static const struct prop signup_in_props[] = {
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("password", .min = 8, .example = "\"correct horse battery\""),
	PROP_STR("name", .flags = PROP_MAYBE, .min = 1, .max = 100, .example = "\"Ana\""),
	PROP_STR("orgName", .flags = PROP_MAYBE, .min = 1, .max = 100, .example = "\"Acme\""),
	PROP_STR("inviteToken", .flags = PROP_MAYBE),
};
static const struct shape shape_signup_in = { .sent = true,
					      .open = true,
					      SHAPE_PROPS(signup_in_props) };
static const struct prop register_in_props[] = {
	PROP_STR("name", .min = NAME_MIN, .max = 100, .example = "\"Ana\""),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("password", .min = 8, .example = "\"correct horse battery\""),
};
static const struct shape shape_register_in = { .sent = true,
						.open = true,
						SHAPE_PROPS(register_in_props) };
static const struct prop refresh_in_props[] = {
	PROP_STR("refreshToken", .flags = PROP_MAYBE, .help = "Where it is not in a cookie."),
};
static const struct shape shape_refresh_in = { .sent = true,
					       .open = true,
					       SHAPE_PROPS(refresh_in_props) };

static const struct prop user_props[] = {
	PROP_ID("id", ID_USER),
	PROP_STR("email", .example = "\"ana@example.com\""),
	PROP_STR("name", .example = "\"Ana\""),
};
static const struct shape shape_older_user = { .name = "OlderUser",
					       .help = "Somebody, as SignalDesk and PulseBoard "
						       "show one.",
					       SHAPE_PROPS(user_props) };
static const struct prop data_props[] = {
	PROP_STR("accessToken", .example = "\"eyJhbGciOiJFZERTQSJ9.e30.c2ln\""),
	PROP_SHAPE("user", &shape_older_user),
};
static const struct shape shape_data = { SHAPE_PROPS(data_props) };
static const struct prop login_props[] = {
	PROP_STR("accessToken", .help = "For 15 minutes, as a Bearer token.",
		 .example = "\"eyJhbGciOiJFZERTQSJ9.e30.c2ln\""),
	PROP_STR("refreshToken", .help = "Good once, for thirty days.",
		 .example = "\"rt_2c26b46b68ffc68ff99b453c1d304134\""),
	PROP_SHAPE("user", &shape_older_user),
	PROP_SHAPE("org", &shape_own_org, .flags = PROP_NULL),
	PROP_BOOL("success"),
	PROP_SHAPE("data", &shape_data, .help = "The same for PulseBoard's clients."),
};
static const struct shape shape_older_login = {
	.name = "OlderLogin",
	.help = "Tokens, as SignalDesk and PulseBoard had them in one.",
	SHAPE_PROPS(login_props)
};
static const struct prop message_props[] = { PROP_BOOL("success"), PROP_STR("message") };
static const struct shape shape_message = { SHAPE_PROPS(message_props) };
static const struct prop me_props[] = {
	PROP_SHAPE("user", &shape_older_user),
	PROP_SHAPE("org", &shape_own_org, .flags = PROP_NULL),
};
static const struct shape shape_me = { SHAPE_PROPS(me_props) };

#define COOKIES \
	"pages of other origins get no cookies, and a cookie counts only for calls from a page of " \
	"this server, or with X-Requested-With, so that no other page acts in somebody's name"
#define SIGNUP \
	"who may is the setting signup: first the owner, then whom he invites, unless it is open"

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/auth/signup",
		.name = "signaldeskSignUp",
		.older = "SignalDesk",
		.summary = "Sign up with mail and password",
		.differs = SIGNUP "; " COOKIES,
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_signup_in } },
		.replies = { { .status = 201,
			       .help = "The account, logged in.",
			       .shape = &shape_older_login } },
		.errors = { ERR_FORBIDDEN, ERR_CONFLICT, ERR_CLOSED, ERR_LIMIT, ERR_OVERLOADED },
		.audits = { AUDIT_ORG_CREATE, AUDIT_USER_CREATE, AUDIT_INVITE_ACCEPT },
		.loop = account_signup,
	},
	{
		.method = HTTP_POST,
		.path = REGISTER,
		.name = "pulseboardRegister",
		.older = "PulseBoard",
		.summary = "Sign up with mail and password",
		.differs = "it makes an organization, named after who signs up; " SIGNUP,
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_register_in } },
		.replies = { { .status = 201,
			       .help = "The account, logged in.",
			       .shape = &shape_older_login } },
		.errors = { ERR_FORBIDDEN, ERR_CONFLICT, ERR_CLOSED, ERR_LIMIT, ERR_OVERLOADED },
		.audits = { AUDIT_ORG_CREATE, AUDIT_USER_CREATE, AUDIT_INVITE_ACCEPT },
		.loop = account_signup,
	},
	{
		.method = HTTP_POST,
		.path = "/auth/login",
		.name = "signaldeskLogIn",
		.older = "SignalDesk",
		.summary = "Log in with mail and password",
		.differs = "an account with a second factor needs its code, too: 401 "
			   "code_required; " COOKIES,
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_login_in } },
		.replies = { { .status = 200, .help = "Tokens.", .shape = &shape_older_login } },
		.errors = { ERR_UNAUTHORIZED, ERR_CODE, ERR_FORBIDDEN, ERR_OVERLOADED },
		.audits = { AUDIT_LOGIN_OK, AUDIT_LOGIN_FAILED, AUDIT_RECOVERY_USE },
		.work = account_login,
	},
	{
		.method = HTTP_POST,
		.path = "/auth/refresh",
		.name = "signaldeskRefresh",
		.older = "SignalDesk",
		.summary = "New tokens for a refresh token",
		.differs = "a token that comes back ends its session: somebody has a copy; when "
			   "two pages send one at a time, the second is 409",
		.who = WHO_PUBLIC,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_refresh_in, .maybe = true } },
		.replies = { { .status = 200,
			       .help = "New tokens.",
			       .shape = &shape_older_login } },
		.errors = { ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_CONFLICT },
		.audits = { AUDIT_SESSION_REUSE },
		.work = account_refresh,
	},
	{
		.method = HTTP_POST,
		.path = "/auth/logout",
		.name = "signaldeskLogOut",
		.older = "SignalDesk",
		.summary = "End this session",
		.doc = "The session of the access token, else of the refresh token in body or "
		       "cookie; also when there is none.",
		.who = WHO_OWN,
		.role = ROLE_VIEWER,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_refresh_in, .maybe = true } },
		.replies = { { .status = 200, .help = "It has ended.", .shape = &shape_message } },
		.errors = { ERR_FORBIDDEN, ERR_OVERLOADED, ERR_IO, ERR_CORRUPT, ERR_INTERNAL,
			    ERR_SHUTTING_DOWN },
		.audits = { AUDIT_LOGOUT },
		.loop = post_logout,
	},
	{
		.method = HTTP_GET,
		.path = "/auth/me",
		.name = "signaldeskGetMe",
		.older = "SignalDesk",
		.summary = "Who is logged in",
		.who = WHO_USER,
		.replies = { { .status = 200, .help = "Who.", .shape = &shape_me } },
		.errors = { ERR_NOT_FOUND },
		.work = get_me,
	},
};
const struct route_set routes_older_auth = { rows, ARRAY_LEN(rows) };
