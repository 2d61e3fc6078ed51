/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: what to wait for, when to write, when it ends. Everything is decided in one
 * place, conn_settle, from the state that reading and replying have left behind.
 */
#include "net/http_impl.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void conn_touch(struct conn *c)
{
	if (!c->dirty) {
		c->dirty = true;
		c->dirty_next = c->server->dirty;
		c->server->dirty = c;
	}
	loop_touch(c->server->loop);
}

void conn_owe(struct conn *c, struct http_exchange *x)
{
	x->next = NULL;
	if (c->tail == NULL) {
		c->first = x;
	} else {
		c->tail->next = x;
	}
	c->tail = x;
	c->waiting++;
	c->server->stats.waiting++;
}

void conn_pop(struct conn *c)
{
	struct http_exchange *x = c->first;

	c->first = x->next;
	if (c->first == NULL) {
		c->tail = NULL;
	}
	c->waiting--;
	c->server->stats.waiting--;
	if (c->barrier == x) {
		c->barrier = NULL;
	}
	exchange_put(x);
}

void conn_advance(struct conn *c)
{
	while (c->first != NULL) {
		if (c->fd >= 0 && c->first->held.n > 0) {
			out_splice(&c->out, &c->first->held);
		}
		if (!c->first->replied || c->first->pinned) {
			return;
		}
		conn_pop(c);
	}
}

