/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server as a whole: options, pools, drain, end. Connections and exchanges are reused, so that
 * a request in steady state allocates nothing.
 */
#include "net/http_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/rand.h"

#define SWEEP_US_MAX (500 * US_PER_MS) /* how late a timeout of seconds may be noticed */
#define SWEEP_US_MIN (1 * US_PER_MS)

/* What a client may take of us; the header says what each one means. */
#define HTTP_HEAD_US (10 * US_PER_S)
#define HTTP_BODY_US (30 * US_PER_S)
#define HTTP_IDLE_US (75 * US_PER_S)
#define HTTP_WRITE_US (30 * US_PER_S)
#define HTTP_RATE_MIN 1024
#define HTTP_CONNS_MAX 8192
#define HTTP_CONNS_PER_IP_MAX 1024
#define HTTP_PIPELINE_MAX 64
#define HTTP_OUTPUT_BYTES_MAX ((size_t)1 << 20)
#define HTTP_STREAM_BYTES_MAX ((size_t)1 << 20)
#define HTTP_STUCK_BYTES_MAX ((size_t)32 << 20)
#define HTTP_INFLATES_MAX 64

static const struct http_options DEFAULTS = {
	.head_us = HTTP_HEAD_US,
	.body_us = HTTP_BODY_US,
	.idle_us = HTTP_IDLE_US,
	.write_us = HTTP_WRITE_US,
	.linger_us = 2 * US_PER_S,
	.rate_min = HTTP_RATE_MIN,
	.conns_max = HTTP_CONNS_MAX,
	.conns_per_ip = HTTP_CONNS_PER_IP_MAX,
	.pipeline_max = HTTP_PIPELINE_MAX,
	.output_max = HTTP_OUTPUT_BYTES_MAX,
	.stream_max = HTTP_STREAM_BYTES_MAX,
	.stuck_max = HTTP_STUCK_BYTES_MAX,
	.inflate_max = HTTP_INFLATES_MAX,
};

static struct http_options options_of(const struct http_options *given)
{
	struct http_options o = given == NULL ? DEFAULTS : *given;

#define TAKE(member) o.member = o.member == 0 ? DEFAULTS.member : o.member
	TAKE(head_us);
	TAKE(body_us);
	TAKE(idle_us);
	TAKE(write_us);
	TAKE(linger_us);
	TAKE(rate_min);
	TAKE(conns_max);
	TAKE(conns_per_ip);
	TAKE(pipeline_max);
	TAKE(output_max);
	TAKE(stream_max);
	TAKE(stuck_max);
	TAKE(inflate_max);
#undef TAKE
	return o;
}

const struct http_request *http_exchange_request(const struct http_exchange *x)
{
	return &x->req;
}

struct arena *http_exchange_arena(struct http_exchange *x)
{
	return &x->arena;
}

void http_exchange_rename(struct http_exchange *x, struct slice id)
{
	if (x->req.id.p == x->id) {
		x->req.id = id;
	}
}

void http_exchange_set_user(struct http_exchange *x, void *user)
{
	x->user = user;
}

void *http_exchange_user(const struct http_exchange *x)
{
	return x->user;
}

bool http_exchange_gone(const struct http_exchange *x)
{
	return x->conn->fd < 0;
}

/* Unique in this process and next to surely everywhere: odd steps visit all of 2^64. */
static void id_make(struct http_server *s, struct http_exchange *x)
{
	uint64_t v = s->id_seed + s->id_n++ * UINT64_C(0x9e3779b97f4a7c15);

	hex_encode(&v, sizeof(v), x->id);
	x->req.id = (struct slice) { x->id, sizeof(x->id) };
}

struct http_exchange *exchange_take(struct conn *c)
{
	struct http_server *s = c->server;
	struct http_exchange *x = s->pool;

	if (x != NULL) {
		s->pool = x->next;
		s->pool_n--;
	} else {
		x = mem_alloc(1, sizeof(*x));
		buf_init(&x->head_bytes, HTTP_HEAD_BYTES_MAX + 1);
		arena_init(&x->arena, 0);
	}
	x->conn = c;
	x->next = NULL;
	x->req = (struct http_request) { .peer = &c->peer,
					 .local = &c->local,
					 .started_us = loop_now_us(s->loop) };
	http_head_init(&x->head);
	x->stream = (struct http_stream) { 0 };
	x->user = NULL;
	x->pinned = x->dispatched = x->replied = x->early_closes = false;
	x->status = 0;
	x->bytes = x->wire_bytes = 0;
	id_make(s, x);
	return x;
}

static void exchange_free(struct http_exchange *x)
{
	buf_release(&x->head_bytes);
	buf_release(&x->body);
	arena_release(&x->arena);
	free(x);
}

void exchange_put(struct http_exchange *x)
{
	struct http_server *s = x->conn->server;

	if (x->inflate != NULL) {
		inflate_free(&x->inflate);
		s->inflating--;
	}
	out_release(&x->held, &s->blocks);
	if (s->pool_n >= HTTP_POOL_MAX) {
		exchange_free(x);
		return;
	}
	arena_clear(&x->arena);
	buf_cut(&x->head_bytes, 0);
	if (x->body.cap > HTTP_KEEP_BYTES) {
		buf_release(&x->body);
	}
	buf_cut(&x->body, 0);
	x->next = s->pool;
	s->pool = x;
	s->pool_n++;
}

