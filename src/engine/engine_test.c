/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine decides is a function of the log: restarts, crashes and snapshots change nothing.
 */
#include "engine/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/stage_test.h"

#define HOOK \
	"\"actions\":[{\"channel\":\"webhook\",\"config\":{\"url\":\"http://127.0.0.1:9/\"}}," \
	"{\"channel\":\"in_app\",\"config\":{}}]"
#define PER_USER \
	"{\"name\":\"per user\",\"eventType\":\"checkout.*\",\"condition\":\"count_gte\"," \
	"\"threshold\":3,\"windowSeconds\":10,\"cooldownSeconds\":1," \
	"\"groupBy\":[\"payload.user\"]," HOOK "}"
#define EACH \
	"{\"name\":\"each\",\"eventType\":\"order_failed\",\"condition\":\"count_gte\"," \
	"\"threshold\":1,\"windowSeconds\":10,\"cooldownSeconds\":0," HOOK "}"

/* A log with rules that come, change and go, keys, and pauses. */
static void write_log(struct stage *stage)
{
	stage_rule(stage, 100, 0, PER_USER);
	stage_rule(stage, 101, 0, EACH);
	stage_events(stage, "checkout.card", 600, 7);
	stage_pass(stage, 2000000);
	stage_events(stage, "order_failed", 300, 3);
	stage_events(stage, "checkout.cash", 200, 5);
	stage_rule(
		stage, 101, 1,
		"{\"name\":\"each fourth\",\"eventType\":\"order_failed\",\"condition\":\"count_eq\","
		"\"threshold\":4,\"windowSeconds\":60,\"cooldownSeconds\":0," HOOK "}");
	stage_events(stage, "order_failed", 50, 3);
	stage_pass(stage, 61000000);
	stage_events(stage, "order_failed", 50, 3);
	stage_rule_delete(stage, STAGE_ORG, 100, 0);
	stage_events(stage, "checkout.card", 100, 7);
	stage_events(stage, "order_failed", 10, 1);
}

TEST(a_second_run_over_the_log_decides_the_same)
{
	struct stage stage;
	struct home a, b;

	stage_init(&stage);
	write_log(&stage);
	home_init(&a, &stage);
	home_init(&b, &stage);
	home_run(&a);
	T_TRUE(home_number(&a, "select count(*) from alerts") > 300);
	T_INT(home_number(&a, "select count(*) from deliveries"),
	      2 * home_number(&a, "select count(*) from alerts"));
	home_run(&b);
	home_same(&a, &b);
	/* And a start that finds nothing new changes nothing. */
	home_run(&b);
	home_same(&a, &b);
	home_release(&a);
	home_release(&b);
	stage_release(&stage);
}

/* Stops and starts after every flush, so that each boundary of a batch is a restart once. */
TEST(a_restart_at_every_boundary_changes_nothing)
{
	struct stage stage;
	struct home once, often;

	stage_init(&stage);
	home_init(&once, &stage);
	home_init(&often, &stage);
	often.options.snapshot_records = 5;
	stage_rule(&stage, 100, 0, PER_USER);
	home_run(&often);
	stage_rule(&stage, 101, 0, EACH);
	home_run(&often);
	for (int i = 0; i < 25; i++) {
		stage_events(&stage, i % 3 == 0 ? "order_failed" : "checkout.card",
			     (size_t)(i % 4) + 1, 2);
		stage_pass(&stage, 300000);
		home_run(&often);
	}
	home_run(&once);
	home_same(&once, &often);
	T_TRUE(home_number(&once, "select count(*) from alerts where key <> ''") > 3);
	home_release(&once);
	home_release(&often);
	stage_release(&stage);
}

