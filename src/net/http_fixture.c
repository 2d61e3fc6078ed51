/* SPDX-License-Identifier: Apache-2.0 */
/* The test server runs on its own thread; tests reach into it by posting to its loop. */
#include "net/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "test/t.h"

#define WAIT_US (25 * US_PER_S)
#define SLOTS 256

struct fixture {
	struct loop *loop;
	struct http_server *server;
	pthread_t thread;
	uint16_t port;
	pthread_mutex_t lock; /* guards the rest; cond: something changed */
	pthread_cond_t cond;
	struct http_exchange *held[SLOTS];
	size_t held_n;
	struct http_exchange *hooked[SLOTS];
	size_t hooked_n;
	struct http_stream *streams[SLOTS];
	size_t streams_n;
	size_t rooms; /* on_room calls */
	struct fixture_done done;
	bool drained;
};

static size_t on_head(void *ctx UNUSED, struct http_exchange *x)
{
	struct slice path = http_exchange_request(x)->path;

	if (slice_eq(path, S("/early"))) {
		http_reply(x, 401, NULL, 0, S("no"));
		return 0;
	}
	if (slice_eq(path, S("/none"))) {
		return 0;
	}
	return slice_eq(path, S("/small")) ? 100 : 1 << 20;
}

static void changed(struct fixture *f)
{
	pthread_cond_broadcast(&f->cond);
}

static void on_data(void *arg UNUSED, struct http_stream *st, struct slice bytes)
{
	struct chunk *c = chunk_copy(bytes);

	assert_true(http_stream_write(st, c));
	chunk_unref(&c);
	if (slice_eq(bytes, S("end"))) {
		http_stream_end(st);
	}
}

static void on_close(void *arg, struct http_stream *st)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->streams_n; i++) {
		if (f->streams[i] == st) {
			f->streams[i] = f->streams[--f->streams_n];
		}
	}
	changed(f);
	pthread_mutex_unlock(&f->lock);
}

static void stream_start(struct fixture *f, struct http_exchange *x, bool ws)
{
	struct http_header upgrade[] = { { S("Upgrade"), S("websocket") },
					 { S("Connection"), S("Upgrade") } };
	struct http_header sse[] = { { S("Content-Type"), S("text/event-stream") } };
	struct http_stream *st = ws ? http_stream_begin(x, 101, upgrade, 2)
				    : http_stream_begin(x, 200, sse, 1);

	if (ws) {
		http_stream_on_data(st, on_data, f);
	}
	http_stream_on_close(st, on_close, f);
	f->streams[f->streams_n++] = st;
}

static void big(struct http_exchange *x, struct slice digits)
{
	uint64_t n = 0;
	struct chunk *c;

	assert_true(slice_u64(digits, &n));
	c = chunk_new(n);
	memset(c->p, 'x', n);
	c->n = n;
	http_reply_chunk(x, 200, NULL, 0, c);
	chunk_unref(&c);
}

static void on_posted(void *arg)
{
	http_reply(arg, 200, NULL, 0, S("posted"));
}

struct errand {
	struct fixture *f;
	struct http_exchange *x;
};

static void *post_from_thread(void *arg)
{
	struct errand *e = arg;

	assert_true(loop_post(e->f->loop, on_posted, e->x));
	free(e);
	return NULL;
}

static void post(struct fixture *f, struct http_exchange *x)
{
	struct errand *e = malloc(sizeof(*e));
	pthread_t t;

	*e = (struct errand) { f, x };
	assert_int_equal(pthread_create(&t, NULL, post_from_thread, e), 0);
	pthread_detach(t);
}

static void tell_peer(struct http_exchange *x)
{
	const struct http_addr *peer = http_exchange_request(x)->peer;
	char text[64];

	snprintf(text, sizeof(text), "%.*s%s%s", SARG(peer->text),
		 peer->loopback ? " loopback" : "", peer->unix_socket ? " socket" : "");
	http_reply(x, 200, NULL, 0, slice_of(text));
}

