/* SPDX-License-Identifier: Apache-2.0 */
/* What is noticed is said once, whatever happens in between. */
#include "engine/watchman.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/sources.h"
#include "engine/stage_test.h"

#define WALL INT64_C(1700000000000000)
#define FILL_BYTES ((size_t)16 << 10)
#define FILL_MAX 64
#define TABLE "select count(*) from sayings where said_seq is "

struct scene {
	struct stage stage;
	struct home home;
	struct loop *loop;
	struct meter *meter;
	struct watchman *watchman;
	struct db *db;
	int64_t wall_us, mono_us;
};

static struct plan_override limit_of(int64_t hard)
{
	return (struct plan_override) { 0, hard };
}

static void set_limit(struct scene *s, int64_t hard)
{
	struct plan_override own = limit_of(hard);
	struct org_plan_row row = { .org = STAGE_ORG,
				    .events_soft = own.events_soft,
				    .events_hard = own.events_hard };

	meter_set_org(s->meter, &row);
}

/* What lives as long as a process. */
static void launch(struct scene *s, int64_t down_us)
{
	struct watchman_options options;
	struct err err;

	T_OK(home_open(&s->home, &err));
	engine_start(s->home.engine);
	s->meter = meter_new();
	options = (struct watchman_options) { .loop = s->loop,
					      .journal = s->stage.bed.journal,
					      .meter = s->meter,
					      .down_us = down_us,
					      .up_us = s->wall_us,
					      .mono_us = s->mono_us };
	s->watchman = watchman_new(&options);
	T_OK(store_connect(s->home.store, STORE_KEEPER, &s->db, &err));
}

static void crash(struct scene *s)
{
	db_close(&s->db);
	journal_drain(s->stage.bed.journal);
	loop_run_posted(s->loop);
	journal_drain(s->stage.bed.journal);
	watchman_free(&s->watchman);
	meter_free(&s->meter);
	home_close(&s->home);
}

static void scene_init(struct scene *s)
{
	struct err err;

	*s = (struct scene) { .wall_us = WALL, .mono_us = US_PER_S };
	stage_init(&s->stage);
	stage_start(&s->stage, BUILTIN_TABLE);
	home_init(&s->home, &s->stage);
	T_OK(home_open(&s->home, &err));
	home_close(&s->home);
	home_sql(&s->home, "insert into orgs (id, slug, name, status, created_at)"
			   " values (1, 'a', 'A', 'active', 1);"
			   "insert into projects (id, org_id, slug, name, is_default, created_at)"
			   " values (2, 1, 'default', 'D', 1, 1), (3, 1, 'other', 'O', 0, 1)");
	s->loop = loop_new(10);
	launch(s, 0);
}

static void scene_release(struct scene *s)
{
	crash(s);
	loop_free(&s->loop);
	home_release(&s->home);
	stage_release(&s->stage);
}

/* One step of the keeper, and a turn of the loop behind it. */
static void step(struct scene *s)
{
	watchman_step(s->watchman, s->db, s->wall_us, s->mono_us);
	loop_run_posted(s->loop);
	journal_turn(s->stage.bed.journal);
	s->wall_us += 60 * US_PER_MS;
	s->mono_us += 60 * US_PER_MS;
}

static void steps(struct scene *s, int n)
{
	for (int i = 0; i < n; i++) {
		step(s);
	}
}

/* Until everything is said, or nothing happens any more. */
static void settle(struct scene *s, int64_t want)
{
	for (int i = 0; i < 20000; i++) {
		step(s);
		if (home_number(&s->home, TABLE "not null") == want &&
		    home_number(&s->home, TABLE "null") == 0) {
			return;
		}
		poll(NULL, 0, 1);
	}
	fail_msg("%lld are said", (long long)home_number(&s->home, TABLE "not null"));
}

/* Events of the log that are ours. */
static size_t count_said(struct scene *s, const char *type)
{
	struct journal_iter *iter = journal_iter_new(s->stage.bed.journal, 1, false);
	struct record record;
	struct err err;
	size_t n = 0;

	while (journal_iter_next(iter, &record, &err) == FOUND) {
		n += record.kind == RECORD_EVENT && record.key.v == 0 &&
		     slice_eq(record.type, slice_of(type));
	}
	journal_iter_free(&iter);
	return n;
}

TEST(levels_of_usage_are_said_once)
{
	struct scene s;

	scene_init(&s);
	set_limit(&s, 10);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 7);
	steps(&s, 30);
	T_INT(count_said(&s, SYSTEM_USAGE_80), 0);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 1);
	settle(&s, 1);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 2);
	settle(&s, 2);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 5);
	steps(&s, 50);
	T_INT(count_said(&s, SYSTEM_USAGE_80), 1);
	T_INT(count_said(&s, SYSTEM_USAGE_100), 1);
	T_TRUE(home_drain(&s.home));
	T_INT(home_number(&s.home, "select count(*) from alerts where project_id = 2"), 2);
	scene_release(&s);
}

