/* SPDX-License-Identifier: Apache-2.0 */
/* A beat goes out for a round that came through, and for no other. */
#include "engine/heartbeat.h"

#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_test.h"

#define EVERY_US (60 * US_PER_S)

/* A loop over a real log, an engine that the test plays, and a clock that it moves. */
struct scene {
	struct bed bed;
	struct loop *loop;
	struct metrics *metrics;
	struct heartbeat *heartbeat;
	uint64_t applied;
	bool keeps_up; /* the engine applies whatever is there */
	bool stalled;  /* no flush happens */
	int beats;
	int turns;
};

static uint64_t applied(void *arg)
{
	struct scene *s = arg;

	return s->keeps_up ? journal_flushed(s->bed.journal) : s->applied;
}

static void beat(void *arg)
{
	((struct scene *)arg)->beats++;
}

static void turn_ends(void *arg)
{
	struct scene *s = arg;

	if (!s->stalled) {
		journal_turn(s->bed.journal);
	}
	if (--s->turns <= 0) {
		loop_stop(s->loop);
	} else {
		loop_touch(s->loop);
	}
}

/* Let so much time pass, and whatever it brings happen. */
static void pass(struct scene *s, int64_t us)
{
	stage_move_clock(us);
	s->turns = 8;
	loop_touch(s->loop);
	loop_run(s->loop);
}

static void scene_init(struct scene *s)
{
	struct heartbeat_options options = {
		.every_us = EVERY_US, .applied = applied, .beat = beat, .arg = s
	};

	*s = (struct scene) { .keeps_up = true };
	stage_move_clock(0);
	bed_init(&s->bed, JOURNAL_FLUSH_INLINE);
	bed_open(&s->bed);
	s->loop = loop_new(16);
	s->metrics = metrics_new();
	loop_turn_end(s->loop, turn_ends, s);
	options.loop = s->loop;
	options.journal = s->bed.journal;
	options.metrics = s->metrics;
	s->heartbeat = heartbeat_new(&options);
}

static void scene_release(struct scene *s)
{
	bed_release(&s->bed);
	heartbeat_free(&s->heartbeat);
	loop_free(&s->loop);
	metrics_free(&s->metrics);
	log_setup(LOG_INFO, LOG_TEXT, STDERR_FILENO);
}

static int64_t withheld(const struct scene *s)
{
	return metric_get(s->metrics, METRIC_HEARTBEAT_WITHHELD);
}

TEST(one_beat_a_round_while_all_is_well)
{
	struct scene s;

	scene_init(&s);
	pass(&s, 0);
	pass(&s, 100 * US_PER_MS);
	T_INT(s.beats, 1);
	T_INT(journal_flushed(s.bed.journal), 1);
	pass(&s, EVERY_US / 2);
	T_INT(s.beats, 1);
	for (int i = 2; i < 10; i++) {
		pass(&s, EVERY_US);
		pass(&s, 100 * US_PER_MS);
		T_INT(s.beats, i);
		T_INT(journal_flushed(s.bed.journal), i);
	}
	T_INT(withheld(&s), 0);
	scene_release(&s);
}

TEST(an_engine_that_stands_still_gets_no_beat_until_it_goes_on)
{
	struct scene s;

	scene_init(&s);
	log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
	s.keeps_up = false;
	for (int i = 0; i < 5; i++) {
		pass(&s, EVERY_US);
		pass(&s, 100 * US_PER_MS);
	}
	T_INT(s.beats, 0);
	T_INT(withheld(&s), 4);
	s.keeps_up = true;
	pass(&s, 100 * US_PER_MS);
	T_INT(s.beats, 1);
	scene_release(&s);
}

/* Far behind after a burst, and working on it: that is not stuck. */
TEST(an_engine_that_is_behind_and_advances_gets_its_beats)
{
	struct scene s;

	scene_init(&s);
	s.keeps_up = false;
	bed_fill(&s.bed, 1, 200);
	pass(&s, 0);
	for (int i = 1; i < 5; i++) {
		s.applied += 10;
		pass(&s, EVERY_US / 2);
		T_INT(s.beats, i - 1);
		pass(&s, EVERY_US / 2);
		T_INT(s.beats, i);
	}
	T_INT(withheld(&s), 0);
	scene_release(&s);
}

TEST(a_log_that_does_not_flush_gets_no_beat)
{
	struct scene s;

	scene_init(&s);
	log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
	s.stalled = true;
	for (int i = 0; i < 5; i++) {
		pass(&s, EVERY_US);
		pass(&s, 100 * US_PER_MS);
	}
	T_INT(s.beats, 0);
	T_TRUE(withheld(&s) >= 3);
	s.stalled = false;
	pass(&s, 0);
	pass(&s, EVERY_US);
	pass(&s, 100 * US_PER_MS);
	T_INT(s.beats, 1);
	scene_release(&s);
}

TEST(a_log_that_takes_nothing_gets_no_beat)
{
	static struct request request;
	static char filler[65300];
	struct scene s;
	struct err err;

	scene_init(&s);
	log_setup(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
	s.stalled = true;
	memset(filler, ' ', sizeof(filler));
	memcpy(filler, "{}", 2);
	request_clear(&request);
	request_add(&request, 1, NULL, (struct slice) { filler, sizeof(filler) });
	T_OK(bed_append(&s.bed, &request, &err));
	pass(&s, 0);
	T_INT(withheld(&s), 1);
	s.stalled = false;
	pass(&s, 0);
	pass(&s, 100 * US_PER_MS);
	T_INT(s.beats, 0);
	pass(&s, EVERY_US);
	pass(&s, 100 * US_PER_MS);
	T_INT(s.beats, 1);
	scene_release(&s);
}

T_MAIN(T(one_beat_a_round_while_all_is_well),
       T(an_engine_that_stands_still_gets_no_beat_until_it_goes_on),
       T(an_engine_that_is_behind_and_advances_gets_its_beats),
       T(a_log_that_does_not_flush_gets_no_beat), T(a_log_that_takes_nothing_gets_no_beat))
