/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: transactions, kinds of failure, odd values, and many writers at once. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/fixture_contract.h"

static uint64_t key_count(struct fixture *f)
{
	struct err err = { 0 };
	uint64_t n = 0;

	T_OK(store_key_count(f->db, &n, &err));
	return n;
}

CONTRACT(rollback_leaves_nothing)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 1);
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	T_TRUE(db_in_transaction(f->db));
	db_rollback(f->db);
	T_FALSE(db_in_transaction(f->db));
	T_INT(key_count(f), 0);
	db_rollback(f->db);
}

CONTRACT(closing_rolls_back)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 1);
	struct err err = { 0 };
	struct db *other = fixture_connect(f);

	T_OK(db_begin(other, &err));
	T_OK(store_key_insert(ORG_A, other, &row, &err));
	db_close(&other);
	T_TRUE(other == NULL);
	db_close(&other);
	T_INT(key_count(f), 0);
}

CONTRACT(failed_statement_spoils_its_transaction)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 1);
	struct key_row twin = sample_key(ORG_A, PROJECT_A, 2);
	struct err err = { 0 };

	twin.hash = row.hash;
	T_OK(db_begin(f->db, &err));
	T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	T_FAIL(store_key_insert(ORG_A, f->db, &twin, &err), ERR_CONFLICT);
	twin.hash = S("another");
	T_FAIL(store_key_insert(ORG_A, f->db, &twin, &err), ERR_INTERNAL);
	T_FAIL(db_commit(f->db, &err), ERR_INTERNAL);
	T_INT(key_count(f), 0);
	T_OK(store_key_insert(ORG_A, f->db, &row, &err));
	T_FAIL(store_key_insert(ORG_A, f->db, &row, &err), ERR_CONFLICT);
	T_INT(key_count(f), 1);
}

static const struct query mark = {
	.name = "test_mark",
	.global = "a test",
	.args = "t",
	.cols = "t",
	.sql = "insert into meta (key, value) values ($1, 'x') returning key",
};

struct marked {
	const struct db_value *v;
	size_t n;
	bool in_order;
};

static void on_marked(struct db *db, size_t i, void *arg)
{
	struct marked *m = arg;

	m->in_order = m->in_order && i == m->n && slice_eq(db_col_text(db, 0), m->v[i].text);
	m->n++;
}

