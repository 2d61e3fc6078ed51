/* SPDX-License-Identifier: Apache-2.0 */
/* Usage follows from the log: when it is written, and what is deleted, changes nothing. */
#include "engine/usage.h"

#include <stdio.h>

#include "engine/stage_test.h"
#include "model/month.h"

#define T0 INT64_C(1700006400000000) /* 2023-11-15, midnight */
#define SUM "select coalesce(sum(count), 0) from usage_events"
#define EVENTS SUM " where true"

/* A small generator: the same tests every time. */
static uint64_t next(uint64_t *x, uint64_t below)
{
	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*x >> 33) % below;
}

struct counted {
	struct home home; /* for its folder: no engine runs here */
	struct usage *usage;
	struct db *db;
};

static void counted_open(struct counted *c)
{
	struct err err;

	home_init(&c->home, NULL);
	T_OK(store_open(slice_of(home_path(&c->home, "state.db")), &c->home.store, &err));
	T_OK(store_migrate(c->home.store, store_schema_newest(), T0, NULL, &err));
	T_OK(store_connect(c->home.store, STORE_ENGINE, &c->db, &err));
	c->usage = usage_new();
}

static void counted_close(struct counted *c)
{
	usage_free(&c->usage);
	db_close(&c->db);
	home_release(&c->home);
}

static void save(struct counted *c)
{
	struct err err;

	T_OK(db_begin(c->db, &err));
	T_OK(usage_write(c->usage, c->db, &err));
	T_OK(db_commit(c->db, &err));
	usage_written(c->usage);
}

static void restart(struct counted *c, int64_t next_us)
{
	struct err err;

	usage_free(&c->usage);
	c->usage = usage_new();
	T_OK(usage_load(c->usage, c->db, next_us, &err));
}

static void add(struct counted *c, uint64_t project, uint64_t key, const char *type, int64_t at_us)
{
	struct record record = { .kind = RECORD_EVENT,
				 .received_at_us = at_us,
				 .org = { 1 },
				 .project = { project },
				 .key = { key },
				 .type = slice_of(type) };

	usage_add(c->usage, &record);
}

TEST(events_are_counted_by_day_project_key_and_type)
{
	struct counted c;

	counted_open(&c);
	add(&c, 2, 7, "a", T0);
	add(&c, 2, 7, "a", T0 + 1);
	add(&c, 2, 8, "a", T0 + 2);
	add(&c, 3, 7, "a", T0 + 3);
	add(&c, 2, 7, "b", T0 + DAY_US - 1);
	add(&c, 2, 7, "b", T0 + DAY_US);
	save(&c);
	T_INT(home_number(&c.home, EVENTS), 6);
	T_INT(home_number(&c.home, EVENTS " and project_id = 2 and key_id = 7 and type = 'a'"), 2);
	T_INT(home_number(&c.home, "select count(*) from usage_events"), 5);
	T_INT(home_number(&c.home, "select count(distinct day) from usage_events"), 2);
	T_INT(home_number(&c.home, "select count(*) from usage_events where day % 86400000000"), 0);
	/* Nothing new: nothing is written. */
	save(&c);
	T_INT(home_number(&c.home, EVENTS), 6);
	counted_close(&c);
}

/* What we say ourselves is nobody's use. */
TEST(only_what_somebody_sent_is_counted)
{
	struct record control = { .kind = RECORD_CONTROL, .key = { 7 }, .received_at_us = T0 };
	struct counted c;

	counted_open(&c);
	add(&c, 2, 0, "tocsin.record_quarantined", T0);
	usage_add(c.usage, &control);
	save(&c);
	T_INT(home_number(&c.home, "select count(*) from usage_events"), 0);
	counted_close(&c);
}

TEST(a_write_that_fails_is_written_again)
{
	struct counted c;
	struct err err;

	counted_open(&c);
	add(&c, 2, 7, "a", T0);
	T_OK(db_begin(c.db, &err));
	T_OK(usage_write(c.usage, c.db, &err));
	db_rollback(c.db);
	T_INT(home_number(&c.home, EVENTS), 0);
	add(&c, 2, 7, "a", T0 + 1);
	save(&c);
	T_INT(home_number(&c.home, EVENTS), 2);
	counted_close(&c);
}

TEST(a_day_names_so_many_pairs_and_keys)
{
	struct counted c;
	char type[32];

	counted_open(&c);
	for (int i = 0; i < 1000; i++) {
		snprintf(type, sizeof(type), "t%d", i % 500);
		add(&c, 2, 7, type, T0 + i);
	}
	add(&c, 3, 7, "another project has its own room", T0 + 1000);
	for (uint64_t key = 100; key < 300; key++) {
		add(&c, 2, key, "x", T0 + 2000);
	}
	save(&c);
	T_INT(home_number(&c.home, EVENTS), 1201);
	T_INT(home_number(&c.home, "select count(*) from usage_events where project_id = 2"),
	      USAGE_DAY_ROWS_MAX);
	T_INT(home_number(&c.home, EVENTS " and key_id = 7 and type = ''"), 600);
	T_INT(home_number(&c.home, EVENTS " and type = 't199'"), 2);
	T_INT(home_number(&c.home, EVENTS " and key_id = 150 and type = ''"), 1);
	T_INT(home_number(&c.home, EVENTS " and key_id = 0"), 101);
	/* The next day has room again. */
	add(&c, 2, 7, "t400", T0 + DAY_US);
	save(&c);
	T_INT(home_number(&c.home, EVENTS " and type = 't400'"), 1);
	counted_close(&c);
}

