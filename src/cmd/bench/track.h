/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_TRACK_H
#define CMD_BENCH_TRACK_H

#include "base/buf.h"
#include "load/hist.h"

/*
 * Events on their way to a receiver: each carries a mark with its number, and whatever comes back
 * with the mark in it is the receipt. Times are of clock_mono_us. Pure; one thread.
 */
#define TRACK_EVENTS_MAX ((uint64_t)20 * 1000 * 1000) /* 340 MB of times */
#define TRACK_DIGITS 12

struct track {
	char mark[48]; /* "tocsin-bench-0123456789abcdef-" */
	int64_t *due_us;
	int64_t *sent_us;
	bool *seen;
	uint64_t n;
	uint64_t room;
	uint64_t received; /* events, not messages */
	uint64_t repeated;
	uint64_t unknown; /* messages without a mark of ours */
	struct hist from_due_us;
	struct hist from_sent_us;
};

/* run makes the marks of this load different from all others. */
void track_init(struct track *t, uint64_t run);
void track_release(struct track *t);
/* A new event; its number goes into out with the mark. There are fewer than TRACK_EVENTS_MAX. */
void track_add(struct track *t, int64_t due_us, int64_t sent_us, struct buf *out);
/* A message came. */
void track_receive(struct track *t, struct slice message, int64_t at_us);

#endif
