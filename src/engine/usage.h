/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_USAGE_H
#define ENGINE_USAGE_H

#include "journal/journal.h"
#include "store/global.h"

/*
 * What was used, on its way to the store: events by UTC day of the log's time, project, key and
 * type. Counted in memory and written now and then with the number of the last record counted, like
 * rollups (rollup.h); so usage is a function of the log up to that record, whatever was deleted
 * since, and a start counts on from there.
 *
 * A day names the first pairs of key and type that a project has in it; events of further pairs are
 * counted by their key alone, and those of further keys together. Which are named is a function of
 * the log, too: a start learns it from the rows. The engine's thread.
 */
#define USAGE_PAIRS_MAX 200    /* of key and type, named per project and day */
#define USAGE_KEYS_MAX 100     /* counted by their key alone, beside those */
#define USAGE_CELLS_MAX 200000 /* of all projects in a day: about 40 MB */
#define USAGE_DAY_ROWS_MAX (USAGE_PAIRS_MAX + USAGE_KEYS_MAX + 1) /* of a project */

struct usage;

struct usage *usage_new(void);
void usage_free(struct usage **u);
/* Whether a record is used up by somebody: an event that came with a key. Ours are free. */
bool usage_counts(const struct record *record);
/* After a start: what the day of the next record names in the store. Blocks. */
NODISCARD bool usage_load(struct usage *u, struct db *db, int64_t next_us, struct err *err);
/* Count a record, if it counts; later than the one before. */
void usage_add(struct usage *u, const struct record *record);
/* Time to write. */
bool usage_full(const struct usage *u);
/*
 * Write what was counted since usage_written, inside the caller's transaction. May be repeated when
 * that fails.
 */
NODISCARD bool usage_write(struct usage *u, struct db *db, struct err *err);
/* The transaction is committed. */
void usage_written(struct usage *u);

#endif
