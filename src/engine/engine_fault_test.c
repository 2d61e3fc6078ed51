/* SPDX-License-Identifier: Apache-2.0 */
/* The engine between a log that goes on and a state that fails: late is right, twice is not. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/stage_test.h"
#include "journal/care.h"
#include "store/fault_test.h"

#define RULE(threshold, window) \
	"{\"name\":\"r\",\"eventType\":\"order_failed\",\"condition\":\"count_gte\"," \
	"\"threshold\":" #threshold ",\"windowSeconds\":" #window ",\"cooldownSeconds\":0," \
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"

#define HOOK_RULE \
	"{\"name\":\"h\",\"eventType\":\"order_failed\",\"condition\":\"count_gte\"," \
	"\"threshold\":1,\"windowSeconds\":10,\"cooldownSeconds\":0,\"actions\":[" \
	"{\"channel\":\"webhook\",\"config\":{\"url\":\"http://127.0.0.1:9/\"}}]}"

#define BAD_RULE \
	"{\"name\":\"b\",\"eventType\":\"bad\",\"condition\":\"count_gte\",\"threshold\":1," \
	"\"windowSeconds\":10,\"cooldownSeconds\":0," \
	"\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"

TEST(a_full_disk_delays_decisions_and_changes_none)
{
	struct stage stage;
	struct home well, ill;
	struct err err;

	stage_init(&stage);
	home_init(&well, &stage);
	home_init(&ill, &stage);
	stage_rule(&stage, 7, 0, RULE(1, 10));
	T_OK(home_open(&ill, &err));
	engine_start(ill.engine);
	for (int i = 0; i < 12; i++) {
		fault_set(FAULT_FULL, i, 3);
		stage_events(&stage, "order_failed", 9, 1);
		T_TRUE(home_drain(&ill));
		/* i writes went well before: so each place within a transaction fails once. */
		T_TRUE(fault_count() > 0 || i > 4);
	}
	fault_set(FAULT_NONE, 0, 0);
	home_close(&ill);
	T_TRUE(metric_get(stage.metrics, METRIC_ENGINE_RETRIES) > 4);
	home_run(&well);
	home_same(&well, &ill);
	T_INT(home_number(&ill, "select count(*) from alerts"), 12 * 9);
	home_release(&well);
	home_release(&ill);
	stage_release(&stage);
}

/* Promise 8: after a failed flush nobody knows what is on the disk, so nothing more is written. */
TEST(a_failed_flush_of_the_state_stops_the_engine)
{
	struct stage stage;
	struct home home, fresh;
	struct err err;

	stage_init(&stage);
	home_init(&home, &stage);
	stage_rule(&stage, 7, 0, RULE(1, 10));
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	T_TRUE(home_drain(&home));
	fault_set(FAULT_SYNC, 0, 1);
	stage_events(&stage, "order_failed", 5, 1);
	T_FALSE(home_drain(&home));
	T_INT(home.failed, ERR_IO);
	T_INT(fault_count(), 1);
	T_TRUE(store_failed(home.store));
	fault_set(FAULT_NONE, 0, 0);
	home_close(&home);
	/* The next process finds its way from the log. */
	home_run(&home);
	home_init(&fresh, &stage);
	home_run(&fresh);
	home_same(&fresh, &home);
	home_release(&fresh);
	home_release(&home);
	stage_release(&stage);
}

/* SQLite gives no reason then; a full disk is the usual one, and it ends. */
TEST(a_log_whose_index_cannot_grow_waits_for_room)
{
	static char text[60000];
	struct stage stage;
	struct home home;
	struct db *db = NULL;
	struct err err;
	bool ok = true;

	stage_init(&stage);
	home_init(&home, &stage);
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	T_TRUE(home_drain(&home));
	T_OK(store_connect(home.store, STORE_API, &db, &err));
	fault_set(FAULT_INDEX, 0, -1);
	for (size_t i = 0; ok; i++) {
		memset(text, 'a' + (int)(i % 26),
		       sizeof(text)); /* what is the same is not written */
		T_TRUE(store_log_bytes(home.store) < (uint64_t)32 << 20);
		ok = store_meta_put(db, "a", (struct slice) { text, sizeof(text) }, &err);
	}
	T_INT(err.kind, ERR_DISK_FULL);
	T_FALSE(store_failed(home.store));
	fault_set(FAULT_NONE, 0, 0);
	T_OK(store_meta_put(db, "a", (struct slice) { text, sizeof(text) }, &err));
	db_close(&db);
	home_close(&home);
	home_release(&home);
	stage_release(&stage);
}

struct told {
	int deliveries, changes; /* atomic */
};
static struct told told;

