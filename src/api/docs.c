/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the API, made once at the start, and the page that shows it. */
#include "api/api.h"
#include "api/file.h"
#include "api/route.h"
#include "api/routes.h"

static void get_openapi(struct call *c)
{
	file_answer(c, "application/json", buf_slice(&c->api->openapi));
	call_send(c);
}

static void get_docs(struct call *c)
{
	file_send(c, "docs.html");
}

static void get_docs_css(struct call *c)
{
	file_send(c, "docs.css");
}

static void get_docs_js(struct call *c)
{
	file_send(c, "docs.js");
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