TEST(a_crash_after_any_commit_repeats_and_loses_nothing)
{
	static struct images images;
	struct stage stage;
	struct home whole;

	scene_begin(&stage, &whole);
	whole.options.snapshot_records = 100;
	images_begin(&images, 12, &whole);
	stage_rule(&stage, 100, 0, PER_USER);
	stage_rule(&stage, 101, 0, EACH);
	for (int i = 0; i < 10; i++) {
		stage_events(&stage, i % 2 == 0 ? "order_failed" : "checkout.card", 40, 4);
		T_TRUE(home_drain(&whole));
		stage_pass(&stage, 700000);
	}
	home_close(&whole);
	T_TRUE(images.n >= 8);
	for (size_t i = 0; i < images.n; i++) {
		int64_t had = home_number(&images.homes[i], "select count(*) from alerts");

		T_TRUE(had < home_number(&whole, "select count(*) from alerts") ||
		       i + 1 >= images.n - 1);
	}
	images_same(&images, &whole);
	scene_end(&stage, &whole);
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x20;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static const char *snapshot_path(const struct home *home, const char *name)
{
	static char path[2048];

	snprintf(path, sizeof(path), "%s/%s", home->snapshots, name);
	return path;
}

enum harm { HARM_NONE, HARM_GONE, HARM_NEWEST, HARM_CUT, HARM_ALL, HARM_AHEAD, HARMS };

static void do_harm(struct home *home, enum harm harm)
{
	char names[8][32];
	size_t n = home_snapshots(home, names, 8);
	char ahead[2048];

	T_INT(n, 2);
	for (size_t i = 0; i < n; i++) {
		if (harm == HARM_GONE) {
			unlink(snapshot_path(home, names[i]));
		} else if (harm == HARM_ALL || (harm == HARM_NEWEST && i == 0)) {
			flip(snapshot_path(home, names[i]), 300);
		} else if (harm == HARM_CUT && i == 0) {
			assert_int_equal(truncate(snapshot_path(home, names[i]), 90), 0);
		}
	}
	if (harm == HARM_AHEAD) {
		snprintf(ahead, sizeof(ahead), "%s",
			 snapshot_path(home, "00000000000000999999.snap"));
		assert_int_equal(link(snapshot_path(home, names[0]), ahead), 0);
	}
}

TEST(snapshots_lost_or_damaged_cost_time_but_no_answer)
{
	struct stage stage;
	struct home first, homes[HARMS];

	scene_begin(&stage, &first);
	first.options.snapshot_records = 200;
	stage_rule(&stage, 100, 0, PER_USER);
	stage_events(&stage, "checkout.card", 400, 7);
	home_run(&first);
	stage_rule(&stage, 101, 0, EACH);
	stage_events(&stage, "checkout.card", 11, 7);
	home_run(&first);
	for (enum harm harm = 0; harm < HARMS; harm++) {
		home_copy(&homes[harm], &first);
		do_harm(&homes[harm], harm);
	}
	stage_events(&stage, "checkout.card", 30, 7);
	stage_events(&stage, "order_failed", 5, 7);
	home_run(&first);
	for (enum harm harm = 0; harm < HARMS; harm++) {
		home_run(&homes[harm]);
		home_same(&first, &homes[harm]);
		home_release(&homes[harm]);
	}
	scene_end(&stage, &first);
}

/* Each byte of a snapshot, one at a time: found by a checksum, never believed. */
TEST(no_damaged_byte_of_a_snapshot_is_believed)
{
	struct stage stage;
	struct home home, copy;
	char names[8][32];
	off_t size;
	int fd;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, PER_USER);
	stage_events(&stage, "checkout.card", 20, 3);
	home_run(&home);
	T_INT(home_snapshots(&home, names, 8), 1);
	fd = open(snapshot_path(&home, names[0]), O_RDONLY);
	size = lseek(fd, 0, SEEK_END);
	close(fd);
	for (off_t at = 0; at < size; at += at < 80 ? 8 : size / 8) {
		home_copy(&copy, &home);
		flip(snapshot_path(&copy, names[0]), at);
		home_run(&copy);
		home_same(&home, &copy);
		home_release(&copy);
	}
	scene_end(&stage, &home);
}

