/* SPDX-License-Identifier: Apache-2.0 */
/* Clients ask again with the tag that they have, so a page costs its bytes once a version. */
#include "api/file.h"

#include "base/hash.h"
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

void file_answer(struct call *c, const char *type, struct slice body)
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

/* A page gets nothing from elsewhere, sends nothing elsewhere, and is in nobody's frame. */
void file_send(struct call *c, const char *name)
{
	const struct ui_file *file = ui_find(name);

	ensure(file != NULL);
	file_answer(c, file->type, file->body);
	call_header(
		c, S("Content-Security-Policy"),
		S("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
		  "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
	call_header(c, S("X-Content-Type-Options"), S("nosniff"));
	call_header(c, S("Referrer-Policy"), S("no-referrer"));
	call_send(c);
}
