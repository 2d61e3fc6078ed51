/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness, all of it from libsodium: keys, ids and jitter are too few to need a faster one. */
#include "base/rand.h"

#include <sodium.h>

void rand_bytes(void *p, size_t n)
{
	randombytes_buf(p, n);
}

uint64_t rand_u64(void)
{
	uint64_t v;

	rand_bytes(&v, sizeof(v));
	return v;
}

uint64_t rand_below(uint64_t bound)
{
	uint64_t v, limit;

	ensure(bound > 0);
	limit = UINT64_MAX - UINT64_MAX % bound;
	do {
		v = rand_u64();
	} while (v >= limit);
	return v % bound;
}
