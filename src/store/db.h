/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * One connection to the relational state, SQLite or PostgreSQL. Statements are written once, in
 * the SQL that both take, and run by either driver:
 *
 *   parameters are $1..$n; integers are bigint, truth is 0 or 1, times are microseconds, JSON and
 *   hashes are text; the comments that lock rows (DB_SKIP_LOCKED, DB_FOR_UPDATE) are the only
 *   dialect words.
 *
 * A connection serves one thread at a time and everything here may block on disk or network. One
 * statement is open at a time. After a statement failed inside a transaction, every further one
 * fails with ERR_INTERNAL until db_rollback: both drivers behave so.
 *
 * Kinds of failure: ERR_CONFLICT a unique or foreign key is violated; ERR_OVERLOADED busy,
 * deadlock, serialization or time limit, trying the whole transaction again may help;
 * ERR_DISK_FULL; ERR_IO file or connection lost (the next use outside a transaction connects
 * anew); ERR_CORRUPT; ERR_INVALID a text that is not UTF-8 or holds a 0 byte; else ERR_INTERNAL.
 */
struct db;

#define DB_ARGS_MAX 32 /* parameters of a statement; the widest table has 26 columns */

/* SQLite sees a comment; the PostgreSQL driver sends the words. Belongs behind a sub-select. */
#define DB_SKIP_LOCKED " /*+pg for update skip locked */"
/* Likewise behind a select: its rows wait for each other. SQLite has one writer anyway. */
#define DB_FOR_UPDATE " /*+pg for update */"

/*
 * A named statement; a constant that outlives every connection, because drivers prepare it once
 * and cache it by address. args and cols have a letter per parameter and column: 'i' an integer,
 * 't' a text; any may be null. global is NULL in statements that stay inside one organization
 * (their $1 is the org), else the reason why this one does not.
 */
struct query {
	const char *name; /* unique; the name of the prepared statement */
	const char *sql;
	const char *args;
	const char *cols;
	const char *global;
};

/* A set of statements that one file owns; store/queries.h names all sets. */
struct query_set {
	const struct query *queries;
	size_t n;
};

enum db_type { DB_NULL, DB_INT, DB_TEXT };
struct db_value {
	enum db_type type;
	int64_t num;
	struct slice text; /* borrowed until the statement ends */
};
struct db_args {
	const struct db_value *v;
	size_t n;
};

static inline struct db_value db_int(int64_t v)
{
	return (struct db_value) { .type = DB_INT, .num = v };
}
/* Ids and numbers; they fit a bigint by construction. */
static inline struct db_value db_id(uint64_t v)
{
	ensure(v <= INT64_MAX);
	return (struct db_value) { .type = DB_INT, .num = (int64_t)v };
}
static inline struct db_value db_text(struct slice s)
{
	return (struct db_value) { .type = DB_TEXT, .text = s };
}
static inline struct db_value db_null(void)
{
	return (struct db_value) { .type = DB_NULL };
}
/* 0 is null: times that may be missing. */
static inline struct db_value db_opt(int64_t v)
{
	return v == 0 ? db_null() : db_int(v);
}

/* DB_ARGS(db_id(org.v), db_text(name)): lives as long as the block it stands in. */
#define DB_ARGS(...) \
	((struct db_args) { .v = (const struct db_value[]) { __VA_ARGS__ }, \
			    .n = sizeof((const struct db_value[]) { __VA_ARGS__ }) / \
				 sizeof(struct db_value) })

/* Close the connection; an open transaction is rolled back. Takes NULL. */
void db_close(struct db **db);

/*
 * Begin a transaction that may write. On SQLite this waits in first-come first-served order for
 * the one write lock that all connections of a store share, so hold it for milliseconds, and write
 * through no other connection on this thread meanwhile: that would wait for itself.
 */
NODISCARD bool db_begin(struct db *db, struct err *err);
/*
 * Durable when it returns true. On false nothing of the transaction is kept, except that with
 * ERR_IO from PostgreSQL the outcome is unknown. The transaction is over either way.
 */
NODISCARD bool db_commit(struct db *db, struct err *err);
/* Forget the transaction, and close the open statement. Does nothing outside a transaction. */
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);

/*
 * While on, commits of this connection may be lost in a power cut, as if they had never been,
 * though in no crash of the process; a durable commit of any connection takes them with it. For
 * changes that only say who is at work. Not in a transaction.
 */
NODISCARD bool db_relax(struct db *db, bool on, struct err *err);

/*
 * Make durable what a relaxed connection has committed. Where it fails the store has failed: see
 * store_failed. Not in a transaction; blocks.
 */
NODISCARD bool db_flush(struct db *db, struct err *err);

/*
 * Run a statement to its end. *changed (may be NULL) gets the number of rows that it wrote. Outside
 * a transaction it is one of its own.
 */
NODISCARD bool db_exec(struct db *db, const struct query *q, struct db_args args, uint64_t *changed,
		       struct err *err);

/*
 * Start a statement that yields rows. Walk them with db_next until it is not FOUND, or db_end. One
 * that writes outside a transaction must be walked to its end: there it commits.
 */
NODISCARD bool db_run(struct db *db, const struct query *q, struct db_args args, struct err *err);
/* FOUND: the columns of a row can be read. NOT_FOUND and FAILED: the statement is closed. */
NODISCARD enum found db_next(struct db *db, struct err *err);
/* Close the open statement early. Does nothing when none is open. */
void db_end(struct db *db);

/*
 * Run a statement n times, at most DB_BATCH_MAX, in the open transaction: run i has the parameters
 * v[i * strlen(q->args)] and following. PostgreSQL gets them in one go, which saves a round trip
 * each. on_row (may be NULL) is called for each row, in order, with the columns readable and i.
 */
#define DB_BATCH_MAX 100 /* so that the answers fit in the socket's buffers while we still send */
typedef void (*db_row_fn)(struct db *db, size_t i, void *arg);
NODISCARD bool db_exec_many(struct db *db, const struct query *q, const struct db_value *v,
			    size_t n, db_row_fn on_row, void *arg, struct err *err);

/* Columns of the current row, from 0, of the type that the statement declares. */
bool db_col_null(struct db *db, size_t col);
/* null reads as 0. */
int64_t db_col_int(struct db *db, size_t col);
/* Borrowed until the next db_next or db_end; null reads as the empty slice. */
struct slice db_col_text(struct db *db, size_t col);

#endif
