/* SPDX-License-Identifier: Apache-2.0 */
/* The token is known by its hash alone, and compared in constant time. */
#include "api/first.h"

#include "api/api.h"
#include "api/guess.h"

static bool token_is_right(struct call *c, struct err *err)
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
	return guess_secret(c, token, right, err) && right;
}

bool first_is_allowed(struct call *c, struct err *err)
{
	struct slice type = http_request_header(c->http, HTTP_H_CONTENT_TYPE);

	return token_is_right(c, err) ||
	       (api_is_local(c->http) && !http_request_has(c->http, HTTP_H_AUTHORIZATION) &&
		slice_starts(type, S("application/json")));
}
