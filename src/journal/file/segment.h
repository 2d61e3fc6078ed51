/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEGMENT_H
#define JOURNAL_FILE_SEGMENT_H

#include <stdatomic.h>

#include "journal/file/file_ops.h"
#include "journal/file/format.h"

/*
 * One file of the log, and the sparse index of where its records are. One thread writes (the
 * loop, or whoever opens the journal); any thread reads what is published: last_seq says which
 * records, end says up to which byte.
 */
#define SEGMENT_BYTES_MIN ((size_t)16 << 10)
#define SEGMENT_BYTES_MAX ((size_t)1 << 30) /* offsets are 32 bits */
#define SEGMENT_INDEX_BYTES ((uint32_t)64 << 10)
#define SEGMENT_NAME_BYTES 24

/* The record seq is at offset; its batch ends at batch_end. */
struct segment_mark {
	uint64_t seq;
	uint32_t offset;
	uint32_t batch_end;
};

struct segment {
	_Atomic unsigned refs;
	struct files files;
	int fd;
	char name[SEGMENT_NAME_BYTES];
	struct journal_id id;
	uint64_t epoch;
	size_t bytes;
	uint64_t first_seq;	   /* set before readers see the segment */
	_Atomic uint64_t last_seq; /* first_seq - 1 while empty */
	_Atomic uint32_t end;
	struct segment_mark *marks;
	size_t marks_cap;
	_Atomic size_t marks_n;
};

/* "0000000000000001.seg" */
void segment_name(uint64_t epoch, char out[SEGMENT_NAME_BYTES]);
/* The epoch in a name, or false when it is not a segment's. */
NODISCARD bool segment_epoch(const char *name, uint64_t *epoch);

/*
 * Make a segment of really written zeros under a temporary name, flush it, and give it its name.
 * Blocks long. NULL with ERR_DISK_FULL or ERR_IO, and then nothing of it is left behind if that
 * can be helped.
 */
struct segment *segment_new(const struct files *files, const char *dir,
			    const struct segment_head *head, struct err *err);
/*
 * Open one that exists. NULL with ERR_IO, or ERR_CORRUPT when it is too short for a head or has
 * that of another journal or place. A damaged head is told and passed over: name and batches say
 * all that it says.
 */
struct segment *segment_open(const struct files *files, const char *dir, uint64_t epoch,
			     const struct journal_id *id, bool read_only, bool *head_intact,
			     struct err *err);
/* One more user: the list of segments, a reader... Any thread that has one. */
struct segment *segment_ref(struct segment *segment);
/* NULL ok. The last one closes the file; its name may be gone by then. Any thread. */
void segment_unref(struct segment **segment);

/* Note where a record is; kept when far enough from the last mark. Writer. */
void segment_note(struct segment *segment, uint64_t seq, uint32_t offset, uint32_t batch_end);
/* Let readers see everything up to last_seq and end. Writer. */
void segment_publish(struct segment *segment, uint64_t last_seq, uint32_t end);
/* The records from seq on are not here after all. Writer, before anybody reads. */
void segment_cut(struct segment *segment, uint64_t seq, uint32_t end);
/* The closest mark at or before seq. False when there is none. Any thread. */
NODISCARD bool segment_find(const struct segment *segment, uint64_t seq, struct segment_mark *mark);

#endif
