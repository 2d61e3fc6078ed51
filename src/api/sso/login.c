/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A login by another issuer: the browser is sent there, and comes back with a code. Both calls ask
 * the issuer something and are away from the loop and from workers meanwhile. Whatever goes wrong,
 * the page of login hears one word of it, and the log the rest.
 */
#include "api/sso/login.h"

#include "api/account/account.h"
#include "api/api.h"
#include "api/audit.h"
#include "api/caller.h"
#include "api/route.h"
#include "api/sso/join.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json_put.h"
#include "base/secret.h"
#include "model/sso.h"
#include "net/http_query.h"

#define LOGIN_PAGE "/login"
#define ACCOUNT_PAGE "/account"
#define CODE_COOKIE "sso_code"
#define CODE_PATH "/api/v1/auth/oidc"

/* Cookies. */

static bool is_secure(const struct call *c)
{
	return slice_starts(c->api->public_url, S("https://"));
}

/* Of this name a host next door, under the same domain, can set none. */
static struct slice state_cookie(const struct call *c)
{
	return is_secure(c) ? S("__Host-sso") : S("sso");
}

static void set_cookie(struct call *c, struct slice name, struct slice value, const char *path,
		       const char *same_site, int64_t life_us)
{
	call_header(c, S("Set-Cookie"),
		    arena_printf(c->req,
				 "%.*s=%.*s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=%s%s",
				 SARG(name), SARG(value), path, (long long)(life_us / US_PER_S),
				 same_site, is_secure(c) ? "; Secure" : ""));
}

void sso_keep_state(struct sso_call *in)
{
	struct call *c = in->c;

	/* Lax: it has to come along when the issuer sends the browser back. */
	set_cookie(c, state_cookie(c), sso_state_wrap(c->api->seal, &in->state, c->req), "/", "Lax",
		   SSO_STATE_LIFE_US);
}

static void forget_state(struct call *c)
{
	set_cookie(c, state_cookie(c), (struct slice) { 0 }, "/", "Lax", 0);
}

/* Where browsers go. */

static struct slice own_url(const struct call *c)
{
	struct slice url = c->api->public_url;

	while (slice_ends(url, S("/"))) {
		url.n--;
	}
	return url;
}

static void redirect(struct call *c, struct slice to)
{
	call_empty(c, 302);
	call_header(c, S("Location"), to);
}

/* A path of this server, which sso_path_is_local has let pass. */
static struct slice own_page(struct call *c, struct slice path)
{
	return arena_printf(c->req, "%.*s%.*s", SARG(own_url(c)), SARG(path));
}

static void turn_away(struct call *c, enum sso_refusal why, const struct sso_state *state)
{
	bool linking = state != NULL && state->user.v != 0;

	redirect(c, arena_printf(c->req, "%.*s%s?error=%s", SARG(own_url(c)),
				 linking ? ACCOUNT_PAGE : LOGIN_PAGE, sso_refusal_word(why)));
	forget_state(c);
}

/* Before there is a word of an issuer's in it. */
static void refuse_page(struct call *c, enum sso_refusal why, const struct sso_state *state,
			const char *what)
{
	log_info("sso_refused", log_slice("cid", c->http->id), log_slice("issuer", c->params[0]),
		 log_str("why", sso_refusal_word(why)), log_str("what", what));
	turn_away(c, why, state);
	call_send(c);
}

static enum sso_refusal refusal_of(enum err_kind kind)
{
	switch ((int)kind) {
	case ERR_UNAUTHORIZED:
		return SSO_REFUSED;
	case ERR_UPSTREAM:
	case ERR_UPSTREAM_TIMEOUT:
	case ERR_OVERLOADED:
	case ERR_SHUTTING_DOWN:
		return SSO_UNAVAILABLE;
	default: /* a table of kinds that grows */
		return SSO_FAILED;
	}
}

static void log_failure(const struct call *c, const struct err *err)
{
	log_warn("sso_failed", log_slice("cid", c->http->id), log_slice("issuer", c->params[0]),
		 log_str("code", err_info(err->kind)->code), log_str("error", err->text));
}

static void fail_page(struct call *c, const struct err *err, const struct sso_state *state)
{
	log_failure(c, err);
	turn_away(c, refusal_of(err->kind), state);
}

static void problem(struct call *c)
{
	call_problem(c, &c->err);
	call_send(c);
}

/* Asking. */

