/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket gives out what it may, to the microsecond, whoever comes when; and tells whoever is
 * refused how long to wait, no less and no more.
 */
#include "model/bucket.h"

#include "test/t.h"

#define S_US INT64_C(1000000)
#define MINUTE_US (60 * S_US)
#define NOW INT64_C(500000000000)

static bool take(struct token_bucket *b, struct rate rate, int64_t now_us)
{
	return bucket_take(b, &rate, now_us).ok;
}

TEST(as_many_as_the_burst_go_at_once_and_no_more)
{
	struct rate rate = { .per_minute = 60, .burst = 10 };
	struct token_bucket b = { 0 };
	struct bucket_verdict v;

	for (uint32_t i = 0; i < 10; i++) {
		v = bucket_take(&b, &rate, NOW);
		T_TRUE(v.ok);
		T_INT(v.limit, 10);
		T_INT(v.remaining, 9 - i);
		T_INT(v.reset_us, (i + 1) * S_US);
		T_INT(v.retry_us, 0);
	}
	v = bucket_take(&b, &rate, NOW);
	T_FALSE(v.ok);
	T_INT(v.remaining, 0);
	T_INT(v.retry_us, S_US);
	T_INT(v.reset_us, 10 * S_US);
}

TEST(without_a_burst_a_minute_fits)
{
	struct rate rate = { .per_minute = 300 };
	struct token_bucket b = { 0 };

	for (int i = 0; i < 300; i++) {
		T_TRUE(take(&b, rate, NOW));
	}
	T_FALSE(take(&b, rate, NOW));
	T_TRUE(take(&b, rate, NOW + MINUTE_US / 300));
}

TEST(without_a_rate_there_is_no_limit)
{
	struct rate rate = { .burst = 1 };
	struct token_bucket b = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct bucket_verdict v = bucket_take(&b, &rate, NOW);
		T_TRUE(v.ok);
		T_INT(v.limit, 0);
	}
	T_INT(b.taken, 0);
}

/* 7 a minute is one each 8571428.57 us: the wait that is told is the first whole one that does. */
TEST(who_waits_as_told_gets_in_and_not_a_microsecond_before)
{
	static const uint32_t rates[] = { 1, 7, 60, 599, 1234567, RATE_MAX };

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct rate rate = { .per_minute = rates[i], .burst = 3 };
		struct token_bucket b = { 0 }, early;
		int64_t now_us = NOW, retry_us;

		for (int k = 0; k < 100; k++) {
			while (take(&b, rate, now_us)) {
			}
			retry_us = bucket_take(&b, &rate, now_us).retry_us;
			early = b;
			T_TRUE(retry_us > 0);
			T_FALSE(take(&early, rate, now_us + retry_us - 1));
			now_us += retry_us;
			T_TRUE(take(&b, rate, now_us));
		}
	}
}

TEST(after_the_reset_it_is_as_if_it_was_never_used)
{
	struct rate rate = { .per_minute = 7, .burst = 3 };
	struct token_bucket b = { 0 };
	int64_t reset_us;

	T_TRUE(take(&b, rate, NOW));
	reset_us = bucket_take(&b, &rate, NOW).reset_us;
	T_INT(bucket_take(&b, &rate, NOW + reset_us).remaining, 2);
}

TEST(a_refusal_costs_nothing)
{
	struct rate rate = { .per_minute = 60, .burst = 1 };
	struct token_bucket b = { 0 };

	T_TRUE(take(&b, rate, NOW));
	for (int i = 0; i < 1000; i++) {
		T_FALSE(take(&b, rate, NOW + i));
	}
	T_TRUE(take(&b, rate, NOW + S_US));
}

TEST(what_is_put_back_can_be_taken_again)
{
	struct rate rate = { .per_minute = 60, .burst = 1 };
	struct token_bucket b = { 0 };

	T_TRUE(take(&b, rate, NOW));
	bucket_undo(&b);
	T_TRUE(take(&b, rate, NOW));
	T_FALSE(take(&b, rate, NOW));
	bucket_undo(&b);
	bucket_undo(&b);
	T_INT(b.taken, 0);
}

TEST(another_rate_leaves_taken_what_was_taken)
{
	struct rate wide = { .per_minute = 60, .burst = 100 }, narrow = { 60, 10 };
	struct token_bucket b = { 0 };

	for (int i = 0; i < 50; i++) {
		T_TRUE(take(&b, wide, NOW));
	}
	T_FALSE(take(&b, narrow, NOW));
	T_INT(bucket_take(&b, &narrow, NOW).retry_us, 41 * S_US);
	T_INT(bucket_take(&b, &wide, NOW).remaining, 49);
}

TEST(a_clock_that_goes_back_gives_nothing_back)
{
	struct rate rate = { .per_minute = 60, .burst = 2 };
	struct token_bucket b = { 0 };

	T_TRUE(take(&b, rate, NOW));
	T_TRUE(take(&b, rate, NOW - 3600 * S_US));
	T_FALSE(take(&b, rate, NOW));
	T_TRUE(take(&b, rate, NOW + S_US));
}

