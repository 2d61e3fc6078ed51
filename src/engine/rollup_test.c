/* SPDX-License-Identifier: Apache-2.0 */
/* Counts follow from the log: when they are written, and what a start forgets, changes nothing. */
#include "engine/rollup.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_test.h"

#define T0 INT64_C(1700000040000000)
#define SUM(step) "select coalesce(sum(count), 0) from rollups where step = " step
#define MINUTES SUM("60000000")
#define HOURS SUM("3600000000")

/* A small generator: the same tests every time. */
static uint64_t next(uint64_t *x, uint64_t below)
{
	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*x >> 33) % below;
}

struct counted {
	struct home home; /* for its folder: no engine runs here */
	struct rollups *rollups;
	struct db *db;
};

static void counted_open(struct counted *c)
{
	struct err err;

	home_init(&c->home, NULL);
	T_OK(store_open(slice_of(home_path(&c->home, "state.db")), &c->home.store, &err));
	T_OK(store_migrate(c->home.store, store_schema_newest(), T0, NULL, &err));
	T_OK(store_connect(c->home.store, STORE_ENGINE, &c->db, &err));
	c->rollups = rollups_new();
}

static void counted_close(struct counted *c)
{
	rollups_free(&c->rollups);
	db_close(&c->db);
	home_release(&c->home);
}

static void save(struct counted *c)
{
	struct err err;

	T_OK(db_begin(c->db, &err));
	T_OK(rollups_write(c->rollups, c->db, &err));
	T_OK(db_commit(c->db, &err));
	rollups_written(c->rollups);
}

static void restart(struct counted *c)
{
	struct err err;

	rollups_free(&c->rollups);
	c->rollups = rollups_new();
	T_OK(rollups_load(c->rollups, c->db, &err));
}

static void add(struct counted *c, uint64_t project, const char *type, const char *rest,
		int64_t at_us)
{
	char body[256];
	struct record record = { .kind = RECORD_EVENT,
				 .received_at_us = at_us,
				 .org = { 1 },
				 .project = { project },
				 .type = slice_of(type) };

	snprintf(body, sizeof(body), "{\"type\":\"%s\"%s}", type, rest);
	record.body = slice_of(body);
	rollups_add(c->rollups, &record);
}

TEST(events_are_counted_by_minute_hour_type_and_severity)
{
	struct counted c;

	counted_open(&c);
	add(&c, 2, "a", ",\"severity\":\"high\"", T0);
	add(&c, 2, "a", ",\"kind\":\"error\",\"severity\":\"high\"", T0 + 1);
	add(&c, 2, "a", "", T0 + 2);
	add(&c, 3, "a", "", T0 + 3);
	add(&c, 2, "b", "", T0 + 61 * US_PER_S);
	add(&c, 2, "b", "", T0 + 3700 * US_PER_S);
	save(&c);
	T_INT(home_number(&c.home, MINUTES), 6);
	T_INT(home_number(&c.home, HOURS), 6);
	T_INT(home_number(&c.home, "select count from rollups where step = 60000000 and type = 'a'"
				   " and severity = 5 and project_id = 2"),
	      2);
	T_INT(home_number(&c.home, "select count(*) from rollups where step = 60000000"), 5);
	T_INT(home_number(&c.home, "select count(*) from rollups where step = 3600000000"), 5);
	T_INT(home_number(&c.home, "select count(*) from rollups where start_at % step <> 0"), 0);
	/* Nothing new: nothing is written. */
	save(&c);
	T_INT(home_number(&c.home, MINUTES), 6);
	counted_close(&c);
}

TEST(a_write_that_fails_is_written_again)
{
	struct counted c;
	struct err err;

	counted_open(&c);
	add(&c, 2, "a", "", T0);
	T_OK(db_begin(c.db, &err));
	T_OK(rollups_write(c.rollups, c.db, &err));
	db_rollback(c.db);
	T_INT(home_number(&c.home, MINUTES), 0);
	add(&c, 2, "a", "", T0 + 1);
	save(&c);
	T_INT(home_number(&c.home, MINUTES), 2);
	T_INT(home_number(&c.home, HOURS), 2);
	counted_close(&c);
}

