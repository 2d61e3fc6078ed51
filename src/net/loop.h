/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/heap.h"

/*
 * The event loop: one thread that owns every socket. Work goes in turns: wait for the kernel, run
 * the callbacks of what became ready and what other threads posted, twice more without waiting as
 * long as there is something, then the turn end: replies made so far leave, the hooks run (the
 * journal flushes in one), and what they answered leaves too.
 *
 * Everything here belongs to the thread of loop_run (before that: to the thread that set it up),
 * but for loop_post and loop_stop. Nothing that runs on the loop may block.
 */
struct loop;

typedef void (*loop_fn)(void *arg);

#define LOOP_HOOKS_MAX 16  /* turn end hooks of one process; each costs a call per turn */
#define LOOP_SIGNALS_MAX 4 /* SIGTERM, SIGINT, SIGHUP and one to spare */

/*
 * post_bound: how many posted calls may wait at once, over 0. Aborts when the kernel has no epoll.
 */
struct loop *loop_new(size_t post_bound);
/*
 * Not from inside loop_run. Whoever uses the loop is freed before it. Posts still waiting are lost.
 */
void loop_free(struct loop **l);

/* Turn until loop_stop. May be called again afterwards. */
void loop_run(struct loop *l);
/* End loop_run after the current turn, or at once when the loop is not running yet. Any thread. */
void loop_stop(struct loop *l);

/*
 * Call fn(arg) on the loop thread, in order of posting, before the end of its next turn. Any
 * thread; never blocks. False when post_bound calls are waiting: arg then still is the caller's.
 */
NODISCARD bool loop_post(struct loop *l, loop_fn fn, void *arg);
/*
 * Make the calls that were posted and not made when loop_run returned. For the end, while what they
 * work on is still there; on the loop's thread.
 */
void loop_run_posted(struct loop *l);
/* The same, waiting while the queue is full: a turn empties it. Not on the loop's own thread. */
void loop_post_wait(struct loop *l, loop_fn fn, void *arg);
/* Posted calls that wait. Any thread. */
size_t loop_posted(struct loop *l);

/*
 * Call fn(arg) once at the end of each turn that did I/O, posted calls or timers; in order of
 * registration, for the life of the loop. Replies made in it leave in the same turn.
 */
void loop_turn_end(struct loop *l, loop_fn fn, void *arg);
/* Ask for one more turn end even if nothing happens: the next turn does not wait. */
void loop_touch(struct loop *l);

/* clock_mono_us as of this turn: cheap, and the same for everything that happens in it. */
int64_t loop_now_us(struct loop *l);

/*
 * A timer inside its owner. It fires once, at the first turn at or after its due time (to the
 * millisecond, never early); equal due times in order of their start.
 */
struct loop_timer {
	struct heap_node node;
	struct loop *loop;
	loop_fn fn;
	void *arg;
};
void loop_timer_init(struct loop_timer *t, struct loop *l, loop_fn fn, void *arg);
/* due_us on the clock of loop_now_us. Moves a timer that is running. O(log n). */
void loop_timer_start(struct loop_timer *t, int64_t due_us);
/* Nothing happens when it is not running. Before the owner goes away. */
void loop_timer_stop(struct loop_timer *t);

/* Call fn(arg) on the loop thread for each signum (SIGTERM, SIGINT...) the process gets. */
void loop_on_signal(struct loop *l, int signum, loop_fn fn, void *arg);

#endif
