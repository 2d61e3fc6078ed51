/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description of the API, made once at the start, and the page that shows it. All of it is the
 * same for everybody until the program is another, so it is known by its hash.
 */
#include "api/api.h"
#include "api/route.h"
#include "api/routes.h"
#include "base/hex.h"
#include "ui/ui.h"

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

static void answer(struct call *c, const char *type, struct slice body)
{
	struct slice tag = tag_of(body, c->req);

	if (is_known(c, tag)) {
		call_empty(c, 304);
	} else {
		(void)call_json(c, 200);
		c->answer.type = type;
		buf_puts(&c->answer.body, body);
	}
	c->answer.cache = "no-cache";
	call_header(c, S("ETag"), tag);
}

static void get_openapi(struct call *c)
{
	answer(c, "application/json", buf_slice(&c->api->openapi));
	call_send(c);
}

/* A page gets nothing from elsewhere, sends nothing elsewhere, and is in nobody's frame. */
static void send_page(struct call *c, const char *name)
{
	const struct ui_file *file = ui_find(name);

	ensure(file != NULL);
	answer(c, file->type, file->body);
	call_header(
		c, S("Content-Security-Policy"),
		S("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
		  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
	call_header(c, S("X-Content-Type-Options"), S("nosniff"));
	call_header(c, S("Referrer-Policy"), S("no-referrer"));
	call_send(c);
}

static void get_docs(struct call *c)
{
	send_page(c, "docs.html");
}

static void get_docs_css(struct call *c)
{
	send_page(c, "docs.css");
}

static void get_docs_js(struct call *c)
{
	send_page(c, "docs.js");
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
	{
		.method = HTTP_GET,
		.path = "/api/docs",
		.name = "getDocs",
		.tag = "Operation",
		.summary = "These calls as a page, to read and to try",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200,
			       .help = "The page.",
			       .type = "text/html",
			       .headers = REPLY_ETAG },
			     { .status = 304, .help = "It is what you have." } },
		.loop = get_docs,
	},
	{
		.method = HTTP_GET,
		.path = "/api/docs/docs.css",
		.name = "getDocsStyle",
		.tag = "Operation",
		.summary = "The style of that page",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200,
			       .help = "The style sheet.",
			       .type = "text/css",
			       .headers = REPLY_ETAG },
			     { .status = 304, .help = "It is what you have." } },
		.loop = get_docs_css,
	},
	{
		.method = HTTP_GET,
		.path = "/api/docs/docs.js",
		.name = "getDocsScript",
		.tag = "Operation",
		.summary = "The program of that page",
		.who = WHO_PUBLIC,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200,
			       .help = "The script.",
			       .type = "text/javascript",
			       .headers = REPLY_ETAG },
			     { .status = 304, .help = "It is what you have." } },
		.loop = get_docs_js,
	},
};
const struct route_set routes_docs = { rows, ARRAY_LEN(rows) };
