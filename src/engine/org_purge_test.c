/* SPDX-License-Identifier: Apache-2.0 */
/* An org goes in steps, each of which may be the last one of a process, and nothing else goes. */
#include "engine/org_purge.h"

#include "base/clock.h"
#include "engine/purger.h"
#include "engine/stage_test.h"
#include "journal/care.h"
#include "store/fault_test.h"
#include "store/org_purge.h"

#define OTHER_ORG ((struct org_id) { 77 })
#define ONE \
	"{\"name\":\"r\",\"eventType\":\"a\",\"condition\":\"count_gte\",\"threshold\":1," \
	"\"windowSeconds\":60,\"cooldownSeconds\":0," \
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"

struct scene {
	struct stage stage;
	struct home home;
	struct retain *retain;
	struct loop *loop;
	struct store *store;
	struct db *db;
	struct purger *purger;
	struct org_purge *orgs;
	int64_t mono_us;
	int forgotten; /* how often nothing was to be known of it */
};

static void forget(void *arg, struct org_id org)
{
	struct scene *s = arg;

	T_INT(org.v, STAGE_ORG.v);
	s->forgotten++;
}

static void stop(struct scene *s)
{
	org_purge_close(&s->orgs);
	purger_close(&s->purger);
	db_close(&s->db);
	store_close(&s->store);
}

static void start(struct scene *s)
{
	struct org_purge_options orgs = { .loop = s->loop,
					  .journal = s->stage.bed.journal,
					  .retain = s->retain,
					  .forget = forget,
					  .arg = s };
	struct purger_options purger = { .journal = s->stage.bed.journal,
					 .retain = s->retain,
					 .metrics = s->stage.metrics };
	struct err err;

	T_OK(store_open(slice_of(home_path(&s->home, "state.db")), &s->store, &err));
	T_OK(store_connect(s->store, STORE_KEEPER, &s->db, &err));
	orgs.store = purger.store = s->store;
	T_OK(purger_open(&s->purger, &purger, &err));
	T_OK(org_purge_open(&s->orgs, &orgs, &err));
}

/* The engine takes what is in the log, and leaves a snapshot. */
static void decide(struct scene *s)
{
	stop(s);
	home_run(&s->home);
	start(s);
}

static void restart(struct scene *s)
{
	struct err err;

	stop(s);
	retain_free(&s->retain);
	s->retain = s->home.options.retain = s->stage.bed.options.floor_arg = retain_new(0);
	bed_reopen(&s->stage.bed);
	start(s);
	T_OK(retain_load(s->retain, s->db, &err));
	/* What a start tells: from where the next one would replay. */
	decide(s);
}

static void scene_init(struct scene *s)
{
	struct err err;

	*s = (struct scene) { .mono_us = clock_mono_us() };
	stage_init(&s->stage);
	s->loop = loop_new(100);
	s->retain = retain_new(0);
	s->stage.bed.options.floor = retain_floor;
	s->stage.bed.options.floor_arg = s->retain;
	bed_reopen(&s->stage.bed);
	stage_pass(&s->stage, clock_wall_us() - s->stage.bed.wall_us);
	home_init(&s->home, &s->stage);
	s->home.options.retain = s->retain;
	stage_rule(&s->stage, 100, 0, ONE);
	stage_rule_of(&s->stage, OTHER_ORG, 200, 0, ONE);
	stage_events(&s->stage, "a", 20, 1);
	home_run(&s->home);
	start(s);
	for (uint64_t i = 0; i < 2; i++) {
		struct org_row row = { .id = i == 0 ? STAGE_ORG : OTHER_ORG,
				       .slug = i == 0 ? S("goes") : S("stays"),
				       .name = S("x"),
				       .status = S("active") };

		T_OK(store_org_insert(row.id, s->db, &row, &err));
	}
}

static void scene_release(struct scene *s)
{
	stop(s);
	home_release(&s->home);
	stage_release(&s->stage);
	retain_free(&s->retain);
	loop_free(&s->loop);
}

static int64_t number(struct scene *s, const char *sql)
{
	return home_number(&s->home, sql);
}

/* One step at the time that the scene has come to, and what the loop is asked for. */
static enum found step(struct scene *s, int64_t now_us)
{
	struct err err = { 0 };
	enum found found;

	found = org_purge_step(s->orgs, now_us, s->mono_us, &err);
	if (found == FAILED) {
		fail_msg("%s", err.text);
	}
	loop_run_posted(s->loop);
	journal_turn(s->stage.bed.journal);
	return found;
}

/* What the sealer does meanwhile. */
static void pack(struct scene *s)
{
	struct err err = { 0 };

	for (int idle = 0; idle < 3;) {
		enum found found = purger_step(s->purger, clock_wall_us(), s->mono_us, &err);

		T_TRUE(found != FAILED);
		idle = found == FOUND ? 0 : idle + 1;
		T_OK(journal_prepare(s->stage.bed.journal, &err));
		journal_turn(s->stage.bed.journal);
		bed_seal(&s->stage.bed);
	}
}

static void leave(struct scene *s, int64_t at_us)
{
	struct err err;

	T_INT(store_org_set_delete(STAGE_ORG, s->db, at_us, &err), FOUND);
}

#define ORGS "select count(*) from orgs where id = 1"

