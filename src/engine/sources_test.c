/* SPDX-License-Identifier: Apache-2.0 */
/* Who is silent, and who only sleeps, was refused, or could not be heard. */
#include "engine/sources.h"

#include "base/clock.h"
#include "test/t.h"

#define ORG ((struct org_id) { 1 })
#define PROJECT ((struct project_id) { 2 })
#define MINUTE (60 * US_PER_S)
#define HOUR SOURCE_HOUR_US
#define T0 (INT64_C(490000) * HOUR) /* the beginning of an hour */
#define MONO INT64_C(1000000000)    /* when this process started */

/* A world in which wall and monotonic clock go together, but for what a test does to one. */
struct world {
	struct sources *s;
	int64_t wall_us, mono_us;
};

static struct world begin(void)
{
	return (struct world) { .s = sources_new(MONO), .wall_us = T0, .mono_us = MONO };
}

static void pass(struct world *w, int64_t us)
{
	w->wall_us += us;
	w->mono_us += us;
}

static bool hear(struct world *w)
{
	struct silence over;

	return sources_note(w->s, ORG, PROJECT, w->wall_us, w->mono_us, &over);
}

/* For so many hours it sends something every so many minutes. */
static void send(struct world *w, int hours, int every_minutes)
{
	int64_t until_us = w->wall_us + hours * HOUR;

	while (w->wall_us < until_us) {
		T_FALSE(hear(w));
		pass(w, every_minutes * MINUTE);
	}
}

static size_t judge(struct world *w, struct silence *out)
{
	struct silence all[8];
	size_t n = sources_judge(w->s, w->wall_us, w->mono_us, 1000, all, 8);

	if (n > 0) {
		*out = all[0];
	}
	return n;
}

static bool is_silent(struct world *w)
{
	struct silence ignored;

	return judge(w, &ignored) > 0;
}

static void end(struct world *w)
{
	sources_free(&w->s);
}

TEST(who_sent_for_a_day_and_stops_is_silent_after_an_hour)
{
	struct world w = begin();
	struct silence silence;

	send(&w, 24, 5);
	pass(&w, 54 * MINUTE);
	T_FALSE(is_silent(&w));
	pass(&w, MINUTE);
	T_INT(judge(&w, &silence), 1);
	T_INT(silence.org.v, 1);
	T_INT(silence.project.v, 2);
	T_INT(silence.hour, T0 / HOUR + 23);
	T_INT(silence.last_us, T0 + 24 * HOUR - 5 * MINUTE);
	T_INT(silence.quiet_us, HOUR);
	end(&w);
}

TEST(silence_is_told_once_and_again_when_it_is_over)
{
	struct silence over;
	struct world w = begin();

	send(&w, 24, 5);
	pass(&w, 2 * HOUR);
	T_TRUE(is_silent(&w));
	pass(&w, 5 * HOUR);
	T_FALSE(is_silent(&w));
	T_TRUE(sources_note(w.s, ORG, PROJECT, w.wall_us, w.mono_us, &over));
	T_INT(over.hour, T0 / HOUR + 23);
	T_INT(over.quiet_us, 7 * HOUR + 5 * MINUTE);
	T_FALSE(hear(&w));
	T_FALSE(is_silent(&w));
	end(&w);
}

/* Minutes of two hours may be told of together. */
TEST(what_is_heard_together_comes_in_any_order)
{
	struct silence over;
	struct world w = begin();

	for (int i = 0; i < 12; i++) {
		for (int k = 1; k >= 0; k--) {
			T_FALSE(sources_note(w.s, ORG, PROJECT, w.wall_us + k * HOUR, w.mono_us,
					     &over));
		}
		pass(&w, 2 * HOUR);
	}
	T_FALSE(is_silent(&w)); /* as far as is known it comes every two hours */
	pass(&w, 2 * HOUR);
	T_TRUE(is_silent(&w));
	end(&w);
}

TEST(who_stops_every_evening_is_not_expected)
{
	struct world w = begin();

	for (int day = 0; day < 5; day++) {
		send(&w, 20, 1);
		for (int i = 0; i < 24; i++) {
			pass(&w, 10 * MINUTE);
			T_FALSE(is_silent(&w));
		}
	}
	end(&w);
}

TEST(twenty_three_hours_are_not_a_day)
{
	struct world w = begin();

	send(&w, 23, 5);
	pass(&w, 10 * HOUR);
	T_FALSE(is_silent(&w));
	end(&w);
}

TEST(who_reports_once_an_hour_may_be_late)
{
	struct world w = begin();

	pass(&w, 30 * MINUTE);
	for (int i = 0; i < 30; i++) {
		T_FALSE(hear(&w));
		pass(&w, (i % 2 == 0 ? 58 : 62) * MINUTE);
		T_FALSE(is_silent(&w));
	}
	pass(&w, 61 * MINUTE);
	T_FALSE(is_silent(&w)); /* 123 minutes: not twice 62 */
	pass(&w, 2 * MINUTE);
	T_TRUE(is_silent(&w));
	end(&w);
}

/* From rows of the hours, as a start finds them. */
static void load(struct world *w, int hours)
{
	for (int i = 0; i < hours; i++) {
		sources_load(w->s, ORG, PROJECT, T0 - (hours - i) * HOUR);
	}
}

