/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies in chunks: a state per byte of framing, data in runs. White space beside the size is
 * refused although RFC 9112 lets readers take it: readers differ on it, and no client sends it.
 */
#include "net/http_bytes.h"

enum state {
	SIZE,
	EXT,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,
	NAME,
	VALUE,
	VALUE_LF,
	END_LF,
	END
};

#define SIZE_DIGITS_MAX 15 /* below 2^60, so that sums stay in 64 bits */

void http_chunked_init(struct http_chunked *c)
{
	*c = (struct http_chunked) { .state = SIZE };
}

static bool bad(struct http_chunked *c, const char *reason)
{
	c->reason = reason;
	return false;
}

static bool size_byte(struct http_chunked *c, char b)
{
	if (http_byte_is(b, HTTP_BYTE_HEX)) {
		c->left = c->left << 4 | http_hex(b);
		return ++c->digits <= SIZE_DIGITS_MAX || bad(c, "a chunk size is too large");
	}
	if (c->digits == 0 || (b != ';' && b != '\r')) {
		return bad(c, "a chunk size is not valid");
	}
	c->state = b == ';' ? EXT : SIZE_LF;
	return true;
}

static bool ext_byte(struct http_chunked *c, char b)
{
	if (b == '\r') {
		c->state = SIZE_LF;
		return true;
	}
	if (++c->ext_bytes > HTTP_CHUNK_EXT_BYTES_MAX) {
		return bad(c, "chunk extensions are too large");
	}
	return http_byte_is(b, HTTP_BYTE_VALUE) || bad(c, "a chunk extension is not valid");
}

static bool size_line_byte(struct http_chunked *c, char b)
{
	if (++c->line_bytes > HTTP_CHUNK_LINE_BYTES_MAX) {
		return bad(c, "a chunk size line is too long");
	}
	return c->state == SIZE ? size_byte(c, b) : ext_byte(c, b);
}

static bool trailer_byte(struct http_chunked *c, char b)
{
	if (++c->trailer_bytes > HTTP_TRAILER_BYTES_MAX) {
		return bad(c, "the trailers are too large");
	}
	if (c->state == TRAILER && b == '\r') {
		c->state = END_LF;
		return true;
	}
	if (c->state == VALUE) {
		c->state = b == '\r' ? VALUE_LF : VALUE;
		return b == '\r' || http_byte_is(b, HTTP_BYTE_VALUE) ||
		       bad(c, "a trailer has control bytes");
	}
	if (c->state == NAME && b == ':') {
		c->state = VALUE;
		return true;
	}
	c->state = NAME;
	return http_byte_is(b, HTTP_BYTE_TOKEN) || bad(c, "a trailer name is not valid");
}

static bool expect_byte(struct http_chunked *c, char b, char want, enum state next)
{
	c->state = (int)next;
	return b == want || bad(c, "a chunk does not end with CR LF");
}

static bool step(struct http_chunked *c, char b)
{
	switch ((enum state)c->state) {
	case SIZE:
	case EXT:
		return size_line_byte(c, b);
	case SIZE_LF:
		c->line_bytes = 0;
		c->digits = 0;
		return expect_byte(c, b, '\n', c->left > 0 ? DATA : TRAILER);
	case DATA_CR:
		return expect_byte(c, b, '\r', DATA_LF);
	case DATA_LF:
		return expect_byte(c, b, '\n', SIZE);
	case TRAILER:
	case NAME:
	case VALUE:
		return trailer_byte(c, b);
	case VALUE_LF:
		return expect_byte(c, b, '\n', TRAILER);
	case END_LF:
		return expect_byte(c, b, '\n', END);
	case DATA:
	case END:
		break;
	}
	never("a byte of data taken for framing");
}

enum http_parse http_chunked_parse(struct http_chunked *c, struct slice *in, struct slice *data)
{
	while (c->state != END) {
		if (in->n == 0) {
			return HTTP_MORE;
		}
		if (c->state == DATA) {
			size_t n = in->n < c->left ? in->n : (size_t)c->left;

			*data = (struct slice) { in->p, n };
			*in = (struct slice) { in->p + n, in->n - n };
			c->left -= n;
			c->state = c->left == 0 ? DATA_CR : DATA;
			return HTTP_DATA;
		}
		if (!step(c, in->p[0])) {
			return HTTP_BAD;
		}
		*in = (struct slice) { in->p + 1, in->n - 1 };
	}
	return HTTP_DONE;
}
