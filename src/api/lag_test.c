/* SPDX-License-Identifier: Apache-2.0 */
/* Behind is behind, in records and in time, and it takes more than one step to be back. */
#include "api/lag.h"

#include "test/t.h"

TEST(rules_may_be_behind_up_to_the_limit)
{
	struct lag_gate gate = { .records_max = 10 };

	T_FALSE(lag_gate_closed(&gate, 100, 100, 0));
	T_FALSE(lag_gate_closed(&gate, 100, 110, 0));
	T_TRUE(lag_gate_closed(&gate, 100, 111, 0));
}

TEST(half_of_the_limit_must_be_made_up_for)
{
	struct lag_gate gate = { .records_max = 10 };

	T_TRUE(lag_gate_closed(&gate, 100, 111, 0));
	T_TRUE(lag_gate_closed(&gate, 105, 111, 0));
	T_FALSE(lag_gate_closed(&gate, 106, 111, 0));
	T_FALSE(lag_gate_closed(&gate, 106, 116, 0));
	T_TRUE(lag_gate_closed(&gate, 106, 117, 0));
}

TEST(time_counts_as_well)
{
	struct lag_gate gate = { 0 };

	T_FALSE(lag_gate_closed(&gate, 1, 2, ENGINE_LAG_US_MAX));
	T_TRUE(lag_gate_closed(&gate, 1, 2, ENGINE_LAG_US_MAX + 1));
	T_TRUE(lag_gate_closed(&gate, 1, 2, ENGINE_LAG_US_MAX / 2 + 1));
	T_FALSE(lag_gate_closed(&gate, 1, 2, ENGINE_LAG_US_MAX / 2));
	/* A commit between the looks at both numbers is no lag. */
	T_FALSE(lag_gate_closed(&gate, 3, 2, 0));
}

T_MAIN(T(rules_may_be_behind_up_to_the_limit), T(half_of_the_limit_must_be_made_up_for),
       T(time_counts_as_well))
