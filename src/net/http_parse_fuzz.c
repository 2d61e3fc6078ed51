/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes are a head, not yet one, or refused, and the same however they are cut; what is
 * accepted holds what the callers count on. The rest of the input is read as a chunked body,
 * likewise.
 */
#include "net/http_parse.h"

#include <stdlib.h>

#include "base/buf.h"
#include "net/http_query.h"
#include "test/fuzz/fuzz.h"

#define BODY_BYTES_MAX ((size_t)1 << 16)

static void check_span(const struct http_head *h, struct http_span s)
{
	ensure((size_t)s.at + s.n <= h->bytes);
}

static void check_head(const struct http_head *h, const char *p)
{
	struct slice path = http_span_slice(p, h->path), rest = http_span_slice(p, h->query);
	struct slice name, value;
	struct arena req;

	ensure(h->bytes <= HTTP_HEAD_BYTES_MAX && h->fields_n <= HTTP_HEADERS_MAX);
	ensure(memcmp(p + h->bytes - 4, "\r\n\r\n", 4) == 0);
	ensure(!(h->chunked && h->has_length) && !(h->chunked && h->minor == 0));
	ensure(h->minor == 0 || h->host.n > 0);
	check_span(h, h->path);
	check_span(h, h->query);
	ensure(path.n == 0 || path.p[0] == '/' || path.p[0] == '*');
	for (size_t i = 0; i < h->fields_n; i++) {
		check_span(h, h->fields[i].value);
		ensure(http_is_token(http_span_slice(p, h->fields[i].name)));
		ensure(http_is_field_value(http_span_slice(p, h->fields[i].value)));
	}
	arena_init(&req, 0);
	path = http_path_decode(path, &req);
	ensure(slice_find(path, '\0') == path.n);
	while (http_query_next(&rest, &req, &name, &value)) {
		ensure(slice_find(name, '\0') == name.n && slice_find(value, '\0') == value.n);
	}
	arena_release(&req);
}

static enum http_parse head_in_steps(struct http_head *h, const char *p, size_t n, size_t by)
{
	enum http_parse r = HTTP_MORE;
	size_t seen = 0;

	http_head_init(h);
	while (r == HTTP_MORE && seen < n) {
		seen = n - seen < by ? n : seen + by;
		r = http_head_parse(h, p, seen);
	}
	return r;
}

static enum http_parse body_in_steps(struct slice s, size_t by, struct buf *out, size_t *left)
{
	struct http_chunked c;
	enum http_parse r = HTTP_MORE;

	http_chunked_init(&c);
	while (r == HTTP_MORE && s.n > 0) {
		struct slice in = { s.p, s.n < by ? s.n : by }, data;
		const char *begin = in.p;

		while ((r = http_chunked_parse(&c, &in, &data)) == HTTP_DATA) {
			ensure(data.n > 0);
			buf_puts(out, data);
		}
		s = slice_from(s, (size_t)(in.p - begin));
		ensure(r != HTTP_MORE || in.n == 0);
	}
	*left = s.n;
	return r;
}

static void body(struct slice s)
{
	struct buf whole, bytes;
	size_t whole_left, bytes_left;
	enum http_parse r;

	buf_init(&whole, BODY_BYTES_MAX);
	buf_init(&bytes, BODY_BYTES_MAX);
	r = body_in_steps(s, s.n + 1, &whole, &whole_left);
	ensure(body_in_steps(s, 1, &bytes, &bytes_left) == r);
	if (r != HTTP_BAD) {
		ensure(slice_eq(buf_slice(&whole), buf_slice(&bytes)) && whole_left == bytes_left);
	}
	buf_release(&whole);
	buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_head whole, bytes;
	char *p = malloc(n + 1); /* its own block, so that a sanitizer sees the end */
	enum http_parse r;

	ensure(p != NULL);
	if (n > 0) {
		memcpy(p, data, n);
	}
	p = mem_resize(p, n == 0 ? 1 : n, 1);
	r = head_in_steps(&whole, p, n, n + 1);
	ensure(head_in_steps(&bytes, p, n, 1) == r);
	ensure(whole.status == bytes.status && whole.reason == bytes.reason);
	if (r == HTTP_DONE) {
		ensure(whole.bytes == bytes.bytes && whole.fields_n == bytes.fields_n);
		check_head(&whole, p);
		body((struct slice) { p + whole.bytes, n - whole.bytes });
	}
	body((struct slice) { p, n });
	free(p);
	return 0;
}