static void tell(void *arg UNUSED, const struct engine_news *news)
{
	__atomic_fetch_add(&told.deliveries, news->deliveries, __ATOMIC_RELAXED);
	__atomic_fetch_add(&told.changes, news->orgs_n > 0, __ATOMIC_RELAXED);
}

/* A delivery need not wait for the flush of its row; what people see does. */
TEST(deliveries_leave_before_the_flush)
{
	struct stage stage;
	struct home home;
	struct err err;

	stage_init(&stage);
	home_init(&home, &stage);
	home.options.news = tell;
	stage_rule(&stage, 7, 0, HOOK_RULE);
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	T_TRUE(home_drain(&home));
	told = (struct told) { 0 };
	stage_event(&stage, "order_failed", "{}");
	T_TRUE(home_drain(&home));
	T_INT(told.deliveries, 1);
	T_INT(told.changes, 1);
	fault_set(FAULT_SYNC, 0, 1);
	stage_event(&stage, "order_failed", "{}");
	T_FALSE(home_drain(&home));
	T_INT(told.deliveries, 2);
	T_INT(told.changes, 1);
	fault_set(FAULT_NONE, 0, 0);
	home_close(&home);
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from deliveries"), 2);
	home_release(&home);
	stage_release(&stage);
}

TEST(a_failed_flush_of_anybody_stops_the_engine)
{
	struct stage stage;
	struct home home;
	struct db *db = NULL;
	struct err err;

	stage_init(&stage);
	home_init(&home, &stage);
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	T_TRUE(home_drain(&home));
	T_OK(store_connect(home.store, STORE_API, &db, &err));
	fault_set(FAULT_SYNC, 0, 1);
	T_FAIL(store_meta_put(db, "a", S("b"), &err), ERR_IO);
	T_FAIL(store_meta_put(db, "a", S("b"), &err), ERR_IO);
	T_FAIL(db_begin(db, &err), ERR_IO);
	T_INT(fault_count(), 1);
	fault_set(FAULT_NONE, 0, 0);
	while (__atomic_load_n(&home.failed, __ATOMIC_ACQUIRE) == ERR_NONE) {
		poll(NULL, 0, 1);
	}
	T_INT(home.failed, ERR_IO);
	db_close(&db);
	home_close(&home);
	home_release(&home);
	stage_release(&stage);
}

TEST(a_waiter_gets_its_answer_after_the_trouble)
{
	struct stage stage;
	struct home home;
	struct wait wait;
	struct err err;
	uint64_t ticket;

	stage_init(&stage);
	home_init(&home, &stage);
	home.options.hold = true;
	T_OK(home_open(&home, &err));
	engine_start(home.engine);
	ticket = waiters_begin(stage.waiters, &wait);
	waiters_stored(stage.waiters, ticket, stage_rule(&stage, 7, 0, RULE(1, 10)));
	fault_set(FAULT_FULL, 0, 4);
	engine_release(home.engine);
	T_TRUE(waiters_wait(stage.waiters, &wait, 10 * US_PER_S));
	T_TRUE(wait.verdict.ok);
	T_INT(wait.verdict.version, 1);
	T_TRUE(fault_count() > 0);
	fault_set(FAULT_NONE, 0, 0);
	home_close(&home);
	home_release(&home);
	stage_release(&stage);
}

/* One life of an engine that may give up; what was the matter. */
static int live(struct home *home)
{
	struct err err;

	T_OK(home_open(home, &err));
	engine_start(home->engine);
	(void)home_drain(home);
	home_close(home);
	return __atomic_load_n(&home->failed, __ATOMIC_ACQUIRE);
}

/* Rows that the state never takes: nobody retries for ever, and all others get their turn. */
TEST(a_record_whose_rows_are_never_taken_is_left_out)
{
	struct stage stage;
	struct home home, fresh;
	char life[128];
	int lives = 0;

	stage_init(&stage);
	home_init(&home, &stage);
	snprintf(life, sizeof(life), "%s", home_path(&home, "engine.life"));
	home.options.life_path = life;
	stage_rule(&stage, 7, 0, RULE(1, 10));
	stage_rule(&stage, 8, 0, BAD_RULE);
	home_run(&home);
	home_sql(&home, "create trigger never before insert on alerts when new.event_type = 'bad' "
			"begin select raise(abort, 'never'); end");
	stage_events(&stage, "order_failed", 20, 3);
	stage_events(&stage, "bad", 1, 1);
	stage_events(&stage, "order_failed", 20, 3);
	while (lives < 9 && live(&home) == ERR_INTERNAL) {
		lives++;
	}
	/*
	 * One that nobody expected, two that make it a row of three, one to see which record it is.
	 */
	T_INT(lives, 4);
	T_INT(home_number(&home, "select count(*) from alerts"), 40);
	T_INT(metric_get(stage.metrics, METRIC_QUARANTINED), 1);
	/* Nothing is left to tell apart: the next lives are as any. */
	stage_events(&stage, "order_failed", 20, 3);
	home_run(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 60);
	/* A state that is made from the log alone leaves the same record out. */
	home_init(&fresh, &stage);
	home_run(&fresh);
	home_same(&fresh, &home);
	home_release(&fresh);
	home_release(&home);
	stage_release(&stage);
}

