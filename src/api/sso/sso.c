/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ask goes from call to call: each has a function that takes its answer and starts the next.
 * What is known of an issuer belongs to the thread; when several asks need what is being fetched,
 * they wait for the one call.
 */
#include "api/sso/sso.h"

#include <stdlib.h>

#include "auth/id_token.h"
#include "base/clock.h"
#include "base/hash.h"
#include "engine/fetcher.h"

#define KNOWN_US (3600 * US_PER_S) /* an issuer's configuration and keys */
#define LEEWAY_US (60 * US_PER_S)  /* what clocks may be apart */
#define MAIL_SCOPE "openid email profile"
#define GITHUB_SCOPE "read:user user:email"
#define USED_MAX 4096 /* logins within the life of one; more take the place of the oldest */
#define USED_BYTES 16

/* A call whose answer all asks share. */
struct shared {
	bool under_way;
	struct sso_ask *waiting;
};

struct issuer {
	const struct sso_issuer_options *o;
	size_t active;	    /* atomic: asks that are under way */
	struct arena known; /* of metadata */
	struct oidc_metadata metadata;
	int64_t metadata_us; /* monotonic: when it was read; 0: never */
	struct shared metadata_call;
	struct jwk_set *keys;
	int64_t keys_us; /* monotonic: when they were asked for last; 0: never */
	struct shared keys_call;
};

struct sso {
	struct sso_options o;
	struct issuer issuers[SSO_KINDS];
	struct fetcher *fetcher;
	/* Loop thread. */
	unsigned char used[USED_MAX][USED_BYTES];
	size_t used_at;
};

struct sso_step {
	struct fetch_task task;
	struct sso_ask *ask;
	struct issuer *issuer;
	int64_t deadline_us; /* monotonic */
	struct oidc_tokens tokens;
	struct jws jws;
	bool asked_keys;
	/* What is done with the answer of the call under way. */
	bool (*then)(struct sso_ask *ask, struct slice body);
	const char *what;
};

static const struct slice words[SSO_KINDS] = {
	[SSO_OIDC] = { "oidc", 4 },
	[SSO_GOOGLE] = { "google", 6 },
	[SSO_GITHUB] = { "github", 6 },
};

struct slice sso_word(enum sso_kind kind)
{
	ensure(kind < SSO_KINDS);
	return words[kind];
}

const struct sso_options *sso_options(const struct sso *sso)
{
	return &sso->o;
}

const struct sso_issuer_options *sso_find(const struct sso *sso, struct slice word)
{
	for (size_t i = 0; sso != NULL && i < sso->o.n; i++) {
		if (slice_eq(words[sso->o.issuers[i].kind], word)) {
			return &sso->o.issuers[i];
		}
	}
	return NULL;
}

bool sso_gives_roles(const struct sso *sso, const struct sso_issuer_options *issuer)
{
	return issuer->kind == SSO_OIDC && sso->o.org.n > 0;
}

/* The end of an ask. It is whoever asked's from done on. */
static void end(struct sso_ask *ask)
{
	__atomic_sub_fetch(&ask->step->issuer->active, 1, __ATOMIC_RELEASE);
	ask->done(ask);
}

static void fail(struct sso_ask *ask)
{
	ensure(ask->err.kind != ERR_NONE);
	end(ask);
}

/* Calls. */

static void bad_answer(const struct http_result *r, const char *what, struct err *err)
{
	switch (r->fail) {
	case HTTP_FAIL_NONE:
		err_set(err, ERR_UPSTREAM, "%s: the issuer answered %u", what, r->status);
		return;
	case HTTP_FAIL_CANCELLED:
		err_set(err, ERR_SHUTTING_DOWN, "the server is stopping");
		return;
	case HTTP_FAIL_TIMEOUT:
	case HTTP_FAIL_CONNECT_TIMEOUT:
		err_set(err, ERR_UPSTREAM_TIMEOUT, "%s: %s", what, r->text);
		return;
	default: /* the rest of a table that grows */
		err_set(err, ERR_UPSTREAM, "%s: %s", what, r->text);
		return;
	}
}

/* An issuer says with 400 what is wrong with a code: that is read, too. */
static bool is_readable(const struct http_result *r)
{
	return r->fail == HTTP_FAIL_NONE && (r->status == 200 || r->status == 400);
}

static void on_answer(void *ctx, const struct http_result *r)
{
	struct sso_ask *ask = ctx;
	struct sso_step *step = ask->step;

	if (!is_readable(r)) {
		bad_answer(r, step->what, &ask->err);
		fail(ask);
	} else if (!step->then(ask, arena_dup(ask->req, r->body))) {
		fail(ask);
	}
}

