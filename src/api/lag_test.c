/* SPDX-License-Identifier: Apache-2.0 */
/* Behind is behind, in records and in time, and it takes more than one step to be back. */
#include "api/lag.h"

#include "test/t.h"

TEST(rules_may_be_behind_up_to_the_limit)
{
	struct lag_gate gate = { .records_max = 10 };

	T_FALSE(lag_gate_closed(&gate, 100, 100, INT64_MAX, 5));
	T_FALSE(lag_gate_closed(&gate, 100, 110, INT64_MAX, 5));
	T_TRUE(lag_gate_closed(&gate, 100, 111, INT64_MAX, 5));
}

TEST(half_of_the_limit_must_be_made_up_for)
{
	struct lag_gate gate = { .records_max = 10 };

	T_TRUE(lag_gate_closed(&gate, 100, 111, INT64_MAX, 5));
	T_TRUE(lag_gate_closed(&gate, 105, 111, INT64_MAX, 5));
	T_FALSE(lag_gate_closed(&gate, 106, 111, INT64_MAX, 5));
	T_FALSE(lag_gate_closed(&gate, 106, 116, INT64_MAX, 5));
	T_TRUE(lag_gate_closed(&gate, 106, 117, INT64_MAX, 5));
}

TEST(time_of_the_log_counts_as_well)
{
	struct lag_gate gate = { 0 };
	int64_t at = INT64_C(1700000000000000);

	T_FALSE(lag_gate_closed(&gate, 1, 2, at, at + ENGINE_LAG_US_MAX));
	T_TRUE(lag_gate_closed(&gate, 1, 2, at, at + ENGINE_LAG_US_MAX + 1));
	T_TRUE(lag_gate_closed(&gate, 1, 2, at + 1, at + ENGINE_LAG_US_MAX));
	T_FALSE(lag_gate_closed(&gate, 1, 2, at + ENGINE_LAG_US_MAX / 2, at + ENGINE_LAG_US_MAX));
	/* Without work there is no lag, however long ago the last record was. */
	T_FALSE(lag_gate_closed(&gate, 2, 2, INT64_MAX, at));
	/* A commit between the looks at both numbers is no lag either. */
	T_FALSE(lag_gate_closed(&gate, 3, 2, at, at));
}

T_MAIN(T(rules_may_be_behind_up_to_the_limit), T(half_of_the_limit_must_be_made_up_for),
       T(time_of_the_log_counts_as_well))
