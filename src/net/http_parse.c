/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request, line by line. A line is looked at once, when its line feed has come: that
 * makes the result the same however the bytes arrive, and the usual head (one read) cheap.
 */
#include "net/http_parse.h"

#include "net/http_bytes.h"

enum count { ONE, MANY };

static const struct known {
	struct slice name;
	enum count count;
} KNOWN[HTTP_KNOWN_N] = {
#define X(kind, text, times) { { text, sizeof(text) - 1 }, times },
#include "net/http_known.def"
#undef X
};

/* Where the names of each length begin in KNOWN, which is in order of length. */
#define KNOWN_LEN_MAX 30
static const uint8_t KNOWN_OF_LEN[KNOWN_LEN_MAX + 1] = {
	[2] = HTTP_H_TE,
	[4] = HTTP_H_HOST,
	[6] = HTTP_H_ACCEPT,
	[7] = HTTP_H_UPGRADE,
	[8] = HTTP_H_IF_MATCH,
	[9] = HTTP_H_FORWARDED,
	[10] = HTTP_H_CONNECTION,
	[11] = HTTP_H_TRACEPARENT,
	[12] = HTTP_H_CONTENT_TYPE,
	[13] = HTTP_H_AUTHORIZATION,
	[14] = HTTP_H_CONTENT_LENGTH,
	[15] = HTTP_H_ACCEPT_ENCODING,
	[16] = HTTP_H_CONTENT_ENCODING,
	[17] = HTTP_H_IF_MODIFIED_SINCE,
	[21] = HTTP_H_SEC_WEBSOCKET_VERSION,
	[22] = HTTP_H_SEC_WEBSOCKET_PROTOCOL,
	[24] = HTTP_H_SEC_WEBSOCKET_EXTENSIONS,
	[29] = HTTP_H_ACCESS_CONTROL_REQUEST_METHOD,
	[30] = HTTP_H_ACCESS_CONTROL_REQUEST_HEADERS,
};

static const struct slice METHODS[HTTP_METHODS] = {
	[HTTP_GET] = { "GET", 3 },	   [HTTP_HEAD] = { "HEAD", 4 },
	[HTTP_POST] = { "POST", 4 },	   [HTTP_PUT] = { "PUT", 3 },
	[HTTP_PATCH] = { "PATCH", 5 },	   [HTTP_DELETE] = { "DELETE", 6 },
	[HTTP_OPTIONS] = { "OPTIONS", 7 },
};

struct slice http_known_name(enum http_known h)
{
	return KNOWN[h].name;
}

static enum http_parse bad(struct http_head *h, int status, const char *reason)
{
	h->status = status;
	h->reason = reason;
	return HTTP_BAD;
}

static struct http_span span_of(const char *p, struct slice s)
{
	return (struct http_span) { .at = (uint16_t)(s.p - p), .n = (uint16_t)s.n };
}

void http_head_init(struct http_head *h)
{
	memset(h, 0, offsetof(struct http_head, fields));
	memset(h->known, 0, sizeof(*h) - offsetof(struct http_head, known));
}

/* Every '%' is followed by two hex digits, and they are not 00. */
static bool escapes_ok(struct slice s)
{
	for (;;) {
		s = slice_from(s, slice_find(s, '%'));
		if (s.n == 0) {
			return true;
		}
		if (s.n < 3 || !http_byte_is(s.p[1], HTTP_BYTE_HEX) ||
		    !http_byte_is(s.p[2], HTTP_BYTE_HEX) || (s.p[1] == '0' && s.p[2] == '0')) {
			return false;
		}
		s = slice_from(s, 3);
	}
}

static bool port_ok(struct slice s)
{
	uint64_t port;

	return s.n == 0 || (s.n <= 5 && slice_u64(s, &port) && port <= 65535);
}

