/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking work on plain threads: handlers read top to bottom, the loop never waits. */
#include "engine/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"

#define WORKER_NICE 5 /* a third of the loop's share when both want a core */

struct worker {
	struct workers *all;
	pthread_t thread;
	void *local;
	struct err err;
};

struct workers {
	struct worker_local local;
	struct fair_queue *queue;
	struct worker *threads;
	size_t n;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t ready;  /* threads that tried to open their local */
	size_t failed; /* of those, the ones that could not */
};

static bool open_local(struct worker *me)
{
	struct workers *w = me->all;

	me->local = w->local.open(w->local.arg, &me->err);
	pthread_mutex_lock(&w->lock);
	w->ready++;
	w->failed += me->local == NULL;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return me->local != NULL;
}

/* The job is its owner's again as soon as it has run. */
static void run_one(struct worker *me, struct job *job)
{
	int64_t began_us = clock_mono_us();
	uint64_t flow = job->wait.flow;

	job->run(job, me->local);
	fair_queue_done(me->all->queue, flow, clock_mono_us() - began_us);
}

static void *work(void *arg)
{
	struct worker *me = arg;
	struct fair_item *item;

	/*
	 * Of this thread alone, on Linux. Without it a long list makes every socket wait its turn.
	 */
	(void)setpriority(PRIO_PROCESS, 0, WORKER_NICE);
	if (!open_local(me)) {
		return NULL;
	}
	while ((item = fair_queue_take(me->all->queue, true)) != NULL) {
		run_one(me, CONTAINER_OF(item, struct job, wait));
	}
	me->all->local.close(me->local);
	return NULL;
}

static size_t wait_ready(struct workers *w)
{
	size_t failed;

	pthread_mutex_lock(&w->lock);
	while (w->ready < w->n) {
		pthread_cond_wait(&w->changed, &w->lock);
	}
	failed = w->failed;
	pthread_mutex_unlock(&w->lock);
	return failed;
}

/* How many threads one customer may hold: all but a quarter, so that others find one soon. */
static size_t busy_max(size_t threads)
{
	return threads == 1 ? 1 : threads - (threads + 3) / 4;
}

bool workers_open(struct workers **wp, size_t threads, size_t bound,
		  const struct worker_local *local, struct err *err)
{
	struct workers *w = mem_alloc(1, sizeof(*w));

	ensure(threads > 0);
	w->local = *local;
	w->queue = fair_queue_new(bound, busy_max(threads), FAIR_TURN_US);
	w->threads = mem_alloc(threads, sizeof(*w->threads));
	w->n = threads;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	for (size_t i = 0; i < threads; i++) {
		w->threads[i].all = w;
		ensure(pthread_create(&w->threads[i].thread, NULL, work, &w->threads[i]) == 0);
	}
	*wp = w;
	if (wait_ready(w) == 0) {
		return true;
	}
	for (size_t i = 0; i < threads; i++) {
		if (w->threads[i].local == NULL) {
			*err = w->threads[i].err;
		}
	}
	workers_close(wp);
	return false;
}

void workers_close(struct workers **wp)
{
	struct workers *w = *wp;

	if (w == NULL) {
		return;
	}
	fair_queue_close(w->queue);
	for (size_t i = 0; i < w->n; i++) {
		pthread_join(w->threads[i].thread, NULL);
	}
	fair_queue_free(&w->queue);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w->threads);
	free(w);
	*wp = NULL;
}

bool workers_submit(struct workers *w, struct job *job)
{
	return fair_queue_put(w->queue, &job->wait);
}

size_t workers_waiting(struct workers *w)
{
	return fair_queue_len(w->queue);
}
