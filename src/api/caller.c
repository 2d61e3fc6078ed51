/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A credential is what stands in Authorization, else in X-API-Key, else in the cookie: the first
 * that is there decides, so that a page's cookie never stands in for a key that is wrong.
 */
#include "api/caller.h"

#include "api/api.h"
#include "api/guess.h"
#include "base/clock.h"

#define TOKEN_START "eyJ" /* of a JWT: {" in base64 */
#define UNKNOWN_KEY "this API key is unknown, expired or revoked"

static bool is_closed(const struct api *api, struct org_id org)
{
	return api->people != NULL && people_org_is_closed(api->people, org);
}

bool api_caller_of(struct api *api, struct slice secret, struct caller *out)
{
	const struct api_key *key = keyring_find(api->keys, secret, clock_wall_us());

	if (key == NULL) {
		return false;
	}
	*out = (struct caller) {
		.key = key->id,
		.org = key->org,
		.project = key->project,
		.scopes = key->scopes,
		.expires_at_us = key->expires_at_us,
		.closed = is_closed(api, key->org),
	};
	return true;
}

bool caller_by_key(struct call *c, struct slice secret, struct err *err)
{
	bool known = api_caller_of(c->api, secret, &c->caller);

	return guess_key(c, secret, known, err) &&
	       (known || err_set(err, ERR_UNAUTHORIZED, UNKNOWN_KEY));
}

/* A call of a person is about the project that it names, else the org's default. */
static bool choose_project(struct call *c, struct err *err)
{
	const struct project_info *project = NULL;
	struct project_id id;
	struct slice text;
	size_t at = 0;

	if (!http_request_next(c->http, S("x-project-id"), &at, &text)) {
		return true;
	}
	if (id_parse(ID_PROJECT, text, &id.v)) {
		project = project_set_get(c->api->projects, id);
	}
	if (project == NULL || project->org.v != c->caller.org.v) {
		return err_set(err, ERR_NOT_FOUND,
			       "there is no such project in this organization: X-Project-Id");
	}
	c->caller.project = id;
	return true;
}

static bool become_person(struct call *c, struct session_id session, struct user_id user,
			  struct err *err)
{
	int64_t now_us = clock_wall_us();
	struct person p;

	if (!people_caller(c->api->people, session, user, now_us, &p)) {
		return err_set(err, ERR_UNAUTHORIZED, "this session has ended: log in again");
	}
	c->caller = (struct caller) {
		.user = user,
		.session = session,
		.role = p.role,
		.org = p.org,
		.project = p.project,
		.scopes = SCOPES_ALL, /* roles decide */
		.expires_at_us = p.expires_us,
		.proved = p.proved_us != 0 && now_us - p.proved_us <= CALLER_PROOF_US,
		.closed = p.suspended || p.leaving,
		.leaving = p.user_leaving,
		.org_leaving = p.leaving && !p.suspended,
	};
	return true;
}

bool caller_by_token(struct call *c, struct slice token, struct err *err)
{
	enum signer_verdict verdict;
	struct session_id session;
	struct user_id user;

	if (c->api->signer == NULL) {
		return err_set(err, ERR_UNAUTHORIZED, "nobody can log in here");
	}
	verdict = signer_check(c->api->signer, token, clock_wall_us(), c->req, &user, &session,
			       err);
	/*
	 * A token that is over is what every session sends now and then; a forged one is a guess.
	 */
	if (verdict == SIGNER_FORGED && !guess_secret(c, token, false, err)) {
		return false;
	}
	return verdict == SIGNER_GOOD && become_person(c, session, user, err) &&
	       choose_project(c, err);
}

bool caller_cookie(const struct http_request *r, struct slice name, struct slice *value)
{
	struct slice line, one;
	size_t at = 0;

	while (http_request_next(r, S("cookie"), &at, &line)) {
		while (slice_split(&line, ';', &one)) {
			one = slice_trim(one);
			if (slice_starts(one, name) && one.n > name.n && one.p[name.n] == '=') {
				*value = slice_from(one, name.n + 1);
				return value->n > 0;
			}
		}
	}
	return false;
}

/* "https://host:port" of a URL, or of an Origin. */
static struct slice authority_of(struct slice url)
{
	struct slice rest = url;
	const char *at = url.n == 0 ? NULL : memmem(url.p, url.n, "://", 3);

	if (at == NULL) {
		return (struct slice) { 0 };
	}
	rest = slice_from(url, (size_t)(at - url.p) + 3);
	rest.n = slice_find(rest, '/');
	return rest;
}