static int64_t time_of(uint64_t i)
{
	/* Four days; the newest records of a life are often of the same one. */
	return T0 + (int64_t)(i / 100) * (DAY_US / 150) + (int64_t)i;
}

/* One record of a random log: number i is always the same one. */
static void add_random(struct counted *c, uint64_t i)
{
	uint64_t x = i * 7919;
	char type[32];

	next(&x, 2);
	snprintf(type, sizeof(type), "t%d", (int)(next(&x, 2) == 0 ? next(&x, 10) : next(&x, 300)));
	add(c, 2 + next(&x, 3), 1 + (next(&x, 9) == 0 ? next(&x, 150) : next(&x, 3)), type,
	    time_of(i));
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
	}
	save(&once);
	for (uint64_t i = 0; i < 60000; i++) {
		add_random(&often, i);
		if (next(&x, 700) == 0) {
			save(&often);
			saved = i + 1;
		} else if (next(&x, 5000) == 0) {
			/* What was not saved is forgotten, and found in the log again. */
			restart(&often, time_of(saved));
			i = saved - 1;
		}
	}
	save(&often);
	buf_init(&a, (size_t)64 << 20);
	buf_init(&b, (size_t)64 << 20);
	home_dump(&once.home, &a);
	home_dump(&often.home, &b);
	T_TRUE(slice_eq(buf_slice(&a), buf_slice(&b)));
	T_INT(home_number(&often.home, EVENTS), 60000);
	T_TRUE(home_number(&often.home, EVENTS " and type = ''") > 1000);
	T_TRUE(home_number(&often.home, EVENTS " and key_id = 0") > 100);
	buf_release(&a);
	buf_release(&b);
	counted_close(&once);
	counted_close(&often);
}

/* As after an upgrade: the log is older than usage, and the rollups are not. */
TEST(a_state_without_usage_is_counted_at_the_start)
{
	struct stage stage;
	struct home home, fresh;

	stage_init(&stage);
	home_init(&home, &stage);
	home_init(&fresh, &stage);
	stage_events(&stage, "a", 700, 3);
	stage_pass(&stage, DAY_US);
	stage_events(&stage, "b", 300, 3);
	home_run(&home);
	T_INT(home_number(&home, "update engine_cursors set usage_seq = 0 returning 1"), 1);
	T_INT(home_number(&home, "delete from usage_events returning 1"), 1);
	home_run(&home);
	home_run(&fresh);
	T_INT(home_number(&home, EVENTS), 1000);
	home_same(&fresh, &home);
	home_release(&home);
	home_release(&fresh);
	stage_release(&stage);
}

TEST(what_was_deleted_was_used)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_events(&stage, "a", 30, 3);
	home_run(&home);
	stage_events(&stage, "a", 20, 3);
	stage_delete_events(&stage, STAGE_ORG);
	stage_events(&stage, "a", 5, 3);
	home_run(&home);
	T_INT(home_number(&home, EVENTS), 55);
	T_INT(home_number(&home, "select coalesce(sum(count), 0) from rollups"
				 " where step = 60000000"),
	      5);
	scene_end(&stage, &home);
}

#define EACH(type) \
	"{\"name\":\"each\",\"eventType\":\"" type "\",\"condition\":\"count_gte\"," \
	"\"threshold\":1,\"windowSeconds\":10,\"cooldownSeconds\":0," \
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"

/* Alerts let the engine commit at once; their images are crashes in which usage is behind. */
TEST(crashes_count_each_event_and_notification_once)
{
	static struct images images;
	struct stage stage;
	struct home whole;
	size_t sent = 0;

	scene_begin(&stage, &whole);
	stage_rule(&stage, 100, 0, EACH("fires"));
	images_begin(&images, IMAGES_MAX, &whole);
	for (int i = 0; i < 40; i++) {
		stage_events(&stage, i % 2 == 0 ? "fires" : "silent", 10, 3);
		stage_pass(&stage, DAY_US / 11);
		sent += 10;
		T_TRUE(home_drain(&whole));
	}
	home_close(&whole);
	T_INT(home_number(&whole, EVENTS), sent);
	T_INT(home_number(&whole, "select sum(count) from usage_sent"),
	      home_number(&whole, "select count(*) from deliveries where status = 'sent'"));
	T_INT(home_number(&whole, "select sum(count) from usage_sent"), sent / 2);
	T_TRUE(images.n > 10);
	images_same(&images, &whole);
	scene_end(&stage, &whole);
}

T_MAIN(T(events_are_counted_by_day_project_key_and_type), T(only_what_somebody_sent_is_counted),
       T(a_write_that_fails_is_written_again), T(a_day_names_so_many_pairs_and_keys),
       T(writes_and_restarts_at_any_place_change_no_count),
       T(a_state_without_usage_is_counted_at_the_start), T(what_was_deleted_was_used),
       T(crashes_count_each_event_and_notification_once))
