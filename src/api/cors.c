/* SPDX-License-Identifier: Apache-2.0 */
/* CORS by an allow-list of exact origins; "*" in it opens the API to every page. */
#include "api/cors.h"

#include "api/api.h"

static bool allowed(const struct api *api, struct slice origin)
{
	struct slice rest = api->cors_origins, one;

	while (slice_split(&rest, ',', &one)) {
		one = slice_trim(one);
		if (slice_eq(one, S("*")) || slice_eq_nocase(one, origin)) {
			return true;
		}
	}
	return false;
}

size_t cors_headers(struct api *api, const struct http_request *r,
		    struct http_header out[CORS_HEADERS_MAX])
{
	struct slice origin = http_request_header(r, HTTP_H_ORIGIN);

	if (origin.n == 0 || !allowed(api, origin)) {
		return 0;
	}
	out[0] = (struct http_header) { S("Access-Control-Allow-Origin"), origin };
	out[1] = (struct http_header) { S("Vary"), S("Origin") };
	out[2] = (struct http_header) {
		S("Access-Control-Expose-Headers"),
		S("Retry-After, X-Request-Id, Idempotent-Replayed, X-Usage-Warning, ETag, "
		  "Location, Deprecation, Link, RateLimit-Policy, RateLimit-Limit, "
		  "RateLimit-Remaining, RateLimit-Reset, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset")
	};
	return 3;
}

bool cors_is_preflight(const struct http_request *r)
{
	struct slice value;
	size_t at = 0;

	return r->method == HTTP_OPTIONS && http_request_has(r, HTTP_H_ORIGIN) &&
	       http_request_next(r, S("access-control-request-method"), &at, &value);
}

void cors_preflight(struct api *api, struct http_exchange *x)
{
	struct http_header headers[CORS_HEADERS_MAX + 3];
	size_t n = cors_headers(api, http_exchange_request(x), headers);

	if (n > 0) {
		headers[n++] = (struct http_header) { S("Access-Control-Allow-Methods"),
						      S("GET, POST, PUT, PATCH, DELETE") };
		headers[n++] = (struct http_header) {
			S("Access-Control-Allow-Headers"),
			S("Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, "
			  "X-API-Key, X-Request-Id")
		};
		headers[n++] = (struct http_header) { S("Access-Control-Max-Age"), S("600") };
	}
	http_reply(x, 204, headers, n, (struct slice) { 0 });
}
