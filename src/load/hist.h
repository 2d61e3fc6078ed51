/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_HIST_H
#define LOAD_HIST_H

/*
 * A latency histogram with log-linear buckets: values below 128 have a bucket each, every further
 * power of two is cut into 128 buckets. So any percentile is exact to one part in 128 over the
 * whole range of 64 bits, recording is a few instructions, and memory is fixed. One thread; no
 * locks.
 */
#include "base/base.h"

#define HIST_SUB_BITS 7
#define HIST_SUB (1u << HIST_SUB_BITS)
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
	uint64_t count[HIST_BUCKETS];
	uint64_t n;
	uint64_t sum;
	uint64_t min;
	uint64_t max;
};

/* Empty the histogram; also needed once before the first use. */
void hist_init(struct hist *h);

/* Count one value. */
void hist_add(struct hist *h, uint64_t value);

/*
 * The smallest value that at least `part` (0..1) of the values do not exceed, rounded up to the end
 * of its bucket but never above the largest value seen. 0 when empty.
 */
uint64_t hist_at(const struct hist *h, double part);

/* The arithmetic mean; 0 when empty. */
double hist_mean(const struct hist *h);

#endif
