/* SPDX-License-Identifier: Apache-2.0 */
#include "load/plan.h"

#include "test/t.h"

#define S_US INT64_C(1000000)

TEST(an_even_plan_is_even_however_late_it_is_asked)
{
	struct plan p;
	int64_t due;

	plan_init(&p, 1000, false, 1, 10 * S_US, 100000);
	T_INT(plan_next_us(&p), 0);
	plan_advance(&p, 4 * S_US);
	T_INT(p.planned, 4001);
	for (int64_t i = 0; i <= 4000; i++) {
		T_TRUE(plan_take(&p, &due));
		T_INT(due, i * 1000);
	}
	T_FALSE(plan_take(&p, &due));
	T_INT(plan_next_us(&p), 4001000);
	plan_release(&p);
}

TEST(a_rate_that_divides_nothing_does_not_drift)
{
	struct plan p;

	plan_init(&p, 3, false, 1, 3600 * S_US, 100000);
	plan_advance(&p, 3600 * S_US);
	T_INT(p.planned, 3 * 3600);
	T_INT(plan_next_us(&p), INT64_MAX);
	plan_release(&p);
}

TEST(a_full_backlog_drops_and_counts_and_forgets_nothing)
{
	struct plan p;
	int64_t due;

	plan_init(&p, 1000, false, 1, 10 * S_US, 10);
	plan_advance(&p, S_US - 1);
	T_INT(p.planned, 1000);
	T_INT(p.waiting, 10);
	T_INT(p.waiting_most, 10);
	T_INT(p.dropped, 990);
	T_INT(plan_oldest_us(&p), 0);
	for (int64_t i = 0; i < 10; i++) {
		T_TRUE(plan_take(&p, &due));
		T_INT(due, i * 1000);
	}
	T_INT(plan_oldest_us(&p), -1);
	plan_advance(&p, S_US);
	T_TRUE(plan_take(&p, &due));
	T_INT(due, S_US);
	T_INT(p.planned, p.taken + p.waiting + p.dropped);
	plan_release(&p);
}

TEST(nothing_is_due_from_the_end_on)
{
	struct plan p;

	plan_init(&p, 10, false, 1, S_US, 100);
	plan_advance(&p, 10 * S_US);
	T_INT(p.planned, 10);
	plan_release(&p);

	plan_init(&p, 10, false, 1, S_US, 100);
	plan_advance(&p, S_US / 2);
	plan_stop(&p, S_US / 2);
	plan_advance(&p, 10 * S_US);
	T_INT(p.planned, 6);
	plan_release(&p);
}

TEST(a_poisson_plan_has_its_rate_and_its_spread_and_follows_the_seed)
{
	struct plan p, q;
	int64_t due, other, last = 0;
	double n = 0, gaps = 0, squares = 0;

	plan_init(&p, 1000, true, 42, 100 * S_US, 200000);
	plan_init(&q, 1000, true, 42, 100 * S_US, 200000);
	plan_advance(&p, 100 * S_US);
	plan_advance(&q, 50 * S_US);
	plan_advance(&q, 100 * S_US);
	T_TRUE(p.planned > 98000 && p.planned < 102000);
	while (plan_take(&p, &due)) {
		double gap = (double)(due - last);

		T_TRUE(plan_take(&q, &other));
		T_INT(due, other);
		n++;
		gaps += gap;
		squares += gap * gap;
		last = due;
	}
	/* The variance of an exponential gap is the square of its mean. */
	T_TRUE(squares / n > 1.9 * (gaps / n) * (gaps / n));
	T_TRUE(squares / n < 2.1 * (gaps / n) * (gaps / n));
	plan_release(&p);
	plan_release(&q);
}

T_MAIN(T(an_even_plan_is_even_however_late_it_is_asked),
       T(a_rate_that_divides_nothing_does_not_drift),
       T(a_full_backlog_drops_and_counts_and_forgets_nothing), T(nothing_is_due_from_the_end_on),
       T(a_poisson_plan_has_its_rate_and_its_spread_and_follows_the_seed))
