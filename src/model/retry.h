/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_RETRY_H
#define MODEL_RETRY_H

#include "base/base.h"

/*
 * When to try a delivery again, and when to give it up. Pure; any thread: the time and the chance
 * are arguments.
 */
#define RETRY_DELAYS_MAX 16 /* more attempts than this tell nothing new about a receiver */

struct retry_policy {
	int64_t delays_us[RETRY_DELAYS_MAX]; /* before attempts 2, 3 ... */
	unsigned delays_n;		     /* attempts in all: this and 1 */
	unsigned jitter_percent;	     /* 0..100: delays vary by so much up and down */
	int64_t after_us_max;		     /* how long a receiver may ask us to wait */
	int64_t age_us_max;		     /* no attempt starts later than this after the first */
};

/* 8 attempts in 2 h 43 min (5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 1 h), +-20 %, at most 24 h. */
extern const struct retry_policy retry_default;

struct retry_step {
	bool give_up;
	int64_t at_us; /* unless give_up */
};

/*
 * After the failed attempt number attempts_done (from 1), which ended at now_us; first_at_us is
 * when the first one started. retry_after_us is what the receiver asked for (0: nothing): the next
 * attempt comes no earlier, but after_us_max bounds it. jitter is a random number; all its values
 * are equally likely.
 */
struct retry_step retry_next(const struct retry_policy *policy, unsigned attempts_done,
			     int64_t now_us, int64_t first_at_us, int64_t retry_after_us,
			     uint64_t jitter);

#endif
