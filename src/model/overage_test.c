/* SPDX-License-Identifier: Apache-2.0 */
/* Overage follows changes of the plan, and is never more than under the plans that held. */
#include "model/overage.h"

#include "test/t.h"

#define STEPS 200

static struct overage after(int64_t soft, uint64_t counted)
{
	struct overage o = { .soft = soft };

	overage_advance(&o, soft, counted, counted);
	return o;
}

TEST(what_is_over_the_limit_is_billed)
{
	T_INT(after(1000, 999).accrued, 0);
	T_INT(after(1000, 1000).accrued, 0);
	T_INT(after(1000, 1001).accrued, 1);
	T_INT(after(0, 5).accrued, 5);
	T_INT(after(OVERAGE_OFF, 100000).accrued, 0);
}

TEST(looking_more_often_changes_nothing)
{
	struct overage often = { .soft = 1000 };

	for (uint64_t n = 0; n <= 5000; n += 7) {
		overage_advance(&often, 1000, n, n + 3);
		overage_advance(&often, 1000, n, n);
	}
	overage_advance(&often, 1000, 5000, 5000);
	T_INT(often.accrued, 4000);
	T_INT(often.seen, 5000);
}

/* A ledger that is behind what was counted before does not take anything back. */
TEST(a_smaller_count_bills_nothing_twice)
{
	struct overage o = after(1000, 3000);

	overage_advance(&o, 1000, 2500, 2500);
	T_INT(o.accrued, 2000);
	overage_advance(&o, 1000, 3100, 3100);
	T_INT(o.accrued, 2100);
}

TEST(a_larger_plan_keeps_what_was_over_before)
{
	struct overage o = after(1000, 3000);

	overage_advance(&o, 100000, 3500, 3600);
	T_INT(o.accrued, 2000);
	overage_advance(&o, 100000, 99000, 99000);
	T_INT(o.accrued, 2000);
	overage_advance(&o, 100000, 100500, 100500);
	T_INT(o.accrued, 2500);
}

/* What the larger plan included stays included. */
TEST(a_smaller_plan_bills_what_comes_after_it)
{
	struct overage o = after(100000, 50000);

	overage_advance(&o, 1000, 50100, 50150);
	T_INT(o.accrued, 0);
	/* These were taken before the change, though the ledger had them later. */
	overage_advance(&o, 1000, 50150, 50150);
	T_INT(o.accrued, 0);
	overage_advance(&o, 1000, 50160, 50160);
	T_INT(o.accrued, 10);
}

TEST(without_a_subscription_nothing_is_billed)
{
	struct overage o = after(1000, 1500);

	overage_advance(&o, OVERAGE_OFF, 1600, 1600);
	overage_advance(&o, OVERAGE_OFF, 9000, 9000);
	T_INT(o.accrued, 500);
	overage_advance(&o, 1000, 9000, 9000);
	T_INT(o.accrued, 500);
	overage_advance(&o, 1000, 9001, 9001);
	T_INT(o.accrued, 501);
}

TEST(thousands_are_told_when_they_are_full_and_rounded_up_once)
{
	struct overage o = { .accrued = 2999 };

	T_INT(overage_to_tell(&o, 0, false), 2);
	T_INT(overage_to_tell(&o, 2, false), 0);
	T_INT(overage_to_tell(&o, 2, true), 1);
	T_INT(overage_to_tell(&o, 3, true), 0);
	o.accrued = 3000;
	T_INT(overage_to_tell(&o, 3, true), 0);
	T_INT(overage_to_tell(&o, 3, false), 0);
	o.accrued = 3001;
	T_INT(overage_to_tell(&o, 3, true), 1);
	o.accrued = 0;
	T_INT(overage_to_tell(&o, 0, true), 0);
}

/* Each event judged by the plan that held when it was taken: the most that may be billed. */
static uint64_t exact(uint64_t first, uint64_t n, int64_t soft)
{
	uint64_t over = 0;

	for (uint64_t i = first; soft != OVERAGE_OFF && i < n; i++) {
		over += i >= (uint64_t)soft;
	}
	return over;
}

/* Numbers that look random and are the same each time (Knuth's MMIX). */
static uint64_t below(uint64_t *state, uint64_t bound)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % bound;
}

TEST(no_history_of_plans_bills_more_than_each_event_under_its_own)
{
	for (uint64_t seed = 1; seed <= 50; seed++) {
		uint64_t random = seed;
		struct overage o = { .soft = OVERAGE_OFF };
		int64_t soft = OVERAGE_OFF;
		uint64_t taken = 0, counted = 0, most = 0;

		for (int i = 0; i < STEPS; i++) {
			uint64_t n = taken + below(&random, 200);

			most += exact(taken, n, soft);
			taken = n;
			counted += below(&random, taken - counted + 1);
			if (below(&random, 4) == 0) {
				soft = (int64_t)below(&random, 5000) - 1;
			}
			overage_advance(&o, soft, counted, taken);
			T_TRUE(o.accrued <= most);
		}
	}
}

T_MAIN(T(what_is_over_the_limit_is_billed), T(looking_more_often_changes_nothing),
       T(a_smaller_count_bills_nothing_twice), T(a_larger_plan_keeps_what_was_over_before),
       T(a_smaller_plan_bills_what_comes_after_it), T(without_a_subscription_nothing_is_billed),
       T(thousands_are_told_when_they_are_full_and_rounded_up_once),
       T(no_history_of_plans_bills_more_than_each_event_under_its_own))
