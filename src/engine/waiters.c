/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for control records. They are few (people change rules, machines send events), so one
 * lock, one condition and a list do.
 */
#include "engine/waiters.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct waiters {
	pthread_mutex_t lock;
	pthread_cond_t settled;
	struct wait *list;
	uint64_t last_ticket;
};

struct waiters *waiters_new(void)
{
	struct waiters *w = mem_alloc(1, sizeof(*w));
	pthread_condattr_t attr;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->settled, &attr);
	pthread_condattr_destroy(&attr);
	return w;
}

void waiters_free(struct waiters **wp)
{
	if (*wp == NULL) {
		return;
	}
	ensure((*wp)->list == NULL);
	pthread_cond_destroy(&(*wp)->settled);
	pthread_mutex_destroy(&(*wp)->lock);
	free(*wp);
	*wp = NULL;
}

static void settle(struct waiters *w, struct wait *wait, const struct verdict *verdict)
{
	wait->verdict = *verdict;
	wait->settled = true;
	pthread_cond_broadcast(&w->settled);
}

static struct wait *by_ticket(struct waiters *w, uint64_t ticket)
{
	struct wait *wait = w->list;

	while (wait != NULL && wait->ticket != ticket) {
		wait = wait->next;
	}
	return wait;
}

uint64_t waiters_begin(struct waiters *w, struct wait *wait)
{
	pthread_mutex_lock(&w->lock);
	*wait = (struct wait) { .next = w->list, .ticket = ++w->last_ticket };
	w->list = wait;
	pthread_mutex_unlock(&w->lock);
	return wait->ticket;
}

void waiters_stored(struct waiters *w, uint64_t ticket, uint64_t seq)
{
	struct wait *wait;

	pthread_mutex_lock(&w->lock);
	wait = by_ticket(w, ticket);
	if (wait != NULL) {
		wait->seq = seq;
	}
	pthread_mutex_unlock(&w->lock);
}

void waiters_refused(struct waiters *w, uint64_t ticket, const struct err *err)
{
	struct wait *wait;

	pthread_mutex_lock(&w->lock);
	wait = by_ticket(w, ticket);
	if (wait != NULL) {
		settle(w, wait, &(struct verdict) { .err = *err });
	}
	pthread_mutex_unlock(&w->lock);
}

void waiters_settle(struct waiters *w, uint64_t seq, const struct verdict *verdict)
{
	pthread_mutex_lock(&w->lock);
	for (struct wait *wait = w->list; wait != NULL; wait = wait->next) {
		if (wait->seq == seq) {
			settle(w, wait, verdict);
		}
	}
	pthread_mutex_unlock(&w->lock);
}

static void leave(struct waiters *w, struct wait *wait)
{
	struct wait **at = &w->list;

	while (*at != wait) {
		at = &(*at)->next;
	}
	*at = wait->next;
}

bool waiters_wait(struct waiters *w, struct wait *wait, int64_t wait_us)
{
	struct timespec until = clock_deadline(wait_us);

	pthread_mutex_lock(&w->lock);
	while (!wait->settled && pthread_cond_timedwait(&w->settled, &w->lock, &until) == 0) {
	}
	leave(w, wait);
	pthread_mutex_unlock(&w->lock);
	return wait->settled;
}