bool sso_read_issuer(struct call *c, struct slice word, const struct sso_issuer_options **out,
		     struct err *err)
{
	*out = sso_find(c->api->sso, word);
	return *out != NULL || err_set(err, ERR_NOT_FOUND, "nobody logs in this way here");
}

bool sso_read_redirect(struct slice text, struct slice *out, struct err *err)
{
	*out = text.n == 0 ? S("/") : text;
	return sso_path_is_local(*out) ||
	       err_field(err, ERR_INVALID, "redirect",
			 "\"redirect\" must be a path of this server, such as /alerts");
}

static void answered(void *arg)
{
	struct sso_call *in = arg;

	in->then(in);
}

/* On the thread of the issuers. */
static void ask_done(struct sso_ask *ask)
{
	struct sso_call *in = CONTAINER_OF(ask, struct sso_call, ask);

	api_post(in->c->api, answered, in);
}

bool sso_begin(struct sso_call *in, const struct sso_issuer_options *issuer, struct err *err)
{
	struct call *c = in->c;
	struct sso_state *s = &in->state;

	s->issuer = sso_word(issuer->kind);
	s->state = oidc_random(c->req);
	s->nonce = oidc_random(c->req);
	s->verifier = oidc_random(c->req);
	s->made_us = c->now_us;
	in->ask = (struct sso_ask) { .what = SSO_WAY,
				     .at = issuer,
				     .req = c->req,
				     .done = ask_done,
				     .state = s->state,
				     .nonce = issuer->kind == SSO_GITHUB ? (struct slice) { 0 }
									 : s->nonce,
				     .verifier = s->verifier,
				     .fresh = s->fresh };
	return sso_submit(c->api->sso, &in->ask, err);
}

/* GET /auth/oidc/:provider/start */

struct start_query {
	struct slice redirect;
	bool fresh;
};
static const struct field start_rows[] = {
	FIELD_STR(struct start_query, redirect, "redirect", .max = SSO_REDIRECT_BYTES_MAX,
		  .help = "A path of this server, where the browser goes then.",
		  .example = "/alerts"),
	FIELD_BOOL(struct start_query, fresh, "fresh",
		   .help = "Have an OpenID issuer ask for the password again."),
};
static const struct field_set start_fields = { start_rows, ARRAY_LEN(start_rows) };

static void way_known(struct sso_call *in)
{
	struct call *c = in->c;

	if (in->ask.err.kind != ERR_NONE) {
		fail_page(c, &in->ask.err, &in->state);
	} else {
		redirect(c, in->ask.url);
		sso_keep_state(in);
	}
	call_send(c);
}

static bool start(struct call *c, struct err *err)
{
	struct sso_call *in = arena_new(c->req, struct sso_call);
	const struct sso_issuer_options *issuer;
	struct start_query query = { 0 };

	in->c = c;
	in->then = way_known;
	if (!sso_read_issuer(c, c->params[0], &issuer, err) ||
	    !call_query_fields(c, start_rows, ARRAY_LEN(start_rows), &query, err) ||
	    !sso_read_redirect(query.redirect, &in->state.redirect, err)) {
		return false;
	}
	in->state.fresh = query.fresh && issuer->kind == SSO_OIDC;
	if (!sso_begin(in, issuer, err)) {
		fail_page(c, err, NULL);
		call_send(c);
	}
	return true;
}

static void get_start(struct call *c)
{
	if (!start(c, &c->err)) {
		problem(c);
	}
}

/* GET /auth/oidc/:provider/callback */

struct callback_query {
	struct slice code;
	struct slice state;
	struct slice error;
	struct slice iss;
};
static const struct field callback_rows[] = {
	FIELD_STR(struct callback_query, code, "code", .max = OIDC_CODE_BYTES_MAX,
		  .help = "What is changed for tokens."),
	FIELD_STR(struct callback_query, state, "state", .help = "As it was sent there."),
	FIELD_STR(struct callback_query, error, "error", .help = "In the place of a code."),
	FIELD_STR(struct callback_query, iss, "iss", .max = OIDC_URL_BYTES_MAX,
		  .help = "Which issuer it is (RFC 9207)."),
};
static const struct field_set callback_fields = { callback_rows, ARRAY_LEN(callback_rows) };