CONTRACT(many_runs_answer_in_order)
{
	struct db_value v[DB_BATCH_MAX];
	struct marked m = { .v = v, .in_order = true };
	struct err err = { 0 };

	for (size_t i = 0; i < DB_BATCH_MAX; i++) {
		v[i] = db_text(arena_printf(&f->arena, "mark %zu", i));
	}
	T_OK(db_begin(f->db, &err));
	T_OK(db_exec_many(f->db, &mark, v, 0, NULL, NULL, &err));
	T_OK(db_exec_many(f->db, &mark, v, DB_BATCH_MAX, on_marked, &m, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(m.n, DB_BATCH_MAX);
	T_TRUE(m.in_order);
}

CONTRACT(one_bad_run_of_many_spoils_all)
{
	struct db_value v[] = { db_text(S("a")), db_text(S("b")), db_text(S("a")),
				db_text(S("c")) };
	struct err err = { 0 };
	struct slice value;

	T_OK(db_begin(f->db, &err));
	T_FAIL(db_exec_many(f->db, &mark, v, ARRAY_LEN(v), NULL, NULL, &err), ERR_CONFLICT);
	T_FAIL(db_exec_many(f->db, &mark, v, 1, NULL, NULL, &err), ERR_INTERNAL);
	db_rollback(f->db);
	T_INT(store_meta_get(f->db, "a", &f->arena, &value, &err), NOT_FOUND);
	v[2] = db_text(S("zero \xff"));
	T_OK(db_begin(f->db, &err));
	T_FAIL(db_exec_many(f->db, &mark, v, ARRAY_LEN(v), NULL, NULL, &err), ERR_INVALID);
	db_rollback(f->db);
	T_OK(db_begin(f->db, &err));
	T_OK(db_exec_many(f->db, &mark, v, 2, NULL, NULL, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_meta_get(f->db, "b", &f->arena, &value, &err), FOUND);
}

CONTRACT(odd_texts_come_back_as_they_were)
{
	/*
	 * Four-byte characters, combining marks, right-to-left, controls, a noncharacter, quotes.
	 */
	static const char odd[] = "\xf0\x9f\x94\x94 e\xcc\x81 \xd7\xa9\xd7\x9c \x01\x7f"
				  " \xef\xbf\xbf \xef\xbb\xbf '\"\\$1 %s ?1 \r\n\t";
	struct err err = { 0 };
	struct slice value;

	T_OK(store_meta_put(f->db, odd, slice_of(odd), &err));
	T_INT(store_meta_get(f->db, odd, &f->arena, &value, &err), FOUND);
	t_slice(value, slice_of(odd), __FILE__, __LINE__);
	T_OK(store_meta_put(f->db, "empty", (struct slice) { 0 }, &err));
	T_INT(store_meta_get(f->db, "empty", &f->arena, &value, &err), FOUND);
	T_INT(value.n, 0);
	T_FAIL(store_meta_put(f->db, "zero", S("a\0b"), &err), ERR_INVALID);
	T_FAIL(store_meta_put(f->db, "cut", S("caf\xc3"), &err), ERR_INVALID);
	T_FAIL(store_meta_put(f->db, "surrogate", S("\xed\xa0\x80"), &err), ERR_INVALID);
}

CONTRACT(big_values_fit)
{
	size_t n = (size_t)4 << 20;
	char *big = arena_alloc(&f->arena, n);
	struct delivery_row row = sample_delivery(ORG_A, PROJECT_A, (uint64_t)(INT64_MAX - AT));
	struct delivery_row got;
	struct err err = { 0 };

	memset(big, 'x', n);
	row.payload = (struct slice) { .p = big, .n = n };
	row.event_seq = INT64_MAX;
	row.event_us = INT64_MIN;
	row.attempts_total = UINT32_MAX;
	put_delivery(f, row);
	T_INT(store_delivery_get(ORG_A, f->db, PROJECT_A, row.number, &f->arena, &got, &err),
	      FOUND);
	T_TRUE(slice_eq(got.payload, row.payload));
	T_TRUE(got.event_seq == INT64_MAX);
	T_TRUE(got.event_us == INT64_MIN);
	T_TRUE(got.attempts_total == UINT32_MAX);
}

#define WRITERS 5
#define WRITES 40

struct writer {
	struct fixture *f;
	uint64_t id;
	bool ok;
	struct err err;
};

static bool write_once(struct db *db, uint64_t id, struct err *err)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, id);

	if (!db_begin(db, err)) {
		return false;
	}
	if (!store_key_insert(ORG_A, db, &row, err)) {
		db_rollback(db);
		return false;
	}
	return db_commit(db, err);
}

static void *write_many(void *arg)
{
	struct writer *w = arg;
	struct db *db = NULL;

	w->ok = store_connect(w->f->store, STORE_API, &db, &w->err);
	for (uint64_t i = 0; w->ok && i < WRITES; i++) {
		w->ok = write_once(db, w->id * 1000 + i + 1, &w->err);
	}
	db_close(&db);
	return NULL;
}

CONTRACT(five_writers_never_meet_a_lock)
{
	struct writer writers[WRITERS] = { 0 };
	pthread_t threads[WRITERS];

	for (size_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer) { .f = f, .id = i };
		T_INT(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
	}
	for (size_t i = 0; i < WRITERS; i++) {
		struct err err;

		pthread_join(threads[i], NULL);
		err = writers[i].err;
		T_OK(writers[i].ok);
	}
	T_INT(key_count(f), WRITERS * WRITES);
}

struct turn {
	struct fixture *f;
	struct db *db;
	int id;
	int *order; /* written by whoever holds the write lock */
	int *n;
	bool ok;
};

static void *take_turn(void *arg)
{
	struct turn *t = arg;
	struct err err;

	t->ok = db_begin(t->db, &err);
	if (t->ok) {
		t->order[(*t->n)++] = t->id;
		db_rollback(t->db);
	}
	return NULL;
}

CONTRACT(writers_are_served_in_order)
{
	struct turn turns[4];
	pthread_t threads[4];
	struct err err = { 0 };
	int order[4] = { 0 }, n = 0;

	T_OK(db_begin(f->db, &err));
	for (int i = 0; i < 4; i++) {
		turns[i] = (struct turn) { f, fixture_connect(f), i, order, &n, false };
		T_INT(pthread_create(&threads[i], NULL, take_turn, &turns[i]), 0);
		while (store_writers_waiting(f->store) != (uint64_t)i + 1) {
			sched_yield();
		}
	}
	db_rollback(f->db);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		T_TRUE(turns[i].ok);
		db_close(&turns[i].db);
	}
	for (int i = 0; i < 4; i++) {
		T_INT(order[i], i);
	}
	T_INT(store_writers_waiting(f->store), 0);
}

