/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in rules: there without being made, as the log says, and changed by way of the log. */
#include <stdio.h>

#include "base/clock.h"
#include "engine/stage_test.h"

#define OTHER_ORG ((struct org_id) { 77 })
#define USAGE(more, threshold, enabled) \
	"{\"name\":\"n\",\"eventType\":\"tocsin.usage.80\",\"condition\":\"count_gte\"," \
	"\"threshold\":" #threshold ",\"windowSeconds\":3600,\"cooldownSeconds\":0," \
	"\"groupBy\":[],\"severity\":\"critical\",\"enabled\":" #enabled \
	",\"actions\":[{\"channel\":\"in_app\",\"config\":{}}" more "]}"

static uint64_t usage(struct stage *stage, const char *name)
{
	return stage_system(stage, STAGE_ORG, SYSTEM_USAGE_80, name, "{\"percent\":80}");
}

TEST(an_org_is_told_without_having_made_a_rule)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_start(&stage, BUILTIN_TABLE);
	stage_event(&stage, "tocsin.usage.80", "{}"); /* with a key, from before that was refused */
	usage(&stage, "usage:1");
	stage_system(&stage, OTHER_ORG, SYSTEM_USAGE_100, "usage:1", "{}");
	stage_system(&stage, STAGE_ORG, "tocsin.usage.7", "x", "{}");
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 2);
	T_INT(home_number(&home, "select count(*) from deliveries where status = 'sent'"
				 " and channel = 'in_app'"),
	      2);
	T_INT(home_number(&home, "select count(*) from alerts where org_id = 77"
				 " and event_type = 'tocsin.usage.100' and severity = 'high'"),
	      1);
	T_INT(home_number(&home, "select count(*) from rules"), 0);
	T_INT(home_number(&home, "select count(*) from builtin_rules"), 0);
	scene_end(&stage, &home);
}

/* A log that was written before there were such rules must lead to what it led to then. */
TEST(they_hold_from_the_start_that_brought_them)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	usage(&stage, "a");
	stage_mark(&stage, RECORD_START);
	usage(&stage, "b");
	stage_start(&stage, BUILTIN_TABLE);
	usage(&stage, "c");
	stage_start(&stage, BUILTIN_TABLE);
	usage(&stage, "d");
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 2);
	scene_end(&stage, &home);
}

TEST(dead_letters_are_told_when_they_grow_and_once_an_hour)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_start(&stage, BUILTIN_TABLE);
	for (int hour = 0; hour < 3; hour++) {
		for (int i = 0; i < 4 + hour * 10; i++) {
			stage_system(&stage, STAGE_ORG, SYSTEM_DEAD_LETTER, "", "{}");
		}
		stage_pass(&stage, 3601 * US_PER_S);
	}
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 2);
	scene_end(&stage, &home);
}

static struct verdict verdict_of(struct home *home, uint64_t seq)
{
	struct wait wait;
	uint64_t ticket = waiters_begin(home->stage->waiters, &wait);
	struct err err;

	waiters_stored(home->stage->waiters, ticket, seq);
	T_OK(home_open(home, &err));
	engine_start(home->engine);
	T_TRUE(waiters_wait(home->stage->waiters, &wait, 10 * US_PER_S));
	home_close(home);
	return wait.verdict;
}

TEST(a_change_is_of_a_version_and_holds)
{
	struct stage stage;
	struct home home;
	struct verdict v;

	scene_begin(&stage, &home);
	stage_start(&stage, BUILTIN_TABLE);
	v = verdict_of(&home, stage_builtin(&stage, BUILTIN_USAGE_80, 2, USAGE("", 1, false)));
	T_FALSE(v.ok);
	T_INT(v.err.kind, ERR_PRECONDITION);
	v = verdict_of(&home, stage_builtin(&stage, BUILTIN_USAGE_80, 1, USAGE("", 1, false)));
	T_TRUE(v.ok);
	T_INT(v.version, 2);
	usage(&stage, "a");
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 0);
	v = verdict_of(&home,
		       stage_builtin(&stage, BUILTIN_USAGE_80, 2,
				     USAGE(",{\"channel\":\"in_app\",\"config\":{}}", 2, true)));
	T_INT(v.version, 3);
	usage(&stage, "b");
	usage(&stage, "c");
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts where severity = 'critical'"
				 " and rule_version = 3"),
	      1);
	T_INT(home_number(&home, "select count(*) from deliveries"), 2);
	T_INT(home_number(&home, "select version from builtin_rules"), 3);
	T_INT(home_number(&home, "select count(*) from rules"), 0);
	scene_end(&stage, &home);
}