TEST(a_jump_over_both_levels_says_both)
{
	struct scene s;

	scene_init(&s);
	set_limit(&s, 10);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 50);
	settle(&s, 2);
	T_INT(count_said(&s, SYSTEM_USAGE_80), 1);
	T_INT(count_said(&s, SYSTEM_USAGE_100), 1);
	scene_release(&s);
}

TEST(a_month_and_a_limit_begin_anew)
{
	struct scene s;

	scene_init(&s);
	set_limit(&s, 10);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 10);
	settle(&s, 2);
	set_limit(&s, 20);
	steps(&s, 5);
	T_INT(count_said(&s, SYSTEM_USAGE_80), 1);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 6);
	settle(&s, 3);
	s.wall_us = month_end_us(s.wall_us);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 16);
	settle(&s, 4);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 4);
	settle(&s, 5);
	scene_release(&s);
}

TEST(a_level_of_a_month_long_over_is_no_news)
{
	struct scene s;

	scene_init(&s);
	set_limit(&s, 100);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 50);
	s.wall_us += 90 * 24 * 3600 * US_PER_S;
	set_limit(&s, 10);
	steps(&s, 30);
	T_INT(home_number(&s.home, "select count(*) from sayings"), 0);
	scene_release(&s);
}

/* Ended between any two steps, it says everything once in the end. */
TEST(a_crash_anywhere_repeats_and_loses_nothing)
{
	for (int at = 0; at < 12; at++) {
		struct scene s;

		scene_init(&s);
		set_limit(&s, 10);
		meter_add(s.meter, STAGE_ORG, s.wall_us, 10);
		steps(&s, at / 2);
		if (at % 2 == 1) {
			watchman_step(s.watchman, s.db, s.wall_us, s.mono_us);
		}
		crash(&s);
		launch(&s, 0);
		set_limit(&s, 10);
		meter_add(s.meter, STAGE_ORG, s.wall_us, 10); /* as it is counted again */
		settle(&s, 2);
		steps(&s, 30);
		T_INT(count_said(&s, SYSTEM_USAGE_80), 1);
		T_INT(count_said(&s, SYSTEM_USAGE_100), 1);
		scene_release(&s);
	}
}

TEST(many_are_said_in_batches_and_in_order)
{
	struct scene s;

	scene_init(&s);
	home_sql(&s.home,
		 "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)"
		 " insert into sayings select 1, 'dead:' || i, 'tocsin.dead_letter', 'm', '{}', i,"
		 " null from n");
	settle(&s, 300);
	T_INT(count_said(&s, SYSTEM_DEAD_LETTER), 300);
	T_INT(home_number(&s.home,
			  "select count(*) from sayings a join sayings b"
			  " on a.created_at + 1 = b.created_at and a.said_seq > b.said_seq"),
	      0);
	scene_release(&s);
}

TEST(what_the_engine_has_not_seen_is_not_said_again)
{
	struct scene s;

	scene_init(&s);
	crash(&s);
	home_sql(&s.home, "insert into sayings values (1, 'dead:1', 'tocsin.dead_letter', 'm',"
			  " '{}', 5, null)");
	/* It is in the log, and the state does not know. */
	stage_system(&s.stage, STAGE_ORG, SYSTEM_DEAD_LETTER, "dead:1", "{}");
	s.home.options.hold = true;
	launch(&s, 0);
	steps(&s, 60);
	T_INT(count_said(&s, SYSTEM_DEAD_LETTER), 1);
	engine_release(s.home.engine);
	settle(&s, 1);
	steps(&s, 30);
	T_INT(count_said(&s, SYSTEM_DEAD_LETTER), 1);
	scene_release(&s);
}

/* More than a turn of the log takes; the requests are the caller's to free behind it. */
static struct request *fill_turn(struct scene *s)
{
	static char big[FILL_BYTES];
	struct request *requests = mem_alloc(FILL_MAX, sizeof(*requests));
	struct err err = { 0 };
	size_t n = 0;

	memset(big, ' ', sizeof(big));
	do {
		ensure(n < FILL_MAX);
		request_clear(&requests[n]);
		request_add(&requests[n], 7, NULL, (struct slice) { big, sizeof(big) })->kind =
			RECORD_TICK;
	} while (bed_append(&s->stage.bed, &requests[n++], &err));
	T_INT(err.kind, ERR_OVERLOADED);
	return requests;
}

TEST(a_log_that_takes_nothing_makes_it_later)
{
	struct request *filling;
	struct scene s;

	scene_init(&s);
	set_limit(&s, 10);
	meter_add(s.meter, STAGE_ORG, s.wall_us, 10);
	filling = fill_turn(&s);
	for (int i = 0; i < 50; i++) {
		watchman_step(s.watchman, s.db, s.wall_us, s.mono_us);
		loop_run_posted(s.loop);
		s.mono_us += 60 * US_PER_MS;
	}
	T_INT(home_number(&s.home, TABLE "null"), 2);
	T_INT(count_said(&s, SYSTEM_USAGE_80), 0);
	settle(&s, 2);
	T_INT(count_said(&s, SYSTEM_USAGE_80), 1);
	T_INT(count_said(&s, SYSTEM_USAGE_100), 1);
	scene_release(&s);
	free(filling);
}