/* When nothing at all can be written, no record is to blame. */
TEST(a_state_that_takes_nothing_blames_no_record)
{
	struct stage stage;
	struct home home;
	char life[128];
	struct err err;

	stage_init(&stage);
	home_init(&home, &stage);
	snprintf(life, sizeof(life), "%s", home_path(&home, "engine.life"));
	home.options.life_path = life;
	stage_rule(&stage, 7, 0, RULE(1, 10));
	home_run(&home);
	T_OK(home_open(&home, &err));
	home_sql(&home, "create trigger never before update on engine_cursors "
			"begin select raise(abort, 'never'); end");
	engine_start(home.engine);
	stage_events(&stage, "order_failed", 20, 3);
	while (metric_get(stage.metrics, METRIC_ENGINE_RETRIES) < 8) {
		poll(NULL, 0, 1);
	}
	T_INT(__atomic_load_n(&home.failed, __ATOMIC_ACQUIRE), ERR_NONE);
	home_sql(&home, "drop trigger never");
	T_TRUE(home_drain(&home));
	home_close(&home);
	T_INT(home_number(&home, "select count(*) from alerts"), 20);
	home_release(&home);
	stage_release(&stage);
}

/* Find text in the files of the log and change one byte of it. */
static void damage(struct stage *stage, const char *text)
{
	DIR *d = opendir(stage->bed.dir);
	const struct dirent *entry;
	static char bytes[1 << 21];
	char path[512];
	int hits = 0;

	while ((entry = readdir(d)) != NULL) {
		ssize_t n;
		char *at;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", stage->bed.dir, entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);
		at = n <= 0 ? NULL : memmem(bytes, (size_t)n, text, strlen(text));
		if (at != NULL) {
			assert_int_equal(pwrite(fd, "#", 1, at - bytes), 1);
			hits++;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	closedir(d);
	T_INT(hits, 1);
}

/* In the middle and near the end: the same answers with and without a restart. */
TEST(a_damaged_record_is_passed_over)
{
	struct stage stage;
	struct home before, after;
	struct err err;
	size_t aside;

	stage_init(&stage);
	home_init(&before, &stage);
	home_init(&after, &stage);
	stage_rule(&stage, 7, 0, RULE(1, 10));
	stage_events(&stage, "order_failed", 5, 1);
	stage_event(&stage, "order_failed", "{\"user\":\"victim-1\"}");
	stage_events(&stage, "order_failed", 5, 1);
	stage_event(&stage, "order_failed", "{\"user\":\"victim-2\"}");
	stage_events(&stage, "order_failed", 1, 1);
	damage(&stage, "victim-1");
	damage(&stage, "victim-2");
	/* Not before somebody has looked at it. */
	T_OK(home_open(&before, &err));
	engine_start(before.engine);
	T_FALSE(home_drain(&before));
	T_INT(before.failed, ERR_CORRUPT);
	home_close(&before);
	before.failed = ERR_NONE;
	journal_close(&stage.bed.journal);
	T_OK(journal_quarantine(&stage.bed.options, &aside, &err));
	T_INT(aside, 2);
	bed_open(&stage.bed);
	T_OK(home_open(&before, &err));
	engine_start(before.engine);
	T_TRUE(home_drain(&before));
	T_INT(engine_applied(before.engine), journal_flushed(stage.bed.journal));
	home_close(&before);
	T_INT(home_number(&before, "select count(*) from alerts"), 11);
	T_INT(home_number(&before, "select seq from engine_cursors"), 14);

	home_run(&before);
	stage_events(&stage, "order_failed", 2, 1);
	home_run(&before);
	home_run(&after);
	home_same(&before, &after);
	T_INT(home_number(&after, "select count(*) from alerts"), 13);
	home_release(&before);
	home_release(&after);
	stage_release(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_full_disk_delays_decisions_and_changes_none),
		T(a_failed_flush_of_the_state_stops_the_engine),
		T(deliveries_leave_before_the_flush),
		T(a_log_whose_index_cannot_grow_waits_for_room),
		T(a_failed_flush_of_anybody_stops_the_engine),
		T(a_record_whose_rows_are_never_taken_is_left_out),
		T(a_state_that_takes_nothing_blames_no_record),
		T(a_waiter_gets_its_answer_after_the_trouble),
		T(a_damaged_record_is_passed_over),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
