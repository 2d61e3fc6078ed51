/* SPDX-License-Identifier: Apache-2.0 */
/* A ring under a mutex: the hand-offs are per batch or per request, so the lock is never hot. */
#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	void **items;
	size_t bound;
	size_t head;
	size_t n;
	bool closed;
	void (*wake)(void *);
	void *wake_arg;
};

struct queue *queue_new(size_t bound, void (*wake)(void *), void *wake_arg)
{
	struct queue *q = mem_alloc(1, sizeof(*q));
	pthread_condattr_t attr;

	ensure(bound > 0);
	q->items = mem_alloc(bound, sizeof(void *));
	q->bound = bound;
	q->wake = wake;
	q->wake_arg = wake_arg;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->filled, &attr);
	pthread_condattr_destroy(&attr);
	return q;
}

void queue_free(struct queue **qp)
{
	struct queue *q = *qp;

	if (q == NULL) {
		return;
	}
	pthread_cond_destroy(&q->filled);
	pthread_mutex_destroy(&q->lock);
	free(q->items);
	free(q);
	*qp = NULL;
}

bool queue_put(struct queue *q, void *item)
{
	bool ok;

	ensure(item != NULL);
	pthread_mutex_lock(&q->lock);
	ok = !q->closed && q->n < q->bound;
	if (ok) {
		q->items[(q->head + q->n) % q->bound] = item;
		q->n++;
		pthread_cond_signal(&q->filled);
	}
	pthread_mutex_unlock(&q->lock);
	if (ok && q->wake != NULL) {
		q->wake(q->wake_arg);
	}
	return ok;
}

static void wait_filled(struct queue *q, int64_t wait_us)
{
	struct timespec until = clock_deadline(wait_us);

	while (q->n == 0 && !q->closed) {
		if (wait_us < 0) {
			pthread_cond_wait(&q->filled, &q->lock);
		} else if (pthread_cond_timedwait(&q->filled, &q->lock, &until) != 0) {
			return;
		}
	}
}

void *queue_take(struct queue *q, int64_t wait_us)
{
	void *item = NULL;

	pthread_mutex_lock(&q->lock);
	if (wait_us != 0) {
		wait_filled(q, wait_us);
	}
	if (q->n > 0) {
		item = q->items[q->head];
		q->head = (q->head + 1) % q->bound;
		q->n--;
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->filled);
	pthread_mutex_unlock(&q->lock);
	if (q->wake != NULL) {
		q->wake(q->wake_arg);
	}
}

size_t queue_len(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->n;
	pthread_mutex_unlock(&q->lock);
	return n;
}

bool queue_closed(struct queue *q)
{
	bool closed;

	pthread_mutex_lock(&q->lock);
	closed = q->closed;
	pthread_mutex_unlock(&q->lock);
	return closed;
}
