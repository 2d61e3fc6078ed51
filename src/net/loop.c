/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns over libuv. The turn end runs in the check phase, after the kernel's events, and in the
 * prepare phase for what timers did before it; an idle handle keeps the loop from waiting while
 * somebody has touched it since. Timers are a heap of ours behind one uv_timer.
 */
#include "net/loop.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/loop_impl.h"

/*
 * With 64 clients that wait for their replies a third more share a flush than with one poll; more
 * polls than this gain nothing and would let a flood keep replies back.
 */
#define TURN_POLLS_MAX 3

struct hook {
	loop_fn first;
	loop_fn last;
	void *arg;
};

struct post {
	loop_fn fn;
	void *arg;
};

struct signal_watch {
	uv_signal_t handle;
	struct loop *loop;
	loop_fn fn;
	void *arg;
};

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_timer_t driver;
	uv_async_t wake;

	struct hook hooks[LOOP_HOOKS_MAX];
	size_t hooks_n;
	struct hook edges[LOOP_HOOKS_MAX];
	size_t edges_n;
	struct signal_watch signals[LOOP_SIGNALS_MAX];
	size_t signals_n;

	struct heap timers;
	uint64_t timer_id;
	int64_t driver_due_us; /* what the uv_timer is set to; 0 when it is off */
	int64_t now_us;	       /* 0: not read in this turn yet */
	bool touched;
	size_t polls; /* of this turn, that brought something and were not its last */

	pthread_mutex_t lock; /* guards the rest */
	struct post *posts;
	size_t posts_bound;
	size_t posts_head;
	size_t posts_n;
	bool stop;
};

uv_loop_t *loop_uv(struct loop *l)
{
	return &l->uv;
}

void loop_touch(struct loop *l)
{
	l->touched = true;
}

int64_t loop_now_us(struct loop *l)
{
	if (l->now_us == 0) {
		l->now_us = clock_mono_us();
	}
	return l->now_us;
}

static void turn_end(struct loop *l)
{
	if (!l->touched) {
		return;
	}
	l->touched = false;
	for (size_t i = 0; i < l->edges_n; i++) {
		if (l->edges[i].first != NULL) {
			l->edges[i].first(l->edges[i].arg);
		}
	}
	for (size_t i = 0; i < l->hooks_n; i++) {
		l->hooks[i].last(l->hooks[i].arg);
	}
	for (size_t i = 0; i < l->edges_n; i++) {
		if (l->edges[i].last != NULL) {
			l->edges[i].last(l->edges[i].arg);
		}
	}
}

static void timers_fire(struct loop *l)
{
	uint64_t newest = l->timer_id;

	for (;;) {
		struct heap_node *node = heap_min(&l->timers);
		struct loop_timer *t;

		if (node == NULL || node->due > loop_now_us(l)) {
			return;
		}
		t = CONTAINER_OF(node, struct loop_timer, node);
		if (node->id > newest) {
			/*
			 * Started by a timer of this round: the next turn, so that I/O gets its
			 * share.
			 */
			loop_touch(l);
			return;
		}
		heap_remove(&l->timers, node);
		loop_touch(l);
		t->fn(t->arg);
	}
}

static void on_driver(uv_timer_t *handle)
{
	struct loop *l = handle->data;

	l->driver_due_us = 0;
}

/* Set the one uv_timer to the earliest due time, if that changed. */
static void driver_set(struct loop *l)
{
	struct heap_node *node = heap_min(&l->timers);
	int64_t wait_us;

	if (node == NULL) {
		if (l->driver_due_us != 0) {
			uv_timer_stop(&l->driver);
			l->driver_due_us = 0;
		}
		return;
	}
	if (node->due == l->driver_due_us) {
		return;
	}
	wait_us = node->due - loop_now_us(l);
	uv_update_time(&l->uv);
	uv_timer_start(&l->driver, on_driver,
		       wait_us <= 0 ? 0 : (uint64_t)((wait_us + US_PER_MS - 1) / US_PER_MS), 0);
	l->driver_due_us = node->due;
}

static void on_idle(uv_idle_t *handle UNUSED)
{
}

/* The last thing before the kernel is asked: after it, the time is read afresh. */
static void on_prepare(uv_prepare_t *handle)
{
	struct loop *l = handle->data;

	if (l->polls > 0) {
		return;
	}
	l->now_us = 0;
	timers_fire(l);
	turn_end(l);
	driver_set(l);
	if (l->touched) {
		uv_idle_start(&l->idle, on_idle);
	} else {
		uv_idle_stop(&l->idle);
	}
	l->now_us = 0;
}

static void gathered_end(struct loop *l)
{
	l->touched = l->touched || l->polls > 0;
	l->polls = 0;
	turn_end(l);
}

/*
 * After the kernel's events. While they keep coming it is asked again, without waiting, so that
 * what arrived meanwhile shares the turn's one flush; a poll that brings nothing ends the turn.
 */
static void on_check(uv_check_t *handle)
{
	struct loop *l = handle->data;

	if (l->touched && l->polls < TURN_POLLS_MAX - 1) {
		l->touched = false;
		l->polls++;
		uv_idle_start(&l->idle, on_idle);
		return;
	}
	gathered_end(l);
}

static bool post_take(struct loop *l, struct post *post)
{
	bool got;

	pthread_mutex_lock(&l->lock);
	got = l->posts_n > 0;
	if (got) {
		*post = l->posts[l->posts_head];
		l->posts_head = (l->posts_head + 1) % l->posts_bound;
		l->posts_n--;
	}
	pthread_mutex_unlock(&l->lock);
	return got;
}

