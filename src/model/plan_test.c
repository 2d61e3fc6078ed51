/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan lets through, to the single event, and what it bills. */
#include "model/plan.h"

#include "test/t.h"

static struct quota verdict(int64_t soft, int64_t hard, uint64_t used, uint64_t n)
{
	struct plan plan = { .events_soft = soft, .events_hard = hard };

	return quota_verdict(&plan, used, n);
}

TEST(without_limits_everything_is_taken)
{
	struct quota q = quota_verdict(&plan_unlimited, UINT64_MAX / 2, 10000);

	T_INT(q.room, 10000);
	T_FALSE(q.over_soft);
	T_INT(plan_events_limit(&plan_unlimited), 0);
	T_INT(plan_overage(&plan_unlimited, 5), 0);
}

TEST(the_hard_limit_is_the_last_event_that_is_taken)
{
	T_INT(verdict(0, 100, 0, 1).room, 1);
	T_INT(verdict(0, 100, 99, 1).room, 1);
	T_INT(verdict(0, 100, 100, 1).room, 0);
	T_INT(verdict(0, 100, 101, 1).room, 0);
	T_INT(verdict(0, 100, 95, 10).room, 5);
	T_INT(verdict(0, 100, 0, 1000).room, 100);
	T_INT(verdict(0, 100, 100, 0).room, 0);
}

TEST(behind_the_soft_limit_events_are_taken_and_said_so)
{
	T_FALSE(verdict(80, 100, 79, 1).over_soft);
	T_TRUE(verdict(80, 100, 80, 1).over_soft);
	T_INT(verdict(80, 100, 80, 1).room, 1);
	T_TRUE(verdict(80, 100, 79, 2).over_soft);
	/* What is refused is not said twice. */
	T_FALSE(verdict(80, 100, 100, 1).over_soft);
	T_TRUE(verdict(80, 0, 1000, 1).over_soft);
	T_INT(verdict(80, 0, 1000, 7).room, 7);
	T_FALSE(verdict(100, 100, 95, 10).over_soft);
}

TEST(used_and_taken_together_never_pass_the_hard_limit)
{
	for (uint64_t hard = 1; hard < 20; hard++) {
		for (uint64_t used = 0; used < 25; used++) {
			for (uint64_t n = 0; n < 25; n++) {
				struct quota q = verdict(0, (int64_t)hard, used, n);

				T_TRUE(q.room <= n);
				T_TRUE(q.room == 0 || used + q.room <= hard);
				T_TRUE(q.room == n || used + q.room >= hard);
			}
		}
	}
}

TEST(an_organization_may_have_limits_of_its_own)
{
	struct plan_override keep = { PLAN_KEEP, PLAN_KEEP }, both = { 5, 0 };
	struct plan same = plan_overridden(&plan_seeds[0], &keep);
	struct plan other = plan_overridden(&plan_seeds[0], &both);

	T_INT(same.events_soft, 100);
	T_INT(same.events_hard, 100);
	T_INT(other.events_soft, 5);
	T_INT(other.events_hard, 0);
	T_INT(other.rules, 3);
}

TEST(usage_is_measured_against_what_changes_something)
{
	struct plan stops = { .events_soft = 80, .events_hard = 100 };
	struct plan bills = { .events_soft = 80, .events_hard = 1000, .overage_cents = 100 };
	struct plan warns = { .events_soft = 80 };

	T_INT(plan_events_limit(&stops), 100);
	T_INT(plan_events_limit(&bills), 80);
	T_INT(plan_events_limit(&warns), 80);
}

TEST(each_thousand_begun_is_billed)
{
	struct plan plan = { .events_soft = 25000, .overage_cents = 100 };

	T_INT(plan_overage(&plan, 25000), 0);
	T_INT(plan_overage(&plan, 25001), 1);
	T_INT(plan_overage_cents(&plan, 0), 0);
	T_INT(plan_overage_cents(&plan, 1), 100);
	T_INT(plan_overage_cents(&plan, 1000), 100);
	T_INT(plan_overage_cents(&plan, 1001), 200);
	plan.overage_cents = 0;
	T_INT(plan_overage(&plan, 99999), 0);
}

TEST(a_plan_makes_sense_in_itself)
{
	struct plan plan = { .name = S("basic"), .events_soft = 10, .events_hard = 10 };
	struct err err;

	T_OK(plan_check(&plan, &err));
	plan.events_soft = 11;
	T_FAIL(plan_check(&plan, &err), ERR_INVALID);
	plan.events_hard = 0;
	T_OK(plan_check(&plan, &err));
	plan.events_soft = 0;
	plan.overage_cents = 1;
	T_FAIL(plan_check(&plan, &err), ERR_INVALID);
	plan.overage_cents = 0;
	plan.name = S("Basic plan");
	T_FAIL(plan_check(&plan, &err), ERR_INVALID);
	plan.name = S("");
	T_FAIL(plan_check(&plan, &err), ERR_INVALID);
}

TEST(the_plans_to_begin_with_are_sound_and_cheapest_first)
{
	struct err err;

	for (size_t i = 0; i < plan_seeds_n; i++) {
		T_OK(plan_check(&plan_seeds[i], &err));
		T_TRUE(i == 0 || plan_seeds[i].price_cents > plan_seeds[i - 1].price_cents);
		T_TRUE(plan_seeds[i].display_name.n > 0);
	}
	T_SLICE(plan_seeds[0].name, PLAN_FREE);
	T_TRUE(quota_has_room(0, UINT64_MAX));
	T_TRUE(quota_has_room(3, 2));
	T_FALSE(quota_has_room(3, 3));
}

T_MAIN(T(without_limits_everything_is_taken), T(the_hard_limit_is_the_last_event_that_is_taken),
       T(behind_the_soft_limit_events_are_taken_and_said_so),
       T(used_and_taken_together_never_pass_the_hard_limit),
       T(an_organization_may_have_limits_of_its_own),
       T(usage_is_measured_against_what_changes_something), T(each_thousand_begun_is_billed),
       T(a_plan_makes_sense_in_itself), T(the_plans_to_begin_with_are_sound_and_cheapest_first))
