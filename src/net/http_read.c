/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input of a connection: heads and bodies into exchanges. A head that comes in one read, as nearly
 * all do, is parsed where it lies and copied once. All bytes of a request are its own copy, so an
 * exchange outlives whatever happens to its connection.
 */
#include "net/http_impl.h"

#include <stdlib.h>

static const struct {
	int status;
	enum err_kind kind;
} REFUSALS[] = {
	{ 400, ERR_MALFORMED }, { 414, ERR_URI_LENGTH },      { 417, ERR_EXPECTATION },
	{ 431, ERR_HEADERS },	{ 501, ERR_NOT_IMPLEMENTED }, { 505, ERR_VERSION },
};

static enum err_kind kind_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(REFUSALS); i++) {
		if (REFUSALS[i].status == status) {
			return REFUSALS[i].kind;
		}
	}
	never("the parser has no other status");
}

bool read_wanted(const struct conn *c)
{
	const struct http_options *o = &c->server->options;

	switch (c->state) {
	case CONN_HEAD:
		return c->in != NULL ||
		       (!c->last && c->barrier == NULL && c->waiting < o->pipeline_max &&
			c->out.bytes < o->output_max);
	case CONN_LENGTH:
	case CONN_CHUNKED:
	case CONN_DROP:
	case CONN_STREAM:
	case CONN_LINGER:
		return true;
	case CONN_END:
		return false;
	}
	never("no such state");
}

static void default_body(const struct err *err, struct buf *out)
{
	/* Texts of ours hold nothing that JSON would want escaped. */
	buf_printf(out, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n",
		   err_info(err->kind)->code, err->text);
}

void read_refuse(struct conn *c, struct http_exchange *x, const struct err *err, bool ends)
{
	const struct http_handlers *on = &c->server->handlers;
	const char *type = "application/json";
	int retry_s = err_info(err->kind)->retry_s;
	struct http_header headers[2] = { { S("Content-Type"), { 0 } },
					  { S("Retry-After"), { 0 } } };
	char wait[12];
	struct buf body;

	c->server->stats.bad_requests++;
	if (x->req.head == NULL) {
		http_head_init(&x->head);
		x->req.head = &x->head;
		x->req.path = S("/");
		conn_owe(c, x);
	}
	if (ends) {
		c->last = true;
		c->linger = true;
		c->state = CONN_END;
	}
	c->in = NULL;
	x->dispatched = true;
	buf_init(&body, HTTP_KEEP_BYTES);
	if (on->on_refuse != NULL) {
		type = on->on_refuse(on->ctx, err, x->req.id, &body);
	} else {
		default_body(err, &body);
	}
	headers[0].value = slice_of(type);
	snprintf(wait, sizeof(wait), "%d", retry_s);
	headers[1].value = slice_of(wait);
	http_reply(x, err_info(err->kind)->http_status, headers, retry_s > 0 ? 2 : 1,
		   buf_slice(&body));
	buf_release(&body);
}

/* The body is complete, or there was none. */
static void dispatch(struct conn *c, struct http_exchange *x)
{
	struct http_server *s = c->server;

	c->in = NULL;
	c->state = CONN_HEAD;
	if (x->req.upgrade) {
		c->barrier = x;
	}
	x->dispatched = true;
	x->req.body = buf_slice(&x->body);
	s->handlers.on_request(s->handlers.ctx, x);
}

static void inflate_drop(struct conn *c, struct http_exchange *x)
{
	if (x->inflate != NULL) {
		inflate_free(&x->inflate);
		c->server->inflating--;
	}
}

static void body_done(struct conn *c, struct http_exchange *x)
{
	struct err err;

	if (x->inflate != NULL && !inflate_end(x->inflate, &err)) {
		inflate_drop(c, x);
		read_refuse(c, x, &err, false);
		c->state = CONN_HEAD;
		return;
	}
	inflate_drop(c, x);
	dispatch(c, x);
}

/* A run of body bytes. False when the request was refused. */
static bool body_bytes(struct conn *c, struct http_exchange *x, struct slice data)
{
	struct err err;

	x->wire_bytes += data.n;
	if (x->inflate == NULL) {
		buf_puts(&x->body, data);
	} else if (!inflate_feed(x->inflate, data, &x->body, &err)) {
		inflate_drop(c, x);
		read_refuse(c, x, &err, true);
		return false;
	}
	if (x->body.overflow || x->wire_bytes > x->body.max) {
		err_set(&err, ERR_TOO_LARGE, "the body is over %zu bytes", x->body.max);
		inflate_drop(c, x);
		read_refuse(c, x, &err, true);
		return false;
	}
	return true;
}

static void feed_length(struct conn *c, struct slice *in)
{
	struct http_exchange *x = c->in;
	size_t n = in->n < c->left ? in->n : (size_t)c->left;
	struct slice data = { in->p, n };

	*in = (struct slice) { in->p + n, in->n - n };
	c->left -= n;
	if (body_bytes(c, x, data) && c->left == 0) {
		body_done(c, x);
	}
}

