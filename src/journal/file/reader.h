/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_READER_H
#define JOURNAL_FILE_READER_H

#include "journal/file/segment.h"

/*
 * Bytes of one segment through a buffer, and what can be found in them. Pointers are borrowed
 * until the next call on the reader. One thread at a time.
 */
struct reader {
	struct segment *segment; /* referenced */
	char *p;
	size_t cap;
	size_t chunk;	 /* bytes to read at least, when there are that many */
	uint64_t offset; /* of p[0] in the file */
	size_t n;
	uint64_t loaded; /* bytes read so far, for budgets */
	bool met_unread; /* a search did, of sectors that cannot be read; for whoever resets it */
};

void reader_init(struct reader *reader, size_t chunk);
void reader_release(struct reader *reader);
/* Another segment (NULL: none), which gets a reference; what is buffered is dropped. */
void reader_turn_to(struct reader *reader, struct segment *segment);
/* Whether all these bytes are buffered. Pure. */
bool reader_has(const struct reader *reader, uint64_t offset, size_t n);
/*
 * n bytes at offset, reading no byte at or behind limit; unread.h has what stands for those that
 * the disk does not give. NULL with ERR_IO: it gives nothing at all. offset + n <= limit.
 */
const char *reader_bytes(struct reader *reader, uint64_t offset, size_t n, uint64_t limit,
			 struct err *err);

/* The CRC-32C of the bytes from offset to end. */
NODISCARD bool reader_crc(struct reader *reader, uint64_t offset, uint64_t end, uint32_t *crc,
			  struct err *err);

/* FOUND: an intact batch header at offset, whose batch ends at or before limit. */
enum found reader_batch(struct reader *reader, uint64_t offset, uint64_t limit,
			struct batch_head *head, struct err *err);
/* FOUND: an intact record at offset that ends at or before limit. *p and *size are its bytes. */
enum found reader_record(struct reader *reader, uint64_t offset, uint64_t limit, const char **p,
			 size_t *size, struct err *err);

/* Where intact bytes begin again behind damage. */
struct resync {
	uint64_t offset;
	bool is_batch; /* else a record */
	uint64_t seq;  /* of the record, or the first of the batch */
};
/*
 * Search [offset, limit) for the first intact batch header with numbers from seq_min on or, when
 * records is set, intact record with a number in [seq_min, seq_max].
 */
enum found reader_resync(struct reader *reader, uint64_t offset, uint64_t limit, uint64_t seq_min,
			 uint64_t seq_max, bool records, struct resync *at, struct err *err);

#endif
