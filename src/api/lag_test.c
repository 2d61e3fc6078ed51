/* SPDX-License-Identifier: Apache-2.0 */
/* Behind is behind, in records and in time, and it takes more than one step to be back. */
#include "api/lag.h"

#include "test/t.h"

#define S_US INT64_C(1000000)

static bool closed_by(struct lag_gate *gate, uint64_t records)
{
	struct lag lag = { .records = records, .since_us = INT64_MAX };

	return lag_gate_closed(gate, &lag, 0);
}

/* The log has come to last_s, the rules to since_s, and now it is mono_s. */
static bool closed_at(struct lag_gate *gate, int64_t since_s, int64_t last_s, int64_t mono_s)
{
	struct lag lag = { .records = 1, .since_us = since_s * S_US, .last_us = last_s * S_US };

	return lag_gate_closed(gate, &lag, mono_s * S_US);
}

TEST(rules_may_be_behind_up_to_the_limit)
{
	struct lag_gate gate = { .records_max = 10 };

	T_FALSE(closed_by(&gate, 0));
	T_FALSE(closed_by(&gate, 10));
	T_TRUE(closed_by(&gate, 11));
}

TEST(half_of_the_limit_must_be_made_up_for)
{
	struct lag_gate gate = { .records_max = 10 };

	T_TRUE(closed_by(&gate, 11));
	T_TRUE(closed_by(&gate, 6));
	T_FALSE(closed_by(&gate, 5));
	T_FALSE(closed_by(&gate, 10));
	T_TRUE(closed_by(&gate, 11));
}

TEST(so_must_half_of_the_time)
{
	struct lag_gate gate = { 0 };

	for (int64_t s = 0; s <= 60; s++) {
		T_FALSE(closed_at(&gate, 1000, 1000 + s, 5 + s));
	}
	T_TRUE(closed_at(&gate, 1000, 1061, 66));
	T_TRUE(closed_at(&gate, 1030, 1061, 67));
	T_FALSE(closed_at(&gate, 1031, 1061, 68));
	T_FALSE(closed_at(&gate, 1031, 1091, 69));
	T_TRUE(closed_at(&gate, 1031, 1092, 70));
}

TEST(time_without_work_is_no_lag)
{
	struct lag_gate gate = { 0 };

	T_FALSE(closed_at(&gate, 1000, 1000, 5));
	/* An hour later something arrives, and is not applied yet. */
	T_FALSE(closed_at(&gate, 1000, 4600, 3605));
	/* Or the clock was set. */
	T_FALSE(closed_at(&gate, 1000, 90000, 3606));
	/* Each moment of nothing to do begins anew. */
	for (int64_t s = 0; s < 200; s++) {
		T_FALSE(closed_at(&gate, 1000, s % 50 == 0 ? 1000 : 99999, 3607 + s));
	}
}

/* A second passes in which so many records come and so many are applied. */
struct load {
	struct lag_gate gate;
	struct lag lag;
	int64_t mono_us;
};

static bool second(struct load *l, uint64_t come, uint64_t applied)
{
	uint64_t per_s = applied == 0 ? 1 : applied;

	l->mono_us += S_US;
	l->lag.records += come - applied;
	l->lag.applied += applied;
	l->lag.last_us += S_US;
	/* They are applied in the order in which they came, at the pace of now. */
	l->lag.since_us = l->lag.last_us -
			  (int64_t)(l->lag.records / (come == 0 ? per_s : come)) * S_US;
	return lag_gate_closed(&l->gate, &l->lag, l->mono_us);
}

static struct load load(void)
{
	return (struct load) { .mono_us = S_US, .lag = { .since_us = INT64_MAX } };
}

TEST(what_takes_long_to_make_up_for_is_not_begun)
{
	struct load l = load();
	uint64_t s = 0;

	while (!second(&l, 500, 100)) {
		s++;
		T_TRUE(s < 60);
	}
	/* 400 more each second are 4 seconds of work. */
	T_TRUE(s >= 4 && s <= 7);
	T_TRUE(l.lag.records <= 100 * 24);
	while (second(&l, 0, 100)) {
	}
	T_TRUE(l.lag.records <= 100 * 10 && l.lag.records > 100 * 8);
}

TEST(a_burst_that_is_soon_done_is_taken)
{
	struct load l = load();

	/* Rules that keep up are as fast as events come. */
	for (int s = 0; s < 10; s++) {
		T_FALSE(second(&l, 100, 100));
	}
	T_FALSE(second(&l, 1000 * 1000, 100));
	for (int s = 0; s < 10; s++) {
		T_FALSE(second(&l, 100, 100 * 1000));
	}
}

TEST(rules_that_stand_still_may_go_on_fast)
{
	struct load l = load();

	for (int s = 0; s < 60; s++) {
		T_FALSE(second(&l, 1000, 0));
	}
	T_FALSE(second(&l, 1000, 20000));
	T_FALSE(second(&l, 1000, 20000));
}

T_MAIN(T(what_takes_long_to_make_up_for_is_not_begun), T(a_burst_that_is_soon_done_is_taken),
       T(rules_that_stand_still_may_go_on_fast), T(rules_may_be_behind_up_to_the_limit),
       T(half_of_the_limit_must_be_made_up_for), T(so_must_half_of_the_time),
       T(time_without_work_is_no_lag))