/* What came just before is counted anew as well. */
TEST(what_is_forgotten_is_counted_anew)
{
	struct counted c;

	counted_open(&c);
	for (int written = 0; written < 2; written++) {
		add(&c, 2, "a", "", T0);
		add(&c, 2, "a", "", T0 + 1);
		add(&c, 3, "a", "", T0 + 2);
		if (written != 0) {
			save(&c);
		}
		rollups_forget(c.rollups, (struct org_id) { 1 }, (struct project_id) { 2 }, T0 + 3);
		add(&c, 2, "a", "", T0 + 3);
		save(&c);
		T_INT(home_number(&c.home, MINUTES " and project_id = 2"), 1);
		T_INT(home_number(&c.home, HOURS " and project_id = 2"), 1);
		T_INT(home_number(&c.home, MINUTES " and project_id = 3"), 1 + written);
	}
	counted_close(&c);
}

TEST(types_beyond_the_limit_are_counted_together)
{
	struct counted c;
	char type[32];

	counted_open(&c);
	for (int i = 0; i < 450; i++) {
		snprintf(type, sizeof(type), "t%d", i % 150);
		add(&c, 2, type, "", T0 + i);
	}
	add(&c, 3, "another project has its own room", "", T0 + 1000);
	save(&c);
	T_INT(home_number(&c.home, MINUTES " and type = ''"), 150);
	T_INT(home_number(&c.home, MINUTES " and type <> ''"), 301);
	T_INT(home_number(&c.home, MINUTES " and type = 't99'"), 3);
	T_INT(home_number(&c.home, MINUTES " and type = 't100'"), 0);
	T_INT(home_number(&c.home, HOURS), 451);
	/* The next minute has room again, the hour for some more. */
	for (int i = 0; i < 150; i++) {
		snprintf(type, sizeof(type), "u%d", i);
		add(&c, 2, type, "", T0 + 60 * US_PER_S + i);
	}
	save(&c);
	T_INT(home_number(&c.home, MINUTES " and type like 'u%'"), 100);
	T_INT(home_number(&c.home, "select count(distinct type) from rollups"
				   " where step = 3600000000 and project_id = 2 and type <> ''"),
	      ROLLUP_HOUR_TYPES_MAX);
	T_INT(home_number(&c.home, HOURS), 601);
	counted_close(&c);
}

/* One record of a random log: number i is always the same one. */
static void add_random(struct counted *c, uint64_t i)
{
	static const char *const rest[] = { "", ",\"severity\":\"low\"",
					    ",\"severity\":\"critical\"" };
	uint64_t x = i * 7919;
	char type[32];

	next(&x, 2);
	snprintf(type, sizeof(type), "t%d", (int)(next(&x, 2) == 0 ? next(&x, 20) : next(&x, 400)));
	/* Some 40 seconds an event on average: minutes with few, and with bursts of many. */
	add(c, 2 + next(&x, 3), type, rest[next(&x, 3)],
	    T0 + (int64_t)(i / 500) * 20 * US_PER_S + (int64_t)i);
}

static void dump(struct counted *c, struct buf *out)
{
	home_dump(&c->home, out);
}

