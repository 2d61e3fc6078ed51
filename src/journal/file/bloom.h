/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_BLOOM_H
#define JOURNAL_FILE_BLOOM_H

#include "base/base.h"

/*
 * A Bloom filter in lines of 64 bytes: a key touches one line alone, found by the high bits of its
 * hash, and each line has its own checksum, so that a probe is one small read that proves itself.
 * About ten bits a key; says yes to one stranger in about seventy. Hashes are uniform. Pure.
 */
#define BLOOM_LINE_BYTES 64
#define BLOOM_KEYS_PER_LINE 48

/* How many lines this many keys take; at least one. */
uint64_t bloom_lines(uint64_t keys);
/* The line of a hash: grows with the hash, so that sorted hashes fill line after line. */
uint64_t bloom_line(uint64_t hash, uint64_t lines);
void bloom_add(unsigned char line[BLOOM_LINE_BYTES], uint64_t hash);
/* Put the checksum in, when all is added. at is the number of the line. */
void bloom_seal(unsigned char line[BLOOM_LINE_BYTES], uint64_t at);
NODISCARD bool bloom_intact(const unsigned char line[BLOOM_LINE_BYTES], uint64_t at);
/* False: certainly not added. */
bool bloom_has(const unsigned char line[BLOOM_LINE_BYTES], uint64_t hash);

#endif