/* uri-host [":" port], RFC 9110 section 7.2, not empty. */
static bool host_ok(struct slice s)
{
	size_t end;

	if (s.n > 0 && s.p[0] == '[') {
		end = slice_find(s, ']');
		if (end == s.n || end < 3) {
			return false;
		}
		for (size_t i = 1; i < end; i++) {
			if (!http_byte_is(s.p[i], HTTP_BYTE_HEX) && s.p[i] != ':' &&
			    s.p[i] != '.') {
				return false;
			}
		}
		end++;
	} else {
		end = slice_find(s, ':');
		if (end == 0 || !http_bytes_are((struct slice) { s.p, end }, HTTP_BYTE_HOST)) {
			return false;
		}
	}
	return end >= s.n || (s.p[end] == ':' && port_ok(slice_from(s, end + 1)));
}

/* "http://host:port" off the front of *target into *authority, if that is its form. */
static bool absolute_form(struct slice *target, struct slice *authority)
{
	static const struct slice schemes[] = { { "http://", 7 }, { "https://", 8 } };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		struct slice s = schemes[i], rest;
		size_t n = 0;

		if (target->n < s.n || !slice_eq_nocase((struct slice) { target->p, s.n }, s)) {
			continue;
		}
		rest = (struct slice) { target->p + s.n, target->n - s.n };
		while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?') {
			n++;
		}
		*authority = (struct slice) { rest.p, n };
		*target = (struct slice) { rest.p + n, rest.n - n };
		return true;
	}
	return false;
}

/* RFC 9112 section 3.2: origin-form, absolute-form, or * for OPTIONS. */
static bool target_parse(struct http_head *h, const char *p, struct slice t)
{
	struct slice authority, path, query;
	size_t n;

	h->target = span_of(p, t);
	if (slice_eq(t, S("*"))) {
		h->path = h->target;
		return h->method == HTTP_OPTIONS;
	}
	if (absolute_form(&t, &authority)) {
		if (!host_ok(authority)) {
			return false;
		}
		h->authority = span_of(p, authority);
	} else if (t.n == 0 || t.p[0] != '/') {
		return false;
	}
	n = slice_find(t, '?');
	path = (struct slice) { t.p, n };
	query = n == t.n ? (struct slice) { t.p + n, 0 }
			 : (struct slice) { t.p + n + 1, t.n - n - 1 };
	h->path = span_of(p, path);
	h->query = span_of(p, query);
	return http_bytes_are(path, HTTP_BYTE_PATH) && http_bytes_are(query, HTTP_BYTE_QUERY) &&
	       escapes_ok(path) && escapes_ok(query);
}

static enum http_method method_of(struct slice s)
{
	for (enum http_method m = HTTP_GET; m < HTTP_METHODS; m++) {
		if (slice_eq(s, METHODS[m])) {
			return m;
		}
	}
	return HTTP_OTHER;
}

static enum http_parse version_parse(struct http_head *h, struct slice v)
{
	if (slice_eq(v, S("HTTP/1.1")) || slice_eq(v, S("HTTP/1.0"))) {
		h->minor = v.p[7] == '1';
		return HTTP_MORE;
	}
	if (v.n == 8 && slice_starts(v, S("HTTP/")) && v.p[5] >= '0' && v.p[5] <= '9' &&
	    v.p[6] == '.' && v.p[7] >= '0' && v.p[7] <= '9') {
		return bad(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	}
	return bad(h, 400, "the request line has no valid HTTP version");
}

static enum http_parse request_line(struct http_head *h, const char *p, struct slice line)
{
	struct slice method, target;
	size_t n = slice_find(line, ' ');

