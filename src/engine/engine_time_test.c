/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts end in the time of the log: by a tick or any other record, in one order, and the same way
 * after every restart, crash and lost snapshot.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_test.h"

#define RULE(type, threshold, window, cooldown) \
	"{\"name\":\"r\",\"eventType\":\"" type \
	"\",\"condition\":\"count_gte\",\"threshold\":" threshold ",\"windowSeconds\":" window \
	",\"cooldownSeconds\":" cooldown "," \
	"\"groupBy\":[\"payload.user\"],\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"
#define CENTURY_US (100 * 365 * INT64_C(86400) * US_PER_S)
#define FIRING "select count(*) from alerts where resolved_at is null"
#define CLEARED "select count(*) from alerts where resolution = 'cleared'"
#define ENDS "select count(*) from changes where kind = 'alert.resolved'"

static int64_t last_us(const struct stage *stage)
{
	return journal_last_received_at(stage->bed.journal);
}

TEST(a_tick_ends_an_alert_as_of_its_due_time)
{
	struct stage stage;
	struct home home;
	int64_t first_us;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, RULE("a", "2", "10", "0"));
	stage_event(&stage, "a", "{\"user\":1}");
	first_us = last_us(&stage);
	stage_pass(&stage, 3 * US_PER_S);
	stage_event(&stage, "a", "{\"user\":1}");
	stage_pass(&stage, 6 * US_PER_S);
	stage_mark(&stage, RECORD_TICK);
	home_run(&home);
	T_INT(home_number(&home, FIRING), 1);
	stage_pass(&stage, 6 * US_PER_S);
	stage_mark(&stage, RECORD_TICK);
	home_run(&home);
	T_INT(home_number(&home, FIRING), 0);
	T_INT(home_number(&home, CLEARED), 1);
	T_INT(home_number(&home, "select resolved_at from alerts"), first_us + 10 * US_PER_S);
	T_INT(home_number(&home, ENDS), 1);
	T_INT(home_number(&home, "select count(*) from deliveries"), 1);
	scene_end(&stage, &home);
}

TEST(any_record_lets_time_pass_before_it_is_applied)
{
	static const enum record_kind kinds[] = { RECORD_START, RECORD_EVENT, RECORD_CONTROL };
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, RULE("a", "1", "10", "3600"));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char user[32];

		snprintf(user, sizeof(user), "{\"user\":%zu}", i);
		stage_event(&stage, "a", user);
		stage_pass(&stage, 20 * US_PER_S);
		if (kinds[i] == RECORD_START) {
			stage_mark(&stage, RECORD_START);
		} else if (kinds[i] == RECORD_EVENT) {
			stage_event(&stage, "b", "{}");
		} else {
			/* The rule goes after its alert is over: that was not the reason. */
			stage_rule_delete(&stage, STAGE_ORG, 100, 0);
		}
		home_run(&home);
		T_INT(home_number(&home, FIRING), 0);
		T_INT(home_number(&home, CLEARED), i + 1);
	}
	T_INT(home_number(&home, "select count(*) from alerts where resolved_at - created_at"
				 " = 10000000"),
	      3);
	scene_end(&stage, &home);
}

TEST(timers_due_at_once_end_in_one_order)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, RULE("a", "1", "50", "0"));
	stage_rule(&stage, 101, 0, RULE("a", "2", "20", "0"));
	stage_rule(&stage, 102, 0, RULE("a", "1", "20", "0"));
	stage_events(&stage, "a", 300, 100);
	stage_pass(&stage, 3600 * US_PER_S);
	stage_mark(&stage, RECORD_TICK);
	home_run(&home);
	T_INT(home_number(&home, FIRING), 0);
	T_INT(home_number(&home, CLEARED), 300);
	T_INT(home_number(&home, ENDS), home_number(&home, "select count(*) from alerts"));
	/* What time ended comes last, and in the order of time. */
	T_INT(home_number(&home,
			  "select count(*) from (select json_extract(body, '$.resolvedAt') as t,"
			  " lag(json_extract(body, '$.resolvedAt')) over (order by number) as p"
			  " from changes where kind = 'alert.resolved') where p > t"),
	      0);
	scene_end(&stage, &home);
}

TEST(an_alert_that_ends_in_its_own_batch_is_born_so)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, RULE("a", "1", "60", "0"));
	stage_events(&stage, "a", 400, 1);
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 400);
	T_INT(home_number(&home, FIRING), 1);
	T_INT(home_number(&home, "select number from alerts where resolved_at is null"), 400);
	T_INT(home_number(&home, "select count(*) from alerts a join alerts b on"
				 " b.number = a.number + 1 where a.resolution = 'superseded'"
				 " and a.resolved_at = b.created_at"),
	      399);
	scene_end(&stage, &home);
}

/* Alerts of all sorts that come and go: for logs that are run in several ways. */
static void some_time(struct stage *stage, int i)
{
	static const char *const types[] = { "a", "b", "c" };

	stage_events(stage, types[i % 3], (size_t)(i % 4) * 3 + 1, 4);
	stage_pass(stage, (i % 5) * US_PER_S);
	if (i % 3 == 0) {
		stage_mark(stage, i % 2 == 0 ? RECORD_TICK : RECORD_START);
	}
	if (i == 14) {
		stage_rule(stage, 101, 1, RULE("b", "3", "40", "1"));
	}
	if (i == 15) {
		stage_rule(stage, 100, 1, RULE("a", "9", "6", "0"));
	}
	if (i == 18) {
		stage_rule_delete(stage, STAGE_ORG, 102, 0);
	}
}

static void rules(struct stage *stage)
{
	stage_rule(stage, 100, 0, RULE("a", "2", "6", "0"));
	stage_rule(stage, 101, 0, RULE("b", "2", "9", "1"));
	stage_rule(stage, 102, 0, RULE("c", "1", "30", "5"));
}

