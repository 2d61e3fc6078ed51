/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include "load/prng.h"

/*
 * When each request of an open load is due, whatever the server does. A request that is due while
 * no connection is free waits in a backlog of a fixed size; one that finds the backlog full is
 * counted and never sent. So a slow server meets the same plan as a fast one, and what it did not
 * take is a number in the report and no gap in it. Times are microseconds from the start of the
 * load. Pure; one thread.
 */
struct plan {
	double gap_us; /* mean */
	bool poisson;
	struct prng prng;
	int64_t end_us; /* nothing is due from here on */
	double next_us;
	uint64_t made; /* due times of an even plan so far */

	uint64_t planned; /* due until now: taken + waiting + dropped */
	uint64_t taken;
	uint64_t dropped;    /* found the backlog full */
	int64_t *backlog_us; /* a ring of due times */
	size_t backlog_max;
	size_t first;
	size_t waiting;
	size_t waiting_most;
};

#define PLAN_PER_S_MAX 1e7 /* requests; ten to the microsecond mean nothing */
#define PLAN_BACKLOG_MAX ((size_t)10 * 1000 * 1000) /* 80 MB of due times */

/*
 * per_second requests, over 0 and up to PLAN_PER_S_MAX, until end_us; evenly, or with gaps that are
 * independent and exponential (a Poisson process), which follow from the seed. backlog_max is at
 * least 1.
 */
void plan_init(struct plan *p, double per_second, bool poisson, uint64_t seed, int64_t end_us,
	       size_t backlog_max);
void plan_release(struct plan *p);

/* Let time pass: what is due until now_us, which never goes back, waits or is dropped. */
void plan_advance(struct plan *p, int64_t now_us);
/* The request that has waited longest; false when none waits. */
NODISCARD bool plan_take(struct plan *p, int64_t *due_us);
/* When the next one is due that is not yet; INT64_MAX when none comes. */
int64_t plan_next_us(const struct plan *p);
/* When the one was due that waits longest; -1 when none waits. */
int64_t plan_oldest_us(const struct plan *p);
/* No more from now_us on; what waits still waits. */
void plan_stop(struct plan *p, int64_t now_us);

#endif
