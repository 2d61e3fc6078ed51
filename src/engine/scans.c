/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread picks the org that was served longest ago, and of it the scan that was; whoever is new
 * counts as just served, so that many short scans of one org do not push others back.
 */
#include "engine/scans.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"

#define SCAN_NICE 10		       /* people wait for it, events do not */
#define SLICE_US (10 * US_PER_MS)      /* 32 scans: each is served three times a second */
#define STEP_BYTES ((size_t)128 << 10) /* of the log as it is stored: a millisecond or two */

struct scans {
	struct journal *journal;
	struct metrics *metrics;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below, and of the flags of scans */
	pthread_cond_t changed;
	struct scan *first;
	size_t n;
	uint64_t clock; /* slices so far */
	bool stopping;
	bool ending;
};

/* When the org of scan had its last slice. Under the lock, as all that is about the list. */
static uint64_t org_served(const struct scans *s, struct org_id org)
{
	uint64_t served = 0;

	for (const struct scan *c = s->first; c != NULL; c = c->next) {
		if (c->filter.org.v == org.v && c->served > served) {
			served = c->served;
		}
	}
	return served;
}

static bool may_run(const struct scans *s, const struct scan *c)
{
	return !c->waits || c->resumed || c->cancelled ||
	       (s->stopping && !c->over && c->err.kind == ERR_NONE);
}

static struct scan *pick(const struct scans *s)
{
	struct scan *best = NULL;
	uint64_t best_org = 0;

	for (struct scan *c = s->first; c != NULL; c = c->next) {
		uint64_t org = org_served(s, c->filter.org);

		if (may_run(s, c) && (best == NULL || org < best_org ||
				      (org == best_org && c->served < best->served))) {
			best = c;
			best_org = org;
		}
	}
	return best;
}

static void drop(struct scans *s, struct scan *c)
{
	pthread_mutex_lock(&s->lock);
	*(c->prev != NULL ? &c->prev->next : &s->first) = c->next;
	if (c->next != NULL) {
		c->next->prev = c->prev;
	}
	s->n--;
	metric_set(s->metrics, METRIC_SCANS, (int64_t)s->n);
	pthread_mutex_unlock(&s->lock);
}

static bool passed(const struct scan *c, uint64_t at)
{
	return c->reverse ? at < c->end || at == 0 : at > c->end;
}

static void open_iter(struct scan *c)
{
	if (c->iter == NULL) {
		c->iter = journal_iter_where(c->all->journal, c->at, c->reverse, &c->filter);
	}
}

/* One step of the budget. False ends the slice. */
static bool step(struct scan *c)
{
	struct record record;
	enum found found;
	struct err err;
	uint64_t from = c->at;

	journal_iter_set_budget(c->iter, STEP_BYTES);
	while ((found = journal_iter_next(c->iter, &record, &err)) != NOT_FOUND) {
		if (found == FAILED && err.kind != ERR_CORRUPT) {
			c->err = err;
			return false;
		}
		if (found == FAILED) {
			c->lost++;
			continue;
		}
		if (passed(c, record.seq)) {
			c->over = true;
			return false;
		}
		if (!c->visit(c, &record)) {
			c->at = journal_iter_at(c->iter);
			c->over = passed(c, c->at);
			return false;
		}
	}
	/* With a budget that was not used up, where it stands is the end. */
	c->at = journal_iter_at(c->iter);
	c->over = passed(c, c->at) || c->at == from;
	return !c->over;
}

static void slice(struct scan *c)
{
	int64_t until_us = clock_mono_us() + SLICE_US;

	c->over = c->over || passed(c, c->at);
	if (c->over || c->err.kind != ERR_NONE) {
		return;
	}
	open_iter(c);
	while (step(c) && clock_mono_us() < until_us) {
	}
}

/* What the thread does with the scan that it picked; without the lock. True: it is over. */
static bool serve(struct scan *c, bool cancelled, bool stopping, bool was_waiting)
{
	enum scan_step then;

	if (cancelled) {
		return true;
	}
	if (stopping && !c->over && c->err.kind == ERR_NONE) {
		err_set(&c->err, ERR_SHUTTING_DOWN, "the server is stopping");
	} else if (!was_waiting) {
		slice(c);
	}
	then = c->pause(c);
	if (then != SCAN_ON || c->over || c->err.kind != ERR_NONE) {
		journal_iter_free(&c->iter);
	}
	c->waits = then == SCAN_WAIT;
	return then == SCAN_OVER;
}

static void *run(void *arg)
{
	struct scans *s = arg;
	struct scan *c;

	/* Of this thread alone, on Linux. */
	(void)setpriority(PRIO_PROCESS, 0, SCAN_NICE);
	pthread_mutex_lock(&s->lock);
	for (;;) {
		bool cancelled, stopping, was_waiting, over;

		c = pick(s);
		if (c == NULL && s->ending) {
			break;
		}
		if (c == NULL) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		cancelled = c->cancelled || s->ending;
		stopping = s->stopping;
		was_waiting = c->waits;
		c->resumed = false;
		c->served = ++s->clock;
		pthread_mutex_unlock(&s->lock);
		over = serve(c, cancelled, stopping, was_waiting);
		if (over) {
			journal_iter_free(&c->iter);
			drop(s, c);
			c->gone(c);
		}
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct scans *scans_new(struct journal *journal, struct metrics *metrics)
{
	struct scans *s = mem_alloc(1, sizeof(*s));

	s->journal = journal;
	s->metrics = metrics;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	ensure(pthread_create(&s->thread, NULL, run, s) == 0);
	return s;
}

void scans_stop(struct scans *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void scans_free(struct scans **scans)
{
	struct scans *s = *scans;

	if (s == NULL) {
		return;
	}
	pthread_mutex_lock(&s->lock);
	s->stopping = s->ending = true;
	for (struct scan *c = s->first; c != NULL; c = c->next) {
		c->cancelled = true;
	}
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*scans = NULL;
}

static bool admit(const struct scans *s, struct org_id org, struct err *err)
{
	size_t own = 0;

	for (const struct scan *c = s->first; c != NULL; c = c->next) {
		own += c->filter.org.v == org.v;
	}
	if (s->stopping) {
		return err_set(err, ERR_SHUTTING_DOWN, "the server is stopping");
	}
	if (own >= SCANS_PER_ORG_MAX) {
		return err_set(err, ERR_SEARCHES,
			       "%d searches or exports of your organization are running",
			       SCANS_PER_ORG_MAX);
	}
	return s->n < SCANS_MAX ||
	       err_set(err, ERR_SEARCHES, "%d searches or exports are running", SCANS_MAX);
}

bool scans_start(struct scans *s, struct scan *c, struct err *err)
{
	bool ok;

	ensure(c->filter.one_project);
	pthread_mutex_lock(&s->lock);
	ok = admit(s, c->filter.org, err);
	if (ok) {
		c->all = s;
		c->iter = NULL;
		c->waits = c->resumed = c->cancelled = c->over = false;
		c->err = (struct err) { 0 };
		c->lost = 0;
		c->served = s->clock;
		c->prev = NULL;
		c->next = s->first;
		if (s->first != NULL) {
			s->first->prev = c;
		}
		s->first = c;
		s->n++;
		metric_set(s->metrics, METRIC_SCANS, (int64_t)s->n);
		pthread_cond_signal(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static void flag(struct scan *c, bool *which)
{
	struct scans *s = c->all;

	pthread_mutex_lock(&s->lock);
	*which = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void scan_resume(struct scan *c)
{
	flag(c, &c->resumed);
}

void scan_cancel(struct scan *c)
{
	flag(c, &c->cancelled);
}