static void welcome(struct call *c, const struct sso_call *in, const struct sso_joining *out)
{
	if (out->code.n > 0) {
		redirect(c, arena_printf(c->req, "%.*s%s?code=required&redirect=%.*s",
					 SARG(own_url(c)), LOGIN_PAGE,
					 SARG(http_query_encode(in->state.redirect, c->req))));
		set_cookie(c, S(CODE_COOKIE), out->code, CODE_PATH, "Strict", SSO_CODE_LIFE_US);
	} else {
		redirect(c, own_page(c, in->state.redirect));
	}
	if (out->login.session.id.v != 0) {
		session_set_cookies(c, &out->login, out->access, CALLER_REFRESH_COOKIE);
	}
	forget_state(c);
}

static bool join(struct call *c, const struct sso_call *in, struct sso_joining *out,
		 struct err *err)
{
	return in->state.user.v != 0 ? sso_link(c, &in->ask, &in->state, out, err)
				     : sso_join(c, &in->ask, &in->state, out, err);
}

/* The access token of a session that has begun, if one has. */
static bool begins(struct call *c, struct sso_joining *out, struct err *err)
{
	const struct login *l = &out->login;

	return l->session.id.v == 0 ||
	       signer_issue(c->api->signer, c->db, l->user.id, l->session.id, c->now_us, c->req,
			    &out->access, err);
}

/* Of whom the issuer vouches for; by then it is known who wanted to come in. */
static void note_refusal(struct call *c, const struct sso_call *in, const struct sso_joining *out)
{
	const struct oidc_person *p = &in->ask.person;

	account_note_refusal(c, out->login.user.id,
			     p->mail_verified ? p->mail : (struct slice) { 0 },
			     audit_text(c, "sso", slice_of(sso_refusal_word(out->refusal))));
}

static bool finish_callback(struct call *c, struct err *err)
{
	const struct sso_call *in = c->aside;
	struct sso_joining out = { 0 };

	if (!join(c, in, &out, err)) {
		fail_page(c, err, &in->state);
		return true;
	}
	if (out.refusal != SSO_WELCOME) {
		note_refusal(c, in, &out);
		log_info("sso_refused", log_slice("cid", c->http->id),
			 log_slice("issuer", c->params[0]),
			 log_str("why", sso_refusal_word(out.refusal)));
		turn_away(c, out.refusal, &in->state);
		return true;
	}
	if (!begins(c, &out, err)) {
		fail_page(c, err, &in->state);
		return true;
	}
	welcome(c, in, &out);
	return true;
}

static void person_known(struct sso_call *in)
{
	struct call *c = in->c;

	if (in->ask.err.kind == ERR_NONE &&
	    __atomic_load_n(&c->api->ended, __ATOMIC_ACQUIRE) == 0) {
		c->work = finish_callback;
		c->aside = in;
		api_submit(c);
		return;
	}
	if (in->ask.err.kind == ERR_NONE) {
		err_set(&in->ask.err, ERR_SHUTTING_DOWN, "the server is stopping");
	}
	fail_page(c, &in->ask.err, &in->state);
	call_send(c);
}

/* The login that this browser began, which the issuer's answer is to. It ends now, however. */
static bool find_state(struct call *c, const struct callback_query *query,
		       const struct sso_issuer_options *issuer, struct sso_state *state)
{
	struct slice text;

	return caller_cookie(c->http, state_cookie(c), &text) &&
	       sso_state_unwrap(c->api->seal, text, c->now_us, c->req, state) &&
	       slice_eq(state->issuer, sso_word(issuer->kind)) &&
	       state->state.n == query->state.n &&
	       equal_const_time(state->state.p, query->state.p, query->state.n) &&
	       sso_use(c->api->sso, state->state);
}

/* Somebody who links is still who began to, and in this browser. */
static bool is_still_there(struct call *c, const struct sso_state *state)
{
	struct slice token;
	struct err err;

	return caller_cookie(c->http, S(CALLER_ACCESS_COOKIE), &token) &&
	       caller_by_token(c, token, &err) && c->caller.user.v == state->user.v &&
	       c->caller.session.v == state->session.v;
}

