/* SPDX-License-Identifier: Apache-2.0 */
/* Every delivery is tried again at bounded times, and given up after a bounded number of them. */
#include "model/retry.h"

#include "test/t.h"

#define S_US INT64_C(1000000)
#define NOW INT64_C(1767225600000000)
#define MIDDLE 1000 /* no jitter at all */
#define LEAST 0
#define MOST 2000

static int64_t wait_s(unsigned done, int64_t retry_after_us, uint64_t jitter)
{
	struct retry_step step = retry_next(&retry_default, done, NOW, NOW - S_US, retry_after_us,
					    jitter);

	assert_false(step.give_up);
	return (step.at_us - NOW) / S_US;
}

TEST(waits_grow_and_end)
{
	static const int64_t want_s[] = { 5, 30, 120, 600, 1800, 3600, 3600 };

	for (unsigned i = 0; i < ARRAY_LEN(want_s); i++) {
		T_INT(wait_s(i + 1, 0, MIDDLE), want_s[i]);
	}
	T_TRUE(retry_next(&retry_default, 8, NOW, NOW, 0, MIDDLE).give_up);
	T_TRUE(retry_next(&retry_default, 4000000000U, NOW, NOW, 0, MIDDLE).give_up);
}

TEST(jitter_stays_within_a_fifth)
{
	T_INT(wait_s(1, 0, LEAST), 4);
	T_INT(wait_s(1, 0, MOST), 6);
	T_INT(wait_s(6, 0, LEAST), 2880);
	T_INT(wait_s(6, 0, MOST), 4320);
	for (uint64_t j = 0; j < 5000; j++) {
		struct retry_step step = retry_next(&retry_default, 2, NOW, NOW, 0,
						    j * UINT64_C(0x9e3779b97f4a7c15));
		T_TRUE(step.at_us >= NOW + 24 * S_US && step.at_us <= NOW + 36 * S_US);
	}
}

TEST(a_receiver_may_ask_for_more_time_but_not_for_ever)
{
	T_INT(wait_s(1, 2 * S_US, MIDDLE), 5);
	T_INT(wait_s(1, 90 * S_US, MIDDLE), 90);
	T_INT(wait_s(1, 90 * S_US, LEAST), 108);
	T_INT(wait_s(1, 90 * S_US, MOST), 108);
	T_INT(wait_s(1, 86400 * S_US, MIDDLE), 3600);
	T_INT(wait_s(1, INT64_MAX, MIDDLE), 3600);
	T_INT(wait_s(2, -5 * S_US, MIDDLE), 30);
}

TEST(no_attempt_starts_when_the_news_is_old)
{
	int64_t day_us = 86400 * S_US;

	T_FALSE(retry_next(&retry_default, 2, NOW, NOW - day_us + 30 * S_US, 0, MIDDLE).give_up);
	T_TRUE(retry_next(&retry_default, 2, NOW, NOW - day_us + 29 * S_US, 0, MIDDLE).give_up);
}

TEST(a_policy_is_data)
{
	struct retry_policy once = { .age_us_max = S_US };
	struct retry_policy twice = { .delays_us = { 10 }, .delays_n = 1, .age_us_max = S_US };

	T_TRUE(retry_next(&once, 1, NOW, NOW, 0, MIDDLE).give_up);
	T_INT(retry_next(&twice, 1, NOW, NOW, 0, MOST).at_us, NOW + 10);
	T_TRUE(retry_next(&twice, 2, NOW, NOW, 0, MIDDLE).give_up);
}

T_MAIN(T(waits_grow_and_end), T(jitter_stays_within_a_fifth),
       T(a_receiver_may_ask_for_more_time_but_not_for_ever),
       T(no_attempt_starts_when_the_news_is_old), T(a_policy_is_data))
