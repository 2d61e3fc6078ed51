/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_PURGE_H
#define JOURNAL_PURGE_H

#include "base/err.h"
#include "model/id.h"

/*
 * What is not kept of the log: hidden from who looks at events as soon as its owner says so, and
 * later gone from the disk.
 */
struct journal;
struct record;

/*
 * Where what is kept of a project begins: events before seq were deleted, those received before
 * from_us are over their time. Zeros keep everything. Any thread asks, often, and must not wait.
 */
struct journal_floor {
	uint64_t seq;
	int64_t from_us;
	/*
	 * The org is gone, as said by this record: of those before it nothing is kept, control
	 * records neither. At most seq.
	 */
	uint64_t all_seq;
	bool waits; /* what was deleted is to be purged; else it is known to be gone */
};
typedef void journal_floor_fn(void *arg, struct org_id org, struct project_id project,
			      struct journal_floor *floor);

/* False: an event below the floor of its project, which nobody is to see. Any thread. */
bool journal_kept(const struct journal *journal, const struct record *record);

/* What may be purged, and how far a round came. Zeroed where a round begins. */
struct journal_purge {
	/* The caller's: records from this one on stay, because somebody may replay them. */
	uint64_t below_seq;
	/* Likewise what was received since then, unless it was deleted: it may be counted again. */
	int64_t before_us;
	int64_t now_us;
	/* The journal's. */
	uint64_t at;	   /* the round goes on at this record */
	uint64_t done_seq; /* at its end: what had to go below this number is gone */
};
/*
 * Write sealed files anew without the events that are below the floor of their project, and without
 * ticks and starts below that of project 0 of org 0. Control records stay as long as their org:
 * they are few, and whoever replays the log has to meet them. Deleted events go at once, for others
 * a file waits until that is worth it (purging.c). Then small neighbours become one file. FOUND:
 * some was done, call again with the same *purge. NOT_FOUND: the round is over. FAILED: that file
 * stays as it is (ERR_IO, ERR_DISK_FULL, ERR_CORRUPT), and the next call goes on behind it. The
 * thread of journal_seal; blocks for writing one file.
 */
enum found journal_purge(struct journal *journal, struct journal_purge *purge, struct err *err);
/* The first record that is in no sealed file. Any thread. */
uint64_t journal_unsealed(struct journal *journal);
/*
 * Have the records up to seq sealed before long, however small the file then is: what is deleted
 * must not stay in a segment that nothing fills. Needs journal_prepare and journal_seal, and turns.
 * Any thread.
 */
void journal_settle(struct journal *journal, uint64_t seq);

#endif