CONTRACT(checkpoints_empty_the_log)
{
	struct err err = { 0 };
	struct stat before, after;
	char path[128];

	snprintf(path, sizeof(path), "%s/state.db-wal", f->place);
	for (uint64_t i = 1; i <= 50; i++) {
		T_OK(write_once(f->db, i, &err));
	}
	T_TRUE(store_log_bytes(f->store) >= UINT64_C(50) * 4096);
	T_OK(store_checkpoint(f->db, &err));
	T_INT(store_log_bytes(f->store), 0);
	T_INT(stat(path, &before), 0);
	/* The log starts over instead of growing. */
	for (uint64_t i = 51; i <= 80; i++) {
		T_OK(write_once(f->db, i, &err));
	}
	T_INT(stat(path, &after), 0);
	T_INT(after.st_size, before.st_size);
	T_TRUE(store_log_bytes(f->store) > 0 &&
	       store_log_bytes(f->store) < (uint64_t)after.st_size);
	T_INT(key_count(f), 80);
}

/* Room is made a step at a time, and what is in the log stays as it is. */
CONTRACT(a_log_has_room)
{
	struct err err = { 0 };
	struct stat log;
	char path[128];

	snprintf(path, sizeof(path), "%s/state.db-wal", f->place);
	T_OK(write_once(f->db, 1, &err));
	for (off_t before = 0;; before = log.st_size) {
		uint64_t waiting = store_log_bytes(f->store);

		T_OK(store_make_log_room(f->db, &err));
		T_INT(stat(path, &log), 0);
		T_TRUE((uint64_t)log.st_size >= waiting + (1u << 20));
		if (before > 0 && log.st_size == before) {
			break;
		}
	}
	for (uint64_t i = 2; i <= 400; i++) {
		off_t before = log.st_size;

		T_OK(write_once(f->db, i, &err));
		T_INT(stat(path, &log), 0);
		T_INT(log.st_size, before);
		T_OK(store_make_log_room(f->db, &err));
		T_INT(stat(path, &log), 0);
		T_TRUE((uint64_t)log.st_size < STORE_LOG_ROOM_BYTES + (2u << 20));
	}
	T_INT(key_count(f), 400);
}

static const struct query limit_pages = {
	.name = "test_limit_pages",
	.args = "",
	.cols = "i",
	.sql = "pragma max_page_count = 1",
};
static const struct query free_pages = {
	.name = "test_free_pages",
	.args = "",
	.cols = "i",
	.sql = "pragma max_page_count = 1073741823",
};

CONTRACT(full_disk_is_told_and_survived)
{
	size_t n = (size_t)64 << 10;
	char *big = arena_alloc(&f->arena, n);
	struct err err = { 0 };
	struct slice value;

	memset(big, 'x', n);
	/* No room beyond the pages there are: what the file system says when it is full. */
	T_OK(db_exec(f->db, &limit_pages, (struct db_args) { 0 }, NULL, &err));
	T_OK(db_begin(f->db, &err));
	T_OK(store_meta_put(f->db, "small", S("1"), &err));
	T_FAIL(store_meta_put(f->db, "big", (struct slice) { .p = big, .n = n }, &err),
	       ERR_DISK_FULL);
	db_rollback(f->db);
	T_INT(store_meta_get(f->db, "small", &f->arena, &value, &err), NOT_FOUND);
	T_OK(db_exec(f->db, &free_pages, (struct db_args) { 0 }, NULL, &err));
	T_OK(store_meta_put(f->db, "big", (struct slice) { .p = big, .n = n }, &err));
	T_INT(store_meta_get(f->db, "big", &f->arena, &value, &err), FOUND);
	T_INT(value.n, n);
}

