/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench/report.h"

#include "test/t.h"

static struct hist h;
static struct run run;

static void fill(uint64_t n)
{
	hist_init(&h);
	for (uint64_t v = 1; v <= n; v++) {
		hist_add(&h, v);
	}
}

TEST(what_was_never_answered_is_slower_than_all_percentiles)
{
	struct report_row row = { .h = &h, .never = 0 };

	fill(100);
	T_INT(report_at(&row, 0), 50);
	T_INT(report_at(&row, 2), 99);
	T_INT(report_at(&row, 4), 100);
	/* 100 of 200: the median is the slowest that was answered, all beyond it never was. */
	row.never = 100;
	T_INT(report_at(&row, 0), 100);
	T_INT(report_at(&row, 1), -1);
	T_INT(report_at(&row, 4), -1);
	/* 1 of 101 moves each percentile up by less than one, and takes the last ones away. */
	row.never = 1;
	T_INT(report_at(&row, 0), 51);
	T_INT(report_at(&row, 1), 91);
	T_INT(report_at(&row, 2), 100);
	T_INT(report_at(&row, 3), -1);
	row.never = 101;
	T_INT(report_at(&row, 0), -1);
}

TEST(nothing_at_all_has_no_percentile)
{
	struct report_row row = { .h = &h, .never = 0 };

	fill(0);
	T_INT(report_at(&row, 0), -1);
	row.never = 3;
	T_INT(report_at(&row, 0), -1);
}

/* A run as it is after two seconds of an open load. */
static void prepare(double rate)
{
	run = (struct run) { .o = { .rate = rate, .url = S("http://h"), .keys = 1, .batch = 1 },
			     .start_us = 1000,
			     .stop_us = 2001000,
			     .caught_up_us = -1,
			     .sent = 10,
			     .answered = 10,
			     .good = 10,
			     .events_sent = 10,
			     .events_acked = 10,
			     .problem = "" };
	hist_init(&run.open_us);
	hist_init(&run.service_us);
	hist_init(&run.waited_us);
	hist_init(&run.own_us);
	hist_init(&run.refused_us);
	for (uint64_t i = 0; i < 10; i++) {
		hist_add(&run.open_us, 500);
		hist_add(&run.service_us, 400);
		hist_add(&run.waited_us, 100);
	}
}

TEST(a_closed_loop_has_no_time_from_a_plan)
{
	prepare(0);
	T_TRUE(report_row(&run, REPORT_OPEN).h == NULL);
	T_TRUE(report_row(&run, REPORT_WAITED).h == NULL);
	T_TRUE(report_row(&run, REPORT_SERVICE).h == &run.service_us);
	T_TRUE(report_row(&run, REPORT_REFUSED).h == NULL);
	T_TRUE(report_row(&run, REPORT_RECEIPT).h == NULL);
	prepare(5);
	T_TRUE(report_row(&run, REPORT_OPEN).h == &run.open_us);
}

TEST(only_a_load_that_went_as_planned_is_clean)
{
	prepare(5);
	T_TRUE(report_is_clean(&run));
	run.plan.dropped = 1;
	T_FALSE(report_is_clean(&run));
	prepare(5);
	run.unanswered = 1;
	T_FALSE(report_is_clean(&run));
	prepare(5);
	run.good = 9;
	T_FALSE(report_is_clean(&run));
	prepare(5);
	run.events_rejected = 1;
	T_FALSE(report_is_clean(&run));
	prepare(5);
	run.o.mode = RUN_WEBHOOKS;
	run.track.received = 10;
	T_TRUE(report_is_clean(&run));
	run.track.repeated = 1;
	T_FALSE(report_is_clean(&run));
	run.track.repeated = 0;
	run.track.received = 9;
	T_FALSE(report_is_clean(&run));
	T_INT(report_row(&run, REPORT_SENT_RECEIPT).never, 1);
}

T_MAIN(T(what_was_never_answered_is_slower_than_all_percentiles),
       T(nothing_at_all_has_no_percentile), T(a_closed_loop_has_no_time_from_a_plan),
       T(only_a_load_that_went_as_planned_is_clean))
