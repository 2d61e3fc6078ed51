/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CORS by two allow-lists: that of the server for all calls, and that of a project for its events.
 */
#include "api/cors.h"

#include "api/api.h"
#include "api/caller.h"
#include "api/route_index.h"
#include "model/origin.h"

static struct slice origin_of(const struct call *c)
{
	return http_request_header(c->http, HTTP_H_ORIGIN);
}

static bool server_lets_in(const struct call *c)
{
	struct slice rest = c->api->cors_origins, one;

	while (slice_split(&rest, ',', &one)) {
		if (origin_matches(slice_trim(one), origin_of(c))) {
			return true;
		}
	}
	return false;
}

static bool brings_events(const struct route *r)
{
	return r != NULL && r->limit == LIMIT_INGEST;
}

static bool project_lets_in(const struct call *c)
{
	return c->caller.key.v != 0 && brings_events(c->route) &&
	       project_set_lets_in(c->api->projects, c->caller.project, origin_of(c));
}

/* Whoever sends events without a key that is known hears why: that tells nothing of anybody. */
static bool may_read(const struct call *c)
{
	return server_lets_in(c) || project_lets_in(c) ||
	       (brings_events(c->route) && !caller_is_known(&c->caller));
}

static size_t put_origin(const struct call *c, struct http_header *out)
{
	out[0] = (struct http_header) { S("Access-Control-Allow-Origin"), origin_of(c) };
	out[1] = (struct http_header) { S("Vary"), S("Origin") };
	return 2;
}

size_t cors_headers(const struct call *c, struct http_header out[CORS_HEADERS_MAX])
{
	size_t n;

	if (origin_of(c).n == 0 || !may_read(c)) {
		return 0;
	}
	n = put_origin(c, out);
	out[n++] = (struct http_header) {
		S("Access-Control-Expose-Headers"),
		S("Retry-After, X-Request-Id, Idempotent-Replayed, X-Usage-Warning, ETag, "
		  "Location, Deprecation, Link, RateLimit-Policy, RateLimit-Limit, "
		  "RateLimit-Remaining, RateLimit-Reset, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset")
	};
	return n;
}

bool cors_admits(const struct call *c, struct err *err)
{
	struct err ignored;

	if (origin_of(c).n == 0 || c->caller.key.v == 0 || !brings_events(c->route) ||
	    project_lets_in(c) || server_lets_in(c) || caller_is_at_home(c, &ignored)) {
		return true;
	}
	return err_set(
		err, ERR_FORBIDDEN,
		"pages of this origin may not send events to the project: they are not in its "
		"\"origins\"");
}

static bool wanted_method(const struct http_request *r, struct slice *method)
{
	size_t at = 0;

	return http_request_next(r, S("access-control-request-method"), &at, method);
}

bool cors_is_preflight(const struct http_request *r)
{
	struct slice ignored;

	return r->method == HTTP_OPTIONS && http_request_has(r, HTTP_H_ORIGIN) &&
	       wanted_method(r, &ignored);
}

static bool asks_to_send_events(struct call *c)
{
	struct slice method, allow;
	bool known;

	return wanted_method(c->http, &method) && slice_eq(method, S("POST")) &&
	       brings_events(route_find(c->api->routes, HTTP_POST, c->http->path, false, c->req,
					c->params, &known, &allow));
}

void cors_preflight(struct call *c)
{
	struct http_header headers[CORS_HEADERS_MAX + 3];
	bool events = asks_to_send_events(c);
	size_t n = 0;

	if (origin_of(c).n > 0 && (events || server_lets_in(c))) {
		n = put_origin(c, headers);
		headers[n++] = (struct http_header) { S("Access-Control-Allow-Methods"),
						      events ? S("POST")
							     : S("GET, POST, PUT, PATCH, DELETE") };
		headers[n++] = (struct http_header) {
			S("Access-Control-Allow-Headers"),
			S("Authorization, Content-Type, Content-Encoding, Idempotency-Key, "
			  "If-Match, If-None-Match, Last-Event-ID, X-API-Key, X-Project-Id, "
			  "X-Request-Id")
		};
		headers[n++] = (struct http_header) { S("Access-Control-Max-Age"), S("600") };
	}
	http_reply(c->x, 204, headers, n, (struct slice) { 0 });
}
