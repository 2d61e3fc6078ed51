/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_RESCUE_H
#define JOURNAL_FILE_RESCUE_H

#include "journal/file/file_ops.h"
#include "journal/journal.h"

/*
 * Bring the segments below this epoch away from sectors that cannot be read: each one that has any
 * is copied with all that the disk still gives, and unread.h's marks in place of the rest, and the
 * copy takes its name. It is damaged in the same way as before, byte for byte and for good,
 * whatever the disk says next time; reading it is fast, and a backup can copy it. Whoever has the
 * old file open reads on there.
 *
 * False with ERR_DISK_FULL or ERR_IO: segments are as they were, or copied. Blocks: reads all
 * segments. One thread at a time for all that writes.
 */
NODISCARD bool segments_rescue(const struct files *files, const char *dir,
			       const struct journal_id *id, uint64_t below_epoch, struct err *err);

#endif
