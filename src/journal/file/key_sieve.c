/* SPDX-License-Identifier: Apache-2.0 */
/* Six bits of a line of 512 per key, chosen by nine bits each of the mixed hash. */
#include "journal/file/key_sieve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PROBES 6
#define LINE_WORDS (KEY_SIEVE_LINE_BYTES / 8)
#define HUGE_BYTES ((size_t)2 << 20)

static size_t bytes_of(uint64_t lines)
{
	return (size_t)lines * KEY_SIEVE_LINE_BYTES;
}

/* Lines are hit at random: without huge pages each hit would miss the TLB, too. */
struct key_shard *key_shard_new(uint64_t lines, _Atomic uint64_t *account)
{
	struct key_shard *shard = mem_alloc(1, sizeof(*shard));
	size_t bytes = bytes_of(lines);
	void *p = NULL;

	ensure(lines > 0 &&
	       posix_memalign(&p, bytes < HUGE_BYTES ? KEY_SIEVE_LINE_BYTES : HUGE_BYTES, bytes) ==
		       0);
	if (bytes >= HUGE_BYTES) {
		(void)madvise(p, bytes, MADV_HUGEPAGE);
	}
	memset(p, 0, bytes);
	shard->refs = 1;
	shard->lines = lines;
	shard->words = p;
	shard->account = account;
	*account += bytes;
	return shard;
}

struct key_shard *key_shard_ref(struct key_shard *shard)
{
	if (shard != NULL) {
		atomic_fetch_add(&shard->refs, 1);
	}
	return shard;
}

void key_shard_unref(struct key_shard **shard_p)
{
	struct key_shard *shard = *shard_p;

	*shard_p = NULL;
	if (shard == NULL || atomic_fetch_sub(&shard->refs, 1) > 1) {
		return;
	}
	*shard->account -= bytes_of(shard->lines);
	free((void *)shard->words);
	free(shard);
}

/* The shard took the first six bits. */
static _Atomic uint64_t *line_of(const struct key_shard *shard, uint64_t hash)
{
	uint64_t line = (uint64_t)((unsigned __int128)(hash << 6) * shard->lines >> 64);

	return shard->words + line * LINE_WORDS;
}

/* The line took the high bits; this gives fresh ones. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void key_shard_add(struct key_shard *shard, uint64_t hash)
{
	_Atomic uint64_t *line = line_of(shard, hash);
	uint64_t mixed = mix(hash);

	for (unsigned i = 0; i < PROBES; i++, mixed >>= 9) {
		_Atomic uint64_t *word = &line[mixed >> 6 & 7];
		uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

		atomic_store_explicit(word, old | UINT64_C(1) << (mixed & 63),
				      memory_order_relaxed);
	}
}

void key_sieve_copy(const struct key_sieve *from, struct key_sieve *to)
{
	for (size_t i = 0; i < KEY_SIEVE_SHARDS; i++) {
		to->shards[i] = key_shard_ref(from->shards[i]);
	}
}

void key_sieve_clear(struct key_sieve *sieve)
{
	for (size_t i = 0; i < KEY_SIEVE_SHARDS; i++) {
		key_shard_unref(&sieve->shards[i]);
	}
}

bool key_sieve_complete(const struct key_sieve *sieve)
{
	for (size_t i = 0; i < KEY_SIEVE_SHARDS; i++) {
		if (sieve->shards[i] == NULL) {
			return false;
		}
	}
	return true;
}

void key_sieve_add(struct key_sieve *sieve, uint64_t hash)
{
	struct key_shard *shard = sieve->shards[key_shard_of(hash)];

	if (shard != NULL) {
		key_shard_add(shard, hash);
	}
}

void key_sieve_prefetch(const struct key_sieve *sieve, uint64_t hash)
{
	const struct key_shard *shard = sieve->shards[key_shard_of(hash)];

	if (shard != NULL) {
		__builtin_prefetch((const void *)line_of(shard, hash));
	}
}

bool key_sieve_has(const struct key_sieve *sieve, uint64_t hash)
{
	const struct key_shard *shard = sieve->shards[key_shard_of(hash)];
	uint64_t mixed = mix(hash);
	const _Atomic uint64_t *line;

	if (shard == NULL) {
		return true;
	}
	line = line_of(shard, hash);
	for (unsigned i = 0; i < PROBES; i++, mixed >>= 9) {
		uint64_t word = atomic_load_explicit(&line[mixed >> 6 & 7], memory_order_relaxed);

		if ((word >> (mixed & 63) & 1) == 0) {
			return false;
		}
	}
	return true;
}
