/* SPDX-License-Identifier: Apache-2.0 */
/* The sieve never says no of a key that was added, and rarely yes of another. */
#include "journal/file/key_sieve.h"

#include "journal/file/sim_test.h"
#include "test/t.h"

#define KEYS 200000
#define STRANGERS 200000

/* As many lines in each shard as give the keys so many bits each. */
static void fill(struct key_sieve *sieve, unsigned bits, uint64_t seed, _Atomic uint64_t *account)
{
	struct sim *sim = sim_new(seed);

	for (size_t i = 0; i < KEY_SIEVE_SHARDS; i++) {
		sieve->shards[i] = key_shard_new((uint64_t)KEYS * bits / 8 / KEY_SIEVE_LINE_BYTES /
							 KEY_SIEVE_SHARDS,
						 account);
	}
	for (size_t i = 0; i < KEYS; i++) {
		key_sieve_add(sieve, sim_random(sim));
	}
	sim_free(&sim);
}

static size_t found(const struct key_sieve *sieve, size_t n, uint64_t seed)
{
	struct sim *sim = sim_new(seed);
	size_t yes = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t hash = sim_random(sim);

		key_sieve_prefetch(sieve, hash);
		yes += key_sieve_has(sieve, hash);
	}
	sim_free(&sim);
	return yes;
}

TEST(what_was_added_is_there_and_few_strangers_are)
{
	static const struct {
		unsigned bits;
		size_t strangers;
	} rows[] = { { 18, STRANGERS / 1000 }, { 12, STRANGERS / 80 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct key_sieve sieve = { 0 };
		_Atomic uint64_t account = 0;

		fill(&sieve, rows[i].bits, 7, &account);
		T_TRUE(account <= KEYS * rows[i].bits / 8);
		T_INT(found(&sieve, KEYS, 7), KEYS);
		T_TRUE(found(&sieve, STRANGERS, 8) < rows[i].strangers);
		key_sieve_clear(&sieve);
		T_INT(account, 0);
	}
}

TEST(a_shard_that_is_not_there_may_have_everything)
{
	struct key_sieve sieve = { 0 }, copy = { 0 };
	_Atomic uint64_t account = 0;

	key_sieve_add(&sieve, 1);
	T_TRUE(key_sieve_has(&sieve, 1) && key_sieve_has(&sieve, UINT64_MAX));
	sieve.shards[0] = key_shard_new(3, &account);
	T_FALSE(key_sieve_has(&sieve, 1));
	T_TRUE(key_sieve_has(&sieve, key_shard_first(1)));
	key_sieve_copy(&sieve, &copy);
	key_sieve_add(&sieve, 1);
	T_TRUE(key_sieve_has(&copy, 1)); /* they share it */
	key_sieve_clear(&sieve);
	T_INT(account, 3 * KEY_SIEVE_LINE_BYTES);
	key_sieve_clear(&copy);
	T_INT(account, 0);
}

T_MAIN(T(what_was_added_is_there_and_few_strangers_are),
       T(a_shard_that_is_not_there_may_have_everything))
