/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_UNREAD_H
#define JOURNAL_FILE_UNREAD_H

#include "journal/journal.h"

/*
 * What stands for bytes of a segment that the disk does not give any more: in each sector a mark
 * that says whose it is, then bytes that are never zero. Nothing that was written looks like it,
 * so it is damage to whoever reads it, and never the end of the log. It depends on the place alone:
 * what was read around a bad sector, and a copy of the file without one, have the same checksums.
 * Pure.
 */
#define UNREAD_SECTOR_BYTES 512
#define UNREAD_MARK_BYTES 48

/* Where a segment is. */
struct unread_place {
	struct journal_id id;
	uint64_t epoch;
};
/* Fill the n bytes at p, which are at offset of the segment. */
void unread_fill(const struct unread_place *place, uint64_t offset, char *p, size_t n);
/* Whether the UNREAD_MARK_BYTES at p are the mark of the sector that begins at offset. */
bool unread_is(const struct unread_place *place, uint64_t offset, const char *p);
/* Whether a sector that begins with these eight bytes may have a mark: cheap, and seldom wrong. */
bool unread_may_be(uint64_t word);

#endif
