/* SPDX-License-Identifier: Apache-2.0 */
/* Ticks come when something is due and nothing arrives, and at no other time. */
#include "engine/ticker.h"

#include "base/clock.h"
#include "engine/stage_test.h"

#define HOUR_US (3600 * US_PER_S)

/* A loop over a real log, with a due time that the test sets and a clock that it moves. */
struct scene {
	struct bed bed;
	struct loop *loop;
	struct metrics *metrics;
	struct ticker *ticker;
	int64_t due_us;
	bool due_follows; /* always just behind the newest record */
	int turns;
};

static int64_t due(void *arg)
{
	struct scene *s = arg;

	return s->due_follows ? journal_last_received_at(s->bed.journal) + 1 : s->due_us;
}

static void turn_ends(void *arg)
{
	struct scene *s = arg;

	journal_turn(s->bed.journal);
	if (--s->turns <= 0) {
		loop_stop(s->loop);
	} else {
		loop_touch(s->loop);
	}
}

/* A few turns of the loop: whatever is to happen now has happened. */
static void turn(struct scene *s)
{
	s->turns = 8;
	loop_touch(s->loop);
	loop_run(s->loop);
}

static uint64_t records(const struct scene *s)
{
	return journal_flushed(s->bed.journal);
}

static void scene_init(struct scene *s)
{
	struct ticker_options options = { .due = due, .arg = s };

	*s = (struct scene) { .due_us = INT64_MAX };
	stage_move_clock(0);
	bed_init(&s->bed, JOURNAL_FLUSH_INLINE);
	bed_open(&s->bed);
	s->bed.wall_us = clock_wall_us();
	s->bed.mono_us = clock_mono_us();
	s->loop = loop_new(16);
	s->metrics = metrics_new();
	loop_turn_end(s->loop, turn_ends, s);
	options.loop = s->loop;
	options.journal = s->bed.journal;
	options.metrics = s->metrics;
	s->ticker = ticker_new(&options);
	turn(s);
}

static void scene_release(struct scene *s)
{
	ticker_free(&s->ticker);
	bed_release(&s->bed);
	loop_free(&s->loop);
	metrics_free(&s->metrics);
}

static void wake_at(struct scene *s, int64_t due_us)
{
	s->due_us = due_us;
	ticker_wake(s->ticker);
	turn(s);
}

TEST(nothing_due_nothing_written)
{
	struct scene s;

	scene_init(&s);
	for (int i = 0; i < 10; i++) {
		stage_move_clock(HOUR_US);
		ticker_wake(s.ticker);
		turn(&s);
	}
	T_INT(records(&s), 0);
	scene_release(&s);
}

TEST(one_tick_for_a_due_time_and_not_before)
{
	struct record record;
	struct arena arena;
	struct scene s;
	struct err err;

	scene_init(&s);
	wake_at(&s, clock_wall_us() + 60 * US_PER_S);
	stage_move_clock(50 * US_PER_S);
	turn(&s);
	T_INT(records(&s), 0);
	stage_move_clock(10 * US_PER_S);
	turn(&s);
	T_INT(records(&s), 1);
	/* The engine has not seen it yet: no other one, however long that takes. */
	for (int i = 0; i < 10; i++) {
		stage_move_clock(US_PER_S);
		turn(&s);
	}
	T_INT(records(&s), 1);
	arena_init(&arena, 0);
	T_INT(journal_read(s.bed.journal, 1, &arena, &record, &err), FOUND);
	T_INT(record.kind, RECORD_TICK);
	T_SLICE(record.body, "{\"type\":\"tick\"}");
	T_TRUE(record.received_at_us >= s.due_us);
	T_INT(record.org.v, 0);
	arena_release(&arena);

	/* A later due time needs no wake-up: the ticker asks again by itself. */
	s.due_us = clock_wall_us() + 5 * US_PER_S;
	stage_move_clock(US_PER_S);
	turn(&s);
	T_INT(records(&s), 1);
	stage_move_clock(4 * US_PER_S);
	turn(&s);
	T_INT(records(&s), 2);
	scene_release(&s);
}

TEST(an_earlier_due_time_is_taken_at_once)
{
	struct scene s;

	scene_init(&s);
	wake_at(&s, clock_wall_us() + HOUR_US);
	wake_at(&s, clock_wall_us() + US_PER_S);
	stage_move_clock(US_PER_S);
	turn(&s);
	T_INT(records(&s), 1);
	scene_release(&s);
}

TEST(a_record_that_arrives_is_as_good_as_a_tick)
{
	struct scene s;

	scene_init(&s);
	wake_at(&s, clock_wall_us() + 10 * US_PER_S);
	stage_move_clock(11 * US_PER_S);
	s.bed.wall_us = clock_wall_us();
	s.bed.mono_us = clock_mono_us();
	bed_put(&s.bed, 1, NULL, "{\"type\":\"order_failed\"}");
	turn(&s);
	stage_move_clock(US_PER_S);
	turn(&s);
	T_INT(records(&s), 1);
	scene_release(&s);
}

TEST(ticks_never_come_in_storms)
{
	struct scene s;
	int64_t began_us;

	scene_init(&s);
	began_us = clock_mono_us();
	s.due_follows = true;
	for (int i = 0; i < 100; i++) {
		stage_move_clock(10 * US_PER_MS);
		ticker_wake(s.ticker);
		turn(&s);
	}
	/* A second in steps, and what the test itself took. */
	T_TRUE(records(&s) >= 9);
	T_TRUE((int64_t)records(&s) <= 1 + (clock_mono_us() - began_us) / TICK_US_MIN);
	scene_release(&s);
}

/* The wall clock was set back by an hour: the log does not wait for it. */
TEST(a_log_ahead_of_the_wall_clock_ticks_by_the_other_clock)
{
	struct scene s;
	int64_t last_us;

	scene_init(&s);
	s.bed.wall_us = clock_wall_us() + HOUR_US;
	s.bed.mono_us = clock_mono_us();
	bed_put(&s.bed, 1, NULL, "{\"type\":\"order_failed\"}");
	last_us = journal_last_received_at(s.bed.journal);
	wake_at(&s, last_us + 90 * US_PER_S);
	stage_move_clock(91 * US_PER_S);
	ticker_wake(s.ticker);
	turn(&s);
	T_INT(records(&s), 1);
	stage_move_clock(10 * US_PER_S);
	turn(&s);
	T_INT(records(&s), 2);
	T_TRUE(journal_last_received_at(s.bed.journal) >= s.due_us);
	scene_release(&s);
}

T_MAIN(T(nothing_due_nothing_written), T(one_tick_for_a_due_time_and_not_before),
       T(an_earlier_due_time_is_taken_at_once), T(a_record_that_arrives_is_as_good_as_a_tick),
       T(ticks_never_come_in_storms), T(a_log_ahead_of_the_wall_clock_ticks_by_the_other_clock))