TEST(writes_and_restarts_at_any_place_change_no_count)
{
	struct counted once, often;
	struct buf a, b;
	uint64_t x = 42, saved = 0;

	counted_open(&once);
	counted_open(&often);
	for (uint64_t i = 0; i < 60000; i++) {
		add_random(&once, i);
		T_FALSE(rollups_full(once.rollups) && i < 100);
	}
	save(&once);
	for (uint64_t i = 0; i < 60000; i++) {
		add_random(&often, i);
		if (next(&x, 700) == 0) {
			save(&often);
			saved = i + 1;
		} else if (next(&x, 5000) == 0) {
			/* What was not saved is forgotten, and found in the log again. */
			restart(&often);
			i = saved - 1;
		}
	}
	save(&often);
	buf_init(&a, (size_t)64 << 20);
	buf_init(&b, (size_t)64 << 20);
	dump(&once, &a);
	dump(&often, &b);
	T_TRUE(slice_eq(buf_slice(&a), buf_slice(&b)));
	T_INT(home_number(&often.home, MINUTES), 60000);
	T_INT(home_number(&often.home, HOURS), 60000);
	T_TRUE(home_number(&often.home, MINUTES " and type = ''") > 1000);
	T_TRUE(home_number(&often.home, HOURS " and type = ''") > 1000);
	buf_release(&a);
	buf_release(&b);
	counted_close(&once);
	counted_close(&often);
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

static size_t events_in(struct stage *stage)
{
	struct journal_iter *iter = journal_iter_new(stage->bed.journal, 0, false);
	struct record record;
	struct err err;
	size_t n = 0;

	while (journal_iter_next(iter, &record, &err) == FOUND) {
		n += record.kind == RECORD_EVENT;
	}
	journal_iter_free(&iter);
	return n;
}

#define EACH(type) \
	"{\"name\":\"each\",\"eventType\":\"" type "\",\"condition\":\"count_gte\"," \
	"\"threshold\":1,\"windowSeconds\":10,\"cooldownSeconds\":0," \
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"

/* Alerts let the engine commit at once; their images are crashes in which counts are behind. */
static void some_events(struct stage *stage, uint64_t *x)
{
	static const char *const types[] = { "fires", "silent", "third" };

	stage_events(stage, types[next(x, 3)], 1 + next(x, 40), 3);
	stage_pass(stage, (int64_t)next(x, 50) * US_PER_S);
	if (next(x, 6) == 0) {
		stage_mark(stage, RECORD_TICK);
	}
	if (next(x, 20) == 0) {
		stage_pass(stage, 3600 * US_PER_S);
	}
}

TEST(crashes_and_lost_snapshots_count_each_event_once)
{
	static struct images images;
	struct stage stage;
	struct home whole, often;
	uint64_t x = 7;

	stage_init(&stage);
	home_init(&whole, &stage);
	home_init(&often, &stage);
	stage_rule(&stage, 100, 0, EACH("fires"));
	whole.options.snapshot_records = 100;
	images_begin(&images, IMAGES_MAX, &whole);
	for (int i = 0; i < 60; i++) {
		some_events(&stage, &x);
		T_TRUE(home_drain(&whole));
		if (i % 4 == 0) {
			home_run(&often);
			drop_snapshots(&often);
		}
	}
	home_close(&whole);
	home_run(&often);
	T_INT(home_number(&whole, MINUTES), events_in(&stage));
	T_INT(home_number(&whole, HOURS), events_in(&stage));
	home_same(&whole, &often);
	T_TRUE(images.n > 10);
	for (size_t i = 0; i < images.n; i++) {
		if (i % 2 == 0) {
			drop_snapshots(&images.homes[i]);
		}
	}
	images_same(&images, &whole);
	home_release(&often);
	scene_end(&stage, &whole);
}

/* As after an upgrade: the log is older than the counts. */
TEST(a_state_without_counts_is_counted_at_the_start)
{
	struct stage stage;
	struct home home, fresh;

	stage_init(&stage);
	home_init(&home, &stage);
	home_init(&fresh, &stage);
	stage_events(&stage, "a", 700, 3);
	stage_pass(&stage, 100 * US_PER_S);
	stage_events(&stage, "b", 300, 3);
	home_run(&home);
	T_INT(home_number(&home, "update engine_cursors set rollup_seq = 0 returning 1"), 1);
	T_INT(home_number(&home, "delete from rollups returning 1"), 1);
	T_INT(home_number(&home, MINUTES), 0);
	home_run(&home);
	home_run(&fresh);
	T_INT(home_number(&home, MINUTES), 1000);
	home_same(&fresh, &home);
	home_release(&home);
	home_release(&fresh);
	stage_release(&stage);
}

TEST(counts_are_saved_while_the_engine_runs)
{
	struct stage stage;
	struct home home;
	struct err err;

	stage_init(&stage);
	home_init(&home, &stage);
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	stage_events(&stage, "a", 10, 3);
	for (int i = 0; i < 20000 && home_number(&home, MINUTES) != 10; i++) {
		poll(NULL, 0, 1);
	}
	T_INT(home_number(&home, MINUTES), 10);
	home_release(&home);
	stage_release(&stage);
}

T_MAIN(T(events_are_counted_by_minute_hour_type_and_severity),
       T(a_write_that_fails_is_written_again), T(what_is_forgotten_is_counted_anew),
       T(types_beyond_the_limit_are_counted_together),
       T(writes_and_restarts_at_any_place_change_no_count),
       T(crashes_and_lost_snapshots_count_each_event_once),
       T(a_state_without_counts_is_counted_at_the_start), T(counts_are_saved_while_the_engine_runs))