/* The connection is closed: let go of all that nobody will answer. */
static void reap(struct conn *c)
{
	struct http_exchange *x = c->first, *next;

	c->first = c->tail = NULL;
	for (; x != NULL; x = next) {
		next = x->next;
		c->waiting--;
		c->server->stats.waiting--;
		if (x->stream.begun && !x->replied) {
			if (x->stream.on_close != NULL) {
				x->stream.on_close(x->stream.close_arg, &x->stream);
			}
			reply_done(x);
		}
		if (x->replied || !x->dispatched) {
			exchange_put(x);
		} else {
			conn_owe(c, x);
		}
	}
	if (c->first == NULL && !c->open && !c->dirty) {
		conn_put(c);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	c->open = false;
	if (c->server == NULL) {
		conn_put(c);
	} else {
		reap(c);
	}
}

static void count_stuck(struct conn *c, size_t bytes)
{
	c->server->stuck += bytes - c->stuck;
	c->stuck = bytes;
}

void conn_kill(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->fd < 0) {
		return;
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	c->fd = -1;
	count_stuck(c, 0);
	clock_set(c, 0, CLOCK_NONE, false);
	clock_set(c, 1, CLOCK_NONE, false);
	out_release(&c->out, &s->blocks);
	buf_release(&c->pending);
	if (c->in != NULL && c->in->req.head == NULL) {
		exchange_put(c->in); /* in a head: not in the list of owed replies yet */
	}
	c->in = NULL;
	c->barrier = NULL;
	c->streaming = NULL;
	accept_forget(c);
	s->stats.open--;
	reap(c);
	server_conn_gone(s);
}

static void on_event(uv_poll_t *handle, int status, int events)
{
	struct conn *c = handle->data;
	struct http_server *s = c->server;
	ssize_t n;

	loop_touch(s->loop);
	if (status < 0) {
		conn_kill(c);
		return;
	}
	if (events & UV_WRITABLE) {
		c->blocked = false;
		conn_touch(c);
	}
	if (!(events & UV_READABLE)) {
		return;
	}
	n = recv(c->fd, s->read_buf, HTTP_READ_BYTES, 0);
	if (n > 0) {
		s->stats.bytes_in += (uint64_t)n;
		read_feed(c, (struct slice) { s->read_buf, (size_t)n });
	} else if (n == 0) {
		read_eof(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_kill(c);
		return;
	}
	conn_touch(c);
}

void conn_start(struct http_server *s, int fd, const struct http_addr *peer,
		const struct http_addr *local, struct ip_count *count)
{
	struct conn *c = conn_take(s);

	c->fd = fd;
	c->count = count;
	c->peer = *peer;
	c->local = *local;
	c->peer.text = slice_of(c->peer.text_bytes.p);
	c->local.text = slice_of(c->local.text_bytes.p);
	buf_init(&c->pending, HTTP_READ_BYTES + HTTP_HEAD_BYTES_MAX);
	ensure(uv_poll_init(loop_uv(s->loop), &c->poll, fd) == 0);
	c->poll.data = c;
	c->open = true;
	s->stats.accepted++;
	s->stats.open++;
	if (s->sweep.node.pos == 0) {
		loop_timer_start(&s->sweep, loop_now_us(s->loop) + s->sweep_us);
	}
	conn_touch(c);
}

static void watch(struct conn *c)
{
	/* What was read before comes first. */
	bool read = c->pending.n == 0 && !c->eof && read_wanted(c);
	int events = (read ? UV_READABLE : 0) | (c->blocked ? UV_WRITABLE : 0);

	if (events == c->events) {
		return;
	}
	c->events = events;
	if (events == 0) {
		uv_poll_stop(&c->poll);
	} else {
		uv_poll_start(&c->poll, events, on_event);
	}
}

static enum clock_kind reading_clock(const struct conn *c)
{
	if (!read_wanted(c)) {
		return CLOCK_NONE;
	}
	switch (c->state) {
	case CONN_HEAD:
		if (c->in != NULL || (!c->used && c->first == NULL)) {
			return CLOCK_HEAD;
		}
		return c->first == NULL && c->out.bytes == 0 ? CLOCK_IDLE : CLOCK_NONE;
	case CONN_LENGTH:
	case CONN_CHUNKED:
	case CONN_DROP:
		return CLOCK_BODY;
	case CONN_LINGER:
		return CLOCK_LINGER;
	case CONN_STREAM:
	case CONN_END:
		return CLOCK_NONE;
	}
	never("no such state");
}

static bool finished(const struct conn *c)
{
	if (c->out.bytes > 0 || c->state == CONN_LINGER) {
		return false;
	}
	if (c->streaming != NULL) {
		return c->streaming->stream.ending && c->first == c->streaming;
	}
	return c->last && c->in == NULL && c->first == NULL && c->state != CONN_DROP;
}

/*
 * Replies wait in memory for readers that are slower than we are. When they are too much in all,
 * those go whose readers took nothing for longest; one alone may have what it asked for. False when
 * c is gone.
 */
static bool bound_stuck(struct conn *c)
{
	struct http_server *s = c->server;
	struct conn_clock *head = &s->clocks[CLOCK_WRITE];

	count_stuck(c, c->blocked ? c->out.bytes : 0);
	while (s->stuck > s->options.stuck_max && head->next != head->prev) {
		s->stats.crowded++;
		conn_kill(head->next->conn);
	}
	return c->fd >= 0;
}

/* False when the connection is gone. */
static bool flush(struct conn *c)
{
	size_t before = c->out.bytes;
	enum out_result r;

	if (before == 0 || c->blocked) {
		return bound_stuck(c);
	}
	r = out_write(&c->out, &c->server->blocks, c->fd);
	if (r == OUT_BROKEN) {
		conn_kill(c);
		return false;
	}
	c->server->stats.bytes_out += before - c->out.bytes;
	c->blocked = r == OUT_BLOCKED;
	clock_set(c, 1, c->blocked ? CLOCK_WRITE : CLOCK_NONE, before > c->out.bytes);
	c->clocks[1].rate_bytes += before - c->out.bytes;
	return bound_stuck(c);
}

static void say_goodbye(struct conn *c)
{
	if (c->eof || (!c->linger && c->pending.n == 0)) {
		conn_kill(c);
		return;
	}
	shutdown(c->fd, SHUT_WR);
	buf_clear(&c->pending);
	c->state = CONN_LINGER;
	c->left = 0;
}

/* may_read: before the hooks of the turn end, so that requests found now are in time for them. */
static void conn_settle(struct conn *c, bool may_read)
{
	if (c->fd < 0) {
		reap(c);
		return;
	}
	if (c->doomed) {
		conn_kill(c);
		return;
	}
	if (may_read && c->pending.n > 0 && read_wanted(c)) {
		read_pending(c);
	}
	if (!flush(c)) {
		return;
	}
	if (c->streaming != NULL) {
		stream_tell_room(&c->streaming->stream);
	}
	if (finished(c)) {
		say_goodbye(c);
		if (c->fd < 0) {
			return;
		}
	}
	if (c->pending.n > 0 && read_wanted(c)) {
		conn_touch(c);
	}
	watch(c);
	clock_set(c, 0, reading_clock(c), false);
}

static void settle_all(struct http_server *s, bool may_read)
{
	struct conn *c = s->dirty, *next;

	s->dirty = NULL;
	for (; c != NULL; c = next) {
		next = c->dirty_next;
		c->dirty = false;
		conn_settle(c, may_read);
	}
}

void conns_settle_first(void *server)
{
	settle_all(server, true);
}

void conns_settle_last(void *server)
{
	settle_all(server, false);
}
