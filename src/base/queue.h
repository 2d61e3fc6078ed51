/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/base.h"

/*
 * Where threads meet: a bounded first-in first-out queue of pointers. Any number of threads on
 * both sides. Putting never blocks; a full queue says so, and the caller refuses the work.
 */
struct queue;

/* wake, if not NULL, is called after each put, outside the lock (for loops asleep elsewhere). */
struct queue *queue_new(size_t bound, void (*wake)(void *), void *wake_arg);
/* The queue must be empty or its items owned elsewhere. */
void queue_free(struct queue **q);

/* False when full or closed; the item then still belongs to the caller. item is not NULL. */
NODISCARD bool queue_put(struct queue *q, void *item);
/*
 * The oldest item. Waits up to wait_us (0: not at all, negative: for ever) while empty; NULL when
 * there is none in time, or the queue is closed and empty.
 */
void *queue_take(struct queue *q, int64_t wait_us);
/* No more puts; takers drain the rest and then get NULL at once. */
void queue_close(struct queue *q);
size_t queue_len(struct queue *q);
/* Whether queue_close was called. */
bool queue_closed(struct queue *q);

#endif