static void route(struct fixture *f, struct http_exchange *x)
{
	const struct http_request *r = http_exchange_request(x);

	if (slice_eq(r->path, S("/hold"))) {
		f->held[f->held_n++] = x;
	} else if (slice_eq(r->path, S("/hook"))) {
		f->hooked[f->hooked_n++] = x;
	} else if (slice_eq(r->path, S("/post"))) {
		post(f, x);
	} else if (slice_starts(r->path, S("/big/"))) {
		big(x, slice_from(r->path, 5));
	} else if (slice_eq(r->path, S("/stream"))) {
		stream_start(f, x, false);
	} else if (slice_eq(r->path, S("/ws")) && r->upgrade) {
		stream_start(f, x, true);
	} else if (slice_eq(r->path, S("/peer"))) {
		tell_peer(x);
	} else if (slice_eq(r->path, S("/header"))) {
		http_reply(x, 200, &(struct http_header) { S("X-Echo"), S("a\r\nX-Evil: b") }, 1,
			   S(""));
	} else if (slice_eq(r->path, S("/empty"))) {
		http_reply(x, 204, NULL, 0, S(""));
	} else {
		http_reply(x, 200, NULL, 0, r->body);
	}
}

static void on_request(void *ctx, struct http_exchange *x)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	/* /early was answered, but a reply calls on_done, which takes the lock as well. */
	route(f, x);
	changed(f);
	pthread_mutex_unlock(&f->lock);
}

static void on_turn_end(void *arg)
{
	struct fixture *f = arg;

	for (size_t i = 0; i < f->hooked_n; i++) {
		http_reply(f->hooked[i], 200, NULL, 0, S("hooked"));
	}
	f->hooked_n = 0;
}

static void on_done(void *ctx, struct http_exchange *x UNUSED, int status, uint64_t bytes,
		    int64_t duration_us)
{
	struct fixture *f = ctx;

	assert_true(duration_us >= 0);
	pthread_mutex_lock(&f->lock);
	f->done = (struct fixture_done) { status, bytes, f->done.calls + 1 };
	changed(f);
	pthread_mutex_unlock(&f->lock);
}

static void *run(void *arg)
{
	struct fixture *f = arg;

	loop_run(f->loop);
	return NULL;
}

static void init_lock(struct fixture *f)
{
	pthread_mutexattr_t attr;
	pthread_condattr_t cond;

	/* Recursive: replies call on_done from inside on_request. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&f->lock, &attr);
	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&f->cond, &cond);
}

struct fixture *fixture_new(const struct http_options *options)
{
	struct fixture *f = mem_alloc(1, sizeof(*f));
	struct http_handlers handlers = {
		.on_head = on_head, .on_request = on_request, .on_done = on_done, .ctx = f
	};
	struct err err;

	init_lock(f);
	f->loop = loop_new(64);
	f->server = http_server_new(f->loop, options, &handlers);
	loop_turn_end(f->loop, on_turn_end, f);
	T_OK(http_server_listen(f->server, "127.0.0.1", 0, &err));
	f->port = http_server_port(f->server);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	return f;
}

void fixture_free(struct fixture **fp)
{
	struct fixture *f = *fp;

	loop_stop(f->loop);
	pthread_join(f->thread, NULL);
	assert_int_equal(f->held_n, 0);
	http_server_free(&f->server);
	assert_int_equal(f->streams_n, 0);
	loop_free(&f->loop);
	pthread_cond_destroy(&f->cond);
	pthread_mutex_destroy(&f->lock);
	free(f);
	*fp = NULL;
}

/* Wait for size_t *n == want under the lock. */
static void wait_count(struct fixture *f, const size_t *n, size_t want)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_US / US_PER_S;
	pthread_mutex_lock(&f->lock);
	while (*n != want && pthread_cond_timedwait(&f->cond, &f->lock, &until) == 0) {
	}
	assert_int_equal(*n, want);
	pthread_mutex_unlock(&f->lock);
}

void fixture_wait_held(struct fixture *f, size_t n)
{
	wait_count(f, &f->held_n, n);
}

void fixture_wait_streams(struct fixture *f, size_t n)
{
	wait_count(f, &f->streams_n, n);
}

/* Run fn on the loop thread and wait for it. */
struct call {
	struct fixture *f;
	void (*fn)(struct call *);
	size_t n;
	char c;
	int64_t wait_us;
	struct http_server_stats stats;
	const char *path;
	struct err *err;
	bool ok;
	size_t finished;
};

static void on_call(void *arg)
{
	struct call *call = arg;

	pthread_mutex_lock(&call->f->lock);
	call->fn(call);
	call->finished = 1;
	changed(call->f);
	pthread_mutex_unlock(&call->f->lock);
}

static void call_run(struct call *call)
{
	assert_true(loop_post(call->f->loop, on_call, call));
	wait_count(call->f, &call->finished, 1);
}

