/* SPDX-License-Identifier: Apache-2.0 */
/* What has to leave the disk does, in its time; nothing else does, whatever the clock says. */
#include "engine/purger.h"

#include <stdio.h>

#include "base/clock.h"
#include "engine/stage_test.h"
#include "journal/care.h"
#include "model/month.h"

#define OTHER_ORG ((struct org_id) { 77 })

struct scene {
	struct stage stage;
	struct home home;
	struct retain *retain;
	struct purger *purger;
	struct store *store;
	struct db *db;
	int64_t mono_us;
	int64_t shift_us; /* of the wall clock */
};

/* Events of now: what is over its time is judged by the real clock, also in memory. */
static void scene_init(struct scene *s, int64_t days)
{
	*s = (struct scene) { .mono_us = clock_mono_us() };
	stage_init(&s->stage);
	s->retain = retain_new(days);
	s->stage.bed.options.floor = retain_floor;
	s->stage.bed.options.floor_arg = s->retain;
	bed_reopen(&s->stage.bed);
	stage_pass(&s->stage, clock_wall_us() - s->stage.bed.wall_us);
	home_init(&s->home, &s->stage);
	s->home.options.retain = s->retain;
}

static void start(struct scene *s)
{
	struct purger_options options = { .journal = s->stage.bed.journal,
					  .retain = s->retain,
					  .metrics = s->stage.metrics };
	struct err err;

	T_OK(store_open(slice_of(home_path(&s->home, "state.db")), &s->store, &err));
	T_OK(store_connect(s->store, STORE_KEEPER, &s->db, &err));
	options.store = s->store;
	T_OK(purger_open(&s->purger, &options, &err));
}

static void stop(struct scene *s)
{
	purger_close(&s->purger);
	db_close(&s->db);
	store_close(&s->store);
}

static void scene_release(struct scene *s)
{
	stop(s);
	home_release(&s->home);
	stage_release(&s->stage);
	retain_free(&s->retain);
}

/* As the threads of a server do: prepare, turn, seal, purge, until nothing more is done. */
static void work(struct scene *s)
{
	struct err err = { 0 };

	for (int idle = 0; idle < 3;) {
		enum found found = purger_step(s->purger, clock_wall_us() + s->shift_us, s->mono_us,
					       &err);

		if (found == FAILED) {
			fail_msg("%s", err.text);
		}
		idle = found == FOUND ? 0 : idle + 1;
		T_OK(journal_prepare(s->stage.bed.journal, &err));
		journal_turn(s->stage.bed.journal);
		bed_seal(&s->stage.bed);
	}
}

static void pass(struct scene *s, int64_t us)
{
	s->mono_us += us;
	s->shift_us += us;
}

static int events(struct scene *s)
{
	struct journal_iter *iter = journal_iter_new(s->stage.bed.journal, 0, false);
	struct record record;
	struct err err;
	int n = 0;

	while (journal_iter_next(iter, &record, &err) == FOUND) {
		n += record.kind == RECORD_EVENT;
	}
	journal_iter_free(&iter);
	return n;
}

static size_t waiting(struct scene *s)
{
	struct retain_deletion *list;
	size_t n = retain_waiting(s->retain, &s->stage.arena, &list);

	arena_clear(&s->stage.arena);
	return n;
}

TEST(a_deletion_leaves_the_disk_when_no_start_can_replay_it)
{
	struct scene s;

	scene_init(&s, 0);
	stage_events(&s.stage, "a", 20, 1);
	home_run(&s.home); /* a snapshot from before it */
	stage_events(&s.stage, "a", 10, 1);
	start(&s);
	retain_delete(s.retain, STAGE_ORG, STAGE_PROJECT, 31, clock_wall_us());
	work(&s);
	T_INT(events(&s), 30);
	T_INT(waiting(&s), 1);
	T_INT(metric_get(s.stage.metrics, METRIC_PURGE_WAITING), 1);
	stop(&s);
	stage_delete_events(&s.stage, STAGE_ORG);
	stage_events(&s.stage, "a", 5, 1);
	home_run(&s.home);
	start(&s);
	work(&s);
	T_INT(events(&s), 5);
	T_INT(waiting(&s), 0);
	T_INT(metric_get(s.stage.metrics, METRIC_PURGE_WAITING), 0);
	T_INT(home_number(&s.home, "select count(*) from retention where purged_at > 0"), 1);
	scene_release(&s);
}

/* A start reads from the store what waits; a kill between commit and purge forgets nothing. */
TEST(a_deletion_is_remembered_by_the_next_process)
{
	struct scene s;
	struct err err;

	scene_init(&s, 0);
	stage_events(&s.stage, "a", 20, 1);
	stage_delete_events(&s.stage, STAGE_ORG);
	home_run(&s.home);
	retain_free(&s.retain);
	s.retain = s.home.options.retain = s.stage.bed.options.floor_arg = retain_new(0);
	bed_reopen(&s.stage.bed);
	start(&s);
	T_INT(waiting(&s), 0);
	T_OK(retain_load(s.retain, s.db, &err));
	T_INT(waiting(&s), 1);
	work(&s);
	T_INT(events(&s), 20); /* nobody has said yet what a start would replay */
	stop(&s);
	home_run(&s.home);
	start(&s);
	work(&s);
	T_INT(events(&s), 0);
	T_INT(waiting(&s), 0);
	scene_release(&s);
}

