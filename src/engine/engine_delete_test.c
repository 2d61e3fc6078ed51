/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting a project's events: from that record on nothing counts them, wherever a crash comes, and
 * whether they are still in the log or not.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_test.h"
#include "journal/care.h"

#define THREE \
	"{\"name\":\"r\",\"eventType\":\"order_failed\",\"condition\":\"count_gte\"," \
	"\"threshold\":3,\"windowSeconds\":3600,\"cooldownSeconds\":0," \
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"
#define OTHER_ORG ((struct org_id) { 77 })
#define ALERTS "select count(*) from alerts"
#define HOURS "select coalesce(sum(count), 0) from rollups where step = 3600000000"

TEST(windows_and_counts_begin_anew_at_a_deletion)
{
	struct stage stage;
	struct home home;
	uint64_t seq;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_events(&stage, "order_failed", 2, 1);
	home_run(&home);
	T_INT(home_number(&home, HOURS), 2);
	seq = stage_delete_events(&stage, STAGE_ORG);
	stage_events(&stage, "order_failed", 2, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 0);
	T_INT(home_number(&home, HOURS), 2);
	T_INT(home_number(&home, "select deleted_seq from retention"), seq);
	T_INT(home_number(&home, "select purged_at from retention"), 0);
	stage_events(&stage, "order_failed", 1, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 1);
	T_INT(home_number(&home, HOURS), 3);
	scene_end(&stage, &home);
}

TEST(a_deletion_is_about_one_project)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_events(&stage, "order_failed", 2, 1);
	stage_delete_events(&stage, OTHER_ORG);
	stage_events(&stage, "order_failed", 1, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 1);
	T_INT(home_number(&home, HOURS), 3);
	scene_end(&stage, &home);
}

TEST(alerts_stay_and_are_over_when_nothing_is_left_to_count)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_events(&stage, "order_failed", 3, 1);
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts where resolved_at is null"), 1);
	stage_delete_events(&stage, STAGE_ORG);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 1);
	T_INT(home_number(&home, "select count(*) from alerts where resolution = 'cleared'"), 1);
	scene_end(&stage, &home);
}

/* An edit has its rule count its window again: not over a deletion. */
TEST(an_edit_counts_nothing_that_was_deleted)
{
	struct stage stage;
	struct home home;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_events(&stage, "order_failed", 2, 1);
	stage_delete_events(&stage, STAGE_ORG);
	stage_events(&stage, "order_failed", 2, 1);
	stage_rule(&stage, 100, 1,
		   "{\"name\":\"r\",\"eventType\":\"order_failed\",\"condition\":\"count_gte\","
		   "\"threshold\":4,\"windowSeconds\":7200,\"cooldownSeconds\":0,"
		   "\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}");
	stage_events(&stage, "order_failed", 1, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 0);
	stage_events(&stage, "order_failed", 1, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 1);
	scene_end(&stage, &home);
}

/* More types than a bucket names: which it names begins anew, too. */
static void many_types(struct stage *stage, int from)
{
	for (int i = 0; i < 130; i++) {
		char type[32];

		snprintf(type, sizeof(type), "type.%d", from + i);
		stage_event(stage, type, "{}");
	}
}

TEST(a_crash_around_a_deletion_changes_nothing)
{
	static struct images images;
	struct stage stage;
	struct home whole;

	scene_begin(&stage, &whole);
	whole.options.snapshot_records = 50;
	images_begin(&images, 20, &whole);
	stage_rule(&stage, 100, 0, THREE);
	for (int i = 0; i < 6; i++) {
		stage_events(&stage, "order_failed", 20, 4);
		T_TRUE(home_drain(&whole));
		if (i % 2 == 0) {
			many_types(&stage, i * 50);
			stage_delete_events(&stage, STAGE_ORG);
		}
		many_types(&stage, i * 40);
		T_TRUE(home_drain(&whole));
		stage_pass(&stage, 70 * US_PER_S);
	}
	home_close(&whole);
	T_TRUE(images.n >= 4);
	T_INT(home_number(&whole, HOURS), 130 + 20 + 130);
	images_same(&images, &whole);
	scene_end(&stage, &whole);
}

static uint64_t oldest_snapshot(const struct home *home)
{
	char names[8][32];
	size_t n = home_snapshots(home, names, ARRAY_LEN(names));
	uint64_t seq = 0;

	T_TRUE(n > 0);
	T_TRUE(slice_u64((struct slice) { names[n - 1], 20 }, &seq));
	return seq;
}

/* They hold what was counted, keys and all; and while they are there nothing may be purged. */
TEST(snapshots_older_than_a_deletion_go)
{
	struct stage stage;
	struct home home;
	struct retain *retain = retain_new(0);
	uint64_t first, seq;

	scene_begin(&stage, &home);
	home.options.retain = retain;
	stage_events(&stage, "order_failed", 5, 1);
	home_run(&home);
	first = oldest_snapshot(&home);
	T_INT(retain_replayed_seq(retain), first);
	stage_events(&stage, "order_failed", 5, 1);
	home_run(&home);
	T_INT(oldest_snapshot(&home), first);
	seq = stage_delete_events(&stage, STAGE_ORG);
	home_run(&home);
	T_TRUE(oldest_snapshot(&home) >= seq);
	T_INT(retain_replayed_seq(retain), oldest_snapshot(&home));
	T_INT(retain_deleted(retain), seq);
	scene_end(&stage, &home);
	retain_free(&retain);
}

