/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock follows from two numbers, so there is nothing to start or to end. A failure that seems to
 * lie ahead comes from a clock that was set back: it counts as made now, so that no lock lasts
 * longer than it would have.
 */
#include "model/guess.h"

#define S_US INT64_C(1000000)

const struct guess_policy guess_policies[GUESS_KINDS] = {
	[GUESS_OF_ACCOUNT] = { .free = 10, .lock_us_min = S_US, .lock_us_max = 900 * S_US },
	/* Many people may be behind one address. */
	[GUESS_OF_ADDRESS] = { .free = 50, .lock_us_min = S_US, .lock_us_max = 300 * S_US },
};

static int64_t lock_us(const struct guess_policy *policy, uint32_t failures)
{
	int64_t us = policy->lock_us_min;

	if (failures < policy->free) {
		return 0;
	}
	for (uint32_t i = policy->free; i < failures && us < policy->lock_us_max; i++) {
		us *= 2;
	}
	return us < policy->lock_us_max ? us : policy->lock_us_max;
}

struct guess_verdict guess_verdict(const struct guess_policy *policy, uint32_t failures,
				   int64_t last_us, int64_t now_us)
{
	struct guess_verdict v = { .failures = failures };
	int64_t at_us = last_us < now_us ? last_us : now_us;

	if (failures == 0 || now_us - at_us >= GUESS_FORGET_US ||
	    last_us - now_us >= GUESS_FORGET_US) {
		return (struct guess_verdict) { 0 };
	}
	v.until_us = at_us + lock_us(policy, failures);
	v.locked = now_us < v.until_us;
	return v;
}
