/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule is data. Jitter keeps deliveries that failed together from coming back together;
 * below a wait that the receiver asked for it turns into more waiting, never into less.
 */
#include "model/retry.h"

#define S_US INT64_C(1000000)
#define MIN_US (60 * S_US)
#define JITTER_STEPS 2001 /* -100.0 % to +100.0 % of the jitter, in tenths of a percent */

const struct retry_policy retry_default = {
	.delays_us = { 5 * S_US, 30 * S_US, 2 * MIN_US, 10 * MIN_US, 30 * MIN_US, 60 * MIN_US,
		       60 * MIN_US },
	.delays_n = 7,
	.jitter_percent = 20,
	.after_us_max = 60 * MIN_US,
	.age_us_max = 24 * 60 * MIN_US,
};

static int64_t jittered(int64_t us, unsigned percent, uint64_t jitter)
{
	int64_t tenths = (int64_t)(jitter % JITTER_STEPS) - JITTER_STEPS / 2;

	/* In parts, so that no product passes 63 bits for any delay below 100 years. */
	return us + us / 100 * percent / 1000 * tenths;
}

struct retry_step retry_next(const struct retry_policy *policy, unsigned attempts_done,
			     int64_t now_us, int64_t first_at_us, int64_t retry_after_us,
			     uint64_t jitter)
{
	int64_t asked = retry_after_us < policy->after_us_max ? retry_after_us
							      : policy->after_us_max;
	int64_t wait;

	ensure(attempts_done > 0 && policy->delays_n <= RETRY_DELAYS_MAX);
	if (attempts_done > policy->delays_n) {
		return (struct retry_step) { .give_up = true };
	}
	wait = policy->delays_us[attempts_done - 1];
	wait = jittered(wait > asked ? wait : asked, policy->jitter_percent, jitter);
	if (wait < asked) {
		wait = asked + (asked - wait);
	}
	if (now_us + wait - first_at_us > policy->age_us_max) {
		return (struct retry_step) { .give_up = true };
	}
	return (struct retry_step) { .at_us = now_us + wait };
}
