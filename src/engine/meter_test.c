/* SPDX-License-Identifier: Apache-2.0 */
/* The counter of a month is exact from the start on, and plans hold as soon as they are set. */
#include "engine/meter.h"

#include "base/time.h"
#include "engine/stage_test.h"

#define A ((struct org_id) { 11 })
#define B ((struct org_id) { 22 })

static int64_t at(const char *text)
{
	int64_t us;

	T_TRUE(time_parse(slice_of(text), &us));
	return us;
}

static void limit(struct meter *m, struct org_id org, int64_t soft, int64_t hard)
{
	struct org_plan_row row = { .org = org, .events_soft = soft, .events_hard = hard };

	meter_set_org(m, &row);
}

static uint64_t used(struct meter *m, struct org_id org, int64_t at_us)
{
	struct meter_state state;
	struct arena req;

	arena_init(&req, 0);
	meter_look(m, org, at_us, &req, &state);
	T_TRUE(state.month_us == month_start_us(at_us));
	arena_release(&req);
	return state.used;
}

static void plan_is(struct meter *m, struct org_id org, const char *name, int64_t hard)
{
	struct meter_state state;
	struct arena req;

	arena_init(&req, 0);
	meter_look(m, org, at("2026-11-21T00:00:00Z"), &req, &state);
	T_TRUE(slice_eq(state.plan.name, slice_of(name)));
	T_INT(state.plan.events_hard, hard);
	arena_release(&req);
}

TEST(without_plans_nothing_is_limited)
{
	struct meter *m = meter_new();
	int64_t now_us = at("2026-11-21T12:00:00Z");

	for (int i = 0; i < 1000; i++) {
		T_INT(meter_room(m, A, now_us, 10000).room, 10000);
		meter_add(m, A, now_us, 10000);
	}
	T_INT(used(m, A, now_us), 10000000);
	T_INT(used(m, B, now_us), 0);
	meter_free(&m);
	meter_free(&m);
}

TEST(limits_of_an_org_hold_to_the_event)
{
	struct meter *m = meter_new();
	int64_t now_us = at("2026-11-21T12:00:00Z");
	struct quota q;

	limit(m, A, 6, 10);
	for (int i = 0; i < 10; i++) {
		q = meter_room(m, A, now_us, 1);
		T_INT(q.room, 1);
		T_INT(q.over_soft, i >= 6);
		meter_add(m, A, now_us, 1);
	}
	T_INT(meter_room(m, A, now_us, 1).room, 0);
	T_INT(meter_room(m, B, now_us, 1).room, 1);
	limit(m, A, PLAN_KEEP, 12);
	T_INT(meter_room(m, A, now_us, 5).room, 2);
	limit(m, A, PLAN_KEEP, PLAN_KEEP);
	T_INT(meter_room(m, A, now_us, 5).room, 5);
	meter_free(&m);
}

TEST(a_new_month_begins_at_nothing_and_time_goes_on_only)
{
	struct meter *m = meter_new();
	int64_t last_us = at("2026-11-30T23:59:59.999999Z"), next_us = last_us + 1;

	limit(m, A, PLAN_KEEP, 5);
	meter_add(m, A, last_us, 5);
	T_INT(meter_room(m, A, last_us, 1).room, 0);
	/* Who looks ahead changes nothing. */
	T_INT(used(m, A, next_us), 0);
	T_INT(used(m, A, last_us), 5);
	T_INT(meter_room(m, A, next_us, 9).room, 5);
	meter_add(m, A, next_us, 4);
	T_INT(meter_room(m, A, last_us, 9).room, 1);
	T_INT(used(m, A, next_us), 4);
	meter_free(&m);
}