static void check_gone(struct scene *s)
{
	struct journal_iter *iter = journal_iter_new(s->stage.bed.journal, 0, false);
	struct record record;
	struct err err;
	int left = 0;

	while (journal_iter_next(iter, &record, &err) == FOUND) {
		left += record.org.v == STAGE_ORG.v && !slice_eq(record.type, S("org.purge"));
	}
	journal_iter_free(&iter);
	T_INT(left, 0);
	T_INT(number(s, "select count(*) from orgs"), 1);
	T_INT(number(s, "select count(*) from alerts"), 0);
	T_INT(number(s, "select count(*) from deliveries"), 0);
	T_INT(number(s, "select count(*) from rules where id = 200"), 1);
	T_INT(number(s, "select count(*) from rules"), 1);
	T_INT(number(s, "select count(*) from retention"), 0);
	T_INT(number(s, "select count(*) from audit_entries where org_id = 0"
			" and action = 'org.purge'"),
	      1);
	T_INT(number(s, "select count(*) from meta where key = 'compact_due' and value = 'no'"), 1);
}

/* A process takes so many steps, and is killed. */
static void run(int life)
{
	int64_t now_us = clock_wall_us();
	struct scene s;

	scene_init(&s);
	T_INT(step(&s, now_us), NOT_FOUND);
	leave(&s, now_us + 1);
	T_INT(step(&s, now_us), NOT_FOUND); /* days of grace */
	T_INT(number(&s, "select count(*) from orgs where status = 'purging'"), 0);
	T_INT(step(&s, now_us + 1), FOUND);
	T_INT(number(&s, "select count(*) from orgs where status = 'purging'"), 1);
	for (int i = 1; i < 200 && number(&s, "select count(*) from orgs") == 2; i++) {
		(void)step(&s, now_us + 1);
		pack(&s);
		s.mono_us += US_PER_S;
		if (i % life == 0) {
			restart(&s);
		}
	}
	T_TRUE(s.forgotten >= 1);
	restart(&s); /* before the state was written anew */
	T_INT(step(&s, now_us + 1), FOUND);
	T_INT(step(&s, now_us + 1), NOT_FOUND);
	check_gone(&s);
	scene_release(&s);
}

TEST(nothing_of_an_org_stays_when_its_time_is_over)
{
	run(10);
}

/* Three looks are the fewest: it has to be quiet for two seconds before the last. */
TEST(kills_at_any_step_cost_that_step_alone)
{
	for (int life = 3; life < 7; life++) {
		run(life);
	}
}

/* It waits for its bytes, not for its rows: who looks at the state finds nothing more. */
TEST(the_row_of_the_org_is_the_last_of_it)
{
	int64_t now_us = clock_wall_us();
	struct scene s;

	scene_init(&s);
	leave(&s, now_us);
	for (int i = 0; i < 60; i++) {
		(void)step(&s, now_us);
		if (i == 2) {
			decide(&s);
		}
		s.mono_us += US_PER_S;
	}
	T_INT(number(&s, "select count(*) from alerts"), 0);
	T_INT(number(&s, "select count(*) from orgs"), 2);
	T_INT(number(&s, "select count(*) from audit_entries"), 0);
	/* Somebody who began before is late. */
	home_sql(&s.home, "insert into usage_sent values (1, 0, 1, 1)");
	pack(&s);
	(void)step(&s, now_us);
	T_INT(number(&s, "select count(*) from usage_sent where org_id = 1"), 0);
	T_INT(number(&s, "select count(*) from orgs"), 2);
	for (int i = 0; i < 5; i++) {
		(void)step(&s, now_us);
		s.mono_us += US_PER_S;
	}
	check_gone(&s);
	scene_release(&s);
}

static enum found failing_step(struct scene *s, int64_t now_us, struct err *err)
{
	enum found found;

	fault_set(FAULT_FULL, 0, -1);
	found = org_purge_step(s->orgs, now_us, s->mono_us, err);
	fault_set(FAULT_NONE, 0, 0);
	return found;
}

/* Neither rows nor the rewrite at the end are lost on a disk without room: they come later. */
TEST(a_full_disk_makes_it_later)
{
	int64_t now_us = clock_wall_us();
	struct scene s;
	struct err err;

	fault_install();
	scene_init(&s);
	leave(&s, now_us);
	T_INT(failing_step(&s, now_us, &err), FAILED);
	T_INT(err.kind, ERR_DISK_FULL);
	T_INT(step(&s, now_us), FOUND);
	T_INT(step(&s, now_us), NOT_FOUND);
	decide(&s);
	T_INT(failing_step(&s, now_us, &err), FAILED);
	T_INT(err.kind, ERR_DISK_FULL);
	T_TRUE(number(&s, "select count(*) from deliveries") > 0);
	for (int i = 0; i < 60 && number(&s, "select count(*) from orgs") == 2; i++) {
		(void)step(&s, now_us);
		pack(&s);
		s.mono_us += US_PER_S;
	}
	for (int i = 0; i < 2; i++) {
		T_INT(failing_step(&s, now_us, &err), FAILED);
		T_INT(err.kind, ERR_DISK_FULL);
	}
	T_FALSE(store_failed(s.store));
	T_INT(step(&s, now_us), FOUND);
	check_gone(&s);
	scene_release(&s);
}

T_MAIN(T(nothing_of_an_org_stays_when_its_time_is_over), T(kills_at_any_step_cost_that_step_alone),
       T(the_row_of_the_org_is_the_last_of_it), T(a_full_disk_makes_it_later))
