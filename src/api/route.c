/* SPDX-License-Identifier: Apache-2.0 */
/* What a row asks of who calls, and of the form of a request. Finding it is route_index.c's. */
#include "api/route.h"

#include <stdio.h>

#include "api/once.h"
#include "api/routes.h"
#include "net/http_query.h"

#define STRICT_PATHS "/api/v1/"
#define AUTH_PATHS "/api/v1/auth/"

static const char *const method_names[HTTP_METHODS] = {
	[HTTP_OTHER] = "",	  [HTTP_GET] = "GET",	      [HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST",	  [HTTP_PUT] = "PUT",	      [HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

const char *route_method_name(enum http_method method)
{
	ensure((size_t)method < HTTP_METHODS);
	return method_names[method];
}

bool route_is_strict(const struct route *r)
{
	return r->older == NULL && strncmp(r->path, STRICT_PATHS, strlen(STRICT_PATHS)) == 0;
}

const struct route *route_next(size_t *at)
{
	size_t i = (*at)++;

	for (size_t set = 0; set < route_sets_n; set++) {
		if (i < route_sets[set]->n) {
			return &route_sets[set]->rows[i];
		}
		i -= route_sets[set]->n;
	}
	return NULL;
}

static bool key_admitted(const struct route *r, const struct caller *caller, struct err *err)
{
	if (r->who == WHO_USER) {
		return err_set(err, ERR_FORBIDDEN, "an API key cannot do this, only a person");
	}
	if ((caller->scopes & r->scope) != r->scope) {
		return err_set(err, ERR_FORBIDDEN, "this API key lacks the scope \"%s\"",
			       scope_name((enum scope)r->scope));
	}
	return true;
}

static bool user_admitted(const struct route *r, const struct caller *caller, struct err *err)
{
	if (caller->leaving && !r->while_leaving) {
		return err_set(err, ERR_LEAVING,
			       "this account is to be deleted: keep it with POST "
			       "/api/v1/auth/me/restore, or take its data along with GET "
			       "/api/v1/auth/me/export");
	}
	if (caller->role < r->role && caller->role == ROLE_NONE) {
		return err_set(err, ERR_FORBIDDEN,
			       "this session acts in no organization: choose one of yours with "
			       "POST /api/v1/auth/switch");
	}
	if (caller->role < r->role) {
		return err_set(err, ERR_FORBIDDEN,
			       "this takes the role \"%.*s\", yours is \"%.*s\"",
			       SARG(role_name(r->role)), SARG(role_name(caller->role)));
	}
	return !r->proof || caller->proved ||
	       err_set(err, ERR_PROOF,
		       "this needs your password or a code, entered in the last ten minutes: POST "
		       "/api/v1/auth/prove");
}

static bool is_stream(const struct route *r)
{
	for (size_t i = 0; i < ROUTE_REPLIES_MAX && r->replies[i].status != 0; i++) {
		const char *type = r->replies[i].type;

		if (r->replies[i].status == 101 ||
		    (type != NULL && slice_eq(slice_of(type), S("text/event-stream")))) {
			return true;
		}
	}
	return false;
}

/* Before all is deleted its owner can look at it and take it along. Nothing is followed live. */
static bool may_take_along(const struct route *r, const struct caller *caller)
{
	return caller->org_leaving && caller->user.v != 0 && caller->role == ROLE_OWNER &&
	       r->method == HTTP_GET && !is_stream(r);
}

static bool is_closed(const struct caller *caller, struct err *err)
{
	return err_set(
		err, ERR_CLOSED, "%s",
		caller->org_leaving
			? "this organization is to be deleted: until then an owner can read "
			  "and export what is in it, or take that back with POST "
			  "/api/v1/orgs/current/restore"
			: "this organization is suspended, or is to be deleted: its owner or "
			  "whoever runs this server can say why");
}

bool route_allows(const struct route *r, const struct caller *caller, struct err *err)
{
	bool user = caller->user.v != 0;

	if (caller->key.v == 0 && !user) {
		return err_set(err, ERR_UNAUTHORIZED, "%s",
			       r->who == WHO_USER
				       ? "log in first: POST /api/v1/auth/login"
				       : "an API key is needed: send it as \"Authorization: Bearer "
					 "sk_...\"; or log in");
	}
	if (user ? !user_admitted(r, caller, err) : !key_admitted(r, caller, err)) {
		return false;
	}
	return !caller->closed || r->while_closed || (user && r->role == ROLE_NONE) ||
	       may_take_along(r, caller) || is_closed(caller, err);
}

bool route_admits(const struct route *r, const struct caller *caller, struct err *err)
{
	switch (r->who) {
	case WHO_PUBLIC:
	case WHO_OWN:
	case WHO_SOCKET:
		return true;
	case WHO_CALLER:
	case WHO_USER:
		return route_allows(r, caller, err);
	case WHO_UNSAID:
		break;
	}
	never("a route that does not say who may call it");
}

bool route_is_about_project(const struct route *r)
{
	return r->who == WHO_CALLER || r->who == WHO_OWN ||
	       (r->who == WHO_USER && r->role != ROLE_NONE);
}

static bool knows(const struct route *r, struct slice name, const struct field **meant)
{
	for (size_t i = 0; i < ROUTE_QUERIES_MAX && r->query[i] != NULL; i++) {
		const struct field_set *set = r->query[i];

		if (fields_find(set->rows, set->n, name) != NULL) {
			return true;
		}
		if (*meant == NULL) {
			*meant = fields_closest(set->rows, set->n, name);
		}
	}
	return false;
}

static bool check_name(const struct route *r, struct slice name, struct err *err)
{
	const struct field *meant = NULL;
	char path[FIELD_PATH_MAX];

	if (knows(r, name, &meant)) {
		return true;
	}
	snprintf(path, sizeof(path), "%.*s", SARG(name));
	if (meant == NULL) {
		return err_field(err, ERR_INVALID, path,
				 "\"%.100s\" is not a parameter of this call", path);
	}
	return err_field(err, ERR_INVALID, path,
			 "\"%.100s\" is not a parameter of this call; did you mean \"%s\"?", path,
			 meant->name);
}

bool route_is_about_who(const struct route *r)
{
	return strncmp(r->path, AUTH_PATHS, strlen(AUTH_PATHS)) == 0;
}

enum route_once route_once(const struct route *r)
{
	if (r->takes_key) {
		return ONCE_EVENTS;
	}
	if (r->method != HTTP_POST || !route_is_strict(r) || route_is_about_who(r) ||
	    r->no_key != NULL) {
		return ONCE_NONE;
	}
	return r->secret ? ONCE_SECRET : ONCE_KEPT;
}

static bool is_visible(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~') {
			return false;
		}
	}
	return true;
}