/*
 * Only what waits at the start: a call that posts itself again must not keep the turn open. What
 * came meanwhile found the queue filled and did not wake the loop, so that is done here.
 */
static void on_wake(uv_async_t *handle)
{
	struct loop *l = handle->data;
	struct post post;
	size_t n;
	bool stop;

	pthread_mutex_lock(&l->lock);
	n = l->posts_n;
	stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	loop_touch(l);
	for (; n > 0 && post_take(l, &post); n--) {
		post.fn(post.arg);
	}
	if (loop_posted(l) > 0) {
		uv_async_send(&l->wake);
	}
	if (stop) {
		uv_stop(&l->uv);
	}
}

bool loop_post(struct loop *l, loop_fn fn, void *arg)
{
	bool ok, first;

	pthread_mutex_lock(&l->lock);
	ok = l->posts_n < l->posts_bound;
	first = l->posts_n == 0;
	if (ok) {
		l->posts[(l->posts_head + l->posts_n) % l->posts_bound] =
			(struct post) { .fn = fn, .arg = arg };
		l->posts_n++;
	}
	pthread_mutex_unlock(&l->lock);
	if (ok && first) {
		uv_async_send(&l->wake);
	}
	return ok;
}

void loop_post_wait(struct loop *l, loop_fn fn, void *arg)
{
	while (!loop_post(l, fn, arg)) {
		sched_yield();
	}
}

void loop_run_posted(struct loop *l)
{
	struct post post;

	while (post_take(l, &post)) {
		post.fn(post.arg);
	}
}

size_t loop_posted(struct loop *l)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = l->posts_n;
	pthread_mutex_unlock(&l->lock);
	return n;
}

void loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wake);
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
	gathered_end(l);
	pthread_mutex_lock(&l->lock);
	l->stop = false;
	pthread_mutex_unlock(&l->lock);
}

struct loop *loop_new(size_t post_bound)
{
	struct loop *l = mem_alloc(1, sizeof(*l));

	ensure(post_bound > 0);
	ensure(uv_loop_init(&l->uv) == 0);
	ensure(uv_prepare_init(&l->uv, &l->prepare) == 0);
	ensure(uv_check_init(&l->uv, &l->check) == 0);
	ensure(uv_idle_init(&l->uv, &l->idle) == 0);
	ensure(uv_timer_init(&l->uv, &l->driver) == 0);
	ensure(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
	l->prepare.data = l->check.data = l->driver.data = l->wake.data = l;
	ensure(uv_prepare_start(&l->prepare, on_prepare) == 0);
	ensure(uv_check_start(&l->check, on_check) == 0);
	heap_init(&l->timers);
	pthread_mutex_init(&l->lock, NULL);
	l->posts = mem_alloc(post_bound, sizeof(*l->posts));
	l->posts_bound = post_bound;
	return l;
}

static void close_handle(uv_handle_t *handle, void *arg UNUSED)
{
	if (!uv_is_closing(handle)) {
		uv_close(handle, NULL);
	}
}

void loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (l == NULL) {
		return;
	}
	uv_walk(&l->uv, close_handle, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	ensure(uv_loop_close(&l->uv) == 0);
	heap_release(&l->timers);
	pthread_mutex_destroy(&l->lock);
	free(l->posts);
	free(l);
	*lp = NULL;
}

void loop_turn_end(struct loop *l, loop_fn fn, void *arg)
{
	ensure(l->hooks_n < LOOP_HOOKS_MAX);
	l->hooks[l->hooks_n++] = (struct hook) { .last = fn, .arg = arg };
}

void loop_edges_add(struct loop *l, loop_fn first, loop_fn last, void *arg)
{
	ensure(l->edges_n < LOOP_HOOKS_MAX);
	l->edges[l->edges_n++] = (struct hook) { .first = first, .last = last, .arg = arg };
}

void loop_edges_remove(struct loop *l, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->edges_n; i++) {
		if (l->edges[i].arg != arg) {
			l->edges[kept++] = l->edges[i];
		}
	}
	l->edges_n = kept;
}

void loop_timer_init(struct loop_timer *t, struct loop *l, loop_fn fn, void *arg)
{
	*t = (struct loop_timer) { .loop = l, .fn = fn, .arg = arg };
}

void loop_timer_start(struct loop_timer *t, int64_t due_us)
{
	heap_remove(&t->loop->timers, &t->node);
	t->node.due = due_us;
	t->node.id = ++t->loop->timer_id;
	heap_put(&t->loop->timers, &t->node);
}

void loop_timer_stop(struct loop_timer *t)
{
	heap_remove(&t->loop->timers, &t->node);
}

static void on_signal(uv_signal_t *handle, int signum UNUSED)
{
	struct signal_watch *w = handle->data;

	loop_touch(w->loop);
	w->fn(w->arg);
}

void loop_on_signal(struct loop *l, int signum, loop_fn fn, void *arg)
{
	struct signal_watch *w;

	ensure(l->signals_n < LOOP_SIGNALS_MAX);
	w = &l->signals[l->signals_n++];
	*w = (struct signal_watch) { .loop = l, .fn = fn, .arg = arg };
	w->handle.data = w;
	ensure(uv_signal_init(&l->uv, &w->handle) == 0);
	w->handle.data = w;
	ensure(uv_signal_start(&w->handle, on_signal, signum) == 0);
}
