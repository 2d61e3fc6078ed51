/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_FORMAT_H
#define JOURNAL_FILE_FORMAT_H

#include "journal/journal.h"

/*
 * The bytes of the journal's files, as doc/journal-format.md lays them out: little endian, every
 * header and record under a CRC-32C of its own. Pure; any thread. What decodes takes hostile bytes.
 */
#define META_BYTES 256
#define SEGMENT_HEAD_BYTES 4096 /* one block, so that batches start on a block */
#define BATCH_HEAD_BYTES 64
#define RECORD_HEAD_BYTES 80
#define RECORD_BYTES_MAX \
	(RECORD_HEAD_BYTES + RECORD_TYPE_BYTES_MAX + RECORD_KEY_BYTES_MAX + \
	 RECORD_BODY_BYTES_MAX + 8)

struct segment_head {
	struct journal_id id;
	uint64_t epoch; /* no two segments of a journal share one, even if a file is reused */
	uint64_t bytes; /* of the whole file */
	int64_t created_at_us;
};

/* count 0 is a mark: no records, it only says what is flushed. */
struct batch_head {
	struct journal_id id;
	uint64_t epoch;
	uint64_t first_seq;   /* of a mark: the number that comes next */
	uint64_t flushed_seq; /* known flushed before this batch was written */
	uint32_t count;
	uint32_t length; /* bytes of records behind the header */
	uint32_t chain;	 /* CRC-32C over the checksums of the records, in order */
};

void meta_encode(const struct journal_meta *meta, unsigned char out[META_BYTES]);
/* ERR_CORRUPT, or ERR_CONFLICT for a format version that is not ours. */
NODISCARD bool meta_decode(const unsigned char *p, struct journal_meta *meta, struct err *err);

/*
 * Put right one wrong byte: true when p is then intact, and it was not before. Not of the version:
 * that may be another one indeed.
 */
bool meta_repair(unsigned char *p);

/* out is the whole block. */
void segment_head_encode(const struct segment_head *head, unsigned char out[SEGMENT_HEAD_BYTES]);
NODISCARD bool segment_head_decode(const unsigned char *p, struct segment_head *head);

void batch_head_encode(const struct batch_head *head, char out[BATCH_HEAD_BYTES]);
/* True for an intact header of this journal and epoch. */
NODISCARD bool batch_head_decode(const char *p, const struct journal_id *id, uint64_t epoch,
				 struct batch_head *head);

/* Bytes that the record takes, a multiple of 8. The slices are within their limits. */
size_t record_size(const struct record *record);
/* Write record_size bytes. Returns the checksum, for the chain. */
uint32_t record_encode(const struct record *record, char *out);
/* The size that the header at p (RECORD_HEAD_BYTES readable) claims, or 0 when it cannot be one. */
size_t record_claims(const char *p);
/* The number that the header at p claims. */
uint64_t record_seq(const char *p);
/* The stored checksum. */
uint32_t record_crc(const char *p);
/* Whether the size bytes at p, size being what it claims, are an intact record. */
NODISCARD bool record_intact(const char *p, size_t size);
/* Read an intact record; slices point into p. */
void record_decode(const char *p, struct record *record);
/* What stands for an idempotency key in tables; hash is the journal's. */
uint64_t record_key_hash(const struct hash_key *hash, struct org_id org, struct slice key);

#endif
