/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be done now and then is done in its time, again after a failure, and at the end. */
#include "engine/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_test.h"
#include "model/month.h"
#include "store/fault_test.h"

#define USED "select coalesce(max(last_used_at), 0) from api_keys"

static int64_t *shift;

struct scene {
	struct stage stage;
	struct home home; /* the engine is closed, the store open */
	struct loop *loop;
	struct keyring *keys;
	struct ledger *ledger;
	struct keeper *keeper;
};

static void scene_init(struct scene *s)
{
	struct api_key key = { .id = { 5 }, .org = STAGE_ORG, .project = STAGE_PROJECT };
	struct err err;

	*s = (struct scene) { 0 };
	*shift = 0;
	stage_init(&s->stage);
	home_init(&s->home, &s->stage);
	home_run(&s->home);
	home_sql(&s->home,
		 "insert into orgs (id, slug, name, status, created_at)"
		 " values (1, 'a', 'A', 'active', 1);"
		 "insert into projects (id, org_id, slug, name, is_default, created_at)"
		 " values (2, 1, 'default', 'D', 1, 1);"
		 "insert into api_keys (id, org_id, project_id, name, key_hash, key_prefix,"
		 " scopes, created_at) values (5, 1, 2, 'k', 'hash', 'sk_', '', 1)");
	s->loop = loop_new(10);
	s->keys = keyring_new();
	s->ledger = ledger_new(s->stage.metrics);
	sha256(S("secret"), key.hash);
	keyring_put(s->keys, &key);
	T_OK(store_open(slice_of(home_path(&s->home, "state.db")), &s->home.store, &err));
}

static void start(struct scene *s)
{
	struct keeper_options options = { .loop = s->loop,
					  .journal = s->stage.bed.journal,
					  .store = s->home.store,
					  .keys = s->keys,
					  .ledger = s->ledger,
					  .seal = true,
					  .scrub_us = DAY_US };
	struct err err;

	T_OK(keeper_open(&s->keeper, &options, &err));
}

static void scene_release(struct scene *s)
{
	keeper_close(&s->keeper);
	T_TRUE(s->keeper == NULL);
	store_close(&s->home.store);
	loop_free(&s->loop);
	keyring_free(&s->keys);
	ledger_free(&s->ledger);
	home_release(&s->home);
	stage_release(&s->stage);
}

static void pass(int64_t us)
{
	__atomic_add_fetch(shift, us, __ATOMIC_SEQ_CST);
}

static void until(struct scene *s, const char *sql, int64_t want)
{
	for (int i = 0; i < 10000; i++) {
		if (home_number(&s->home, sql) == want) {
			return;
		}
		poll(NULL, 0, 1);
	}
	fail_msg("%s: not %lld", sql, (long long)want);
}

/* The keeper asks the loop, whose thread is this one. */
static void answer(struct scene *s)
{
	while (loop_posted(s->loop) == 0) {
		poll(NULL, 0, 1);
	}
	loop_run_posted(s->loop);
}

TEST(the_last_use_of_a_key_is_written_every_half_minute)
{
	struct scene s;

	scene_init(&s);
	start(&s);
	T_TRUE(keyring_find(s.keys, S("secret"), 1000) != NULL);
	pass(31 * US_PER_S);
	answer(&s);
	until(&s, USED, 1000);
	/* Nothing new is nothing to write, and no reason not to ask again. */
	pass(31 * US_PER_S);
	answer(&s);
	T_TRUE(keyring_find(s.keys, S("secret"), 2000) != NULL);
	pass(31 * US_PER_S);
	answer(&s);
	until(&s, USED, 2000);
	scene_release(&s);
}

TEST(uses_and_books_are_not_lost_at_the_end)
{
	struct scene s;

	scene_init(&s);
	start(&s);
	T_TRUE(keyring_find(s.keys, S("secret"), 3000) != NULL);
	ledger_add(s.ledger, STAGE_ORG, STAGE_PROJECT, clock_wall_us(), 0, 7);
	keeper_close(&s.keeper);
	T_INT(home_number(&s.home, USED), 3000);
	T_INT(home_number(&s.home, "select max(count) from outcomes"), 7);
	scene_release(&s);
}

/* What the loop was asked for, and gave when nobody listened any more, is asked for once more. */
TEST(an_answer_that_comes_too_late_takes_nothing)
{
	struct scene s;

	scene_init(&s);
	start(&s);
	pass(31 * US_PER_S);
	while (loop_posted(s.loop) == 0) {
		poll(NULL, 0, 1);
	}
	T_TRUE(keyring_find(s.keys, S("secret"), 4000) != NULL);
	keeper_close(&s.keeper);
	T_INT(home_number(&s.home, USED), 4000);
	scene_release(&s);
}

static void put_changes(struct scene *s, int64_t now_us)
{
	const int64_t made_us[] = { now_us - DAY_US - US_PER_S, now_us - DAY_US / 2, now_us };
	struct change_row rows[3];
	struct db *db = NULL;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rows[i] = (struct change_row) { .org = STAGE_ORG,
						.project = STAGE_PROJECT,
						.kind = S("alert"),
						.body = S("{}"),
						.created_us = made_us[i] };
	}
	T_OK(store_connect(s->home.store, STORE_API, &db, &err));
	T_OK(db_begin(db, &err));
	T_OK(store_changes_insert(db, rows, ARRAY_LEN(rows), &err));
	T_OK(db_commit(db, &err));
	db_close(&db);
}

