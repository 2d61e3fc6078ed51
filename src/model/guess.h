/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_GUESS_H
#define MODEL_GUESS_H

#include "base/base.h"

/*
 * Whether somebody who was wrong so often may try again. People mistype, so some tries are free;
 * behind them each failure locks for twice as long as the one before, up to a bound: short enough
 * that a person locked out by somebody else's guesses gets in the same day, long enough that a
 * hundred thousand guesses take years. A day without a failure, and all is forgotten.
 *
 * Pure: counters and times are arguments, wall clock, because counters outlive the process.
 */
enum guess_of {
	GUESS_OF_ACCOUNT, /* by a normalised mail, whoever guesses */
	GUESS_OF_ADDRESS, /* at any account, and at API keys */
	GUESS_KINDS
};

struct guess_policy {
	uint32_t free;	     /* failures that lock nothing */
	int64_t lock_us_min; /* of the first failure behind them */
	int64_t lock_us_max;
};
extern const struct guess_policy guess_policies[GUESS_KINDS];

/* Longer than any lock, and so long that free tries come slower by waiting than by going on. */
#define GUESS_FORGET_US (24 * INT64_C(3600) * 1000000)

struct guess_verdict {
	bool locked;
	int64_t until_us;  /* when locked: the first moment that is not */
	uint32_t failures; /* that still count: 0 when they are forgotten */
};

/* failures, the last of them at last_us (not used when there are none). */
struct guess_verdict guess_verdict(const struct guess_policy *policy, uint32_t failures,
				   int64_t last_us, int64_t now_us);

#endif
