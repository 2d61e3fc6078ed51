/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_BED_TEST_H
#define JOURNAL_BED_TEST_H

#include <pthread.h>

#include "journal/journal.h"
#include "test/t.h"

/*
 * A journal to test on, in a directory or file system of its own, and one-line ways to write to
 * it. One thread, but for the wake-ups of a flusher.
 */
struct bed {
	struct journal *journal;
	struct journal_options options;
	char dir[64]; /* "" when options.files is not the real file system */
	int64_t wall_us;
	int64_t mono_us;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool wake;
};

/* One request: its records, their results, and whether it is done. */
#define REQUEST_ITEMS_MAX 512
struct request {
	struct journal_batch batch;
	struct record items[REQUEST_ITEMS_MAX];
	struct journal_result results[REQUEST_ITEMS_MAX];
	int done;
	bool ok;
	struct err err;
};

/* Small segments, so that tests cross many; a fresh directory. Does not open. */
void bed_init(struct bed *bed, enum journal_flush flush);
/* Close and remove everything. */
void bed_release(struct bed *bed);
/* Open, or fail the test. */
void bed_open(struct bed *bed);
void bed_reopen(struct bed *bed);

/* Add an event to a request; slices are borrowed. */
struct record *request_add(struct request *request, uint64_t org, const char *key,
			   struct slice body);
void request_clear(struct request *request);
/* Append at the bed's time, which moves on a little. */
NODISCARD bool bed_append(struct bed *bed, struct request *request, struct err *err);
/* One loop turn: until all that was appended is done. */
void bed_turn(struct bed *bed, struct request *request);
/* One event in a request and a turn of its own. key may be NULL. */
struct journal_result bed_put(struct bed *bed, uint64_t org, const char *key, const char *body);
/* Events first to last as bed_put, with bodies that bed_check knows. */
void bed_fill(struct bed *bed, uint64_t first, uint64_t last);
/* The body that bed_fill gives to record seq; terminated, in a static buffer. */
const char *bed_body(uint64_t seq);
/* Seal until nothing is left to seal; returns how many calls did something. */
int bed_seal(struct bed *bed);
/* All records from first to last are there, in both directions and one by one, and no more. */
void bed_check(struct bed *bed, uint64_t first, uint64_t last);

#endif