static void same_snapshots(struct home *a, struct home *b)
{
	struct home *homes[] = { a, b };
	char *bytes[2];
	ssize_t n[2];

	for (size_t i = 0; i < 2; i++) {
		char names[8][32], path[2048];
		int fd;

		T_TRUE(home_snapshots(homes[i], names, 8) > 0);
		snprintf(path, sizeof(path), "%s/%s", homes[i]->snapshots, names[0]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		T_TRUE(fd >= 0);
		bytes[i] = mem_alloc(1, 1 << 20);
		n[i] = read(fd, bytes[i], 1 << 20);
		close(fd);
	}
	T_INT(n[0], n[1]);
	assert_memory_equal(bytes[0], bytes[1], (size_t)n[0]);
	free(bytes[0]);
	free(bytes[1]);
}

static void drop_snapshots(struct home *home)
{
	char names[8][32], path[2048];
	size_t n = home_snapshots(home, names, 8);

	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", home->snapshots, names[i]);
		T_INT(unlink(path), 0);
	}
}

/* One engine that never stops, one that does at every flush, one that loses its snapshots too. */
TEST(open_alerts_survive_restarts_and_lost_snapshots)
{
	struct stage stage;
	struct home once, often, forgetful;

	scene_begin(&stage, &once);
	home_init(&often, &stage);
	home_init(&forgetful, &stage);
	rules(&stage);
	for (int i = 0; i < 24; i++) {
		some_time(&stage, i);
		home_run(&often);
		home_run(&forgetful);
		drop_snapshots(&forgetful);
	}
	stage_mark(&stage, RECORD_TICK);
	home_run(&once);
	home_run(&often);
	home_run(&forgetful);
	home_same(&once, &often);
	home_same(&once, &forgetful);
	same_snapshots(&once, &often);
	same_snapshots(&once, &forgetful);
	T_TRUE(home_number(&once, FIRING) > 0);
	T_TRUE(home_number(&once, CLEARED) > 10);
	T_TRUE(home_number(&once, "select count(distinct resolution) from alerts") > 3);
	home_release(&once);
	home_release(&often);
	home_release(&forgetful);
	stage_release(&stage);
}

TEST(a_crash_after_any_commit_ends_each_alert_once)
{
	static struct images images;
	struct stage stage;
	struct home whole;

	scene_begin(&stage, &whole);
	whole.options.snapshot_records = 20;
	images_begin(&images, 24, &whole);
	rules(&stage);
	for (int i = 0; i < 24; i++) {
		some_time(&stage, i);
		T_TRUE(home_drain(&whole));
	}
	home_close(&whole);
	T_TRUE(images.n > 10);
	images_same(&images, &whole);
	T_INT(home_number(&whole, ENDS),
	      home_number(&whole, "select count(*) from alerts where resolved_at is not null"));
	scene_end(&stage, &whole);
}

TEST(a_start_that_cannot_say_who_fires_is_refused)
{
	struct stage stage;
	struct home home;
	struct err err;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, RULE("a", "1", "10", "0"));
	stage_event(&stage, "a", "{\"user\":1}");
	stage_pass(&stage, 20 * US_PER_S);
	stage_mark(&stage, RECORD_TICK);
	home_run(&home);
	T_INT(home_number(&home, "update alerts set resolved_at = null returning 1"), 1);
	T_FAIL(home_open(&home, &err), ERR_CORRUPT);
	scene_end(&stage, &home);
}

static void count_due(void *arg)
{
	int *calls = ((struct home *)arg)->arg;

	__atomic_add_fetch(calls, 1, __ATOMIC_ACQ_REL);
}

/* The due time is told after the records are; wait for what has to come. */
static bool due_is(struct home *home, int64_t want_us)
{
	for (int i = 0; i < 20000 && engine_due(home->engine) != want_us; i++) {
		poll(NULL, 0, 1);
	}
	return engine_due(home->engine) == want_us;
}

TEST(the_engine_says_when_it_is_due)
{
	struct stage stage;
	struct home home;
	struct err err;
	int calls = 0;
	int64_t due_us;

	scene_begin(&stage, &home);
	home.options.due = count_due;
	home.arg = &calls;
	/* In a future that no wall clock has reached: only the log's time counts here. */
	stage.bed.wall_us += CENTURY_US;
	stage_rule(&stage, 100, 0, RULE("a", "1", "10", "0"));
	T_OK(home_open(&home, &err));
	T_INT(engine_due(home.engine), INT64_MAX);
	engine_start(home.engine);
	stage_event(&stage, "a", "{\"user\":1}");
	due_us = last_us(&stage) + 10 * US_PER_S;
	T_TRUE(due_is(&home, due_us));
	home_close(&home);
	T_INT(calls, 1);

	/* After a start it is known at once. */
	T_OK(home_open(&home, &err));
	T_INT(engine_due(home.engine), due_us);
	engine_start(home.engine);
	stage_pass(&stage, 10 * US_PER_S);
	stage_mark(&stage, RECORD_TICK);
	T_TRUE(due_is(&home, INT64_MAX));
	scene_end(&stage, &home);
}

T_MAIN(T(a_tick_ends_an_alert_as_of_its_due_time),
       T(any_record_lets_time_pass_before_it_is_applied), T(timers_due_at_once_end_in_one_order),
       T(an_alert_that_ends_in_its_own_batch_is_born_so),
       T(open_alerts_survive_restarts_and_lost_snapshots),
       T(a_crash_after_any_commit_ends_each_alert_once),
       T(a_start_that_cannot_say_who_fires_is_refused), T(the_engine_says_when_it_is_due))
