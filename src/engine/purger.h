/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PURGER_H
#define ENGINE_PURGER_H

#include "engine/metrics.h"
#include "engine/retain.h"
#include "journal/journal.h"
#include "store/store.h"

/*
 * Makes that what nobody may see any more leaves the disk: what was deleted as soon as no start can
 * replay it, and once an hour what is over its time. One file at a time, on the sealer's thread. So
 * do the counts of what was deleted, some thousand rows at a time.
 */
struct purger;

struct purger_options {
	struct journal *journal;
	struct store *store;
	struct retain *retain;
	struct metrics *metrics;
};

/* Connects. Blocks. */
NODISCARD bool purger_open(struct purger **purger, const struct purger_options *options,
			   struct err *err);
/* NULL ok. */
void purger_close(struct purger **purger);
/*
 * Do a little, at these times. FOUND: a round is under way. NOT_FOUND: look again in a second.
 * FAILED: nothing is lost, and after a while the rest is tried again. May block for writing a file
 * of the log, 64 MiB of records.
 */
enum found purger_step(struct purger *purger, int64_t wall_us, int64_t mono_us, struct err *err);
/*
 * The time by which something may be deleted for good: a wall clock that leaps ahead is believed
 * after a day.
 */
int64_t purger_now_us(struct purger *purger, int64_t wall_us, int64_t mono_us);

#endif
