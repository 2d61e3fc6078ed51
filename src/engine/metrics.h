/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_METRICS_H
#define ENGINE_METRICS_H

#include "base/buf.h"

/*
 * The numbers of one process. All are atomics: any thread counts, any thread reads, nobody waits.
 * The list is metrics.def.
 */
enum metric {
#define X(id, type, family, labels, help) METRIC_##id,
#include "engine/metrics.def"
#undef X
	METRICS
};

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics **m);

/* For counters. */
void metric_add(struct metrics *m, enum metric id, uint64_t n);
/* For gauges; GAUGE_US takes microseconds and shows seconds. */
void metric_set(struct metrics *m, enum metric id, int64_t value);
/* One measured time of a histogram. */
void metric_time(struct metrics *m, enum metric id, int64_t us);
/*
 * Show what somebody else has counted: the total of a counter, or a whole histogram. counts[i] are
 * samples below below_us << i, the last of n all the others; each falls to the first bound that
 * covers it.
 */
void metric_total(struct metrics *m, enum metric id, uint64_t total);
void metric_load(struct metrics *m, enum metric id, const uint64_t *counts, size_t n,
		 int64_t below_us, int64_t sum_us);
/* The current value of a counter or gauge, the number of samples of a histogram. */
int64_t metric_get(const struct metrics *m, enum metric id);
/*
 * The time below which the given share (0..1) of a histogram's samples lie, rounded up to a bound.
 */
int64_t metric_quantile_us(const struct metrics *m, enum metric id, double share);

/* Prometheus text exposition format 0.0.4. */
void metrics_write(const struct metrics *m, struct buf *out);

#endif