static void hear_hours(struct scene *s, uint64_t project, int hours)
{
	for (int i = 0; i < hours * 2; i++) {
		watchman_heard(s->watchman, STAGE_ORG, (struct project_id) { project }, s->wall_us,
			       s->mono_us);
		step(s);
		s->wall_us += SOURCE_HOUR_US / 2;
		s->mono_us += SOURCE_HOUR_US / 2;
	}
}

TEST(a_silent_source_is_said_and_its_return)
{
	struct scene s;

	scene_init(&s);
	hear_hours(&s, 3, 25);
	T_INT(count_said(&s, SYSTEM_SOURCE_SILENT), 0);
	s.wall_us += SOURCE_HOUR_US;
	s.mono_us += SOURCE_HOUR_US;
	settle(&s, 1);
	T_INT(count_said(&s, SYSTEM_SOURCE_SILENT), 1);
	watchman_heard(s.watchman, STAGE_ORG, (struct project_id) { 3 }, s.wall_us, s.mono_us);
	settle(&s, 2);
	T_INT(count_said(&s, SYSTEM_SOURCE_BACK), 1);
	scene_release(&s);
}

TEST(what_was_taken_away_is_not_missed)
{
	struct scene s;

	scene_init(&s);
	hear_hours(&s, 3, 25);
	home_sql(&s.home, "update projects set delete_after = 5 where id = 3");
	hear_hours(&s, 7, 25); /* a project that nobody knows */
	s.wall_us += 2 * SOURCE_HOUR_US;
	s.mono_us += 2 * SOURCE_HOUR_US;
	steps(&s, 60);
	T_INT(home_number(&s.home, "select count(*) from sayings"), 0);
	scene_release(&s);
}

/* What the hours say of the time before, a start goes on with. */
TEST(a_silence_outlives_a_start)
{
	struct scene s;
	int64_t hour = WALL - WALL % SOURCE_HOUR_US;
	char sql[256];

	scene_init(&s);
	crash(&s);
	for (int i = 1; i <= 24; i++) {
		snprintf(sql, sizeof(sql),
			 "insert into outcomes values (1, 3, 3600000000, %lld, 'received', 4)",
			 (long long)(hour - i * SOURCE_HOUR_US));
		home_sql(&s.home, sql);
	}
	launch(&s, WALL - US_PER_S);
	steps(&s, 10);
	T_INT(home_number(&s.home, "select count(*) from sayings"), 0);
	s.wall_us += 3 * SOURCE_HOUR_US;
	s.mono_us += 3 * SOURCE_HOUR_US;
	settle(&s, 1);
	crash(&s);
	launch(&s, s.wall_us - US_PER_S);
	steps(&s, 10);
	s.wall_us += 3 * SOURCE_HOUR_US;
	s.mono_us += 3 * SOURCE_HOUR_US;
	steps(&s, 60);
	T_INT(count_said(&s, SYSTEM_SOURCE_SILENT), 1);
	crash(&s);
	launch(&s, s.wall_us - US_PER_S);
	/* Even before what was is loaded. */
	watchman_heard(s.watchman, STAGE_ORG, (struct project_id) { 3 }, s.wall_us, s.mono_us);
	settle(&s, 2);
	T_INT(count_said(&s, SYSTEM_SOURCE_BACK), 1);
	scene_release(&s);
}

#define BEHIND(since) \
	"insert into billing values (1, 'cus_1', 1, '', 'sub_1', 'past_due', '', '', 0, 0, 0, 0, 0," \
	" 0, " since ", 0, 0, 0, 1) on conflict (org_id) do update set behind_at = " since

TEST(an_overdue_payment_is_said_once)
{
	struct scene s;

	scene_init(&s);
	home_sql(&s.home, BEHIND("1700000000000000"));
	settle(&s, 1);
	s.mono_us += 70 * US_PER_S;
	steps(&s, 30);
	T_INT(count_said(&s, SYSTEM_PAYMENT_FAILED), 1);
	home_sql(&s.home, BEHIND("0"));
	s.mono_us += 70 * US_PER_S;
	steps(&s, 30);
	home_sql(&s.home, BEHIND("1800000000000000"));
	s.mono_us += 70 * US_PER_S;
	settle(&s, 2);
	T_TRUE(home_drain(&s.home));
	T_INT(home_number(&s.home, "select count(*) from alerts where severity = 'critical'"), 2);
	scene_release(&s);
}

T_MAIN(T(levels_of_usage_are_said_once), T(a_jump_over_both_levels_says_both),
       T(a_month_and_a_limit_begin_anew), T(a_level_of_a_month_long_over_is_no_news),
       T(a_crash_anywhere_repeats_and_loses_nothing), T(many_are_said_in_batches_and_in_order),
       T(a_log_that_takes_nothing_makes_it_later),
       T(what_the_engine_has_not_seen_is_not_said_again), T(a_silent_source_is_said_and_its_return),
       T(what_was_taken_away_is_not_missed), T(a_silence_outlives_a_start),
       T(an_overdue_payment_is_said_once))