static bool check_key(const struct route *r, const struct http_request *http, struct err *err)
{
	struct slice key = http_request_header(http, HTTP_H_IDEMPOTENCY_KEY);
	enum route_once how = route_once(r);

	if ((how != ONCE_KEPT && how != ONCE_SECRET) ||
	    !http_request_has(http, HTTP_H_IDEMPOTENCY_KEY) ||
	    (key.n > 0 && key.n <= ONCE_KEY_BYTES_MAX && is_visible(key))) {
		return true;
	}
	return err_field(err, ERR_INVALID, "Idempotency-Key",
			 "\"Idempotency-Key\" must be 1 to %d visible characters of ASCII",
			 ONCE_KEY_BYTES_MAX);
}

bool route_takes(const struct route *r, const struct http_request *http, struct arena *req,
		 struct err *err)
{
	struct slice rest = http->query, name, value;

	while (route_is_strict(r) && !r->query_open && http_query_next(&rest, req, &name, &value)) {
		if (!check_name(r, name, err)) {
			return false;
		}
	}
	if (!check_key(r, http, err)) {
		return false;
	}
	return r->match != MATCH_MUST || http_request_has(http, HTTP_H_IF_MATCH) ||
	       err_set(err, ERR_PRECONDITION_REQUIRED,
		       "send the ETag of what is to be changed as If-Match, or * for any");
}