TEST(a_snapshot_of_another_log_is_passed_over)
{
	struct stage stage, other;
	struct home mine, theirs, copy;
	char names[8][32], from[2048];

	stage_init(&stage);
	stage_init(&other);
	home_init(&mine, &stage);
	home_init(&theirs, &other);
	stage_rule(&stage, 101, 0, EACH);
	stage_events(&stage, "order_failed", 20, 3);
	stage_rule(&other, 101, 0, EACH);
	stage_events(&other, "checkout.card", 20, 3);
	home_run(&mine);
	home_run(&theirs);
	home_copy(&copy, &mine);
	T_INT(home_snapshots(&copy, names, 8), 1);
	unlink(snapshot_path(&copy, names[0]));
	snprintf(from, sizeof(from), "%s", snapshot_path(&theirs, names[0]));
	assert_int_equal(link(from, snapshot_path(&copy, names[0])), 0);
	home_run(&copy);
	home_same(&mine, &copy);
	home_release(&mine);
	home_release(&theirs);
	home_release(&copy);
	stage_release(&stage);
	stage_release(&other);
}

/* Somebody else's decisions, or a log that was exchanged: refused, not repaired. */
TEST(state_and_log_that_do_not_belong_together_are_refused)
{
	struct stage stage, other;
	struct home home;
	struct err err;
	char names[8][32];

	stage_init(&stage);
	stage_init(&other);
	home_init(&home, &stage);
	stage_rule(&stage, 101, 0, EACH);
	stage_events(&stage, "order_failed", 20, 3);
	home_run(&home);

	/* Another log. */
	home.stage = &other;
	T_FAIL(home_open(&home, &err), ERR_CONFLICT);
	home.stage = &stage;

	/* Another number of alerts than the log gives. */
	T_INT(home_snapshots(&home, names, 8), 1);
	unlink(snapshot_path(&home, names[0]));
	T_INT(home_number(&home, "update engine_cursors set alerts = alerts - 1 returning 1"), 1);
	T_FAIL(home_open(&home, &err), ERR_CORRUPT);

	/* A cursor beyond the log. */
	T_INT(home_number(&home, "update engine_cursors set seq = seq + 100 returning 1"), 1);
	T_FAIL(home_open(&home, &err), ERR_CONFLICT);
	scene_end(&stage, &home);
	stage_release(&other);
}

TEST(the_engine_that_lost_its_place_stops)
{
	struct stage stage;
	struct home first, second;
	struct err err;

	scene_begin(&stage, &first);
	stage_rule(&stage, 101, 0, EACH);
	T_OK(home_open(&first, &err));
	engine_start(first.engine);
	T_TRUE(home_drain(&first));

	/* The same state, taken by another. */
	second = first;
	second.engine = NULL;
	second.store = NULL;
	T_OK(home_open(&second, &err));
	stage_events(&stage, "order_failed", 3, 1);
	T_FALSE(home_drain(&first));
	T_INT(first.failed, ERR_CONFLICT);
	engine_start(second.engine);
	T_TRUE(home_drain(&second));
	home_close(&first);
	home_close(&second);
	T_INT(home_number(&first, "select count(*) from alerts"), 3);
	scene_end(&stage, &first);
}

TEST(a_held_engine_waits_for_its_release)
{
	struct stage stage;
	struct home home;
	struct err err;

	scene_begin(&stage, &home);
	stage_rule(&stage, 101, 0, EACH);
	stage_events(&stage, "order_failed", 3, 1);
	home.options.hold = true;
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	T_INT(engine_applied(home.engine), 0);
	engine_release(home.engine);
	T_TRUE(home_drain(&home));
	home_close(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 3);
	scene_end(&stage, &home);
}

T_MAIN(T(a_second_run_over_the_log_decides_the_same),
       T(a_restart_at_every_boundary_changes_nothing),
       T(a_crash_after_any_commit_repeats_and_loses_nothing),
       T(snapshots_lost_or_damaged_cost_time_but_no_answer),
       T(no_damaged_byte_of_a_snapshot_is_believed), T(a_snapshot_of_another_log_is_passed_over),
       T(state_and_log_that_do_not_belong_together_are_refused),
       T(the_engine_that_lost_its_place_stops), T(a_held_engine_waits_for_its_release))
