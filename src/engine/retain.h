/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_RETAIN_H
#define ENGINE_RETAIN_H

#include "journal/journal.h"
#include "store/global.h"

/*
 * What is kept of each project's events, in memory: from here the log learns what nobody is to see
 * any more (journal_options.floor), and the purger what has to go from the disk. The rows are in
 * the store (store/retention.h); who changes those says it here afterwards. All functions: any
 * thread, and they only wait for each other.
 *
 * Events that are over their time decide nothing new when they go: windows count what they have
 * seen. What is deleted is different, it is a record of the log (control.h) and clears windows.
 */
struct retain;

/* default_days: for projects that say nothing else; 0: for ever. */
struct retain *retain_new(int64_t default_days);
void retain_free(struct retain **retain);
/* Read what the store has. Blocks. */
NODISCARD bool retain_load(struct retain *retain, struct db *db, struct err *err);

/* A journal_floor_fn; arg is the retain. */
void retain_floor(void *arg, struct org_id org, struct project_id project,
		  struct journal_floor *floor);

/* The days that hold for a project now, its own or the default's. */
int64_t retain_days(struct retain *retain, struct org_id org, struct project_id project);
/*
 * Events before what comes back may have been purged by the days that held until now: to be stored
 * with new ones (store_retention_set), and then told to retain_set.
 */
int64_t retain_gone(struct retain *retain, struct org_id org, struct project_id project,
		    int64_t now_us);
/* RETENTION_DEFAULT: the default's. */
void retain_set(struct retain *retain, struct org_id org, struct project_id project, int64_t days,
		int64_t gone_us);
/* The project's events before record seq are deleted, at this time of the log: committed. */
void retain_delete(struct retain *retain, struct org_id org, struct project_id project,
		   uint64_t seq, int64_t at_us);
/*
 * The same of a whole org, which is project 0: its events and its control records. The record that
 * said so, 0: none did; *purged: all of it is gone from the disk.
 */
uint64_t retain_org(struct retain *retain, struct org_id org, bool *purged);
/* Nothing of the org is left anywhere, so nothing has to be known of it. */
void retain_forget(struct retain *retain, struct org_id org);
/* The highest record that deleted anything; 0: none did. */
uint64_t retain_deleted(struct retain *retain);

/*
 * For the engine: a start may replay what is behind this record, so nothing behind it may be
 * purged. 0 at first: nothing may.
 */
void retain_replayed(struct retain *retain, uint64_t seq);
uint64_t retain_replayed_seq(struct retain *retain);

/* For the purger. */
/* The shortest time that any project keeps events, in days; 0: all are kept for ever. */
int64_t retain_shortest(struct retain *retain);
/* What is over its time at now_us, a row per project with days of its own and one for the rest. */
size_t retain_over(struct retain *retain, int64_t now_us, struct arena *tick,
		   struct retention_row **rows);
/* The same rows as retain_over gave are stored. */
void retain_note_gone(struct retain *retain, const struct retention_row *rows, size_t n);
/* Deletions whose bytes may still be on the disk. */
struct retain_deletion {
	struct org_id org;
	struct project_id project;
	uint64_t seq;
	int64_t at_us;
	bool counted; /* there may be old counts of what was deleted */
};
size_t retain_waiting(struct retain *retain, struct arena *tick, struct retain_deletion **list);
/* Its counts are gone from the store. */
void retain_cleared(struct retain *retain, const struct retain_deletion *deletion);
/* Its bytes are gone, and the store says so. */
void retain_purged(struct retain *retain, const struct retain_deletion *deletion);

#endif
