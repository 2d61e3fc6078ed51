/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_MAP_H
#define JOURNAL_FILE_SEALED_MAP_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Which block a record is in, by its number: in chunks of SEALED_CHUNK_SEQS numbers, each packed
 * alone, so that one record is found with one small read, and a walk in the order of numbers needs
 * no merging. It only saves time: blocks say the same. Pure.
 */
#define SEALED_CHUNK_SEQS 4096
#define SEALED_CHUNK_BYTES_MAX 65536

struct sealed_spot {
	uint64_t seq;
	uint32_t block;
};
/* Append the chunk of these spots, of one chunk, numbers ascending, n at least 1. */
void sealed_chunk_put(struct buf *out, const struct sealed_spot *spots, size_t n);
/*
 * Blocks of SEALED_CHUNK_SEQS numbers plus 1; 0 where there is no record. False when the n bytes
 * are not an intact chunk of this number, with blocks below blocks_n.
 */
NODISCARD bool sealed_chunk_get(const char *p, size_t n, uint64_t number, size_t blocks_n,
				uint32_t *out);

#endif