/* How long a call may take that begins now, of the time the ask has. */
static bool time_left(const struct sso_ask *ask, int64_t *out, struct err *err)
{
	*out = ask->step->deadline_us - clock_mono_us();
	return *out > 0 || err_set(err, ERR_UPSTREAM_TIMEOUT, "the issuer's answers take too long");
}

static bool send(struct sso *sso, struct http_call *call, http_done *done, void *ctx,
		 struct err *err)
{
	call->response_bytes_max = SSO_RESPONSE_BYTES_MAX;
	return fetcher_send(sso->fetcher, call, done, ctx) ||
	       err_set(err, ERR_SHUTTING_DOWN, "no call to an issuer can be made now");
}

/* A call of one ask. then gets its body, or the ask fails. */
static bool call_issuer(struct sso_ask *ask, const char *what, struct http_call *call,
			bool (*then)(struct sso_ask *ask, struct slice body))
{
	ask->step->what = what;
	ask->step->then = then;
	return time_left(ask, &call->total_us, &ask->err) &&
	       send(ask->sso, call, on_answer, ask, &ask->err);
}

static bool get(struct sso_ask *ask, const char *what, struct slice url,
		bool (*then)(struct sso_ask *ask, struct slice body))
{
	const struct http_call_header headers[] = {
		{ S("Accept"), S("application/json") },
		{ S("Authorization"),
		  arena_printf(ask->req, "Bearer %.*s", SARG(ask->step->tokens.access)) },
	};
	struct http_call call = {
		.method = "GET", .url = url, .headers = headers, .headers_n = ARRAY_LEN(headers)
	};

	return call_issuer(ask, what, &call, then);
}

/* What is known of an issuer. */

static void go_on(struct sso_ask *ask);

/* Everybody who waits goes on, or fails with why. */
static void call_over(struct shared *shared, const struct err *why)
{
	struct sso_ask *ask = shared->waiting;

	*shared = (struct shared) { 0 };
	while (ask != NULL) {
		struct sso_ask *next = ask->next;

		if (why->kind == ERR_NONE) {
			go_on(ask);
		} else {
			ask->err = *why;
			fail(ask);
		}
		ask = next;
	}
}

static void on_metadata(void *ctx, const struct http_result *r)
{
	struct issuer *issuer = ctx;
	struct oidc_metadata metadata;
	struct err err = { 0 };
	struct arena known;

	arena_init(&known, 0);
	if (r->fail != HTTP_FAIL_NONE || r->status != 200) {
		bad_answer(r, "configuration", &err);
	} else if (oidc_metadata_read(arena_dup(&known, r->body), issuer->o->issuer, &known,
				      &metadata, &err)) {
		arena_release(&issuer->known);
		issuer->known = known;
		issuer->metadata = metadata;
		issuer->metadata_us = clock_mono_us();
		call_over(&issuer->metadata_call, &err);
		return;
	}
	arena_release(&known);
	call_over(&issuer->metadata_call, &err);
}

static void on_keys(void *ctx, const struct http_result *r)
{
	struct issuer *issuer = ctx;
	struct jwk_set *keys = NULL;
	struct err err = { 0 };

	if (r->fail != HTTP_FAIL_NONE || r->status != 200) {
		bad_answer(r, "keys", &err);
	} else if (jwk_set_new(r->body, &keys, &err)) {
		jwk_set_free(&issuer->keys);
		issuer->keys = keys;
	}
	call_over(&issuer->keys_call, &err);
}

/* Have the ask wait for a call that all asks share, and make it unless it is under way. */
static bool share_call(struct sso_ask *ask, struct shared *shared, struct slice url,
		       http_done *done)
{
	static const struct http_call_header headers[] = {
		{ { "Accept", 6 }, { "application/json", 16 } },
	};
	struct http_call call = {
		.method = "GET", .url = url, .headers = headers, .headers_n = ARRAY_LEN(headers)
	};

	if (!shared->under_way) {
		if (!time_left(ask, &call.total_us, &ask->err) ||
		    !send(ask->sso, &call, done, ask->step->issuer, &ask->err)) {
			return false;
		}
		shared->under_way = true;
	}
	ask->next = shared->waiting;
	shared->waiting = ask;
	return true;
}

static bool is_known(int64_t at_us)
{
	return at_us != 0 && clock_mono_us() - at_us < KNOWN_US;
}

/* Where a browser goes. */

static bool tell_way(struct sso_ask *ask, struct slice to, const char *scope)
{
	struct oidc_way way = { .to = to,
				.scope = slice_of(scope),
				.state = ask->state,
				.nonce = ask->nonce,
				.challenge = oidc_challenge(ask->verifier, ask->req),
				.fresh = ask->fresh };

	ask->url = oidc_way_url(&ask->at->client, &way, ask->req);
	end(ask);
	return true;
}

