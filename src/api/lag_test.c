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

T_MAIN(T(rules_may_be_behind_up_to_the_limit), T(half_of_the_limit_must_be_made_up_for),
       T(so_must_half_of_the_time), T(time_without_work_is_no_lag))
