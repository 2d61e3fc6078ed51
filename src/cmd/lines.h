/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LINES_H
#define CMD_LINES_H

#include "base/buf.h"

/*
 * Lines that arrive in pieces, cut into batches for the route that takes many events. Lines keep
 * their numbers, so that a refusal can say which one. No I/O; one thread.
 */
#define LINES_PER_BATCH 1000
#define LINES_BATCH_BYTES_MAX ((size_t)8 << 20) /* the server takes 10 MiB */
#define LINES_BYTES_MAX ((size_t)16 << 20)	/* waiting: a batch and what came with it */

struct lines {
	struct buf in;
	size_t at;	 /* bytes of in that were taken */
	uint64_t number; /* of the last line taken, from 1 */
};

/* Valid until the next call. Line i has the number numbers[i]. */
struct lines_batch {
	struct slice body;
	size_t n; /* lines that are not empty */
	uint64_t numbers[LINES_PER_BATCH];
};

void lines_init(struct lines *l);
void lines_release(struct lines *l);
/* Room for n bytes to read into; NULL when a line is longer than a batch. */
char *lines_room(struct lines *l, size_t n);
void lines_add(struct lines *l, size_t n);
/* Whether a full batch waits. */
bool lines_full(const struct lines *l);
/*
 * Take the next complete lines, at most a batch; with end the last one needs no line feed. False
 * when there is none. A line that alone is over LINES_BATCH_BYTES_MAX is a batch of its own, for
 * the server to refuse.
 */
bool lines_take(struct lines *l, bool end, struct lines_batch *out);

#endif
