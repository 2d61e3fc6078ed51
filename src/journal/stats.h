/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_STATS_H
#define JOURNAL_STATS_H

#include "base/base.h"

/* What a journal counts; a part of journal.h, which includes it. */
struct journal;

/*
 * Flush times fall into bucket i when below JOURNAL_FLUSH_BELOW_US << i; the last takes the rest.
 */
#define JOURNAL_FLUSH_BUCKETS 20
#define JOURNAL_FLUSH_BELOW_US 16
struct journal_stats {
	uint64_t records; /* since open, as all counts */
	uint64_t bytes;
	uint64_t flushes;
	uint64_t flush_us_sum;
	uint64_t flush_buckets[JOURNAL_FLUSH_BUCKETS];
	uint64_t duplicates;
	uint64_t conflicts;
	uint64_t segments; /* not sealed */
	uint64_t file_bytes;
	uint64_t sealed_files;
	uint64_t sealed_records;
	uint64_t sealed_bytes;	/* of them */
	uint64_t sealed_bodies; /* bytes of the events' JSON in them */
	uint64_t purged_records;
	uint64_t purged_bytes;		  /* by which files became smaller */
	int64_t purged_at_us;		  /* the last time; 0: never */
	uint64_t scrubbed_bytes;	  /* read by journal_scrub, */
	uint64_t mended_pages;		  /* written anew by it, */
	uint64_t lost_blocks;		  /* found by it, there now, and set aside by nobody; */
	uint64_t lost_records;		  /* the same, in segments too */
	uint64_t set_aside_records;	  /* lost, and somebody has accepted that */
	uint64_t seal_waiting_segments;	  /* that damage, set aside by nobody, keeps from it; */
	uint64_t seal_waiting_bytes;	  /* and what they take; 0: nothing does */
	uint64_t idempotency_keys;	  /* in memory, exactly */
	uint64_t idempotency_sealed;	  /* in sealed files, inside the window */
	uint64_t idempotency_tables;	  /* that these are looked for in */
	uint64_t idempotency_bytes;	  /* of memory */
	uint64_t idempotency_shortened;	  /* keys forgotten before the window was over */
	uint64_t idempotency_over_budget; /* the same, as their project had too many */
	int64_t idempotency_shortened_us; /* when that last happened, for either; 0: never */
	int64_t idempotency_from_us;	  /* keys received since then are remembered */
	int64_t clock_offset_us;	  /* log time minus wall clock at the last append */
	bool threaded;			  /* flushing on the thread at the moment */
	bool clean;			  /* at open the log ended in good order */
};
/* Any thread. */
void journal_stats(struct journal *journal, struct journal_stats *stats);
/* An estimate in microseconds, q in (0, 1); 0 without flushes. Pure. */
int64_t journal_flush_quantile(const struct journal_stats *stats, double q);

#endif
