/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_STREAMS_H
#define CMD_BENCH_STREAMS_H

#include "cmd/bench/far.h"

/*
 * Live streams, one per key, that listen for notifications while a load runs. A stream that ends is
 * begun again behind its last frame at the next streams_tick. One thread.
 */
struct streams;

struct streams_options {
	struct far *far;
	struct slice url;		   /* of the server */
	const struct slice *authorization; /* header lines, one per key */
	size_t n;
	/* The data of a notification. */
	void (*got)(void *owner, struct slice data, int64_t at_us);
	void *owner;
};

struct streams *streams_new(const struct streams_options *options);
void streams_free(struct streams **streams);

/* Begin what has not begun or has ended. */
void streams_tick(struct streams *s);
/* How many said "connected" since they began. */
size_t streams_connected(const struct streams *s);
/* How often one ended although nobody asked. */
uint64_t streams_broken(const struct streams *s);
/* How often the server could not say what was missed. */
uint64_t streams_resyncs(const struct streams *s);
/* What the last one that ended said; "" when none did. */
const char *streams_problem(const struct streams *s);

#endif