static void feed_chunked(struct conn *c, struct slice *in)
{
	struct http_exchange *x = c->in;
	struct slice data;
	struct err err;

	for (;;) {
		switch (http_chunked_parse(&c->chunked, in, &data)) {
		case HTTP_MORE:
			return;
		case HTTP_DATA:
			if (!body_bytes(c, x, data)) {
				return;
			}
			break;
		case HTTP_DONE:
			body_done(c, x);
			return;
		case HTTP_BAD:
			err_set(&err, ERR_MALFORMED, "%s", c->chunked.reason);
			inflate_drop(c, x);
			read_refuse(c, x, &err, true);
			return;
		}
	}
}

static void feed_drop(struct conn *c, struct slice *in)
{
	size_t n = in->n < c->left ? in->n : (size_t)c->left;

	*in = (struct slice) { in->p + n, in->n - n };
	c->left -= n;
	if (c->left == 0) {
		c->state = CONN_HEAD;
	}
}

static bool id_ok(struct slice id)
{
	for (size_t i = 0; i < id.n; i++) {
		char b = id.p[i];

		if (!((b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
		      b == '.' || b == '_' || b == '-')) {
			return false;
		}
	}
	return id.n > 0 && id.n <= HTTP_ID_BYTES_MAX;
}

static void request_fill(struct http_exchange *x)
{
	struct http_request *r = &x->req;
	const struct http_head *h = &x->head;
	const char *p = x->head_bytes.p;
	struct slice id = http_head_get(h, p, HTTP_H_X_REQUEST_ID);

	r->head = h;
	r->head_bytes = p;
	r->method = h->method;
	r->method_text = http_span_slice(p, h->method_text);
	r->target = http_span_slice(p, h->target);
	r->path = h->path.n == 0 ? S("/") : http_span_slice(p, h->path);
	r->query = http_span_slice(p, h->query);
	r->host = http_span_slice(p, h->host);
	r->minor = h->minor;
	r->keep_alive = h->keep_alive;
	r->upgrade = h->upgrade;
	if (id_ok(id)) {
		r->id = id;
	}
}

/* A coding of the body: false when refused. */
static bool coding_start(struct conn *c, struct http_exchange *x)
{
	struct slice coding = http_request_header(&x->req, HTTP_H_CONTENT_ENCODING);
	struct http_server *s = c->server;
	enum inflate_kind kind;
	struct err err;

	if (coding.n == 0 || slice_eq_nocase(coding, S("identity"))) {
		return true;
	}
	if (!inflate_kind_of(coding, &kind)) {
		err_set(&err, ERR_UNSUPPORTED, "this content encoding is not understood");
		read_refuse(c, x, &err, x->early_closes);
		return false;
	}
	if (s->inflating >= s->options.inflate_max) {
		err_set(&err, ERR_OVERLOADED, "too many compressed bodies are being read");
		read_refuse(c, x, &err, x->early_closes);
		return false;
	}
	s->inflating++;
	x->inflate = inflate_new(kind);
	return true;
}

/* Answered before the body was read: drop a small one, give the connection up for a large one. */
static void body_unwanted(struct conn *c, struct http_exchange *x)
{
	c->in = NULL;
	if (x->early_closes) {
		c->last = true;
		c->linger = true;
		c->state = CONN_END;
		return;
	}
	c->left = x->head.content_length;
	c->state = c->left > 0 ? CONN_DROP : CONN_HEAD;
}

/* Ready for the body. False when the request was refused. */
static bool body_start(struct conn *c, struct http_exchange *x, size_t max)
{
	struct err err;

	if (x->head.content_length > max) {
		err_set(&err, ERR_TOO_LARGE, "the body is over %zu bytes", max);
		read_refuse(c, x, &err, x->early_closes);
		return false;
	}
	if (!coding_start(c, x)) {
		return false;
	}
	x->body.max = max;
	c->left = x->head.content_length;
	c->state = x->head.chunked ? CONN_CHUNKED : CONN_LENGTH;
	http_chunked_init(&c->chunked);
	return true;
}

static void body_expect(struct conn *c, struct http_exchange *x, bool more)
{
	if (x->head.expect_continue && !more) {
		out_put(reply_queue(x), &c->server->blocks, S("HTTP/1.1 100 Continue\r\n\r\n"));
		conn_touch(c);
	}
}

/* more: bytes of the body are there already. */
static void head_done(struct conn *c, struct http_exchange *x, bool more)
{
	struct http_server *s = c->server;
	uint64_t length = x->head.content_length;
	bool body = x->head.chunked || length > 0;
	size_t max;

	request_fill(x);
	s->stats.requests++;
	c->used = true;
	c->last = c->last || !x->req.keep_alive;
	clock_set(c, 0, CLOCK_NONE, false);
	x->early_closes = x->head.chunked || x->head.content_length > HTTP_DROP_BYTES_MAX ||
			  (body && x->head.expect_continue && !more);
	c->in = x;
	conn_owe(c, x);
	x->pinned = true;
	max = s->handlers.on_head(s->handlers.ctx, x);
	x->pinned = false;
	if (x->replied) {
		body_unwanted(c, x);
		conn_advance(c);
	} else if (x->stream.begun) {
		c->in = NULL;
	} else if (!body) {
		dispatch(c, x);
	} else if (body_start(c, x, max)) {
		body_expect(c, x, more);
	} else if (c->state != CONN_END) {
		c->left = length;
		c->state = CONN_DROP;
	}
}

static void head_bad(struct conn *c, struct http_exchange *x)
{
	struct err err;

	err_set(&err, kind_of(x->head.status), "%s", x->head.reason);
	read_refuse(c, x, &err, true);
}

/* The rest of a head that began in an earlier read. */
static void feed_head_rest(struct conn *c, struct slice *in)
{
	struct http_exchange *x = c->in;
	size_t had = x->head_bytes.n, n = HTTP_HEAD_BYTES_MAX + 1 - had;
	enum http_parse r;

	n = in->n < n ? in->n : n;
	buf_put(&x->head_bytes, in->p, n);
	r = http_head_parse(&x->head, x->head_bytes.p, x->head_bytes.n);
	if (r == HTTP_DONE) {
		n = x->head.bytes - had;
	}
	*in = (struct slice) { in->p + n, in->n - n };
	if (r == HTTP_DONE) {
		head_done(c, x, in->n > 0);
	} else if (r == HTTP_BAD) {
		head_bad(c, x);
	}
}

static void feed_head(struct conn *c, struct slice *in)
{
	struct http_exchange *x;
	enum http_parse r;
	size_t n;

	if (c->in != NULL) {
		feed_head_rest(c, in);
		return;
	}
	x = exchange_take(c);
	r = http_head_parse(&x->head, in->p, in->n);
	if (r == HTTP_BAD) {
		head_bad(c, x);
		return;
	}
	n = r == HTTP_DONE ? x->head.bytes : in->n;
	buf_put(&x->head_bytes, in->p, n);
	*in = (struct slice) { in->p + n, in->n - n };
	if (r == HTTP_DONE) {
		head_done(c, x, in->n > 0);
	} else {
		c->in = x;
	}
}

static void feed_stream(struct conn *c, struct slice *in)
{
	struct http_exchange *x = c->streaming;
	struct slice bytes = *in;

	*in = (struct slice) { 0 };
	if (x != NULL && !x->stream.ending && x->stream.on_data != NULL) {
		x->stream.on_data(x->stream.data_arg, &x->stream, bytes);
	}
}

static void feed_linger(struct conn *c, struct slice *in)
{
	c->left += in->n;
	c->doomed = c->doomed || c->left > HTTP_LINGER_BYTES_MAX;
	*in = (struct slice) { 0 };
}

static void feed_one(struct conn *c, struct slice *in)
{
	switch (c->state) {
	case CONN_HEAD:
		feed_head(c, in);
		return;
	case CONN_LENGTH:
		feed_length(c, in);
		return;
	case CONN_CHUNKED:
		feed_chunked(c, in);
		return;
	case CONN_DROP:
		feed_drop(c, in);
		return;
	case CONN_STREAM:
		feed_stream(c, in);
		return;
	case CONN_LINGER:
		feed_linger(c, in);
		return;
	case CONN_END:
		break;
	}
	never("nothing is read at the end");
}

void read_feed(struct conn *c, struct slice in)
{
	struct conn_clock *k = &c->clocks[0];

	if (k->kind == CLOCK_BODY) {
		k->rate_bytes += in.n;
		clock_set(c, 0, CLOCK_BODY, true);
	}
	while (in.n > 0 && !c->doomed && read_wanted(c)) {
		feed_one(c, &in);
	}
	if (in.n > 0 && c->state != CONN_END) {
		buf_puts(&c->pending, in);
		ensure(!c->pending.overflow);
	}
}

void read_pending(struct conn *c)
{
	struct buf pending = c->pending;

	buf_init(&c->pending, pending.max);
	read_feed(c, buf_slice(&pending));
	buf_release(&pending);
}

/* A request cut short is forgotten; what was asked before it is still answered. */
void read_eof(struct conn *c)
{
	struct http_exchange *x = c->in;

	c->eof = true;
	c->last = true;
	if (c->state == CONN_STREAM || c->state == CONN_LINGER) {
		c->doomed = true;
		return;
	}
	c->in = NULL;
	c->state = CONN_END;
	if (x == NULL) {
		return;
	}
	inflate_drop(c, x);
	if (x->req.head == NULL) {
		exchange_put(x);
	} else {
		x->dispatched = true;
		http_reply(x, 400, NULL, 0, S(""));
	}
}