/* Who it is. */

static bool take_userinfo(struct sso_ask *ask, struct slice body)
{
	if (!oidc_userinfo_read(body, ask->sso->o.role_claim, ask->req, &ask->person, &ask->err)) {
		return false;
	}
	end(ask);
	return true;
}

/* Some issuers put into the token only who it is, and the rest behind one more call. */
static bool needs_userinfo(const struct sso_ask *ask)
{
	bool roles = sso_gives_roles(ask->sso, ask->at) && ask->sso->o.role_claim.n > 0;

	return ask->step->issuer->metadata.userinfo.n > 0 &&
	       (ask->person.mail.n == 0 || (roles && ask->person.roles == NULL));
}

static bool believe(struct sso_ask *ask)
{
	struct id_token_want want = { .iss = ask->at->issuer,
				      .client_id = ask->at->client.id,
				      .nonce = ask->nonce,
				      .now_us = clock_wall_us(),
				      .leeway_us = LEEWAY_US };
	struct issuer *issuer = ask->step->issuer;
	const struct json *claims;

	if (!id_token_verify(issuer->keys, ask->step->tokens.id, &want, ask->req, &claims,
			     &ask->err)) {
		return false;
	}
	oidc_person_read(claims, ask->sso->o.role_claim, &ask->person);
	if (needs_userinfo(ask)) {
		return get(ask, "userinfo", issuer->metadata.userinfo, take_userinfo);
	}
	end(ask);
	return true;
}

/* Fetched anew when they are old, or when the token names another, but that not too often. */
static bool needs_keys(const struct sso_ask *ask)
{
	const struct issuer *issuer = ask->step->issuer;

	if (issuer->keys == NULL || !is_known(issuer->keys_us)) {
		/* Whoever waited for them and goes on has them. */
		ensure(!ask->step->asked_keys || issuer->keys != NULL);
		return !ask->step->asked_keys;
	}
	return !jwk_set_has(issuer->keys, &ask->step->jws) && !ask->step->asked_keys &&
	       (issuer->keys_call.under_way || clock_mono_us() - issuer->keys_us >= SSO_KEYS_US);
}

static bool check_token(struct sso_ask *ask)
{
	struct issuer *issuer = ask->step->issuer;

	if (!needs_keys(ask)) {
		return believe(ask);
	}
	ask->step->asked_keys = true;
	if (!issuer->keys_call.under_way) {
		issuer->keys_us = clock_mono_us();
	}
	return share_call(ask, &issuer->keys_call, issuer->metadata.keys, on_keys);
}

static bool take_tokens(struct sso_ask *ask, struct slice body)
{
	struct sso_step *step = ask->step;

	if (!oidc_tokens_read(body, ask->req, &step->tokens, &ask->err)) {
		return false;
	}
	if (step->tokens.id.n == 0) {
		return err_set(&ask->err, ERR_UPSTREAM, "the issuer sent no ID token");
	}
	return jws_read(step->tokens.id, JWS_BYTES_MAX, JWS_RS256 | JWS_ES256, ask->req, &step->jws,
			&ask->err) &&
	       check_token(ask);
}

static bool exchange(struct sso_ask *ask, struct slice url, bool secret_in_body,
		     bool (*then)(struct sso_ask *ask, struct slice body))
{
	const struct oidc_client *client = &ask->at->client;
	bool in_head = !secret_in_body && client->secret.n > 0;
	const struct http_call_header headers[] = {
		{ S("Content-Type"), S("application/x-www-form-urlencoded") },
		{ S("Accept"), S("application/json") },
		{ S("Authorization"), in_head ? oidc_basic(client, ask->req) : S("") },
	};
	struct http_call call = { .url = url,
				  .headers = headers,
				  .headers_n = ARRAY_LEN(headers) - (in_head ? 0 : 1),
				  .body = oidc_exchange(client, ask->code, ask->verifier,
							secret_in_body, ask->req) };

	return call_issuer(ask, "code", &call, then);
}

/* With what is known of the issuer; from the beginning, or from where it waited. */
static bool ask_issuer(struct sso_ask *ask)
{
	struct issuer *issuer = ask->step->issuer;

	if (ask->step->tokens.id.n > 0) {
		return check_token(ask);
	}
	if (!is_known(issuer->metadata_us)) {
		return share_call(ask, &issuer->metadata_call,
				  oidc_metadata_url(ask->at->issuer, ask->req), on_metadata);
	}
	if (ask->what == SSO_WAY) {
		return tell_way(ask, issuer->metadata.authorize, MAIL_SCOPE);
	}
	return exchange(ask, issuer->metadata.token, issuer->metadata.secret_in_body, take_tokens);
}