	method = (struct slice) { line.p, n };
	if (!http_is_token(method)) {
		return bad(h, 400, "the request line has no valid method");
	}
	h->method = method_of(method);
	h->method_text = span_of(p, method);
	line = slice_from(line, n + 1);
	n = slice_find(line, ' ');
	target = (struct slice) { line.p, n };
	if (version_parse(h, slice_from(line, n + 1)) == HTTP_BAD) {
		return HTTP_BAD;
	}
	if (slice_eq(method, S("CONNECT"))) {
		return bad(h, 501, "CONNECT is not offered");
	}
	if (target.n == 0 || !target_parse(h, p, target)) {
		return bad(h, 400, "the request target is not valid");
	}
	h->started = true;
	return HTTP_MORE;
}

static enum http_known known_of(struct slice name)
{
	if (name.n > KNOWN_LEN_MAX || (KNOWN_OF_LEN[name.n] == 0 && name.n != 2)) {
		return HTTP_KNOWN_N;
	}
	for (unsigned k = KNOWN_OF_LEN[name.n]; k < HTTP_KNOWN_N; k++) {
		if (KNOWN[k].name.n != name.n) {
			break;
		}
		if (slice_eq_nocase(KNOWN[k].name, name)) {
			return (enum http_known)k;
		}
	}
	return HTTP_KNOWN_N;
}

static enum http_parse field_line(struct http_head *h, const char *p, struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = { line.p, colon }, value;
	enum http_known k;

	if (line.p[0] == ' ' || line.p[0] == '\t') {
		return bad(h, 400, "folded header lines are not allowed");
	}
	if (colon == line.n || !http_is_token(name)) {
		return bad(h, 400, "a header name is not valid");
	}
	value = slice_trim((struct slice) { line.p + colon + 1, line.n - colon - 1 });
	if (!http_is_field_value(value)) {
		return bad(h, 400, "a header value has control bytes");
	}
	if (h->fields_n == HTTP_HEADERS_MAX) {
		return bad(h, 431, "there are too many headers");
	}
	h->fields[h->fields_n++] = (struct http_field) { .name = span_of(p, name),
							 .value = span_of(p, value) };
	k = known_of(name);
	if (k == HTTP_KNOWN_N) {
		return HTTP_MORE;
	}
	if (h->known[k] != 0) {
		return KNOWN[k].count == ONE ? bad(h, 400, "a header is repeated that must not be")
					     : HTTP_MORE;
	}
	h->known[k] = (uint8_t)h->fields_n;
	return HTTP_MORE;
}

bool http_head_next(const struct http_head *h, const char *p, struct slice name, size_t *at,
		    struct slice *value)
{
	while (*at < h->fields_n) {
		const struct http_field *f = &h->fields[(*at)++];

		if (f->name.n == name.n && slice_eq_nocase(http_span_slice(p, f->name), name)) {
			*value = http_span_slice(p, f->value);
			return true;
		}
	}
	return false;
}

bool http_list_has(struct slice list, struct slice token)
{
	struct slice part;

	while (slice_split(&list, ',', &part)) {
		if (slice_eq_nocase(slice_trim(part), token)) {
			return true;
		}
	}
	return false;
}

/* Who the request is for: RFC 9112 section 3.2. */
static enum http_parse host_check(struct http_head *h, const char *p)
{
	struct slice host = http_head_get(h, p, HTTP_H_HOST);
	struct slice authority = http_span_slice(p, h->authority);

	if (h->known[HTTP_H_HOST] == 0 && h->minor == 1) {
		return bad(h, 400, "the Host header is missing");
	}
	if (h->known[HTTP_H_HOST] != 0 && !host_ok(host)) {
		return bad(h, 400, "the Host header is not valid");
	}
	if (authority.n > 0 && h->known[HTTP_H_HOST] != 0 && !slice_eq_nocase(authority, host)) {
		return bad(h, 400, "the Host header and the request target differ");
	}
	if (h->known[HTTP_H_HOST] != 0) {
		h->host = span_of(p, host);
	} else {
		h->host = h->authority;
	}
	return HTTP_DONE;
}

/* How long the body is: RFC 9112 section 6. */
static enum http_parse framing_check(struct http_head *h, const char *p)
{
	struct slice te = http_head_get(h, p, HTTP_H_TRANSFER_ENCODING);
	struct slice length = http_head_get(h, p, HTTP_H_CONTENT_LENGTH);