TEST(plans_hold_once_the_table_is_switched_on)
{
	struct org_plan_row row = {
		.org = A, .plan = S("pro"), .events_soft = PLAN_KEEP, .events_hard = PLAN_KEEP
	};
	struct meter *m = meter_new();
	struct plan small = plan_seeds[0], found;
	struct plan *plans;
	struct arena req;

	arena_init(&req, 0);
	for (size_t i = plan_seeds_n; i > 0; i--) {
		T_TRUE(meter_put_plan(m, &plan_seeds[i - 1]));
	}
	meter_set_org(m, &row);
	plan_is(m, A, "unlimited", 0);
	meter_set_default(m, S("free"));
	plan_is(m, A, "pro", 0);
	plan_is(m, B, "free", 100);
	row.events_hard = 7;
	meter_set_org(m, &row);
	plan_is(m, A, "pro", 7);
	small.events_hard = 200;
	T_TRUE(meter_put_plan(m, &small));
	plan_is(m, B, "free", 200);
	T_INT(meter_plans(m, &req, &plans), plan_seeds_n);
	for (size_t i = 0; i < plan_seeds_n; i++) {
		T_TRUE(slice_eq(plans[i].name, plan_seeds[i].name));
	}
	row.plan = S("gone");
	meter_set_org(m, &row);
	plan_is(m, A, "free", 7);
	T_TRUE(meter_find_plan(m, S("max"), &req, &found));
	T_TRUE(meter_find_plan(m, S("unlimited"), &req, &found));
	T_FALSE(meter_find_plan(m, S("gone"), &req, &found));
	T_SLICE(meter_default(m, &req), "free");
	meter_set_default(m, S(""));
	plan_is(m, B, "unlimited", 0);
	plan_is(m, A, "unlimited", 7);
	arena_release(&req);
	meter_free(&m);
}

static struct meter *loaded(struct home *home)
{
	struct meter *m = meter_new();
	struct store *store = NULL;
	struct db *db = NULL;
	struct err err;

	T_OK(store_open(slice_of(home_path(home, "state.db")), &store, &err));
	T_OK(store_connect(store, STORE_KEEPER, &db, &err));
	T_OK(meter_load(m, db, home->stage->bed.journal, &err));
	db_close(&db);
	store_close(&store);
	return m;
}

static void has_used(struct home *home, uint64_t want)
{
	struct meter *m = loaded(home);

	T_INT(used(m, STAGE_ORG, journal_last_received_at(home->stage->bed.journal)), want);
	meter_free(&m);
}

/* Wherever the engine stopped: the store has the one part, the log the other. */
TEST(a_start_counts_the_store_and_the_log_behind_it)
{
	struct stage stage;
	struct home home;
	int64_t left_us;

	scene_begin(&stage, &home);
	home_run(&home);
	stage_events(&stage, "a", 40, 3);
	has_used(&home, 40);
	home_run(&home);
	has_used(&home, 40);
	stage_events(&stage, "b", 25, 3);
	stage_mark(&stage, RECORD_START);
	has_used(&home, 65);
	/* The month ends behind the cursor. */
	left_us = month_end_us(stage.bed.wall_us) - stage.bed.wall_us;
	stage_pass(&stage, left_us);
	stage_events(&stage, "c", 7, 3);
	has_used(&home, 7);
	home_run(&home);
	has_used(&home, 7);
	stage_events(&stage, "c", 3, 3);
	has_used(&home, 10);
	scene_end(&stage, &home);
}

TEST(a_start_knows_plans_and_limits)
{
	struct stage stage;
	struct home home;
	struct meter *m;

	scene_begin(&stage, &home);
	home_run(&home);
	home_sql(&home, "insert into orgs (id, slug, name, status, created_at)"
			" values (11, 'a', 'a', 'active', 1)");
	home_sql(
		&home,
		"insert into plans values ('free', 'Free', 0, 90, 100, 3, 7, 30, 3, 1, 0, '', '')");
	home_sql(&home, "insert into org_plans values (11, '', 5, 50, 1)");
	m = loaded(&home);
	plan_is(m, A, "unlimited", 50);
	plan_is(m, B, "unlimited", 0);
	meter_free(&m);
	home_sql(&home, "insert into meta (key, value) values ('default_plan', 'free')");
	m = loaded(&home);
	plan_is(m, A, "free", 50);
	plan_is(m, B, "free", 100);
	meter_free(&m);
	scene_end(&stage, &home);
}

T_MAIN(T(without_plans_nothing_is_limited), T(limits_of_an_org_hold_to_the_event),
       T(a_new_month_begins_at_nothing_and_time_goes_on_only),
       T(plans_hold_once_the_table_is_switched_on),
       T(a_start_counts_the_store_and_the_log_behind_it), T(a_start_knows_plans_and_limits))
