/* SPDX-License-Identifier: Apache-2.0 */
/* Six bits of 480 per key, chosen by nine bits each of the mixed hash. */
#include "journal/file/bloom.h"

#include "base/hash.h"
#include "journal/file/pack.h"

#define LINE_BITS 480
#define PROBES 6
#define SUM_AT 60

uint64_t bloom_lines(uint64_t keys)
{
	return keys == 0 ? 1 : (keys - 1) / BLOOM_KEYS_PER_LINE + 1;
}

uint64_t bloom_line(uint64_t hash, uint64_t lines)
{
	return (uint64_t)((unsigned __int128)hash * lines >> 64);
}

/* The line took the high bits; this gives fresh ones. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned probe(uint64_t mixed, unsigned i)
{
	return (unsigned)((mixed >> 9 * i & 511) * LINE_BITS >> 9);
}

void bloom_add(unsigned char line[BLOOM_LINE_BYTES], uint64_t hash)
{
	uint64_t mixed = mix(hash);

	for (unsigned i = 0; i < PROBES; i++) {
		unsigned bit = probe(mixed, i);

		line[bit / 8] |= (unsigned char)(1 << bit % 8);
	}
}

bool bloom_has(const unsigned char line[BLOOM_LINE_BYTES], uint64_t hash)
{
	uint64_t mixed = mix(hash);

	for (unsigned i = 0; i < PROBES; i++) {
		unsigned bit = probe(mixed, i);

		if ((line[bit / 8] & 1 << bit % 8) == 0) {
			return false;
		}
	}
	return true;
}

static uint32_t sum(const unsigned char line[BLOOM_LINE_BYTES], uint64_t at)
{
	char number[8];

	le_put64(number, at);
	return crc32c(crc32c(0, number, sizeof(number)), line, SUM_AT);
}

void bloom_seal(unsigned char line[BLOOM_LINE_BYTES], uint64_t at)
{
	le_put32(line + SUM_AT, sum(line, at));
}

bool bloom_intact(const unsigned char line[BLOOM_LINE_BYTES], uint64_t at)
{
	return le_get32(line + SUM_AT) == sum(line, at);
}