static void callback(struct call *c, const struct sso_issuer_options *issuer,
		     const struct callback_query *query)
{
	struct sso_call *in = arena_new(c->req, struct sso_call);
	struct sso_state *state = &in->state;
	bool denied = slice_eq(query->error, S("access_denied"));

	in->c = c;
	in->then = person_known;
	if (!find_state(c, query, issuer, state)) {
		refuse_page(c, SSO_EXPIRED, NULL, "no login that this browser began");
		return;
	}
	if (query->error.n > 0 || query->code.n == 0) {
		refuse_page(c, denied ? SSO_DENIED : SSO_REFUSED, state, "the issuer sent no code");
		return;
	}
	if (query->iss.n > 0 && !slice_eq(query->iss, issuer->issuer)) {
		refuse_page(c, SSO_REFUSED, state, "the code is of another issuer");
		return;
	}
	if (state->user.v != 0 && !is_still_there(c, state)) {
		refuse_page(c, SSO_EXPIRED, state, "whoever links is not logged in any more");
		return;
	}
	in->ask = (struct sso_ask) { .what = SSO_WHO,
				     .at = issuer,
				     .req = c->req,
				     .done = ask_done,
				     .nonce = state->nonce,
				     .verifier = state->verifier,
				     .code = query->code };
	if (!sso_submit(c->api->sso, &in->ask, &c->err)) {
		fail_page(c, &c->err, state);
		call_send(c);
	}
}

static void get_callback(struct call *c)
{
	const struct sso_issuer_options *issuer;
	struct callback_query query = { 0 };

	if (!sso_read_issuer(c, c->params[0], &issuer, &c->err)) {
		problem(c);
	} else if (!call_query_fields(c, callback_rows, ARRAY_LEN(callback_rows), &query,
				      &c->err)) {
		refuse_page(c, SSO_REFUSED, NULL, c->err.text);
	} else {
		callback(c, issuer, &query);
	}
}

/* POST /auth/oidc/code */

struct code_fields {
	struct slice code;
};
static const struct field code_rows[] = {
	FIELD_STR(struct code_fields, code, "code", .min = 6, .max = 20, .flags = FIELD_REQUIRED,
		  .help = "Of the authenticator, or a recovery code.", .example = "123456"),
};

static bool take_token(struct call *c, struct login *l, struct err *err)
{
	struct token_row row;
	struct slice token;
	enum found found = NOT_FOUND;

	if (caller_cookie(c->http, S(CODE_COOKIE), &token)) {
		found = store_token_take(c->db, TOKEN_SECOND, token_hash(token, c->req), c->now_us,
					 c->req, &row, err);
	}
	if (found == FOUND) {
		found = store_user_get(c->db, row.user, c->req, &l->user, err);
	}
	return (found == FOUND && l->user.status == USER_ACTIVE) ||
	       (found != FAILED &&
		err_set(err, ERR_UNAUTHORIZED, "no login waits for a code: begin again"));
}

static bool note_login(struct call *c, const struct login *l, struct err *err)
{
	struct audit_note note = { .action = AUDIT_LOGIN_OK,
				   .org = l->org.id,
				   .user = l->user.id,
				   AUDIT_OF(c, USER, l->user.id.v, l->user.mail) };

	return audit_put(c, &note, err);
}

/* Whose login waits. It goes on waiting, since a wrong code may be followed by a right one. */
static bool look_at_token(struct call *c, struct login *l, struct err *err)
{
	bool ok = db_begin(c->db, err) && take_token(c, l, err);

	db_rollback(c->db);
	return ok;
}

static bool begin_by_code(struct call *c, struct slice code, struct login *l, struct err *err)
{
	if (!look_at_token(c, l, err)) {
		return false;
	}
	if (!account_check_code(c, &l->user, code, err)) {
		if (err->kind == ERR_UNAUTHORIZED) {
			db_rollback(c->db);
			account_note_refusal(c, l->user.id, l->user.mail,
					     audit_text(c, "sso", S("code")));
		}
		return false;
	}
	return db_begin(c->db, err) && take_token(c, l, err) && session_choose_org(c, l, err) &&
	       session_insert(c, l, true, err) && note_login(c, l, err) && db_commit(c->db, err);
}

static bool post_code(struct call *c, struct err *err)
{
	struct login l = { .cookie = true };
	struct code_fields in = { 0 };

	if (!account_read(c, code_rows, ARRAY_LEN(code_rows), &in, err) ||
	    !caller_is_at_home(c, err) || !begin_by_code(c, in.code, &l, err)) {
		return false;
	}
	session_tell_login(c, &l);
	if (!session_answer(c, 200, &l, err)) {
		return false;
	}
	set_cookie(c, S(CODE_COOKIE), (struct slice) { 0 }, CODE_PATH, "Strict", 0);
	return true;
}

/* GET /auth/providers */