TEST(what_is_told_is_marked_with_the_commit)
{
	struct stage stage;
	struct home home;
	uint64_t seq;
	struct err err;

	scene_begin(&stage, &home);
	T_OK(home_open(&home, &err));
	home_close(&home);
	home_sql(&home, "insert into sayings values (1, 'usage:1', 't', '', '{}', 5, null),"
			" (77, 'usage:1', 't', '', '{}', 5, null),"
			" (1, 'usage:2', 't', '', '{}', 5, null)");
	seq = usage(&stage, "usage:1");
	stage_event(&stage, "fingerprinted", "{}");
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from sayings where said_seq is not null"), 1);
	T_INT(home_number(&home, "select said_seq from sayings where org_id = 1"
				 " and name = 'usage:1'"),
	      seq);
	scene_end(&stage, &home);
}

TEST(limits_of_rules_do_not_count_them)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_start(&stage, BUILTIN_TABLE);
	usage(&stage, "a");
	stage.rules_max = 1;
	stage_rule(
		&stage, 5, 0,
		"{\"name\":\"r\",\"eventType\":\"a\",\"condition\":\"count_gte\",\"threshold\":1,"
		"\"windowSeconds\":10,\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}");
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from rules"), 1);
	scene_end(&stage, &home);
}

/* A log with all of it, up to n steps. */
static void write_log(struct stage *stage, int n)
{
	uint64_t version = 1;

	for (int i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "name:%d", i);
		if (i % 17 == 0) {
			stage_start(stage, i == 0 ? 0 : BUILTIN_TABLE);
		}
		if (i % 11 == 5) {
			(void)stage_builtin(stage, BUILTIN_USAGE_80, version++,
					    i % 2 == 0 ? USAGE("", 3, true) : USAGE("", 1, true));
		}
		stage_system(stage, i % 3 == 0 ? OTHER_ORG : STAGE_ORG,
			     i % 2 == 0 ? SYSTEM_USAGE_80 : SYSTEM_DEAD_LETTER, name, "{}");
		stage_pass(stage, (i % 7) * 300 * US_PER_S);
	}
}

TEST(a_crash_after_any_commit_repeats_and_loses_nothing)
{
	struct images images = { 0 };
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	home.options.snapshot_records = 20;
	images_begin(&images, 12, &home);
	write_log(&stage, 150);
	T_TRUE(home_drain(&home));
	home_close(&home);
	home.on_news = NULL;
	T_TRUE(home_number(&home, "select count(*) from alerts") > 20);
	T_TRUE(images.n > 3);
	images_same(&images, &home);
	scene_end(&stage, &home);
}

TEST(a_second_run_over_the_log_decides_the_same)
{
	struct home first, second;
	struct stage stage;

	scene_begin(&stage, &first);
	home_init(&second, &stage);
	write_log(&stage, 150);
	home_run(&first);
	home_run(&first);
	second.options.snapshot_records = 7;
	home_run(&second);
	home_same(&first, &second);
	home_release(&second);
	scene_end(&stage, &first);
}

T_MAIN(T(an_org_is_told_without_having_made_a_rule), T(they_hold_from_the_start_that_brought_them),
       T(dead_letters_are_told_when_they_grow_and_once_an_hour),
       T(a_change_is_of_a_version_and_holds), T(what_is_told_is_marked_with_the_commit),
       T(limits_of_rules_do_not_count_them), T(a_crash_after_any_commit_repeats_and_loses_nothing),
       T(a_second_run_over_the_log_decides_the_same))
