/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_TIMELINE_H
#define API_TIMELINE_H

#include "base/json.h"

/*
 * How many events fell into which stretch of time, when nobody knows beforehand how long the whole
 * is: buckets of a second at first, of the next longer step whenever there would be too many. Steps
 * divide each other, so joining buckets is exact. Any order of times. Pure.
 */
#define TIMELINE_BUCKETS_MAX 500 /* as wide as a screen shows bars */

struct timeline {
	int64_t step_s;
	size_t max;    /* buckets, at most TIMELINE_BUCKETS_MAX */
	int64_t first; /* number of the first bucket: its start is first * step_s */
	size_t n;      /* buckets in use; 0: nothing was added */
	uint64_t counts[TIMELINE_BUCKETS_MAX];
};

/* For times in [from_us, to_us), when both are known (not 0): the step is the last one at once. */
void timeline_init(struct timeline *t, size_t max, int64_t from_us, int64_t to_us);
/* at_us is not negative. */
void timeline_add(struct timeline *t, int64_t at_us);
/* {"step": seconds, "buckets": [{"start":..,"count":..}]}, without those that are empty. */
void timeline_write(const struct timeline *t, struct json_w *w);

#endif