static void get_providers(struct call *c)
{
	const struct sso *sso = c->api->sso;
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	for (size_t i = 0; sso != NULL && i < sso_options(sso)->n; i++) {
		const struct sso_issuer_options *o = &sso_options(sso)->issuers[i];

		json_w_object(&w);
		json_put_str(&w, "provider", sso_word(o->kind));
		json_put_str(&w, "name", o->name);
		json_put_str(&w, "startPath",
			     arena_printf(c->req, "%s%.*s/start", SSO_CALLBACK_PATH,
					  SARG(sso_word(o->kind))));
		json_w_end(&w);
	}
	json_w_end(&w);
	json_w_end(&w);
	call_send(c);
}

static const struct field_set code_fields = { code_rows, ARRAY_LEN(code_rows) };
static const struct shape shape_code_in = {
	.name = "SsoCodeInput", .help = "The second factor.", .fields = &code_fields, .sent = true
};
static const struct prop provider_props[] = {
	PROP_STR("provider", .example = "\"google\""),
	PROP_STR("name", .help = "For the button.", .example = "\"Google\""),
	PROP_STR("startPath", .help = "Where the button leads.",
		 .example = "\"/api/v1/auth/oidc/google/start\""),
};
static const struct shape shape_provider = { .name = "Provider",
					     .help = "A way to log in elsewhere.",
					     SHAPE_PROPS(provider_props) };
static const struct prop providers_props[] = {
	PROP_SHAPE("data", &shape_provider, .many = PROP_LIST),
};
static const struct shape shape_providers = { SHAPE_PROPS(providers_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/providers",
		.name = "listProviders",
		.tag = "Auth",
		.summary = "Ways to log in besides a password",
		.who = WHO_PUBLIC,
		.replies = { { .status = 200,
			       .help = "What a page of login can offer.",
			       .shape = &shape_providers } },
		.loop = get_providers,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/oidc/:provider/start",
		.name = "startProviderLogin",
		.tag = "Auth",
		.summary = "Log in elsewhere",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.params = { ROUTE_TEXT("oidc, google or github, where it is set up.") },
		.query = { &start_fields },
		.doc = "For a browser: a link leads here, no script. It comes back with the "
		       "cookies of a session, at the path `redirect`; or at `/login?error=` with "
		       "a word: see doc/sso.md.",
		.replies = { { .status = 302,
			       .help = "To the issuer.",
			       .headers = REPLY_LOCATION } },
		.errors = { ERR_NOT_FOUND },
		.loop = get_start,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/auth/oidc/:provider/callback",
		.name = "finishProviderLogin",
		.tag = "Auth",
		.summary = "Where an issuer sends browsers back to",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.params = { ROUTE_TEXT("oidc, google or github, where it is set up.") },
		.query = { &callback_fields },
		.query_open = true,
		.audits = { AUDIT_LOGIN_OK, AUDIT_USER_CREATE, AUDIT_USER_VERIFY, AUDIT_OIDC_LINK,
			    AUDIT_ORG_CREATE, AUDIT_MEMBER_ADD, AUDIT_MEMBER_ROLE,
			    AUDIT_MEMBER_REMOVE, AUDIT_INVITE_ACCEPT, AUDIT_LOGIN_FAILED },
		.replies = { { .status = 302,
			       .help = "To where the login began, or to the page of login.",
			       .headers = REPLY_LOCATION } },
		.errors = { ERR_NOT_FOUND, ERR_OVERLOADED },
		.loop = get_callback,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/auth/oidc/code",
		.name = "finishProviderLoginWithCode",
		.tag = "Auth",
		.summary = "Give the code that a login elsewhere waits for",
		.who = WHO_PUBLIC,
		.limit = LIMIT_AUTH,
		.body_max = ACCOUNT_BODY_BYTES_MAX,
		.doc = "The account has a second factor here, and the browser came to "
		       "`/login?code=required`. The login waits for five minutes.",
		.audits = { AUDIT_LOGIN_OK, AUDIT_LOGIN_FAILED, AUDIT_RECOVERY_USE },
		.bodies = { { .shape = &shape_code_in } },
		.replies = { { .status = 200, .help = "Logged in.", .shape = &shape_login } },
		.errors = { ERR_UNAUTHORIZED, ERR_FORBIDDEN },
		.work = post_code,
	},
};
const struct route_set routes_sso = { rows, ARRAY_LEN(rows) };