/*
 * A page is ours by the host it asked. Of the public one the scheme has to fit, too: who sits in
 * the network can serve a page of that host without TLS.
 */
static bool is_ours(const struct call *c, struct slice origin)
{
	struct slice host = authority_of(origin), url = c->api->public_url;

	if (host.n > 0 && slice_eq_nocase(host, authority_of(url))) {
		return origin.n <= url.n &&
		       slice_eq_nocase(origin, (struct slice) { .p = url.p, .n = origin.n });
	}
	return host.n > 0 && slice_eq_nocase(host, c->http->host);
}

bool caller_is_at_home(const struct call *c, struct err *err)
{
	struct slice origin = http_request_header(c->http, HTTP_H_ORIGIN);
	struct slice site = http_request_header(c->http, HTTP_H_SEC_FETCH_SITE), text;
	size_t at = 0;
	bool ok;

	if (http_request_has(c->http, HTTP_H_ORIGIN)) {
		ok = is_ours(c, origin);
	} else if (http_request_has(c->http, HTTP_H_SEC_FETCH_SITE)) {
		ok = slice_eq(site, S("same-origin")) || slice_eq(site, S("none"));
	} else {
		ok = http_request_next(c->http, S("x-requested-with"), &at, &text);
	}
	return ok ||
	       err_set(err, ERR_FORBIDDEN,
		       "a cookie counts only for calls from a page of this server (by Origin), or "
		       "with the header X-Requested-With");
}

static bool is_safe(const struct call *c)
{
	return (c->http->method == HTTP_GET || c->http->method == HTTP_HEAD) && !c->http->upgrade;
}

static enum found by_cookie(struct call *c, struct err *err)
{
	struct slice token;

	if (!caller_cookie(c->http, S(CALLER_ACCESS_COOKIE), &token)) {
		return NOT_FOUND;
	}
	return (is_safe(c) || caller_is_at_home(c, err)) && caller_by_token(c, token, err) ? FOUND
											   : FAILED;
}

static enum found by_text(struct call *c, struct slice text, struct err *err)
{
	bool token = slice_starts(text, S(TOKEN_START));

	return (token ? caller_by_token(c, text, err) : caller_by_key(c, text, err)) ? FOUND
										     : FAILED;
}

enum found caller_find(struct call *c, struct err *err)
{
	struct slice header = http_request_header(c->http, HTTP_H_AUTHORIZATION);
	struct slice scheme = { .p = header.p, .n = slice_find(header, ' ') };
	struct slice key = http_request_header(c->http, HTTP_H_X_API_KEY);

	if (slice_eq_nocase(scheme, S("bearer"))) {
		header = slice_trim(slice_from(header, scheme.n));
		if (header.n > 0) {
			return by_text(c, header, err);
		}
	}
	if (key.n > 0) {
		return by_text(c, key, err);
	}
	if (http_request_has(c->http, HTTP_H_AUTHORIZATION)) {
		err_set(err, ERR_UNAUTHORIZED,
			"\"Authorization\" must be \"Bearer \" and an API key or access token");
		return FAILED;
	}
	return by_cookie(c, err);
}

bool caller_renew(struct call *c, const struct caller *then, struct err *err)
{
	const struct api_key *key;

	if (then->user.v != 0) {
		if (!become_person(c, then->session, then->user, err)) {
			return false;
		}
		/* A ticket is for the place where it was made. */
		if (c->caller.org.v == then->org.v) {
			c->caller.project = then->project;
			return true;
		}
	} else {
		key = keyring_alive(c->api->keys, then->key, clock_wall_us());
		if (key != NULL) {
			c->caller = *then;
			c->caller.expires_at_us = key->expires_at_us;
			c->caller.closed = is_closed(c->api, key->org);
			return true;
		}
	}
	c->caller = (struct caller) { 0 };
	return err_set(err, ERR_UNAUTHORIZED, "whoever made this ticket may no longer use it");
}

bool caller_is_alive(const struct api *api, const struct caller *caller)
{
	int64_t now_us = clock_wall_us();
	struct person p;

	/* What was begun while the org was closed, an export before its end, may be finished. */
	if (is_closed(api, caller->org) && !caller->closed) {
		return false;
	}
	if (caller->user.v == 0) {
		return keyring_alive(api->keys, caller->key, now_us) != NULL;
	}
	return people_caller(api->people, caller->session, caller->user, now_us, &p) &&
	       people_role(api->people, caller->org, caller->user) >= caller->role;
}