struct conn *conn_take(struct http_server *s)
{
	struct conn *c = s->conn_pool;

	if (c != NULL) {
		s->conn_pool = c->next;
		s->conn_pool_n--;
		*c = (struct conn) { 0 };
	} else {
		c = mem_alloc(1, sizeof(*c));
	}
	c->server = s;
	c->fd = -1;
	c->next = s->conns;
	if (c->next != NULL) {
		c->next->prev = c;
	}
	s->conns = c;
	return c;
}

void conn_put(struct conn *c)
{
	struct http_server *s = c->server;

	if (s == NULL) {
		free(c);
		return;
	}
	if (c->prev != NULL) {
		c->prev->next = c->next;
	} else {
		s->conns = c->next;
	}
	if (c->next != NULL) {
		c->next->prev = c->prev;
	}
	if (s->conn_pool_n >= HTTP_POOL_MAX) {
		free(c);
		return;
	}
	c->next = s->conn_pool;
	s->conn_pool = c;
	s->conn_pool_n++;
}

static void limits_set(struct http_server *s)
{
	int64_t least = INT64_MAX;

	s->limits_us[CLOCK_HEAD] = s->options.head_us;
	s->limits_us[CLOCK_BODY] = s->options.body_us;
	s->limits_us[CLOCK_IDLE] = s->options.idle_us;
	s->limits_us[CLOCK_LINGER] = s->options.linger_us;
	s->limits_us[CLOCK_WRITE] = s->options.write_us;
	for (enum clock_kind k = CLOCK_HEAD; k < CLOCKS; k++) {
		least = s->limits_us[k] < least ? s->limits_us[k] : least;
		s->clocks[k].prev = s->clocks[k].next = &s->clocks[k];
	}
	s->sweep_us = least / 4 > SWEEP_US_MAX ? SWEEP_US_MAX : least / 4;
	s->sweep_us = s->sweep_us < SWEEP_US_MIN ? SWEEP_US_MIN : s->sweep_us;
}

static void kill_all(struct http_server *s)
{
	for (struct conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		conn_kill(c);
	}
}

static void on_drained(void *arg)
{
	struct http_server *s = arg;
	loop_fn fn = s->drained;

	kill_all(s);
	s->drained = NULL;
	if (fn != NULL) {
		fn(s->drained_arg);
	}
}

void server_conn_gone(struct http_server *s)
{
	if (!s->draining) {
		accept_watch(s);
	} else if (s->stats.open == 0 && s->drained != NULL) {
		loop_timer_start(&s->drain_timer, loop_now_us(s->loop));
	}
}

void http_server_drain(struct http_server *s, int64_t wait_us, loop_fn done, void *arg)
{
	ensure(!s->draining);
	s->draining = true;
	s->drained = done;
	s->drained_arg = arg;
	accept_stop(s);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (c->fd >= 0) {
			c->last = true;
			conn_touch(c);
		}
	}
	loop_timer_start(&s->drain_timer,
			 loop_now_us(s->loop) + (s->stats.open == 0 ? 0 : wait_us));
}

struct http_server *http_server_new(struct loop *l, const struct http_options *options,
				    const struct http_handlers *handlers)
{
	struct http_server *s = mem_alloc(1, sizeof(*s));

	s->loop = l;
	s->options = options_of(options);
	s->handlers = *handlers;
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->read_buf = mem_alloc(1, HTTP_READ_BYTES);
	s->id_seed = rand_u64();
	map_init(&s->counts);
	limits_set(s);
	loop_timer_init(&s->sweep, l, clocks_sweep, s);
	loop_timer_init(&s->drain_timer, l, on_drained, s);
	loop_edges_add(l, conns_settle_first, conns_settle_last, s);
	return s;
}

static void exchanges_free(struct http_exchange *x, struct http_server *s)
{
	while (x != NULL) {
		struct http_exchange *next = x->next;

		inflate_free(&x->inflate);
		out_release(&x->held, &s->blocks);
		exchange_free(x);
		x = next;
	}
}

static void conns_free(struct http_server *s)
{
	for (struct conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		exchanges_free(c->first, s);
		c->first = NULL;
		c->server = NULL;
		if (!c->open) {
			free(c);
		}
	}
	for (struct conn *c = s->conn_pool, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
}

void http_server_free(struct http_server **sp)
{
	struct http_server *s = *sp;

	if (s == NULL) {
		return;
	}
	s->drained = NULL;
	accept_stop(s);
	kill_all(s);
	loop_edges_remove(s->loop, s);
	loop_timer_stop(&s->sweep);
	loop_timer_stop(&s->drain_timer);
	conns_free(s);
	exchanges_free(s->pool, s);
	out_pool_release(&s->blocks);
	map_release(&s->counts);
	if (s->reserve_fd >= 0) {
		close(s->reserve_fd);
	}
	free(s->read_buf);
	free(s);
	*sp = NULL;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

struct http_server_stats http_server_stats(const struct http_server *s)
{
	return s->stats;
}