/* GitHub, which tells who somebody is by its API. */

static struct slice github_api(const struct sso_ask *ask, const char *path)
{
	struct slice url = ask->at->issuer;

	return slice_eq(url, S("https://github.com"))
		       ? arena_printf(ask->req, "https://api.github.com%s", path)
		       : arena_printf(ask->req, "%.*s/api/v3%s", SARG(url), path);
}

static bool take_github_mails(struct sso_ask *ask, struct slice body)
{
	if (!github_mails_read(body, ask->req, &ask->person, &ask->err)) {
		return false;
	}
	end(ask);
	return true;
}

static bool take_github_user(struct sso_ask *ask, struct slice body)
{
	return github_user_read(body, ask->req, &ask->person, &ask->err) &&
	       get(ask, "addresses", github_api(ask, "/user/emails"), take_github_mails);
}

static bool take_github_token(struct sso_ask *ask, struct slice body)
{
	return oidc_tokens_read(body, ask->req, &ask->step->tokens, &ask->err) &&
	       get(ask, "user", github_api(ask, "/user"), take_github_user);
}

static bool ask_github(struct sso_ask *ask)
{
	struct slice base = ask->at->issuer;

	if (ask->what == SSO_WAY) {
		return tell_way(ask,
				arena_printf(ask->req, "%.*s/login/oauth/authorize", SARG(base)),
				GITHUB_SCOPE);
	}
	return exchange(ask, arena_printf(ask->req, "%.*s/login/oauth/access_token", SARG(base)),
			true, take_github_token);
}

static void go_on(struct sso_ask *ask)
{
	bool ok = ask->at->kind == SSO_GITHUB ? ask_github(ask) : ask_issuer(ask);

	if (!ok) {
		fail(ask);
	}
}

static void run(struct fetch_task *task)
{
	go_on(CONTAINER_OF(task, struct sso_step, task)->ask);
}

bool sso_submit(struct sso *sso, struct sso_ask *ask, struct err *err)
{
	struct issuer *issuer = &sso->issuers[ask->at - sso->o.issuers];
	int64_t total_us = sso->o.total_us != 0 ? sso->o.total_us : SSO_TOTAL_US;

	if (__atomic_load_n(&issuer->active, __ATOMIC_ACQUIRE) >= SSO_ASKS_MAX) {
		return err_set(err, ERR_OVERLOADED, "too many logins with this issuer at once");
	}
	ask->sso = sso;
	ask->err = (struct err) { 0 };
	ask->step = arena_new(ask->req, struct sso_step);
	ask->step->task.run = run;
	ask->step->ask = ask;
	ask->step->issuer = issuer;
	ask->step->deadline_us = clock_mono_us() + total_us;
	__atomic_add_fetch(&issuer->active, 1, __ATOMIC_ACQ_REL);
	if (fetcher_submit(sso->fetcher, &ask->step->task)) {
		return true;
	}
	__atomic_sub_fetch(&issuer->active, 1, __ATOMIC_RELEASE);
	return err_set(err, ERR_OVERLOADED, "too many logins wait");
}

bool sso_use(struct sso *sso, struct slice state)
{
	unsigned char sum[SHA256_BYTES];

	sha256(state, sum);
	for (size_t i = 0; i < USED_MAX; i++) {
		if (memcmp(sso->used[i], sum, USED_BYTES) == 0) {
			return false;
		}
	}
	memcpy(sso->used[sso->used_at], sum, USED_BYTES);
	sso->used_at = (sso->used_at + 1) % USED_MAX;
	return true;
}

struct sso *sso_open(const struct sso_options *options)
{
	struct sso *sso = mem_alloc(1, sizeof(*sso));

	sso->o = *options;
	for (size_t i = 0; i < sso->o.n; i++) {
		sso->issuers[i].o = &sso->o.issuers[i];
		arena_init(&sso->issuers[i].known, 0);
	}
	/* Each ask has one call, and its issuer one that they share. */
	sso->fetcher = fetcher_open(SSO_KINDS * (SSO_ASKS_MAX + 1), options->ca_file);
	return sso;
}

void sso_close(struct sso **sp)
{
	struct sso *sso = *sp;

	if (sso == NULL) {
		return;
	}
	fetcher_close(&sso->fetcher);
	for (size_t i = 0; i < sso->o.n; i++) {
		jwk_set_free(&sso->issuers[i].keys);
		arena_release(&sso->issuers[i].known);
	}
	free(sso);
	*sp = NULL;
}
