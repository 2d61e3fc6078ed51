/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A head has one reading or none: the table of good and evil heads, each fed whole and byte by byte
 * with the same result, and the limits from both sides.
 */
#include "net/http_parse.h"

#include <stdio.h>

#include "test/t.h"

/* What a row expects: 0 is a good head, else the status. */
struct row {
	int status;
	struct slice head;
};
#define H "Host: a\r\n"
#define E "\r\n"
#define B(text) \
	{ \
		text, sizeof(text) - 1 \
	}
#define GOOD(text) \
	{ \
		0, B(text) \
	}
#define EVIL(status, text) \
	{ \
		status, B(text) \
	}

static const struct row ROWS[] = {
	GOOD("GET / HTTP/1.1\r\n" H E),
	GOOD("\r\nGET / HTTP/1.1\r\n" H E),
	GOOD("GET / HTTP/1.0\r\n\r\n"),
	GOOD("PURGE /x HTTP/1.1\r\n" H E),
	GOOD("get / HTTP/1.1\r\n" H E),
	GOOD("OPTIONS * HTTP/1.1\r\n" H E),
	GOOD("GET /a%20b/%2f?q=%c3%a9&r={}|^[]\" HTTP/1.1\r\n" H E),
	GOOD("GET /a:b;c=d,e@f!$&'()*+~ HTTP/1.1\r\n" H E),
	GOOD("GET /../x//y HTTP/1.1\r\n" H E),
	GOOD("GET /? HTTP/1.1\r\n" H E),
	GOOD("GET http://a/x HTTP/1.1\r\n" H E),
	GOOD("GET HTTPS://A/x?y HTTP/1.1\r\n" H E),
	GOOD("GET http://a HTTP/1.1\r\n" H E),
	GOOD("GET http://a?q HTTP/1.1\r\n" H E),
	GOOD("GET http://b/ HTTP/1.0\r\n\r\n"),
	GOOD("GET / HTTP/1.1\r\nhOsT:a:8080\r\n" E),
	GOOD("GET / HTTP/1.1\r\nHost:\t [::1]:3000 \t\r\n" E),
	GOOD("GET / HTTP/1.1\r\nHost: 127.0.0.1:\r\n" E),
	GOOD("GET / HTTP/1.1\r\n" H "X:\r\n" E),
	GOOD("GET / HTTP/1.1\r\n" H "X: \x80\xff caf\xc3\xa9\r\n" E),
	GOOD("GET / HTTP/1.1\r\n" H "X: a\tb\r\n" E),
	GOOD("GET / HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~09azAZ: x\r\n" E),
	GOOD("GET / HTTP/1.1\r\n" H "Cookie: a\r\nCookie: b\r\n" E),
	GOOD("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n" E),
	GOOD("POST / HTTP/1.1\r\n" H "Content-Length: 00012\r\n" E),
	GOOD("POST / HTTP/1.1\r\n" H "Content-Length:999999999999999999\r\n" E),
	GOOD("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" E),
	GOOD("POST / HTTP/1.1\r\n" H "transfer-encoding:CHUNKED \r\n" E),
	GOOD("POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n" E),
	GOOD("POST / HTTP/1.0\r\nExpect: something\r\n" E),
	GOOD("GET / HTTP/1.1\r\n" H "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" E),
	/* Two lengths, or none that is sure. */
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Length : 5\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H
		  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
		  "chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding\r\n: chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n" E),
	EVIL(400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n" E),
	EVIL(501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n" E),
	EVIL(501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n" E),
	EVIL(501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n" E),
	/* Lines. */
	EVIL(400, "GET / HTTP/1.1\n" H E),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\n" H "\n"),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: a\rb\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: a\r\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "\r\r\n"),
	EVIL(400, "GET /\rx HTTP/1.1\r\n" H E),
	EVIL(400, "\nGET / HTTP/1.1\r\n" H E),
	EVIL(400, "\r\n\r\nGET / HTTP/1.1\r\n" H E),
	EVIL(400, "\rGET / HTTP/1.1\r\n" H E),
	EVIL(400, "GET / HTTP/1.1\r\n " H E),
	EVIL(400, "GET / HTTP/1.1\r\n\t" H E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n" E),
	/* Names and values. */
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: a\0b\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: abcdefgh\x01jklmnopq\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X: abcdefgh\x7f\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X : a\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X\t: a\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H ": a\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "nocolon\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X(): a\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X\x80: a\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "X\0: a\r\n" E),
	EVIL(400, "GET / HTTP/1.1\r\n" H "\"X\": a\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Authorization: a\r\nauthorization: a\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Content-Type: a\r\nContent-Type: b\r\n" E),
	EVIL(400, "POST / HTTP/1.1\r\n" H "Idempotency-Key: a\r\nIdempotency-Key: b\r\n" E),
	/* Host. */
	EVIL(400, "GET / HTTP/1.1\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
	EVIL(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
	EVIL(400, "GET http://b/ HTTP/1.1\r\n" H E),
	EVIL(400, "GET http://a:80/ HTTP/1.1\r\n" H E),
	EVIL(400, "GET http:///x HTTP/1.1\r\n" H E),
	EVIL(400, "GET http://u@a/ HTTP/1.1\r\n" H E),
	/* Request lines. */
	EVIL(400, "GET\r\n" H E),
	EVIL(400, "GET /\r\n" H E),
	EVIL(400, "GET  HTTP/1.1\r\n" H E),
	EVIL(400, "GET  / HTTP/1.1\r\n" H E),
	EVIL(400, "GET /  HTTP/1.1\r\n" H E),
	EVIL(400, "GET / HTTP/1.1 \r\n" H E),
	EVIL(400, "GET /a b HTTP/1.1\r\n" H E),
	EVIL(400, "GET\t/ HTTP/1.1\r\n" H E),
	EVIL(400, " GET / HTTP/1.1\r\n" H E),
	EVIL(400, "G@T / HTTP/1.1\r\n" H E),
	EVIL(400, "GET x HTTP/1.1\r\n" H E),
	EVIL(400, "GET * HTTP/1.1\r\n" H E),
	EVIL(400, "GET ftp://a/ HTTP/1.1\r\n" H E),
	EVIL(400, "GET /a#b HTTP/1.1\r\n" H E),
	EVIL(400, "GET /?a#b HTTP/1.1\r\n" H E),
	EVIL(400, "GET /\\ HTTP/1.1\r\n" H E),
	EVIL(400, "GET /\x80 HTTP/1.1\r\n" H E),
	EVIL(400, "GET /\0 HTTP/1.1\r\n" H E),
	EVIL(400, "GET /% HTTP/1.1\r\n" H E),
	EVIL(400, "GET /%2 HTTP/1.1\r\n" H E),
	EVIL(400, "GET /%zz HTTP/1.1\r\n" H E),
	EVIL(400, "GET /%00 HTTP/1.1\r\n" H E),
	EVIL(400, "GET /?a=%00 HTTP/1.1\r\n" H E),
	EVIL(400, "GET /?a=%g0 HTTP/1.1\r\n" H E),
	EVIL(400, "GET / HTTP/1.1x\r\n" H E),
	EVIL(400, "GET / HTTP/11\r\n" H E),
	EVIL(400, "GET / http/1.1\r\n" H E),
	EVIL(400, "GET / HTTP/1.\r\n" H E),
	EVIL(400, "GET / ICY/1.1\r\n" H E),
	EVIL(505, "GET / HTTP/2.0\r\n" H E),
	EVIL(505, "GET / HTTP/1.2\r\n" H E),
	EVIL(505, "GET / HTTP/0.9\r\n" H E),
	EVIL(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	EVIL(501, "CONNECT a:443 HTTP/1.1\r\n" H E),
	EVIL(417, "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n" E),
	EVIL(417, "POST / HTTP/1.1\r\n" H "Expect:\r\n" E),
	EVIL(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
};

static bool same(const struct http_head *a, const struct http_head *b)
{
	return a->status == b->status && a->bytes == b->bytes && a->fields_n == b->fields_n &&
	       a->method == b->method && a->content_length == b->content_length &&
	       a->chunked == b->chunked && a->keep_alive == b->keep_alive &&
	       memcmp(&a->path, &b->path, sizeof(a->path)) == 0 &&
	       memcmp(&a->query, &b->query, sizeof(a->query)) == 0 &&
	       memcmp(&a->host, &b->host, sizeof(a->host)) == 0 &&
	       memcmp(a->fields, b->fields, a->fields_n * sizeof(a->fields[0])) == 0 &&
	       memcmp(a->known, b->known, sizeof(a->known)) == 0 && a->reason == b->reason;
}

/* In steps of so many bytes; each step sees a fresh copy, so that no reading goes past it. */
static enum http_parse feed(struct http_head *h, struct slice s, size_t by)
{
	enum http_parse r = HTTP_MORE;

	http_head_init(h);
	for (size_t n = by < s.n ? by : s.n; r == HTTP_MORE; n = n + by < s.n ? n + by : s.n) {
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, s.p, n);
		r = http_head_parse(h, copy, n);
		free(copy);
		if (n == s.n) {
			break;
		}
	}
	return r;
}

TEST(each_head_has_one_reading)
{
	struct http_head whole, bytes, threes;

	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		const struct row *row = &ROWS[i];
		enum http_parse want = row->status == 0 ? HTTP_DONE : HTTP_BAD;

		if (feed(&whole, row->head, row->head.n) != want || whole.status != row->status) {
			fail_msg("row %zu: status %d, want %d: %s", i, whole.status, row->status,
				 row->head.p);
		}
		T_INT(feed(&bytes, row->head, 1), want);
		T_INT(feed(&threes, row->head, 3), want);
		T_TRUE(same(&whole, &bytes) && same(&whole, &threes));
		T_TRUE(want == HTTP_DONE || whole.reason != NULL);
		T_TRUE(want == HTTP_BAD || whole.bytes == row->head.n);
	}
}

TEST(a_head_that_is_cut_short_needs_more)
{
	struct http_head h;

	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		if (ROWS[i].status == 0) {
			for (size_t n = 0; n < ROWS[i].head.n; n++) {
				http_head_init(&h);
				T_INT(http_head_parse(&h, ROWS[i].head.p, n), HTTP_MORE);
			}
		}
	}
}

TEST(the_parts_of_a_head_are_found)
{
	static const char p[] =
		"PATCH http://h.example:81/a/%2F?x=1?2 HTTP/1.1\r\n"
		"Host: H.Example:81\r\nX-Api-Key:  k 1 \r\nAccept: a\r\nX-Y: 1\r\n"
		"accept: b\r\nx-y: 2\r\nContent-Length: 7\r\nConnection: Close\r\n\r\nbody";
	struct http_head h;
	struct slice value;
	size_t at = 0;

	http_head_init(&h);
	T_INT(http_head_parse(&h, p, sizeof(p) - 1), HTTP_DONE);
	T_INT(h.method, HTTP_PATCH);
	T_SLICE(http_span_slice(p, h.path), "/a/%2F");
	T_SLICE(http_span_slice(p, h.query), "x=1?2");
	T_SLICE(http_span_slice(p, h.host), "H.Example:81");
	T_SLICE(http_head_get(&h, p, HTTP_H_X_API_KEY), "k 1");
	T_SLICE(http_head_get(&h, p, HTTP_H_ACCEPT), "a");
	T_SLICE(http_head_get(&h, p, HTTP_H_ORIGIN), "");
	T_TRUE(http_head_next(&h, p, S("x-Y"), &at, &value));
	T_SLICE(value, "1");
	T_TRUE(http_head_next(&h, p, S("x-Y"), &at, &value));
	T_SLICE(value, "2");
	T_FALSE(http_head_next(&h, p, S("x-Y"), &at, &value));
	T_INT(h.content_length, 7);
	T_FALSE(h.keep_alive);
	T_INT(h.bytes, sizeof(p) - 1 - 4);
}

TEST(keep_alive_is_as_the_version_says)
{
	static const struct {
		struct slice head;
		bool keep, upgrade;
	} rows[] = {
		{ B("GET / HTTP/1.1\r\n" H E), true, false },
		{ B("GET / HTTP/1.1\r\n" H "Connection: close\r\n" E), false, false },
		{ B("GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: y , CLOSE\r\n" E), false,
		  false },
		{ B("GET / HTTP/1.0\r\n" E), false, false },
		{ B("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" E), true, false },
		{ B("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n" E), true, false },
		{ B("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: x\r\n" E), true, true },
		{ B("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n" E), false, false },
	};
	struct http_head h;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_INT(feed(&h, rows[i].head, rows[i].head.n), HTTP_DONE);
		T_INT(h.keep_alive, rows[i].keep);
		T_INT(h.upgrade, rows[i].upgrade);
	}
}

TEST(every_known_header_is_found_by_its_name)
{
	char p[256];
	struct http_head h;

	for (int k = 0; k < HTTP_KNOWN_N; k++) {
		struct slice name = http_known_name((enum http_known)k);
		int n = snprintf(p, sizeof(p), "GET / HTTP/1.0\r\n%.*s: %s\r\n\r\n", SARG(name),
				 k == HTTP_H_CONTENT_LENGTH ? "1" : "v");

		http_head_init(&h);
		(void)http_head_parse(&h, p, (size_t)n);
		T_INT(h.known[k], 1);
	}
}

/* before, n times c, after. */
static struct slice repeat(char *to, const char *before, char c, size_t n, const char *after)
{
	size_t at = strlen(before), end = strlen(after);

	memcpy(to, before, at);
	memset(to + at, c, n);
	memcpy(to + at + n, after, end);
	return (struct slice) { to, at + n + end };
}

TEST(limits_hold_to_the_byte)
{
	static char p[3 * HTTP_HEAD_BYTES_MAX];
	size_t line = HTTP_LINE_BYTES_MAX - strlen("GET / HTTP/1.1");
	size_t head = HTTP_HEAD_BYTES_MAX - strlen("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n");
	static const struct {
		size_t more;
		enum http_parse want;
		int status;
	} rows[] = { { 0, HTTP_DONE, 0 }, { 1, HTTP_BAD, 1 }, { 100, HTTP_BAD, 1 } };
	struct http_head h;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t by = 1; by < sizeof(p); by += sizeof(p) / 2) {
			struct slice s = repeat(p, "GET /", 'a', line + rows[i].more,
						" HTTP/1.1\r\n" H E);

			T_INT(feed(&h, s, by), rows[i].want);
			T_INT(h.status, rows[i].status * 414);
			s = repeat(p, "GET / HTTP/1.1\r\n" H "X: ", 'a', head + rows[i].more,
				   "\r\n" E);
			T_INT(feed(&h, s, by), rows[i].want);
			T_INT(h.status, rows[i].status * 431);
		}
	}
}

TEST(a_hundred_headers_are_enough)
{
	static char p[8192];
	struct http_head h;

	for (int count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
		size_t n = (size_t)snprintf(p, sizeof(p), "GET / HTTP/1.1\r\n" H);

		for (int i = 1; i < count; i++) {
			n += (size_t)snprintf(p + n, sizeof(p) - n, "A: %d\r\n", i);
		}
		n += (size_t)snprintf(p + n, sizeof(p) - n, "\r\n");
		T_INT(feed(&h, (struct slice) { p, n }, 7),
		      count == HTTP_HEADERS_MAX ? HTTP_DONE : HTTP_BAD);
		T_INT(h.status, count == HTTP_HEADERS_MAX ? 0 : 431);
	}
}

/* Chunked bodies: NULL when refused, else what they say; "+" for "needs more". */
static const char *dechunk(struct slice s, size_t by, char *out, size_t *left)
{
	struct http_chunked c;
	enum http_parse r = HTTP_MORE;
	size_t n = 0, at = 0;

	http_chunked_init(&c);
	while (r == HTTP_MORE && at < s.n) {
		struct slice in = { s.p + at, s.n - at < by ? s.n - at : by }, data;
		const char *begin = in.p;

		while ((r = http_chunked_parse(&c, &in, &data)) == HTTP_DATA) {
			memcpy(out + n, data.p, data.n);
			n += data.n;
		}
		at += (size_t)(in.p - begin);
	}
	out[n] = '\0';
	*left = s.n - at;
	return r == HTTP_DONE ? out : r == HTTP_MORE ? "+" : NULL;
}

static const struct {
	struct slice in;
	const char *want;
	size_t left;
} CHUNKED[] = {
	{ B("0\r\n\r\n"), "", 0 },
	{ B("5\r\nhello\r\n0\r\n\r\nGET"), "hello", 3 },
	{ B("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), "abc", 0 },
	{ B("A\r\n0123456789\r\n0\r\n\r\n"), "0123456789", 0 },
	{ B("a\r\n0123456789\r\n000\r\n\r\n"), "0123456789", 0 },
	{ B("00000000000001\r\na\r\n0\r\n\r\n"), "a", 0 },
	{ B("1;x=y; z=\"q\"\r\na\r\n0;last\r\n\r\n"), "a", 0 },
	{ B("1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n"), "a", 0 },
	{ B("5\r\nhel"), "+", 0 },
	{ B("1\r\na\r\n0\r\n"), "+", 0 },
	{ B("1\r\na\r\n0\r\n\r"), "+", 0 },
	{ B("\r\n"), NULL, 0 },
	{ B("x\r\n"), NULL, 0 },
	{ B("-1\r\na"), NULL, 0 },
	{ B("+1\r\na"), NULL, 0 },
	{ B("0x1\r\na"), NULL, 0 },
	{ B(" 1\r\na"), NULL, 0 },
	{ B("1 \r\na"), NULL, 0 },
	{ B("1 ;x\r\na"), NULL, 0 },
	{ B("1\na\r\n0\r\n\r\n"), NULL, 0 },
	{ B("1\r\na\n0\r\n\r\n"), NULL, 0 },
	{ B("1\r\nab\r\n0\r\n\r\n"), NULL, 0 },
	{ B("1\rX\na"), NULL, 0 },
	{ B("1\r\r\na"), NULL, 0 },
	{ B("1;a\nb\r\nx\r\n0\r\n\r\n"), NULL, 0 },
	{ B("1;a\0b\r\nx"), NULL, 0 },
	{ B("1;a\rb\r\nx"), NULL, 0 },
	{ B("ffffffffffffffff\r\na"), NULL, 0 },
	{ B("0000000000000001\r\na"), NULL, 0 },
	{ B("1\r\na\r\n0\r\nX y\r\n\r\n"), NULL, 0 },
	{ B("1\r\na\r\n0\r\nX : y\r\n\r\n"), NULL, 0 },
	{ B("1\r\na\r\n0\r\nX: y\n\r\n"), NULL, 0 },
	{ B("1\r\na\r\n0\r\n X: y\r\n\r\n"), NULL, 0 },
	{ B("1\r\na\r\n0\r\nX: \x01\r\n\r\n"), NULL, 0 },
	{ B("1\r\na\r\n0\r\n\rX"), NULL, 0 },
	{ B("1\r\na\r\n0\r\n\n"), NULL, 0 },
	{ B("1\r\na\r\n0\r\n: y\r\n\r\n"), NULL, 0 },
};

TEST(chunked_bodies_have_one_reading)
{
	char out[64];
	size_t left;

	for (size_t i = 0; i < ARRAY_LEN(CHUNKED); i++) {
		for (size_t by = 1; by < 64; by += 31) {
			const char *got = dechunk(CHUNKED[i].in, by, out, &left);

			if ((got == NULL) != (CHUNKED[i].want == NULL)) {
				fail_msg("row %zu: %s", i, CHUNKED[i].in.p);
			}
			if (got != NULL) {
				T_STR(got, CHUNKED[i].want);
				T_INT(left, CHUNKED[i].left);
			}
		}
	}
}

TEST(chunk_framing_is_bounded)
{
	static char p[4 * HTTP_CHUNK_EXT_BYTES_MAX], out[sizeof(p)];
	size_t left, n = 0;

	T_TRUE(dechunk(repeat(p, "1;", 'x', HTTP_CHUNK_LINE_BYTES_MAX, "\r\na\r\n0\r\n\r\n"), 64,
		       out, &left) == NULL);
	T_TRUE(dechunk(repeat(p, "0\r\nX:", 'x', HTTP_TRAILER_BYTES_MAX, "\r\n\r\n"), 64, out,
		       &left) == NULL);
	T_STR(dechunk(repeat(p, "0\r\nX:", 'x', HTTP_TRAILER_BYTES_MAX - 8, "\r\n\r\n"), 64, out,
		      &left),
	      "");
	while (n < 2 * HTTP_CHUNK_EXT_BYTES_MAX) {
		n += repeat(p + n, "1;", 'x', 200, "\r\na\r\n").n;
	}
	T_TRUE(dechunk((struct slice) { p, n }, 1000, out, &left) == NULL);
}

TEST(lists_are_looked_through_without_case)
{
	T_TRUE(http_list_has(S("a, Close ,b"), S("close")));
	T_TRUE(http_list_has(S("close"), S("close")));
	T_FALSE(http_list_has(S("closed, xclose"), S("close")));
	T_FALSE(http_list_has(S(""), S("close")));
}

T_MAIN(T(each_head_has_one_reading), T(a_head_that_is_cut_short_needs_more),
       T(the_parts_of_a_head_are_found), T(keep_alive_is_as_the_version_says),
       T(every_known_header_is_found_by_its_name), T(limits_hold_to_the_byte),
       T(a_hundred_headers_are_enough), T(chunked_bodies_have_one_reading),
       T(chunk_framing_is_bounded), T(lists_are_looked_through_without_case))
