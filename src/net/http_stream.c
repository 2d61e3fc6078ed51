/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that have left request and reply behind. A stream is its exchange, seen from another
 * side; its output is the connection's, so frames of 200 subscribers are 200 pointers to one chunk.
 */
#include "net/http_impl.h"

static struct http_exchange *exchange_of(const struct http_stream *st)
{
	return CONTAINER_OF(st, struct http_exchange, stream);
}

struct http_exchange *http_stream_exchange(struct http_stream *st)
{
	return exchange_of(st);
}

struct http_stream *http_stream_begin(struct http_exchange *x, int status,
				      const struct http_header *headers, size_t n)
{
	struct conn *c = x->conn;

	ensure(!x->replied && !x->stream.begun &&
	       (status == 101 || (status >= 200 && status <= 299)));
	x->stream.begun = true;
	x->status = status;
	conn_touch(c);
	if (c->fd < 0) {
		x->stream.ending = true;
		return &x->stream;
	}
	reply_head(x, status, headers, n, NULL);
	c->streaming = x;
	c->last = true;
	c->state = CONN_STREAM;
	if (c->barrier == x) {
		c->barrier = NULL;
	}
	return &x->stream;
}

void http_stream_on_data(struct http_stream *st, http_stream_data_fn fn, void *arg)
{
	st->on_data = fn;
	st->data_arg = arg;
}

void http_stream_on_close(struct http_stream *st, http_stream_close_fn fn, void *arg)
{
	st->on_close = fn;
	st->close_arg = arg;
}

size_t http_stream_queued(const struct http_stream *st)
{
	const struct http_exchange *x = exchange_of(st);

	return x->conn->first == x ? x->conn->out.bytes : x->held.bytes;
}

void http_stream_on_room(struct http_stream *st, size_t bytes, http_stream_room_fn fn, void *arg)
{
	st->room = bytes;
	st->on_room = fn;
	st->room_arg = arg;
	conn_touch(exchange_of(st)->conn);
}

void stream_tell_room(struct http_stream *st)
{
	http_stream_room_fn fn = st->on_room;

	if (fn != NULL && !st->ending && http_stream_queued(st) <= st->room) {
		st->on_room = NULL;
		fn(st->room_arg, st);
	}
}

bool http_stream_write(struct http_stream *st, struct chunk *chunk)
{
	struct http_exchange *x = exchange_of(st);
	size_t max = x->conn->server->options.stream_max, queued = http_stream_queued(st);

	if (st->ending || x->conn->fd < 0 || chunk->n > max || queued > max - chunk->n) {
		return false;
	}
	out_share(reply_queue(x), chunk);
	x->bytes += chunk->n;
	conn_touch(x->conn);
	return true;
}

void http_stream_end(struct http_stream *st)
{
	st->ending = true;
	conn_touch(exchange_of(st)->conn);
}

void http_stream_abort(struct http_stream *st)
{
	struct conn *c = exchange_of(st)->conn;

	st->ending = true;
	c->doomed = true;
	conn_touch(c);
}