/* As if this process were killed and another one started. */
static void restart(struct scene *s)
{
	struct err err;

	stop(s);
	retain_free(&s->retain);
	s->retain = s->home.options.retain = s->stage.bed.options.floor_arg = retain_new(0);
	bed_reopen(&s->stage.bed);
	start(s);
	T_OK(retain_load(s->retain, s->db, &err));
}

#define OLD "select count(*) from rollups where type = 'old'"
#define PURGED "select count(*) from retention where purged_at > 0"

/* No commit removes more than a slice of them, and no kill has any of them forgotten. */
TEST(counts_of_what_was_deleted_go_in_slices)
{
	int64_t left = 10000;
	struct scene s;
	struct err err;

	scene_init(&s, 0);
	stage_events(&s.stage, "a", 20, 1);
	home_run(&s.home);
	home_sql(&s.home,
		 "with recursive n (i) as (select 0 union all select i + 1 from n where i < 9999)"
		 " insert into rollups select org_id, project_id, 60000000, i * 60000000,"
		 " 'old', 1, 1 from n, (select distinct org_id, project_id from rollups) as r");
	stage_delete_events(&s.stage, STAGE_ORG);
	home_run(&s.home);
	T_INT(home_number(&s.home, OLD), left);
	T_INT(home_number(&s.home, "select count(*) from rollups where type = 'a'"), 0);
	start(&s);
	for (int slices = 0; left > 0; slices++) {
		int64_t before = left;

		restart(&s);
		T_INT(purger_step(s.purger, clock_wall_us(), s.mono_us, &err), FOUND);
		left = home_number(&s.home, OLD);
		T_TRUE(left < before && before - left <= 3000);
		T_TRUE(slices < 4);
	}
	T_INT(home_number(&s.home, PURGED), 0);
	stop(&s);
	home_run(&s.home); /* says what a start replays */
	start(&s);
	work(&s);
	T_INT(events(&s), 0);
	T_INT(home_number(&s.home, PURGED), 1);
	scene_release(&s);
}

static int seen(struct scene *s)
{
	struct journal_filter filter = { .one_project = true,
					 .org = STAGE_ORG,
					 .project = STAGE_PROJECT,
					 .kinds = 1U << RECORD_EVENT };
	struct journal_iter *iter = journal_iter_where(s->stage.bed.journal, 0, true, &filter);
	struct record record;
	struct err err;
	int n = 0;

	while (journal_iter_next(iter, &record, &err) == FOUND) {
		n++;
	}
	journal_iter_free(&iter);
	return n;
}

/* Ten events of three days ago, ten of now; one day is kept. */
static void old_and_new(struct scene *s)
{
	stage_pass(&s->stage, -3 * DAY_US);
	stage_events(&s->stage, "a", 10, 1);
	stage_pass(&s->stage, 3 * DAY_US);
	stage_events(&s->stage, "a", 10, 1);
	home_run(&s->home);
	stage_events(&s->stage, "a", 1, 1);
	home_run(&s->home);
}

TEST(what_is_over_its_time_is_hidden_and_then_purged)
{
	struct scene s;

	scene_init(&s, 1);
	old_and_new(&s);
	T_INT(seen(&s), 11);
	start(&s);
	work(&s);
	T_INT(events(&s), 11);
	T_INT(seen(&s), 11);
	T_TRUE(home_number(&s.home, "select gone_before from retention where org_id = 0") > 0);
	scene_release(&s);
}

TEST(a_project_may_keep_its_events_longer_than_others)
{
	struct scene s;

	scene_init(&s, 1);
	retain_set(s.retain, STAGE_ORG, STAGE_PROJECT, 0, 0);
	old_and_new(&s);
	start(&s);
	work(&s);
	T_INT(events(&s), 21);
	T_INT(seen(&s), 21);
	T_INT(retain_days(s.retain, STAGE_ORG, STAGE_PROJECT), 0);
	T_INT(retain_days(s.retain, OTHER_ORG, STAGE_PROJECT), 1);
	scene_release(&s);
}

/* A wrong clock hides, which ends with it; it must not remove what is not to be had again. */
TEST(a_clock_that_leaps_purges_nothing_for_a_day)
{
	struct scene s;

	scene_init(&s, 30);
	stage_events(&s.stage, "a", 20, 1);
	home_run(&s.home);
	start(&s);
	work(&s);
	s.shift_us = 400 * DAY_US;
	for (int i = 0; i < 20; i++) {
		work(&s);
		pass(&s, DAY_US / 24);
	}
	T_INT(events(&s), 20);
	for (int i = 0; i < 8; i++) {
		work(&s);
		pass(&s, DAY_US / 24);
	}
	T_INT(events(&s), 1); /* the newest stays, for the time of the log */
	scene_release(&s);
}

T_MAIN(T(a_deletion_leaves_the_disk_when_no_start_can_replay_it),
       T(a_deletion_is_remembered_by_the_next_process), T(counts_of_what_was_deleted_go_in_slices),
       T(what_is_over_its_time_is_hidden_and_then_purged),
       T(a_project_may_keep_its_events_longer_than_others),
       T(a_clock_that_leaps_purges_nothing_for_a_day))
