/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ROLLUP_H
#define ENGINE_ROLLUP_H

#include "journal/journal.h"
#include "store/global.h"

/*
 * Counts of events on their way to the store: by project, type and severity, for each minute and
 * each hour of the log's time. Events are counted in memory; now and then the engine writes what
 * has come together, in one transaction with the number of the last record counted. So the rows in
 * the store are a function of the log up to that record, and a start counts on from there.
 *
 * A bucket names the first types that a project has in it; events of further ones are counted
 * together, under the empty type. Which are named is a function of the log, too: a start learns it
 * from the rows. The engine's thread.
 */
#define ROLLUP_MINUTE_TYPES_MAX 100 /* named per project: 700 rows a minute at the very most */
#define ROLLUP_HOUR_TYPES_MAX 200   /* for a year of hours; more than people tell apart */
#define ROLLUP_CELLS_MAX 200000	    /* named types of all projects in a bucket: about 40 MB */
#define ROLLUP_ROWS_FULL 8192	    /* rows that make a transaction of some 50 ms */

struct rollups;

struct rollups *rollups_new(void);
void rollups_free(struct rollups **r);
/* After a start: the types that the newest buckets in the store name. Blocks. */
NODISCARD bool rollups_load(struct rollups *r, struct db *db, struct err *err);
/* Count an event record; later than the one before. */
void rollups_add(struct rollups *r, const struct record *record);
/*
 * What a project has before the next record was deleted, at this time of the log: nothing of it is
 * to be counted, here or in the newest buckets of the store. Older ones are hidden there, and
 * removed by the purger.
 */
void rollups_forget(struct rollups *r, struct org_id org, struct project_id project, int64_t at_us);
/* Time to write. */
bool rollups_full(const struct rollups *r);
/*
 * Write what was counted since rollups_written, inside the caller's transaction. May be repeated
 * when that fails.
 */
NODISCARD bool rollups_write(struct rollups *r, struct db *db, struct err *err);
/* The transaction is committed. */
void rollups_written(struct rollups *r);

#endif