static void do_stats(struct call *call)
{
	call->stats = http_server_stats(call->f->server);
}

struct http_server_stats fixture_stats(struct fixture *f)
{
	struct call call = { .f = f, .fn = do_stats };

	call_run(&call);
	return call.stats;
}

static void do_listen(struct call *call)
{
	call->ok = http_server_listen_unix(call->f->server, call->path, (unsigned)call->n,
					   call->err);
}

bool fixture_listen_unix(struct fixture *f, const char *path, unsigned mode, struct err *err)
{
	struct call call = { .f = f, .fn = do_listen, .path = path, .n = mode, .err = err };

	call_run(&call);
	return call.ok;
}

void fixture_wait_open(struct fixture *f, size_t n)
{
	int64_t until_us = clock_mono_us() + WAIT_US;

	while (fixture_stats(f).open != n) {
		assert_true(clock_mono_us() < until_us);
		poll(NULL, 0, 1);
	}
}

static void do_release(struct call *call)
{
	struct fixture *f = call->f;
	char text[24];
	struct http_exchange *x = f->held[call->n];
	const struct http_request *r = http_exchange_request(x);

	assert_true(call->n < f->held_n && x != NULL);
	snprintf(text, sizeof(text), "held %.*s", SARG(r->query));
	f->held[call->n] = NULL;
	http_reply(x, 200, NULL, 0, slice_of(text));
	while (f->held_n > 0 && f->held[f->held_n - 1] == NULL) {
		f->held_n--;
	}
}

void fixture_release(struct fixture *f, size_t which)
{
	struct call call = { .f = f, .fn = do_release, .n = which };

	call_run(&call);
}

static void do_feed(struct call *call)
{
	struct chunk *c = chunk_new(call->n);
	size_t took = 0;

	memset(c->p, call->c, call->n);
	c->n = call->n;
	for (size_t i = 0; i < call->f->streams_n; i++) {
		took += http_stream_write(call->f->streams[i], c) ? 1 : 0;
	}
	chunk_unref(&c);
	call->n = took;
}

size_t fixture_feed(struct fixture *f, char c, size_t n)
{
	struct call call = { .f = f, .fn = do_feed, .n = n, .c = c };

	call_run(&call);
	return call.n;
}

static void on_room(void *arg, struct http_stream *st UNUSED)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->rooms++;
	changed(f);
	pthread_mutex_unlock(&f->lock);
}

static void do_ask_room(struct call *call)
{
	for (size_t i = 0; i < call->f->streams_n; i++) {
		http_stream_on_room(call->f->streams[i], call->n, on_room, call->f);
	}
	call->n = call->f->rooms;
}

size_t fixture_ask_room(struct fixture *f, size_t bytes)
{
	struct call call = { .f = f, .fn = do_ask_room, .n = bytes };

	call_run(&call);
	return call.n;
}

void fixture_wait_rooms(struct fixture *f, size_t n)
{
	wait_count(f, &f->rooms, n);
}

static void do_end(struct call *call)
{
	for (size_t i = 0; i < call->f->streams_n; i++) {
		if (call->n != 0) {
			http_stream_abort(call->f->streams[i]);
		} else {
			http_stream_end(call->f->streams[i]);
		}
	}
}

void fixture_end_streams(struct fixture *f, bool abort)
{
	struct call call = { .f = f, .fn = do_end, .n = abort };

	call_run(&call);
}

static void on_drained(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->drained = true;
	changed(f);
	pthread_mutex_unlock(&f->lock);
}

static void do_drain(struct call *call)
{
	http_server_drain(call->f->server, call->wait_us, on_drained, call->f);
}

void fixture_drain(struct fixture *f, int64_t wait_us)
{
	struct call call = { .f = f, .fn = do_drain, .wait_us = wait_us };

	call_run(&call);
}

void fixture_drained(struct fixture *f)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_US / US_PER_S;
	pthread_mutex_lock(&f->lock);
	while (!f->drained && pthread_cond_timedwait(&f->cond, &f->lock, &until) == 0) {
	}
	assert_true(f->drained);
	pthread_mutex_unlock(&f->lock);
}

struct fixture_done fixture_done(struct fixture *f)
{
	struct fixture_done done;

	pthread_mutex_lock(&f->lock);
	done = f->done;
	pthread_mutex_unlock(&f->lock);
	return done;
}

uint16_t fixture_port(const struct fixture *f)
{
	return f->port;
}
