/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_REPORT_H
#define CMD_BENCH_REPORT_H

#include <stdio.h>

#include "cmd/bench/run.h"

/*
 * What a load has shown, for people and for programs. Both say the same, because both are made from
 * these. Pure but for the writing.
 */
enum report_latency {
	REPORT_OPEN,	     /* planned to answered; an open load alone has it */
	REPORT_WAITED,	     /* planned to sent; likewise */
	REPORT_OWN,	     /* the part of that which is the delay of this client itself */
	REPORT_SERVICE,	     /* sent to answered */
	REPORT_REFUSED,	     /* the same, of answers that are not 2xx */
	REPORT_RECEIPT,	     /* planned to received; in the modes with a receiver */
	REPORT_SENT_RECEIPT, /* sent to received */
	REPORT_LATENCIES
};

/* A row of the table; h is NULL when this load has no such row. */
struct report_row {
	const char *label; /* in the table */
	const char *name;  /* in JSON */
	const struct hist *h;
	uint64_t never; /* how many are slower than anything measured */
};
struct report_row report_row(const struct run *r, enum report_latency which);

#define REPORT_POINTS 5
extern const char *const report_points[REPORT_POINTS];
/*
 * The value in microseconds that the share of point i of all, the never-answered included, did not
 * exceed; -1 when that one was never answered, or there is none at all.
 */
int64_t report_at(const struct report_row *row, size_t point);

/* Whether anything came out other than planned: the exit code follows. */
bool report_is_clean(const struct run *r);

void report_table(const struct run *r, FILE *out);
void report_json(const struct run *r, struct buf *out);

#endif
