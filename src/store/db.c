/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both drivers have in common: types of parameters and columns are checked against the
 * statement, and a transaction in which something failed takes only a rollback.
 */
#include "store/db.h"

#include "base/utf8.h"
#include "store/db_impl.h"

static void check_args(const struct query *q, struct db_args args)
{
	ensure(args.n == strlen(q->args) && args.n <= DB_ARGS_MAX);
	for (size_t i = 0; i < args.n; i++) {
		enum db_type want = q->args[i] == 'i' ? DB_INT : DB_TEXT;

		ensure(args.v[i].type == want || args.v[i].type == DB_NULL);
	}
}

/* PostgreSQL takes only UTF-8 without 0 bytes, so SQLite gets nothing else either. */
static bool check_texts(const struct query *q, struct db_args args, struct err *err)
{
	for (size_t i = 0; i < args.n; i++) {
		struct slice s = args.v[i].text;

		if (args.v[i].type == DB_TEXT && (slice_find(s, '\0') < s.n || !utf8_valid(s))) {
			return err_set(err, ERR_INVALID,
				       "%s: text %zu is not UTF-8 without 0 bytes", q->name, i + 1);
		}
	}
	return true;
}

static bool failed(struct db *db)
{
	db->tx_failed = db->in_tx;
	return false;
}

void db_close(struct db **db)
{
	if (*db == NULL) {
		return;
	}
	db_rollback(*db);
	db_end(*db);
	(*db)->driver->close(*db);
	*db = NULL;
}

bool db_begin(struct db *db, struct err *err)
{
	ensure(!db->in_tx && db->open == NULL);
	if (!db->driver->begin(db, err)) {
		return err_wrap(err, "begin");
	}
	db->in_tx = true;
	db->tx_failed = false;
	return true;
}

bool db_relax(struct db *db, bool on, struct err *err)
{
	ensure(!db->in_tx && db->open == NULL);
	return db->driver->relax == NULL || db->driver->relax(db, on, err) ||
	       err_wrap(err, "relax");
}

bool db_flush(struct db *db, struct err *err)
{
	ensure(!db->in_tx && db->open == NULL);
	return db->driver->flush == NULL || db->driver->flush(db, err) || err_wrap(err, "flush");
}

bool db_commit(struct db *db, struct err *err)
{
	ensure(db->in_tx && db->open == NULL);
	if (db->tx_failed) {
		db_rollback(db);
		return err_set(err, ERR_INTERNAL, "commit after a failed statement");
	}
	db->in_tx = false;
	if (!db->driver->commit(db, err)) {
		return err_wrap(err, "commit");
	}
	return true;
}

void db_rollback(struct db *db)
{
	if (!db->in_tx) {
		return;
	}
	db_end(db);
	db->in_tx = false;
	db->tx_failed = false;
	db->driver->rollback(db);
}

bool db_in_transaction(const struct db *db)
{
	return db->in_tx;
}

bool db_run(struct db *db, const struct query *q, struct db_args args, struct err *err)
{
	ensure(db->open == NULL);
	check_args(q, args);
	if (db->tx_failed) {
		return err_set(err, ERR_INTERNAL, "%s: the transaction failed before", q->name);
	}
	if (!check_texts(q, args, err)) {
		return failed(db);
	}
	if (!db->driver->run(db, q, args, err)) {
		(void)err_wrap(err, "%s", q->name);
		return failed(db);
	}
	db->open = q;
	db->row = false;
	return true;
}

enum found db_next(struct db *db, struct err *err)
{
	const struct query *q = db->open;
	enum found found;

	ensure(q != NULL);
	found = db->driver->next(db, err);
	db->row = found == FOUND;
	if (found == FOUND) {
		return FOUND;
	}
	db_end(db);
	if (found == FAILED) {
		(void)err_wrap(err, "%s", q->name);
		failed(db);
	}
	return found;
}

void db_end(struct db *db)
{
	if (db->open == NULL) {
		return;
	}
	db->open = NULL;
	db->row = false;
	db->driver->end(db);
}

bool db_exec(struct db *db, const struct query *q, struct db_args args, uint64_t *changed,
	     struct err *err)
{
	enum found found;

	if (!db_run(db, q, args, err)) {
		return false;
	}
	while ((found = db->driver->next(db, err)) == FOUND) {
	}
	if (found == NOT_FOUND && changed != NULL) {
		*changed = db->driver->changed(db);
	}
	db_end(db);
	if (found == FAILED) {
		(void)err_wrap(err, "%s", q->name);
		return failed(db);
	}
	return true;
}

bool db_exec_many(struct db *db, const struct query *q, const struct db_value *v, size_t n,
		  db_row_fn on_row, void *arg, struct err *err)
{
	size_t width = strlen(q->args);
	bool ok;

	ensure(db->in_tx && db->open == NULL && n <= DB_BATCH_MAX);
	if (db->tx_failed) {
		return err_set(err, ERR_INTERNAL, "%s: the transaction failed before", q->name);
	}
	for (size_t i = 0; i < n; i++) {
		struct db_args args = { .v = v + i * width, .n = width };

		check_args(q, args);
		if (!check_texts(q, args, err)) {
			return failed(db);
		}
	}
	db->open = q;
	ok = db->driver->many(db, q, v, n, on_row, arg, err);
	db->open = NULL;
	db->row = false;
	if (!ok) {
		(void)err_wrap(err, "%s", q->name);
		return failed(db);
	}
	return true;
}

bool db_script(struct db *db, const char *sql, struct err *err)
{
	ensure(db->in_tx && db->open == NULL && !db->tx_failed);
	return db->driver->script(db, sql, err) || failed(db);
}

static void check_col(const struct db *db, size_t col)
{
	ensure(db->row && col < strlen(db->open->cols));
}

bool db_col_null(struct db *db, size_t col)
{
	check_col(db, col);
	return db->driver->col_null(db, col);
}

int64_t db_col_int(struct db *db, size_t col)
{
	check_col(db, col);
	ensure(db->open->cols[col] == 'i');
	return db->driver->col_null(db, col) ? 0 : db->driver->col_int(db, col);
}

struct slice db_col_text(struct db *db, size_t col)
{
	check_col(db, col);
	ensure(db->open->cols[col] == 't');
	if (db->driver->col_null(db, col)) {
		return (struct slice) { 0 };
	}
	return db->driver->col_text(db, col);
}
