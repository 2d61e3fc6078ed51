/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination that is down is left in peace, is probed by one at a time, and comes back at once.
 */
#include "model/breaker.h"

#include "test/t.h"

#define S_US INT64_C(1000000)
#define NOW INT64_C(1767225600000000)

static int64_t again_us;

static void failed(struct breaker *b, int64_t now_us)
{
	breaker_report(b, &breaker_default, true, now_us);
}

static struct breaker opened(void)
{
	struct breaker b = { 0 };

	for (unsigned i = 0; i < 5; i++) {
		T_TRUE(breaker_enter(&b, NOW, &again_us));
		failed(&b, NOW);
	}
	return b;
}

TEST(opens_after_five_failures_in_a_row)
{
	struct breaker b = { 0 };

	for (unsigned i = 0; i < 4; i++) {
		failed(&b, NOW);
	}
	breaker_report(&b, &breaker_default, false, NOW);
	for (unsigned i = 0; i < 4; i++) {
		failed(&b, NOW);
		T_TRUE(breaker_enter(&b, NOW, &again_us));
	}
	failed(&b, NOW);
	T_INT(b.state, BREAKER_OPEN);
	T_FALSE(breaker_enter(&b, NOW, &again_us));
	T_INT(again_us, NOW + 30 * S_US);
}

TEST(lets_one_probe_through_when_cool)
{
	struct breaker b = opened();

	T_FALSE(breaker_enter(&b, NOW + 30 * S_US - 1, &again_us));
	T_TRUE(breaker_enter(&b, NOW + 30 * S_US, &again_us));
	T_STR(breaker_state_name(b.state), "half_open");
	T_FALSE(breaker_enter(&b, NOW + 31 * S_US, &again_us));
	T_INT(again_us, NOW + 60 * S_US);
	breaker_report(&b, &breaker_default, false, NOW + 32 * S_US);
	T_STR(breaker_state_name(b.state), "closed");
	T_TRUE(breaker_enter(&b, NOW + 32 * S_US, &again_us));
}

TEST(cools_twice_as_long_after_each_failed_probe_up_to_a_cap)
{
	static const int64_t want_s[] = { 60, 120, 240, 480, 600, 600 };
	struct breaker b = opened();

	for (size_t i = 0; i < ARRAY_LEN(want_s); i++) {
		int64_t at_us = b.until_us;
		T_TRUE(breaker_enter(&b, at_us, &again_us));
		failed(&b, at_us);
		T_STR(breaker_state_name(b.state), "open");
		T_INT(b.until_us - at_us, want_s[i] * S_US);
	}
	breaker_report(&b, &breaker_default, false, NOW);
	for (unsigned i = 0; i < 5; i++) {
		failed(&b, NOW);
	}
	T_INT(b.until_us, NOW + 30 * S_US);
}

TEST(late_reports_of_parallel_attempts_change_nothing)
{
	struct breaker b = opened();

	failed(&b, NOW + S_US);
	failed(&b, NOW + 2 * S_US);
	T_INT(b.until_us, NOW + 30 * S_US);
	breaker_report(&b, &breaker_default, false, NOW + 3 * S_US);
	T_INT(b.state, BREAKER_CLOSED);
}

TEST(a_lost_probe_is_given_to_the_next)
{
	struct breaker b = opened();

	T_TRUE(breaker_enter(&b, NOW + 30 * S_US, &again_us));
	T_FALSE(breaker_enter(&b, NOW + 59 * S_US, &again_us));
	T_TRUE(breaker_enter(&b, NOW + 60 * S_US, &again_us));
	T_FALSE(breaker_enter(&b, NOW + 61 * S_US, &again_us));
}

T_MAIN(T(opens_after_five_failures_in_a_row), T(lets_one_probe_through_when_cool),
       T(cools_twice_as_long_after_each_failed_probe_up_to_a_cap),
       T(late_reports_of_parallel_attempts_change_nothing), T(a_lost_probe_is_given_to_the_next))