CONTRACT(what_is_no_database_is_refused)
{
	struct err err = { 0 };
	struct store *store = NULL;
	struct db *db = NULL;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/notes.txt", f->place);
	file = fopen(path, "w");
	T_TRUE(file != NULL);
	for (int i = 0; i < 1000; i++) {
		T_TRUE(fputs("this is not a database\n", file) >= 0);
	}
	T_INT(fclose(file), 0);
	T_OK(store_open(slice_of(path), &store, &err));
	T_FAIL(store_connect(store, STORE_API, &db, &err), ERR_CORRUPT);
	T_TRUE(db == NULL);
	store_close(&store);
}

static const struct query backend = {
	.name = "test_backend",
	.global = "a test",
	.args = "",
	.cols = "i",
	.sql = "select pg_backend_pid()::bigint",
};
static const struct query terminate = {
	.name = "test_terminate",
	.global = "a test",
	.args = "i",
	.cols = "i",
	.sql = "select pg_terminate_backend($1::int, 5000)::int::bigint",
};

/* End the server's side of db's connection, and wait until it is gone. */
static void cut_off(struct fixture *f, struct db *db)
{
	struct err err = { 0 };
	struct db *keeper = NULL;
	int64_t pid;

	T_OK(db_run(db, &backend, (struct db_args) { 0 }, &err));
	T_INT(db_next(db, &err), FOUND);
	pid = db_col_int(db, 0);
	db_end(db);
	T_OK(store_connect(f->store, STORE_KEEPER, &keeper, &err));
	T_OK(db_run(keeper, &terminate, DB_ARGS(db_int(pid)), &err));
	T_INT(db_next(keeper, &err), FOUND);
	T_INT(db_col_int(keeper, 0), 1);
	db_end(keeper);
	db_close(&keeper);
}

CONTRACT(lost_connection_comes_back)
{
	struct db *db;
	struct err err = { 0 };
	uint64_t n;

	db = fixture_connect(f);
	T_OK(store_key_count(db, &n, &err));
	cut_off(f, db);
	T_FAIL(store_key_count(db, &n, &err), ERR_IO);
	T_OK(store_key_count(db, &n, &err));
	cut_off(f, db);
	T_OK(write_once(db, 1, &err));
	db_close(&db);
}

CONTRACT(batch_notices_a_lost_connection)
{
	struct db_value v[] = { db_text(S("a")), db_text(S("b")) };
	struct err err = { 0 };
	struct db *db = fixture_connect(f);

	T_OK(db_begin(db, &err));
	T_OK(db_exec_many(db, &mark, v, 1, NULL, NULL, &err));
	cut_off(f, db);
	T_FAIL(db_exec_many(db, &mark, v + 1, 1, NULL, NULL, &err), ERR_IO);
	db_rollback(db);
	T_OK(db_begin(db, &err));
	T_OK(db_exec_many(db, &mark, v, 2, NULL, NULL, &err));
	T_OK(db_commit(db, &err));
	db_close(&db);
}

CONTRACT(transaction_dies_with_its_connection)
{
	struct key_row row = sample_key(ORG_A, PROJECT_A, 1);
	struct db *db;
	struct err err = { 0 };

	db = fixture_connect(f);
	T_OK(db_begin(db, &err));
	T_OK(store_key_insert(ORG_A, db, &row, &err));
	cut_off(f, db);
	T_FAIL(db_commit(db, &err), ERR_IO);
	T_INT(key_count(f), 0);
	T_OK(write_once(db, 1, &err));
	T_INT(key_count(f), 1);
	db_close(&db);
}

CONTRACTS(db_contract, C(rollback_leaves_nothing), C_SQLITE(what_is_no_database_is_refused),
	  C_SQLITE(full_disk_is_told_and_survived), C(many_runs_answer_in_order),
	  C(one_bad_run_of_many_spoils_all), C_POSTGRES(batch_notices_a_lost_connection),
	  C(closing_rolls_back), C(failed_statement_spoils_its_transaction),
	  C(odd_texts_come_back_as_they_were), C(big_values_fit), C(five_writers_never_meet_a_lock),
	  C_SQLITE(writers_are_served_in_order), C_SQLITE(checkpoints_empty_the_log),
	  C_SQLITE(a_log_has_room), C_POSTGRES(lost_connection_comes_back),
	  C_POSTGRES(transaction_dies_with_its_connection))
