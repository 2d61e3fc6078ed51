/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_PRNG_H
#define LOAD_PRNG_H

#include "base/base.h"

/*
 * Numbers that look random and are the same for the same seed, on every machine: SplitMix64
 * (Steele, Lea, Flood 2014). For made-up data and planned times only; secrets come from
 * base/rand.h. Pure; one thread per generator.
 */
struct prng {
	uint64_t state;
};

/* The finisher alone: a number that follows from v and shows nothing of it. */
static inline uint64_t prng_mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ (v >> 27)) * UINT64_C(0x94d049bb133111eb);
	return v ^ (v >> 31);
}

static inline uint64_t prng_u64(struct prng *p)
{
	p->state += UINT64_C(0x9e3779b97f4a7c15);
	return prng_mix(p->state);
}

/* In [0, bound); bound is over 0 and below 2^32, so that the bias is nobody's concern. */
static inline uint64_t prng_below(struct prng *p, uint64_t bound)
{
	return ((prng_u64(p) >> 32) * bound) >> 32;
}

/* In (0, 1]: its logarithm exists. */
static inline double prng_unit(struct prng *p)
{
	return (double)((prng_u64(p) >> 11) + 1) * 0x1p-53;
}

#endif
