/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_BOOKS_H
#define ENGINE_BOOKS_H

#include "journal/journal.h"
#include "store/global.h"

/*
 * Whether the books balance (promise 12): the log read once more, event by event, against what was
 * counted of it and what was booked when it came in. Of a state that nobody changes meanwhile. Any
 * thread; blocks, and reads the whole log.
 */

/* The books of one project. */
struct books_line {
	struct org_id org;
	struct project_id project;
	uint64_t deleted_seq;	/* events before it are in no count any more */
	int64_t deleted_us;	/* when; what was counted before is hidden */
	int64_t from_us;	/* hours before may be purged by now, or pruned */
	int64_t booked_from_us; /* outcomes before may be of what was deleted */
	uint64_t sent;		/* events of the log that came with a key */
	uint64_t events;	/* events of the log that have to be in the hours */
	uint64_t recent;	/* those that have to be in the minutes */
	uint64_t hours;		/* what the rollups say */
	uint64_t minutes;
	int64_t used_from_us;	    /* days before may have been purged, or deleted */
	uint64_t metered;	    /* events of the log that have to be in the usage */
	uint64_t pending;	    /* those that the usage does not have yet */
	uint64_t used;		    /* what the usage says */
	int64_t outcomes[OUTCOMES]; /* as they are booked */
};

struct books {
	struct books_line **lines;
	size_t n;
	uint64_t rollup_seq; /* the last record that rollups have counted */
	uint64_t usage_seq;  /* the same for usage */
	uint64_t last_seq;   /* of the log */
};

/*
 * now_us: what the keeper would call now; counts are kept for so long before it, or before the end
 * of the log. Lines are in the arena, in no order.
 */
NODISCARD bool books_read(struct books *books, struct journal *journal, struct db *db,
			  int64_t now_us, struct arena *boot, struct err *err);

/* What was received and is in no outcome. */
int64_t books_open(const struct books_line *line);
/*
 * Why a line does not balance, or NULL. lost: records that damage took from the log. exact: the
 * server has never crashed; after a crash what was received last may be booked without an outcome,
 * and what was accepted last be in the log alone.
 */
const char *books_fault(const struct books_line *line, uint64_t lost, bool exact);

#endif
