/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_DAMAGE_H
#define JOURNAL_FILE_DAMAGE_H

#include "base/buf.h"
#include "journal/file/file_ops.h"
#include "journal/journal.h"

/*
 * Damage that an operator has looked at and set aside: the file "quarantine" of the journal. An
 * open passes over exactly what is listed, byte for byte, and over nothing else. One thread.
 */
#define DAMAGES_NAME "quarantine"
#define DAMAGES_MAX 4096 /* beyond this a disk is broken, and a backup the better answer */

struct damages {
	struct journal_damage *v;
	size_t n;
};

void damages_add(struct damages *list, const struct journal_damage *damage);
void damages_release(struct damages *list);
/* Whether this very damage is in the list. */
bool damages_have(const struct damages *list, const struct journal_damage *damage);
/* Whether the list has any damage in the segment of this epoch. */
bool damages_in(const struct damages *list, uint64_t epoch);

/* Whether all of these numbers are in stretches of the list. */
bool damages_cover(const struct damages *list, uint64_t first_seq, uint64_t last_seq);
/*
 * Of those that have lost records, the one that a walk over the numbers first to last meets first:
 * whose first number is among them, in reverse whose last. NULL when there is none.
 */
const struct journal_damage *damages_met(const struct damages *list, uint64_t first_seq,
					 uint64_t last_seq, bool reverse);

/* Append the file's bytes. Pure. */
void damages_encode(const struct damages *list, struct buf *out);
/* Take hostile bytes. False, and an empty list, unless all of it is intact. Pure. */
NODISCARD bool damages_decode(struct slice text, struct damages *list);

/*
 * Read the list of a journal; without a file it is empty, and with one that is damaged too: the
 * open then refuses once more, and setting aside again writes the list anew.
 */
NODISCARD bool damages_read(const struct files *files, const char *dir, struct damages *list,
			    struct err *err);
/* Replace the file, flushed. */
NODISCARD bool damages_write(const struct files *files, const char *dir, const struct damages *list,
			     struct err *err);

#endif
