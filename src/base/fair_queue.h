/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FAIR_QUEUE_H
#define BASE_FAIR_QUEUE_H

#include "base/base.h"

/*
 * A queue for threads that do work for many customers, called flows here: whoever asks for much
 * waits for himself, not the others for him. Flows take turns by the time that their work takes
 * (deficit round robin, with the price known afterwards: Shreedhar and Varghese 1996). One that
 * has not asked for a while goes first, once.
 *
 * Room is shared as well: a flow may have so many items waiting as FAIR_SHARE times the room that
 * is left, so the last of it is there for those who come later. And one flow never holds all the
 * threads: while as many are busy for it as may be, its items wait, even when a thread is idle.
 *
 * Any thread. Putting never blocks.
 */
struct fair_queue;

/* Inside its owner, who fills flow and keeps it until it was taken. */
struct fair_item {
	uint64_t flow;
	struct fair_item *next; /* the queue's */
};

#define FAIR_SHARE 3 /* alone, a flow gets three quarters of the room */
/* Time of a turn on threads: enough for most requests, little beside what a person notices. */
#define FAIR_TURN_US INT64_C(5000)
/* What a flow may owe to the others. More is forgiven, or it would find out what a minute costs. */
#define FAIR_DEBT_US INT64_C(1000000)

/*
 * bound: items that may wait; busy_max: items of one flow taken and not done; turn_us: time of a
 * turn. All over 0.
 */
struct fair_queue *fair_queue_new(size_t bound, size_t busy_max, int64_t turn_us);
/* Nothing may be waiting. */
void fair_queue_free(struct fair_queue **q);

/* Whether there is room for one more of this flow. */
bool fair_queue_has_room(struct fair_queue *q, uint64_t flow);
/* False when there is no room for this flow, or the queue is closed. */
NODISCARD bool fair_queue_put(struct fair_queue *q, struct fair_item *item);
/*
 * The next item; waits for one if told so. NULL when there is none, then: when the queue is closed
 * and empty. Whoever has done it says so with fair_queue_done.
 */
struct fair_item *fair_queue_take(struct fair_queue *q, bool wait);
/* An item of this flow is done, and took so long. */
void fair_queue_done(struct fair_queue *q, uint64_t flow, int64_t took_us);
/* No more puts; takers drain the rest and then get NULL. */
void fair_queue_close(struct fair_queue *q);
/* Items that wait. */
size_t fair_queue_len(struct fair_queue *q);

#endif