TEST(a_start_knows_the_day_before_and_waits_anew)
{
	struct silence over;
	struct world w = begin();

	load(&w, 24);
	T_INT(sources_count(w.s), 1);
	pass(&w, 119 * MINUTE);
	T_FALSE(is_silent(&w));
	pass(&w, MINUTE);
	T_TRUE(is_silent(&w));
	T_TRUE(sources_note(w.s, ORG, PROJECT, w.wall_us, w.mono_us, &over));
	T_INT(over.hour, T0 / HOUR - 1);
	end(&w);
}

TEST(what_was_told_before_a_start_may_be_over_behind_it)
{
	struct silence over;
	struct world w = begin();

	load(&w, 24);
	pass(&w, 10 * MINUTE);
	T_TRUE(sources_note(w.s, ORG, PROJECT, w.wall_us, w.mono_us, &over));
	T_INT(over.hour, T0 / HOUR - 1);
	T_FALSE(hear(&w));
	end(&w);
}

/* Nobody is told of as silent in the hour in which it was heard. */
TEST(in_the_same_hour_nothing_is_over)
{
	struct world w = begin();

	load(&w, 24);
	sources_load(w.s, ORG, PROJECT, T0);
	pass(&w, 10 * MINUTE);
	T_FALSE(hear(&w));
	end(&w);
}

TEST(our_own_outage_is_no_silence_and_no_gap_in_a_day)
{
	struct world w = begin();

	/*
	 * Down from 110 minutes before an hour until half past; all who sent before are back at
	 * once.
	 */
	w.wall_us += 30 * MINUTE;
	sources_set_outage(w.s, w.wall_us - 140 * MINUTE, w.wall_us);
	for (int i = 25; i > 2; i--) {
		sources_load(w.s, ORG, PROJECT, T0 - i * HOUR);
	}
	T_FALSE(is_silent(&w));
	(void)hear(&w);
	/* Expected as before: the hours that it could not send in are none that it did not. */
	pass(&w, 119 * MINUTE);
	T_FALSE(is_silent(&w));
	pass(&w, MINUTE);
	T_FALSE(is_silent(&w)); /* the hour in which the outage began was not sent in */
	end(&w);

	w = begin();
	w.wall_us += 30 * MINUTE;
	sources_set_outage(w.s, w.wall_us - 140 * MINUTE, w.wall_us);
	for (int i = 25; i > 1; i--) {
		sources_load(w.s, ORG, PROJECT, T0 - i * HOUR);
	}
	(void)hear(&w);
	pass(&w, 119 * MINUTE);
	T_FALSE(is_silent(&w));
	pass(&w, MINUTE);
	T_TRUE(is_silent(&w));
	end(&w);
}

TEST(a_clock_that_is_set_is_nobodys_silence)
{
	struct world w = begin();

	send(&w, 25, 5);
	w.wall_us += 20 * HOUR;
	T_FALSE(is_silent(&w));
	T_FALSE(hear(&w));
	w.wall_us -= 30 * HOUR;
	T_FALSE(is_silent(&w));
	T_FALSE(hear(&w));
	end(&w);
}

TEST(what_could_not_be_told_is_found_again)
{
	struct silence silence;
	struct world w = begin();

	send(&w, 24, 5);
	pass(&w, HOUR);
	T_INT(judge(&w, &silence), 1);
	T_FALSE(is_silent(&w));
	sources_judge_again(w.s, &silence);
	T_TRUE(is_silent(&w));
	T_TRUE(hear(&w));
	sources_judge_again(w.s, &silence); /* it has sent something since */
	T_FALSE(is_silent(&w));
	end(&w);
}

TEST(many_are_looked_at_in_slices_and_old_ones_forgotten)
{
	struct silence out[8], over;
	struct world w = begin();
	size_t found = 0;

	for (int hour = 0; hour < 24; hour++) {
		for (uint64_t i = 0; i < 1000; i++) {
			(void)!sources_note(w.s, ORG, (struct project_id) { 5 + i }, w.wall_us,
					    w.mono_us, &over);
		}
		pass(&w, 30 * MINUTE);
		for (uint64_t i = 0; i < 1000; i++) {
			(void)!sources_note(w.s, ORG, (struct project_id) { 5 + i }, w.wall_us,
					    w.mono_us, &over);
		}
		pass(&w, 30 * MINUTE);
	}
	pass(&w, HOUR);
	for (int i = 0; i < 400; i++) {
		size_t n = sources_judge(w.s, w.wall_us, w.mono_us, 100, out, 8);

		T_TRUE(n <= 8);
		found += n;
	}
	T_INT(found, 1000);
	pass(&w, 100 * HOUR);
	for (int i = 0; i < 20; i++) {
		T_INT(sources_judge(w.s, w.wall_us, w.mono_us, 100, out, 8), 0);
	}
	T_INT(sources_count(w.s), 0);
	end(&w);
}

T_MAIN(T(who_sent_for_a_day_and_stops_is_silent_after_an_hour),
       T(silence_is_told_once_and_again_when_it_is_over),
       T(what_is_heard_together_comes_in_any_order), T(who_stops_every_evening_is_not_expected),
       T(twenty_three_hours_are_not_a_day), T(who_reports_once_an_hour_may_be_late),
       T(a_start_knows_the_day_before_and_waits_anew),
       T(what_was_told_before_a_start_may_be_over_behind_it), T(in_the_same_hour_nothing_is_over),
       T(our_own_outage_is_no_silence_and_no_gap_in_a_day),
       T(a_clock_that_is_set_is_nobodys_silence), T(what_could_not_be_told_is_found_again),
       T(many_are_looked_at_in_slices_and_old_ones_forgotten))
