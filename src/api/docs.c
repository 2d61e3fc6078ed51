/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the API, made once at the start and known by its hash. */
#include "api/api.h"
#include "api/route.h"
#include "api/routes.h"
#include "base/hex.h"

#define TAG_BYTES 12 /* of the hash: who has one cannot tell two documents apart by chance */

static struct slice tag_of(struct slice body, struct arena *req)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * TAG_BYTES];

	sha256(body, hash);
	hex_encode(hash, TAG_BYTES, hex);
	return arena_printf(req, "\"%.*s\"", (int)sizeof(hex), hex);
}

/* If-None-Match (RFC 9110 section 13.1.2), with as many tags as there are. */
static bool is_known(struct call *c, struct slice tag)
{
	struct slice value;
	size_t at = 0;

	while (http_request_next(c->http, S("if-none-match"), &at, &value)) {
		if (slice_eq(slice_trim(value), S("*")) ||
		    memmem(value.p, value.n, tag.p, tag.n) != NULL) {
			return true;
		}
	}
	return false;
}

static void get_openapi(struct call *c)
{
	struct slice body = buf_slice(&c->api->openapi);
	struct slice tag = tag_of(body, c->req);

	if (is_known(c, tag)) {
		call_empty(c, 304);
	} else {
		(void)call_json(c, 200);
		buf_puts(&c->answer.body, body);
	}
	c->answer.cache = "no-cache";
	call_header(c, S("ETag"), tag);
	call_send(c);
}

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/openapi.json",
		.name = "getOpenapi",
		.tag = "Operation",
		.summary = "This description",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200,
			       .help = "OpenAPI 3.1.",
			       .shape = &(const struct shape) { .open = true },
			       .headers = REPLY_ETAG },
			     { .status = 304, .help = "It is what you have." } },
		.loop = get_openapi,
	},
};
const struct route_set routes_docs = { rows, ARRAY_LEN(rows) };
