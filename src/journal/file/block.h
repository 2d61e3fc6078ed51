/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_BLOCK_H
#define JOURNAL_FILE_BLOCK_H

#include "base/buf.h"
#include "journal/journal.h"

/*
 * Some records packed together: the columns of their heads, then their types, keys and bodies, all
 * compressed at once. A block stands for itself: it can be read without an index. Its records are
 * in the order of their numbers, be they of one project or of several.
 */
#define BLOCK_HEAD_BYTES 32
/* What a block may unpack to: the largest that a writer fills it to, and the largest record. */
#define BLOCK_RAW_BYTES_MAX ((size_t)8 << 20)

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

/* What packing needs; kept from block to block. */
struct block_packer {
	struct ZSTD_CCtx_s *zstd;
	int level;
	struct hash_key hash; /* of record.hash */
	struct buf raw;
};
void block_packer_init(struct block_packer *packer, int level, const struct hash_key *hash);
void block_packer_release(struct block_packer *packer);
/*
 * Append the block of these records to out, head and all. n is at least 1, numbers ascend, and the
 * records together stay under BLOCK_RAW_BYTES_MAX.
 */
void block_pack(struct block_packer *packer, const struct record *records, size_t n,
		struct buf *out);

struct block_head {
	uint32_t stored_bytes; /* behind the head */
	uint32_t raw_bytes;
	uint32_t count;
	bool packed;
	uint64_t first_seq;
};
/* Whether the BLOCK_HEAD_BYTES at p may be a head; the sizes are then within their limits. */
NODISCARD bool block_head_decode(const char *p, struct block_head *head);
/* Whether head and stored bytes at p match their checksum. */
NODISCARD bool block_intact(const char *p, const struct block_head *head);

struct block_item {
	uint64_t seq;
	int64_t received_at_us;
	uint64_t key;
	uint32_t project; /* in projects */
	uint32_t type_at; /* all in raw */
	uint32_t key_at;
	uint32_t body_at;
	uint32_t body_n;
	uint32_t hash_at; /* 0: follows from the body */
	uint16_t type_n;
	uint16_t key_n;
	uint8_t kind;
	uint8_t severity;
};
struct block_project {
	struct org_id org;
	struct project_id project;
};
struct block {
	char *raw;
	size_t raw_n;
	struct block_item *items;
	size_t n;
	struct block_project *projects;
	size_t projects_n;
};

struct ZSTD_DCtx_s *block_unpacker_new(void);
void block_unpacker_free(struct ZSTD_DCtx_s **zstd);
/*
 * Unpack an intact block (of hostile bytes all the same) into *block, which is empty. False when it
 * is not what a writer packs; nothing is held then.
 */
NODISCARD bool block_unpack(struct ZSTD_DCtx_s *zstd, const char *p, const struct block_head *head,
			    struct block *block);
void block_release(struct block *block);
/* Bytes of memory it takes. */
size_t block_bytes(const struct block *block);
/* The first item with this number or a higher one; n when there is none. */
size_t block_find(const struct block *block, uint64_t seq);
/* Item i, borrowed from the block. hash NULL: record.hash stays zero. */
void block_record(const struct block *block, size_t i, const struct hash_key *hash,
		  struct record *record);

#endif
