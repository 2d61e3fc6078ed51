/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_PARTS_H
#define JOURNAL_FILE_PARTS_H

#include <stdatomic.h>

#include "journal/file/sealed.h"

struct file_journal;

/*
 * The sealed start of the log: files in the order of their numbers, each beginning where the one
 * before it ends; the segments begin behind the last. A file leaves the list by being replaced,
 * and lives on while somebody reads it. Any thread.
 */
struct part {
	_Atomic unsigned refs;
	struct sealed *sealed;
	const struct sealed_info *info; /* of sealed */
	/*
	 * Of whoever calls file_purge: how far it was purged of what was deleted, and when tried.
	 */
	uint64_t purged_seq;
	int64_t tried_us;
};

/* What parts_open found. */
struct parts_found {
	uint64_t next;	/* the number behind the last part; 0: there is none */
	uint64_t epoch; /* segments up to this one are in sealed files */
	bool damaged;	/* in a way that nobody has set aside */
};
/* parts_open.c: open what is there and check that no number is missing. Changes nothing. */
NODISCARD bool parts_open(struct file_journal *j, struct parts_found *found, struct err *err);
/* Remove what sealing left when it was cut short, and segments up to epoch. */
NODISCARD bool parts_sweep(struct file_journal *j, uint64_t epoch, struct err *err);

/* Which sealed file, and how it is read; the caller adds what it needs for writing. */
struct sealed_options parts_options(const struct file_journal *j, uint64_t epoch);
/* Takes the open file. The reference is the list's. */
void parts_add(struct file_journal *j, struct sealed *sealed);
/* The same, and in one step the first n segments leave their list. */
void parts_replace(struct file_journal *j, struct sealed *sealed, size_t n);
/*
 * A file for the same numbers takes the place of an older one, which lives on while somebody reads
 * it. Takes the open file; when old has left the list meanwhile, it is closed, and false.
 */
bool parts_swap(struct file_journal *j, const struct part *old, struct sealed *sealed);
/* Whether it is in the list. */
bool parts_have(struct file_journal *j, const struct part *part);
/*
 * The same for n neighbours that are in the list, the first of which is given. Returns the new one,
 * borrowed. Of whoever calls file_seal.
 */
struct part *parts_merge(struct file_journal *j, const struct part *first, size_t n,
			 struct sealed *sealed);
/*
 * Up to max parts in their order, the first of which ends at or behind seq. How many; the
 * references are the caller's.
 */
size_t parts_from(struct file_journal *j, uint64_t seq, struct part **parts, size_t max);
/* The part that stands for seq, or NULL. The reference is the caller's. */
struct part *parts_find(struct file_journal *j, uint64_t seq);
/*
 * Of the parts that begin before seq the i-th from the newest, or NULL. The reference is the
 * caller's.
 */
struct part *parts_before(struct file_journal *j, uint64_t seq, size_t i);
/*
 * All parts, the oldest first; array and references are the caller's. *changes is then what
 * parts_changes gave.
 */
struct part **parts_all(struct file_journal *j, size_t *n, uint64_t *changes);
/* Another number whenever the list was changed. */
uint64_t parts_changes(struct file_journal *j);
struct part *part_ref(struct part *part);
/* NULL ok; sets NULL. */
void part_unref(struct part **part);
/* The number behind the last part; 0 when there is none. */
uint64_t parts_end(struct file_journal *j);
/* Move *first and *last, as journal_bounds has them, past the parts that are of other times. */
void parts_bounds(struct file_journal *j, int64_t from_us, int64_t to_us, uint64_t *first,
		  uint64_t *last);
/*
 * Around a number that no part has: where the part before it ends (the number behind), and where
 * the part after it begins; 0 when there is none.
 */
void parts_around(struct file_journal *j, uint64_t seq, uint64_t *before, uint64_t *after);

#endif