TEST(a_long_time_is_no_more_than_enough)
{
	struct rate rate = { .per_minute = RATE_MAX, .burst = RATE_MAX };
	struct token_bucket b = { 0 };

	T_TRUE(take(&b, rate, 0));
	T_INT(bucket_take(&b, &rate, INT64_MAX - 1).remaining, RATE_MAX - 1);
}

TEST(seconds_are_rounded_up)
{
	T_INT(bucket_seconds(0), 0);
	T_INT(bucket_seconds(1), 1);
	T_INT(bucket_seconds(S_US), 1);
	T_INT(bucket_seconds(S_US + 1), 2);
}

TEST(a_rate_is_a_number_or_two)
{
	static const char *const bad[] = { "",	  "x",	   "-1",   "600:", ":5",	"600:0",
					   "0:5", "1:2:3", " 600", "1.5",  "1000000001" };
	struct rate r;

	T_TRUE(rate_parse(S("600"), &r));
	T_INT(r.per_minute, 600);
	T_INT(r.burst, 0);
	T_TRUE(rate_parse(S("600:50"), &r));
	T_INT(r.per_minute, 600);
	T_INT(r.burst, 50);
	T_TRUE(rate_parse(S("0"), &r));
	T_INT(r.per_minute, 0);
	T_TRUE(rate_check(S("1000000000")) == NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FALSE(rate_parse(slice_of(bad[i]), &r));
		T_TRUE(rate_check(slice_of(bad[i])) != NULL);
	}
}

/* splitmix64: the same walk in each run. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/*
 * The plain way: look at the times of all that went. One more may go at t when for no s <= t more
 * than burst + rate * (t - s) have gone in [s, t]; the ends that matter are those that went.
 */
struct slow {
	int64_t went_us[4096];
	size_t n;
};

static bool slow_take(struct slow *slow, struct rate rate, int64_t now_us)
{
	int64_t burst = rate.burst != 0 ? rate.burst : rate.per_minute;

	for (size_t i = 0; i <= slow->n; i++) {
		int64_t from_us = i < slow->n ? slow->went_us[i] : now_us;
		int64_t went = (int64_t)(slow->n - i) + 1;

		if (went * MINUTE_US > burst * MINUTE_US + (now_us - from_us) * rate.per_minute) {
			return false;
		}
	}
	slow->went_us[slow->n++] = now_us;
	return true;
}

TEST(it_decides_as_the_plain_way_does)
{
	static struct slow slow;
	uint64_t random = 4711;

	for (int round = 0; round < 60; round++) {
		struct rate rate = { .per_minute = (uint32_t)(1 + next(&random) % 5000),
				     .burst = (uint32_t)(next(&random) % 40) };
		int64_t step_us = 2 * MINUTE_US / rate.per_minute, now_us = NOW;
		struct token_bucket b = { 0 };

		slow.n = 0;
		for (int i = 0; i < 400; i++) {
			/* Alone, in crowds, and now and then after a rest. */
			switch (next(&random) % 8) {
			case 0:
				now_us += (int64_t)(next(&random) % 20) * step_us;
				break;
			case 1:
			case 2:
			case 3:
				now_us += (int64_t)(next(&random) % (uint64_t)step_us);
				break;
			default:
				break;
			}
			T_INT(take(&b, rate, now_us), slow_take(&slow, rate, now_us));
		}
	}
}

/* A month of somebody who asks all the time, in odd steps: what goes is what may go. */
TEST(nothing_is_lost_or_won_over_a_month)
{
	static const uint32_t rates[] = { 1, 7, 59, 60, 97 };
	const int64_t month_us = 30 * 24 * 60 * MINUTE_US;

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct rate rate = { .per_minute = rates[i], .burst = 5 };
		int64_t last_us = NOW, went = 0;
		struct token_bucket b = { 0 };

		for (int64_t t_us = NOW; t_us <= NOW + month_us; t_us += 314159) {
			went += take(&b, rate, t_us);
			last_us = t_us;
		}
		T_INT(went, 5 + (last_us - NOW) * rates[i] / MINUTE_US);
	}
}

T_MAIN(T(as_many_as_the_burst_go_at_once_and_no_more), T(without_a_burst_a_minute_fits),
       T(without_a_rate_there_is_no_limit),
       T(who_waits_as_told_gets_in_and_not_a_microsecond_before),
       T(after_the_reset_it_is_as_if_it_was_never_used), T(a_refusal_costs_nothing),
       T(what_is_put_back_can_be_taken_again), T(another_rate_leaves_taken_what_was_taken),
       T(a_clock_that_goes_back_gives_nothing_back), T(a_long_time_is_no_more_than_enough),
       T(seconds_are_rounded_up), T(a_rate_is_a_number_or_two), T(it_decides_as_the_plain_way_does),
       T(nothing_is_lost_or_won_over_a_month))
