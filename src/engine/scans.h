/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SCANS_H
#define ENGINE_SCANS_H

#include "engine/metrics.h"
#include "journal/journal.h"

/*
 * Long walks over a project's events, for searches and exports: on one thread of their own, in
 * slices of some milliseconds. Orgs take turns, and of an org its scans: who asks for ten gets no
 * more than who asks for one. How many there may be is bounded, for an org and in all.
 *
 * A scan is part of its owner and belongs to the thread from scans_start until gone was called.
 * While its owner makes it wait for a slow reader, it holds no file and no block, only a number.
 */
struct scans;
struct scan;

#define SCANS_PER_ORG_MAX 4 /* a screen has one search, a person two screens, a nightly export */
#define SCANS_MAX 32	    /* in all: with more, each gets too little of the one thread */

enum scan_step {
	SCAN_ON,   /* go on */
	SCAN_WAIT, /* call pause again after scan_resume, before reading on */
	SCAN_OVER  /* done with it */
};

struct scan {
	/* Of the owner, before scans_start; what they point to lives until gone. */
	struct journal_filter filter; /* of one project */
	uint64_t at;		      /* the number to begin with; moves on */
	uint64_t end;		      /* the last number to look at, that one included */
	bool reverse;		      /* then end is at most at */
	/* A record that passes the filter. False ends the slice. */
	bool (*visit)(struct scan *scan, const struct record *record);
	/* After each slice, and once more when nothing is left (over) or went wrong (err). */
	enum scan_step (*pause)(struct scan *scan);
	/* The last call. */
	void (*gone)(struct scan *scan);
	/* For these callbacks, all on the thread of the scans. */
	bool over;	/* everything was looked at */
	struct err err; /* what ended it: ERR_IO, ERR_SHUTTING_DOWN; ERR_NONE */
	uint64_t lost;	/* damages that were met; what is behind them was read */

	/* Of the scans. */
	struct scans *all;
	struct journal_iter *iter;
	struct scan *prev, *next;
	uint64_t served; /* when it had its last slice */
	bool waits, resumed, cancelled;
};

struct scans *scans_new(struct journal *journal, struct metrics *metrics);
/* All that run end with ERR_SHUTTING_DOWN, new ones are refused. Any thread. */
void scans_stop(struct scans *scans);
/* Cancels what runs and joins the thread. NULL ok. */
void scans_free(struct scans **scans);

/* ERR_SEARCHES when there are too many; nothing is called then. ERR_SHUTTING_DOWN. Any thread. */
NODISCARD bool scans_start(struct scans *scans, struct scan *scan, struct err *err);
/* Any thread, from scans_start on, also after gone. */
void scan_resume(struct scan *scan);
/* gone follows soon, without pause. */
void scan_cancel(struct scan *scan);

#endif
