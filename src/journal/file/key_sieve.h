/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_KEY_SIEVE_H
#define JOURNAL_FILE_KEY_SIEVE_H

#include <stdatomic.h>

#include "base/base.h"

/*
 * One Bloom filter over the keys of all tables, in memory: says of almost every new key that no
 * table has it, for one cache line, where asking each table would cost a read of each. It is cut
 * by hash into shards, so that it can be made anew piece by piece, without a second one beside it.
 *
 * One thread adds and replaces shards, another asks; bits are only ever set in a shard, so who asks
 * while a key is added gets one answer or the other. A shard that is not there may have everything.
 */
#define KEY_SIEVE_SHARDS 64 /* a power of two */
#define KEY_SIEVE_LINE_BYTES 64

struct key_shard {
	_Atomic unsigned refs;
	uint64_t lines;
	_Atomic uint64_t *words; /* eight to a line */
	_Atomic uint64_t *account;
};
struct key_sieve {
	struct key_shard *shards[KEY_SIEVE_SHARDS]; /* NULL: not there yet */
};

/* Which shard a hash is in, and the least hash of a shard. */
static inline size_t key_shard_of(uint64_t hash)
{
	return (size_t)(hash >> 58);
}
static inline uint64_t key_shard_first(size_t shard)
{
	return (uint64_t)shard << 58;
}

/* An empty shard; the reference is the caller's. account counts its bytes as long as it lives. */
struct key_shard *key_shard_new(uint64_t lines, _Atomic uint64_t *account);
/* NULL gives NULL. */
struct key_shard *key_shard_ref(struct key_shard *shard);
/* NULL ok; sets NULL. */
void key_shard_unref(struct key_shard **shard);
/* hash: what tables keep of it, here and below. */
void key_shard_add(struct key_shard *shard, uint64_t hash);

/* Another sieve with the same shards. */
void key_sieve_copy(const struct key_sieve *from, struct key_sieve *to);
/* Give all shards back. */
void key_sieve_clear(struct key_sieve *sieve);
/* Whether all shards are there. Where one is not, key_sieve_has knows nothing and says yes. */
bool key_sieve_complete(const struct key_sieve *sieve);
/* Into its shard, if that is there. */
void key_sieve_add(struct key_sieve *sieve, uint64_t hash);
/* Bring near what key_sieve_has looks at. */
void key_sieve_prefetch(const struct key_sieve *sieve, uint64_t hash);
/* False: certainly not added. */
bool key_sieve_has(const struct key_sieve *sieve, uint64_t hash);

#endif