	h->has_length = h->known[HTTP_H_CONTENT_LENGTH] != 0;
	if (h->has_length && (length.n > 18 || !slice_u64(length, &h->content_length))) {
		return bad(h, 400, "the Content-Length header is not a number");
	}
	if (h->known[HTTP_H_TRANSFER_ENCODING] == 0) {
		return HTTP_DONE;
	}
	if (h->has_length) {
		return bad(h, 400, "Content-Length and Transfer-Encoding exclude each other");
	}
	if (h->minor == 0) {
		return bad(h, 400, "HTTP/1.0 has no Transfer-Encoding");
	}
	if (!slice_eq_nocase(te, S("chunked"))) {
		return http_is_token(te)
			       ? bad(h, 501, "only the transfer encoding chunked is known")
			       : bad(h, 400, "the Transfer-Encoding header is not valid");
	}
	h->chunked = true;
	return HTTP_DONE;
}

static enum http_parse connection_check(struct http_head *h, const char *p)
{
	struct slice expect = http_head_get(h, p, HTTP_H_EXPECT), value;
	bool close = false, keep = false, upgrade = false;
	size_t at = 0;

	while (h->known[HTTP_H_CONNECTION] != 0 &&
	       http_head_next(h, p, S("connection"), &at, &value)) {
		close = close || http_list_has(value, S("close"));
		keep = keep || http_list_has(value, S("keep-alive"));
		upgrade = upgrade || http_list_has(value, S("upgrade"));
	}
	h->keep_alive = !close && (h->minor == 1 || keep);
	h->upgrade = upgrade && h->minor == 1 && h->known[HTTP_H_UPGRADE] != 0;
	if (h->known[HTTP_H_EXPECT] == 0 || h->minor == 0) {
		return HTTP_DONE;
	}
	h->expect_continue = slice_eq_nocase(expect, S("100-continue"));
	return h->expect_continue ? HTTP_DONE : bad(h, 417, "this expectation is not known");
}

static enum http_parse head_check(struct http_head *h, const char *p)
{
	if (host_check(h, p) == HTTP_BAD || framing_check(h, p) == HTTP_BAD) {
		return HTTP_BAD;
	}
	return connection_check(h, p);
}

static enum http_parse line_parse(struct http_head *h, const char *p, struct slice line)
{
	if (!h->started && line.n > HTTP_LINE_BYTES_MAX) {
		return bad(h, 414, "the request line is too long");
	}
	if (line.n == 0 && h->started) {
		return head_check(h, p);
	}
	if (line.n == 0 && !h->skipped) {
		h->skipped =
			true; /* RFC 9112 section 2.2: left over by old clients behind a body */
		return HTTP_MORE;
	}
	return h->started ? field_line(h, p, line) : request_line(h, p, line);
}

enum http_parse http_head_parse(struct http_head *h, const char *p, size_t n)
{
	size_t top = n < HTTP_HEAD_BYTES_MAX ? n : HTTP_HEAD_BYTES_MAX;

	while (h->scanned < top) {
		const char *lf = memchr(p + h->scanned, '\n', top - h->scanned);
		size_t end = lf == NULL ? top : (size_t)(lf - p);
		enum http_parse r;

		h->scanned = end;
		if (lf == NULL) {
			break;
		}
		if (end == h->at || p[end - 1] != '\r') {
			return bad(h, 400, "a line does not end with CR LF");
		}
		r = line_parse(h, p, (struct slice) { p + h->at, end - 1 - h->at });
		h->at = h->scanned = end + 1;
		if (r != HTTP_MORE) {
			h->bytes = h->at;
			return r;
		}
	}
	if (!h->started && top - h->at > HTTP_LINE_BYTES_MAX + 1) {
		return bad(h, 414, "the request line is too long");
	}
	return n > HTTP_HEAD_BYTES_MAX ? bad(h, 431, "the request head is too large") : HTTP_MORE;
}
