/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_CARE_H
#define JOURNAL_CARE_H

#include "journal/journal.h"

/*
 * Looking after a log: packing it, reading it again before somebody needs it, mending what can be
 * mended, and setting aside what cannot.
 *
 * Sealed files carry parity: one damaged page of a group is computed from the others, while
 * reading, and for good when the file is written anew. Two in one group lose the blocks in them.
 */

/*
 * Rewrite what is closed of the log in its lasting form, small and indexed, a little per call.
 * FOUND: some was done, call again soon. NOT_FOUND: there is nothing to do for now. FAILED:
 * ERR_IO or ERR_DISK_FULL, nothing is lost, and the next call begins anew; or ERR_CORRUPT, once in
 * an hour: damage that nobody has set aside is not sealed away, and what is behind it waits;
 * journal_stats has how much. One thread at a time with journal_scrub, not during close; blocks for
 * about 50 ms.
 */
enum found journal_seal(struct journal *journal, struct err *err);

/*
 * Read what is closed of the log from the disk and check every byte, a little per call: each file
 * once in every_us (more than 0), the one that has waited longest first, and before all others one
 * whose reads met damage. What can be mended is written anew; what is lost for good is logged, and
 * counted in journal_stats. When files were read last is remembered over restarts. FOUND: some was
 * done, JOURNAL_SCRUB_BYTES or so. NOT_FOUND: nothing is due. FAILED: ERR_IO or ERR_DISK_FULL; the
 * file is tried again. One thread at a time with journal_seal, not during close; blocks for some
 * milliseconds, and at the end of a damaged file for as long as writing it takes.
 */
#define JOURNAL_SCRUB_BYTES ((size_t)512 << 10)
enum found journal_scrub(struct journal *journal, int64_t now_us, int64_t every_us,
			 struct err *err);

/* The sealed files at a look. */
struct journal_health {
	uint64_t files;
	uint64_t bytes;
	uint64_t records;  /* that they were sealed with */
	uint64_t last_seq; /* of the last one, 0: there is none */
	uint64_t damaged;  /* places, mendable or not */
	uint64_t lost_blocks;
	uint64_t lost_records;
};
/*
 * Check every byte of the sealed files, and change nothing. deep: unpack every block, too.
 * on_damage (may be NULL) hears of each damage; it may call journal_lost_numbers. False with
 * ERR_IO. Any thread; blocks, and reads all of it.
 */
NODISCARD bool journal_verify(struct journal *journal, bool deep, journal_damage_fn *on_damage,
			      void *arg, struct journal_health *health, struct err *err);
/*
 * Exactly which numbers a damage of a sealed file has cost, as runs, ascending. Blocks, reads a
 * part of the file's map. False: the map does not tell (any more).
 */
typedef void journal_run_fn(void *arg, uint64_t first_seq, uint64_t last_seq);
NODISCARD bool journal_lost_numbers(struct journal *journal, const struct journal_damage *damage,
				    journal_run_fn *visit, void *arg, struct err *err);

/*
 * Write damaged sealed files anew with what parity gives back. Files that have lost something for
 * good stay as they are. Of options, dir, files and on_damage count; on_damage is called for all
 * damage that was found. *mended counts files. Nobody may have the journal open (ERR_CONFLICT).
 * Blocks: reads the sealed files. False with ERR_IO, ERR_DISK_FULL; files mended before stay so.
 */
NODISCARD bool journal_repair(const struct journal_options *options, size_t *mended,
			      struct err *err);

/*
 * Set aside what is damaged now, so that the next open passes over exactly this and nothing else:
 * the damaged bytes are copied into files beside the log, EPOCH-OFFSET.damaged, and what they were
 * is noted in "quarantine". Sealed files are written anew with all that can be read. One wrong
 * byte in "meta" is put right. Of options, dir and files count, and on_damage, which is called for
 * all damage, also what was set aside before. Nobody may have the journal open (ERR_CONFLICT). *n
 * counts what was set aside now. Blocks: reads the log.
 */
NODISCARD bool journal_quarantine(const struct journal_options *options, size_t *n,
				  struct err *err);
/*
 * The same for a journal that is open and in use, for an operator who accepts the loss: all damage
 * to its segments, and to the sealed files of which reads, searches, purges or a scrub have found
 * something lost. Readers go on meanwhile; afterwards what waited behind the damage is sealed and
 * purged. on_damage (may be NULL) hears of what is set aside, now or before. Any thread but the
 * loop, not during close; blocks: reads the segments, and those sealed files. False with ERR_IO,
 * ERR_DISK_FULL: what was done stays done, and another call goes on.
 */
NODISCARD bool journal_set_aside(struct journal *journal, journal_damage_fn *on_damage, void *arg,
				 size_t *n, struct err *err);

#endif
