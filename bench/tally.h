/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

/*
 * Counts what came back: how many replies of each status, how long they took, and whether every one
 * of them was the expected one. A run with anything unexpected in it is dirty and proves nothing.
 */
#include "load/hist.h"

#define STATUS_MAX 600

struct tally {
	uint64_t status[STATUS_MAX]; /* [0] counts requests that got no reply */
	uint64_t good;
	uint64_t bad;
	struct hist taken_ns;
};

void tally_init(struct tally *t);

/* One finished request; good says whether it was answered as expected. */
void tally_add(struct tally *t, int status, bool good, int64_t taken_ns);

/*
 * Print the members of a JSON object, without braces: statuses, latencies in microseconds, dirty.
 */
void tally_print(const struct tally *t);

/*
 * Print `"<name>_p50_us":...,` and so on for one histogram of nanoseconds, with a comma behind
 * each.
 */
void tally_print_hist(const char *name, const struct hist *h);

#endif