static void put_count(struct scene *s, int64_t step_us, int64_t at_us)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "insert into rollups values (1, 2, %lld, %lld, 'a', 0, 1)",
		 (long long)step_us, (long long)(at_us - at_us % step_us));
	home_sql(&s->home, sql);
}

static void put_reply(struct scene *s, const char *key, int64_t expires_us)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
		 "insert into replies values (1, '%s', '', 201, 1, '', '', '', '', 0, %lld)", key,
		 (long long)expires_us);
	home_sql(&s->home, sql);
}

/* Of changes that are kept a day, minutes kept two, and hours kept 400, one each that is over. */
static void put_old(struct scene *s)
{
	int64_t now_us = clock_wall_us();

	put_changes(s, now_us);
	put_count(s, ROLLUP_MINUTE_US, now_us - 3 * DAY_US);
	put_count(s, ROLLUP_MINUTE_US, now_us - 2 * DAY_US);
	put_count(s, ROLLUP_HOUR_US, now_us - 401 * DAY_US);
	put_count(s, ROLLUP_HOUR_US, now_us - 399 * DAY_US);
	put_reply(s, "over", now_us);
	put_reply(s, "soon", now_us + DAY_US / 2);
	put_reply(s, "late", now_us + DAY_US);
}

TEST(what_is_older_than_it_is_kept_goes)
{
	struct scene s;

	scene_init(&s);
	put_old(&s);
	start(&s);
	until(&s, "select count(*) from changes", 2);
	until(&s, "select min(number) from changes", 2);
	until(&s, "select count(*) from rollups", 2);
	until(&s, "select count(*) from replies", 2);
	/* Half a day later the next one has its day behind it. */
	pass(DAY_US / 2 + US_PER_S);
	until(&s, "select count(*) from changes", 1);
	T_INT(home_number(&s.home, "select max(number) from changes"), 3);
	until(&s, "select count(*) from replies where key_hash = 'late'", 1);
	until(&s, "select count(*) from replies", 1);
	scene_release(&s);
}

TEST(a_disk_that_is_full_for_a_while_takes_nothing)
{
	struct scene s;

	scene_init(&s);
	/* The oldest will be due in half a minute. */
	put_changes(&s, clock_wall_us() + 30 * US_PER_S);
	start(&s);
	fault_set(FAULT_FULL, 0, -1);
	T_TRUE(keyring_find(s.keys, S("secret"), 5000) != NULL);
	ledger_add(s.ledger, STAGE_ORG, STAGE_PROJECT, clock_wall_us(), 0, 7);
	pass(61 * US_PER_S);
	while (fault_count() < 3) {
		poll(NULL, 0, 1);
	}
	T_INT(home_number(&s.home, "select count(*) from changes"), 3);
	fault_set(FAULT_NONE, 0, 0);
	pass(61 * US_PER_S);
	until(&s, "select count(*) from changes", 2);
	until(&s, "select coalesce(max(count), 0) from outcomes", 7);
	answer(&s);
	until(&s, USED, 5000);
	scene_release(&s);
}

/* What the write-ahead log of the state holds is moved into the state, and the log begins anew. */
TEST(checkpoints_go_on_while_the_server_runs)
{
	struct stat before, after;
	struct scene s;

	scene_init(&s);
	T_INT(stat(home_path(&s.home, "state.db"), &before), 0);
	start(&s);
	for (int i = 0; i < 200; i++) {
		ledger_add(s.ledger, STAGE_ORG, (struct project_id) { 1000 + (uint64_t)i },
			   clock_wall_us(), 0, 1);
	}
	do {
		pass(2 * US_PER_S);
		poll(NULL, 0, 1);
		T_INT(stat(home_path(&s.home, "state.db"), &after), 0);
	} while (after.st_size <= before.st_size);
	scene_release(&s);
}

static void flip_one(struct scene *s, off_t at)
{
	char path[200], byte = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/0000000000000001.sealed", s->stage.bed.dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	T_TRUE(fd >= 0 && pread(fd, &byte, 1, at) == 1);
	byte ^= 1;
	T_INT(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

TEST(closed_files_are_sealed_and_what_their_disk_changes_is_mended)
{
	struct journal_stats stats = { 0 };
	struct scene s;

	scene_init(&s);
	start(&s);
	while (stats.sealed_files == 0) {
		stage_events(&s.stage, "order_failed", 500, 5);
		journal_stats(s.stage.bed.journal, &stats);
	}
	flip_one(&s, 5000);
	while (stats.mended_pages == 0) {
		pass(DAY_US);
		poll(NULL, 0, 10);
		journal_stats(s.stage.bed.journal, &stats);
	}
	T_TRUE(stats.scrubbed_bytes > 4096);
	T_INT(stats.lost_records, 0);
	scene_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_last_use_of_a_key_is_written_every_half_minute),
		T(uses_and_books_are_not_lost_at_the_end),
		T(an_answer_that_comes_too_late_takes_nothing),
		T(what_is_older_than_it_is_kept_goes),
		T(a_disk_that_is_full_for_a_while_takes_nothing),
		T(checkpoints_go_on_while_the_server_runs),
		T(closed_files_are_sealed_and_what_their_disk_changes_is_mended),
	};

	shift = stage_clock();
	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
