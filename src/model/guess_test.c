/* SPDX-License-Identifier: Apache-2.0 */
/* People may mistype; who goes on guessing waits longer each time; and nobody waits for ever. */
#include "model/guess.h"

#include "test/t.h"

#define S_US INT64_C(1000000)
#define DAY_US (86400 * S_US)
#define NOW INT64_C(1767225600000000)

static const struct guess_policy *const account = &guess_policies[GUESS_OF_ACCOUNT];

/* How long the lock is after so many failures. */
static int64_t lock_s(const struct guess_policy *policy, uint32_t failures)
{
	struct guess_verdict v = guess_verdict(policy, failures, NOW, NOW);

	return v.locked ? (v.until_us - NOW) / S_US : 0;
}

TEST(some_failures_are_free)
{
	T_INT(lock_s(account, 0), 0);
	T_INT(lock_s(account, 1), 0);
	T_INT(lock_s(account, 9), 0);
	T_INT(lock_s(&guess_policies[GUESS_OF_ADDRESS], 49), 0);
	T_TRUE(lock_s(&guess_policies[GUESS_OF_ADDRESS], 50) > 0);
}

TEST(each_failure_locks_for_twice_as_long_up_to_a_bound)
{
	static const int64_t want_s[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900 };

	for (uint32_t i = 0; i < ARRAY_LEN(want_s); i++) {
		T_INT(lock_s(account, 10 + i), want_s[i]);
	}
	T_INT(lock_s(account, UINT32_MAX), 900);
}

TEST(a_lock_ends_to_the_microsecond)
{
	struct guess_verdict v = guess_verdict(account, 12, NOW, NOW + 4 * S_US - 1);

	T_TRUE(v.locked);
	T_INT(v.until_us, NOW + 4 * S_US);
	T_FALSE(guess_verdict(account, 12, NOW, v.until_us).locked);
}

TEST(a_day_later_all_is_forgotten)
{
	T_INT(guess_verdict(account, 5000, NOW, NOW + DAY_US - 1).failures, 5000);
	T_INT(guess_verdict(account, 5000, NOW, NOW + DAY_US).failures, 0);
}

TEST(a_clock_set_back_makes_no_lock_longer)
{
	struct guess_verdict v = guess_verdict(account, 5000, NOW, NOW - 3600 * S_US);

	T_TRUE(v.locked);
	T_INT(v.until_us, NOW - 3600 * S_US + 900 * S_US);
	T_FALSE(guess_verdict(account, 5000, NOW, NOW - 400 * DAY_US).locked);
}

/* Whoever tries whenever it may, or waits until he is forgotten: the better of both for him. */
TEST(a_hundred_thousand_guesses_take_months)
{
	for (size_t kind = 0; kind < GUESS_KINDS; kind++) {
		const struct guess_policy *policy = &guess_policies[kind];
		uint32_t failures = 0;
		int64_t now_us = NOW, last_us = 0;

		for (int i = 0; i < 100000; i++) {
			struct guess_verdict v = guess_verdict(policy, failures, last_us, now_us);

			if (v.locked) {
				now_us = v.until_us;
				v = guess_verdict(policy, failures, last_us, now_us);
			}
			T_FALSE(v.locked);
			failures = v.failures + 1;
			last_us = now_us;
		}
		T_TRUE(now_us - NOW > 300 * DAY_US);
		/* Nor is it faster to stop before each lock and wait for the day to pass. */
		T_TRUE(policy->free * policy->lock_us_max < GUESS_FORGET_US);
	}
}

T_MAIN(T(some_failures_are_free), T(each_failure_locks_for_twice_as_long_up_to_a_bound),
       T(a_lock_ends_to_the_microsecond), T(a_day_later_all_is_forgotten),
       T(a_clock_set_back_makes_no_lock_longer), T(a_hundred_thousand_guesses_take_months))