static bool whole_org;

static void floor_of(void *arg, struct org_id org, struct project_id project UNUSED,
		     struct journal_floor *floor)
{
	uint64_t seq = org.v == 0 ? 0 : *(uint64_t *)arg;

	*floor = (struct journal_floor) { .seq = seq,
					  .all_seq = whole_org ? seq : 0,
					  .waits = true };
}

static void purge_log(struct stage *stage, uint64_t *floor_seq)
{
	struct journal_purge round = { .below_seq = *floor_seq, .before_us = 1, .now_us = 1 };
	struct err err = { 0 };
	enum found found;

	stage->bed.options.floor = floor_of;
	stage->bed.options.floor_arg = floor_seq;
	bed_reopen(&stage->bed);
	journal_settle(stage->bed.journal, *floor_seq);
	T_OK(journal_prepare(stage->bed.journal, &err));
	journal_turn(stage->bed.journal);
	bed_seal(&stage->bed);
	while ((found = journal_purge(stage->bed.journal, &round, &err)) == FOUND) {
	}
	T_INT(found, NOT_FOUND);
}

static void remove_snapshots(const struct home *home)
{
	char names[8][32];
	size_t n = home_snapshots(home, names, ARRAY_LEN(names));

	for (size_t i = 0; i < n; i++) {
		char path[160];

		snprintf(path, sizeof(path), "%s/%s", home->snapshots, names[i]);
		T_INT(unlink(path), 0);
	}
}

/* Without a snapshot the log alone would say something else: then the state is believed. */
TEST(a_purged_log_starts_also_without_a_snapshot)
{
	struct stage stage;
	struct home home;
	uint64_t floor_seq;
	int64_t alerts;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_events(&stage, "order_failed", 50, 1);
	floor_seq = stage_delete_events(&stage, STAGE_ORG);
	stage_events(&stage, "order_failed", 2, 1);
	home_run(&home);
	alerts = home_number(&home, ALERTS);
	T_TRUE(alerts > 0);
	purge_log(&stage, &floor_seq);
	remove_snapshots(&home);
	stage_events(&stage, "order_failed", 1, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), alerts + 1);
	T_INT(home_number(&home, HOURS), 3);
	scene_end(&stage, &home);
}

/* What is behind the last record applied is applied once, also when all before it is gone. */
TEST(what_follows_a_purged_end_is_applied_once)
{
	struct stage stage;
	struct home home;
	uint64_t floor_seq;
	int64_t alerts;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	floor_seq = stage_events(&stage, "order_failed", 50, 1) + 1;
	home_run(&home);
	alerts = home_number(&home, ALERTS);
	purge_log(&stage, &floor_seq);
	remove_snapshots(&home);
	stage_events(&stage, "order_failed", 3, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), alerts + 1);
	scene_end(&stage, &home);
}

/* Its rules count nothing more, and its alerts are over; those of others do not notice. */
TEST(nothing_of_a_gone_org_decides)
{
	struct stage stage;
	struct home home;
	uint64_t seq;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_rule_of(&stage, OTHER_ORG, 200, 0, THREE);
	stage_events(&stage, "order_failed", 3, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS " where resolved_at is null"), 1);
	seq = stage_purge_org(&stage, STAGE_ORG);
	stage_events(&stage, "order_failed", 6, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), 1);
	T_INT(home_number(&home, ALERTS " where resolved_at is null"), 0);
	T_INT(home_number(&home, "select deleted_seq from retention where project_id = 0"), seq);
	T_INT(home_number(&home, "select count(*) from retention"), 1);
	stage_rule_of(&stage, OTHER_ORG, 200, 1, THREE);
	home_run(&home);
	T_INT(home_number(&home, "select version from rules where id = 200"), 2);
	scene_end(&stage, &home);
}

/* Its rules came in records that are gone, too: nobody misses them. */
TEST(a_log_without_a_gone_org_starts_also_without_a_snapshot)
{
	struct stage stage;
	struct home home;
	uint64_t floor_seq;
	int64_t alerts;

	scene_begin(&stage, &home);
	stage_rule(&stage, 100, 0, THREE);
	stage_events(&stage, "order_failed", 50, 1);
	whole_org = true;
	floor_seq = stage_purge_org(&stage, STAGE_ORG);
	stage_rule(&stage, 101, 0, THREE);
	stage_events(&stage, "order_failed", 3, 1);
	home_run(&home);
	alerts = home_number(&home, ALERTS);
	purge_log(&stage, &floor_seq);
	remove_snapshots(&home);
	stage_events(&stage, "order_failed", 3, 1);
	home_run(&home);
	T_INT(home_number(&home, ALERTS), alerts + 3);
	T_INT(home_number(&home, "select count(distinct number) from alerts"), alerts + 3);
	scene_end(&stage, &home);
}

T_MAIN(T(windows_and_counts_begin_anew_at_a_deletion), T(a_deletion_is_about_one_project),
       T(alerts_stay_and_are_over_when_nothing_is_left_to_count),
       T(an_edit_counts_nothing_that_was_deleted), T(a_crash_around_a_deletion_changes_nothing),
       T(snapshots_older_than_a_deletion_go), T(a_purged_log_starts_also_without_a_snapshot),
       T(what_follows_a_purged_end_is_applied_once), T(nothing_of_a_gone_org_decides),
       T(a_log_without_a_gone_org_starts_also_without_a_snapshot))
