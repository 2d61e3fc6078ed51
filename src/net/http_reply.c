/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: status line, the headers that the server owns, those of the caller, body. A reply whose
 * turn has not come is held by its exchange and moves to the connection without copying.
 */
#include "net/http_impl.h"

#include "base/clock.h"

static const struct {
	int status;
	struct slice line;
} LINES[] = {
#define X(status, text) \
	{ status, \
	  { "HTTP/1.1 " #status " " text "\r\n", \
	    sizeof("HTTP/1.1 " #status " " text "\r\n") - 1 } },
#include "net/http_status.def"
#undef X
};

const char *http_status_text(int status)
{
	switch (status) {
#define X(status, text) \
	case status: \
		return text;
#include "net/http_status.def"
#undef X
	default:
		return "";
	}
}

static void status_line(struct out *q, struct out_pool *pool, int status)
{
	char digits[3] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
			   (char)('0' + status % 10) };

	for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
		if (LINES[i].status == status) {
			out_put(q, pool, LINES[i].line);
			return;
		}
	}
	out_put(q, pool, S("HTTP/1.1 "));
	out_put(q, pool, (struct slice) { digits, sizeof(digits) });
	out_put(q, pool, S(" \r\n"));
}

static void two(char *to, int64_t v)
{
	to[0] = (char)('0' + v / 10);
	to[1] = (char)('0' + v % 10);
}

/* RFC 9110 section 5.6.7. Days to a date by the usual shift of the year's start to March. */
static void date_format(int64_t s, char *to)
{
	static const char names[] = "ThuFriSatSunMonTueWed",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t days = s / 86400, of_day = s % 86400;
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);

	memcpy(to, "Date: ddd, dd mmm yyyy hh:mm:ss GMT\r\n", 37);
	memcpy(to + 6, names + days % 7 * 3, 3);
	two(to + 11, day);
	memcpy(to + 14, months + (month - 1) * 3, 3);
	two(to + 18, year / 100);
	two(to + 20, year % 100);
	two(to + 23, of_day / 3600);
	two(to + 26, of_day / 60 % 60);
	two(to + 29, of_day % 60);
}

static struct slice date_line(struct http_server *s)
{
	int64_t now_us = loop_now_us(s->loop), wall_us;

	if (now_us >= s->date_at_us) {
		wall_us = clock_wall_us();
		date_format(wall_us / US_PER_S, s->date);
		s->date_at_us = now_us + US_PER_S - wall_us % US_PER_S;
	}
	return (struct slice) { s->date, sizeof(s->date) };
}

/* One header; control bytes, which would end the line early, become spaces. */
static void header_line(struct out *q, struct out_pool *pool, const struct http_header *h)
{
	struct slice rest = h->value;

	ensure(http_is_token(h->name));
	out_put(q, pool, h->name);
	out_put(q, pool, S(": "));
	if (http_is_field_value(rest)) {
		out_put(q, pool, rest);
	} else {
		for (size_t i = 0; i < rest.n; i++) {
			struct slice byte = { rest.p + i, 1 };

			out_put(q, pool, http_is_field_value(byte) ? byte : S(" "));
		}
	}
	out_put(q, pool, S("\r\n"));
}

static void length_line(struct out *q, struct out_pool *pool, size_t length)
{
	char text[44] = "Content-Length: ", digits[20];
	size_t n = 0, at = 16;

	do {
		digits[n++] = (char)('0' + length % 10);
		length /= 10;
	} while (length > 0);
	while (n > 0) {
		text[at++] = digits[--n];
	}
	text[at++] = '\r';
	text[at++] = '\n';
	out_put(q, pool, (struct slice) { text, at });
}

struct out *reply_queue(struct http_exchange *x)
{
	return x->conn->first == x ? &x->conn->out : &x->held;
}

/* Whether the connection ends with this reply. */
static bool closes(const struct http_exchange *x)
{
	struct conn *c = x->conn;

	if (x->pinned && x->early_closes) {
		c->last = true;
	}
	return c->last && c->tail == x && (c->in == NULL || c->in == x);
}

void reply_head(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
		const size_t *length)
{
	struct http_server *s = x->conn->server;
	struct out_pool *pool = &s->blocks;
	struct out *q = reply_queue(x);

	ensure(n <= HTTP_REPLY_HEADERS_MAX);
	status_line(q, pool, status);
	out_put(q, pool, date_line(s));
	for (size_t i = 0; i < n; i++) {
		header_line(q, pool, &headers[i]);
	}
	out_put(q, pool, S("X-Request-Id: "));
	out_put(q, pool, x->req.id);
	out_put(q, pool, S("\r\n"));
	if (length != NULL) {
		length_line(q, pool, *length);
	}
	if (status == 101) {
		out_put(q, pool, S("\r\n"));
	} else if (length == NULL && x->stream.begun) {
		out_put(q, pool, S("Connection: close\r\n\r\n"));
	} else if (closes(x)) {
		out_put(q, pool, S("Connection: close\r\n\r\n"));
	} else if (x->req.minor == 0) {
		out_put(q, pool, S("Connection: keep-alive\r\n\r\n"));
	} else {
		out_put(q, pool, S("\r\n"));
	}
}

void reply_done(struct http_exchange *x)
{
	struct conn *c = x->conn;
	const struct http_handlers *on = &c->server->handlers;

	x->replied = true;
	if (on->on_done != NULL) {
		on->on_done(on->ctx, x, x->status, x->bytes, clock_mono_us() - x->req.started_us);
	}
	if (c->barrier == x) {
		c->barrier = NULL;
	}
	conn_touch(c);
	if (c->fd >= 0 && c->first == x) {
		conn_advance(c);
	}
}

/* The head for a body of n bytes. False when the body itself must not follow. */
static bool begin(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
		  size_t body_n)
{
	bool bodyless = status == 204 || status == 304;

	ensure(status >= 200 && status <= 599 && !x->replied && !x->stream.begun);
	x->status = status;
	if (x->conn->fd < 0) {
		return false;
	}
	reply_head(x, status, headers, n, bodyless ? NULL : &body_n);
	return !bodyless && x->req.method != HTTP_HEAD;
}

void http_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
		struct slice body)
{
	struct chunk *c;

	if (begin(x, status, headers, n, body.n)) {
		x->bytes = body.n;
		if (body.n > OUT_BLOCK_BYTES) {
			c = chunk_copy(body);
			out_share(reply_queue(x), c);
			chunk_unref(&c);
		} else {
			out_put(reply_queue(x), &x->conn->server->blocks, body);
		}
	}
	reply_done(x);
}

void http_reply_json(struct http_exchange *x, int status, struct slice body)
{
	static const struct http_header json = { { "Content-Type", 12 },
						 { "application/json", 16 } };

	http_reply(x, status, &json, 1, body);
}

void http_reply_chunk(struct http_exchange *x, int status, const struct http_header *headers,
		      size_t n, struct chunk *body)
{
	if (begin(x, status, headers, n, body->n)) {
		x->bytes = body->n;
		out_share(reply_queue(x), body);
	}
	reply_done(x);
}
