/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver. Every commit is flushed (WAL, synchronous=FULL) and none checkpoints: the
 * keeper does. Our own threads queue for the write lock in order before SQLite sees them, because
 * its busy handler polls and starves whoever is unlucky; the handler is left for other processes.
 */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/map.h"
#include "store/db_impl.h"

#define LOG_STEP_BYTES ((size_t)2 << 20) /* some 10 ms of zeroing, while commits wait */
#define ZEROES_BYTES (64 << 10)		 /* SQLite's own files write less than 128 KiB at once */
#define PAGE_BYTES 4096			 /* SQLite's default, and ours */
#define BUSY_MS 10000 /* another process migrates or restores; longer is a mistake to report */

struct stmt {
	const struct query *q;
	sqlite3_stmt *handle;
	int index[DB_ARGS_MAX]; /* where SQLite put $n: it numbers by first appearance */
	bool writes;
};
struct sqlite_db {
	struct db base;
	sqlite3 *handle;
	struct map stmts; /* struct stmt by address of its query */
	struct stmt *current;
	bool done;	/* current has no more rows */
	bool autolock;	/* current holds the write lock for itself */
	bool tidy;	/* only looks, and found no write-ahead log */
	uint64_t wrote; /* rows, by the last statement that ended */
};

/* By enum store_role: KiB of page cache. The engine touches most; four workers share the rest. */
static const int cache_kib[STORE_ROLES] = {
	[STORE_API] = 512,
	[STORE_ENGINE] = 2048,
	[STORE_COURIER] = 1024,
	[STORE_KEEPER] = 256,
};

static struct sqlite_db *from(struct db *db)
{
	return CONTAINER_OF(db, struct sqlite_db, base);
}

static enum err_kind kind_of(sqlite3 *handle, int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		return ERR_OVERLOADED;
	case SQLITE_FULL:
		return ERR_DISK_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		/* When the index of the log cannot grow, SQLite leaves no errno. */
		return code == SQLITE_IOERR_SHMSIZE || sqlite3_system_errno(handle) == ENOSPC
			       ? ERR_DISK_FULL
			       : ERR_IO;
	case SQLITE_CONSTRAINT:
		return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
				       code == SQLITE_CONSTRAINT_FOREIGNKEY ||
				       code == SQLITE_CONSTRAINT_ROWID
			       ? ERR_CONFLICT
			       : ERR_INTERNAL;
	default:
		return ERR_INTERNAL;
	}
}

static bool fail(sqlite3 *handle, struct err *err)
{
	int code = sqlite3_extended_errcode(handle);

	return err_set(err, kind_of(handle, code), "%s", sqlite3_errmsg(handle));
}

/* A write that went wrong for no fault of the caller's or of a full disk: see store_failed. */
static bool fail_write(struct sqlite_db *s, struct err *err)
{
	(void)fail(s->handle, err);
	if (err->kind == ERR_IO) {
		store_fail(s->base.store);
	}
	return false;
}

static bool may_write(const struct sqlite_db *s, struct err *err)
{
	return !store_failed(s->base.store) ||
	       err_set(err, ERR_IO, "a write of the state has failed before");
}

static bool run_text(struct sqlite_db *s, const char *sql, struct err *err)
{
	return sqlite3_exec(s->handle, sql, NULL, NULL, NULL) == SQLITE_OK || fail(s->handle, err);
}

static bool sqlite_begin(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);

	store_write_enter(db->store);
	if (!may_write(s, err) || !run_text(s, "begin immediate", err)) {
		store_write_leave(db->store);
		return false;
	}
	return true;
}

static void sqlite_rollback(struct db *db)
{
	struct sqlite_db *s = from(db);

	/* Some failures have rolled back already; then there is nothing to do. */
	if (sqlite3_get_autocommit(s->handle) == 0) {
		(void)sqlite3_exec(s->handle, "rollback", NULL, NULL, NULL);
	}
	ensure(sqlite3_get_autocommit(s->handle) != 0);
	store_write_leave(db->store);
}

/* The file of the write-ahead log, or NULL while this connection has not used it. */
static sqlite3_file *log_of(struct sqlite_db *s)
{
	sqlite3_file *log = NULL;

	return sqlite3_file_control(s->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) ==
				       SQLITE_OK &&
			       log != NULL && log->pMethods != NULL
		       ? log
		       : NULL;
}

static int sync_log(sqlite3_file *log)
{
	return log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

static bool sqlite_flush(struct db *db, struct err *err)
{
	sqlite3_file *log = log_of(from(db));
	int code = log == NULL ? SQLITE_OK : sync_log(log);

	if (code == SQLITE_OK) {
		return true;
	}
	store_fail(db->store);
	return err_set(err, ERR_IO, "%s", sqlite3_errstr(code));
}

static bool sqlite_relax(struct db *db, bool on, struct err *err)
{
	return run_text(from(db), on ? "pragma synchronous = normal" : "pragma synchronous = full",
			err);
}

static bool sqlite_commit(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);

	if (sqlite3_exec(s->handle, "commit", NULL, NULL, NULL) != SQLITE_OK) {
		(void)fail_write(s, err);
		sqlite_rollback(db);
		return false;
	}
	store_write_leave(db->store);
	return true;
}

static struct stmt *prepare(struct sqlite_db *s, const struct query *q, struct err *err)
{
	struct slice key = { .p = (const char *)&q, .n = sizeof(q) };
	struct stmt *st = map_get(&s->stmts, key);

	if (st != NULL) {
		return st;
	}
	st = mem_alloc(1, sizeof(*st));
	st->q = q;
	if (sqlite3_prepare_v3(s->handle, q->sql, -1, SQLITE_PREPARE_PERSISTENT, &st->handle,
			       NULL) != SQLITE_OK) {
		(void)fail(s->handle, err);
		free(st);
		return NULL;
	}
	for (size_t i = 0; i < strlen(q->args); i++) {
		char name[8];

		snprintf(name, sizeof(name), "$%zu", i + 1);
		st->index[i] = sqlite3_bind_parameter_index(st->handle, name);
		ensure(st->index[i] > 0);
	}
	ensure((size_t)sqlite3_bind_parameter_count(st->handle) == strlen(q->args));
	ensure((size_t)sqlite3_column_count(st->handle) == strlen(q->cols));
	st->writes = sqlite3_stmt_readonly(st->handle) == 0;
	map_put(&s->stmts, MAP_KEY(st->q), st);
	return st;
}

static int bind(struct stmt *st, size_t i, const struct db_value *v)
{
	switch (v->type) {
	case DB_NULL:
		return sqlite3_bind_null(st->handle, st->index[i]);
	case DB_INT:
		return sqlite3_bind_int64(st->handle, st->index[i], v->num);
	case DB_TEXT:
		return sqlite3_bind_text64(st->handle, st->index[i],
					   v->text.n == 0 ? "" : v->text.p, v->text.n,
					   SQLITE_STATIC, SQLITE_UTF8);
	}
	never("value type");
}

static bool sqlite_run(struct db *db, const struct query *q, struct db_args args, struct err *err)
{
	struct sqlite_db *s = from(db);
	struct stmt *st = prepare(s, q, err);

	if (st == NULL) {
		return false;
	}
	for (size_t i = 0; i < args.n; i++) {
		if (bind(st, i, &args.v[i]) != SQLITE_OK) {
			(void)sqlite3_clear_bindings(st->handle);
			return fail(s->handle, err);
		}
	}
	if (st->writes && !may_write(s, err)) {
		(void)sqlite3_clear_bindings(st->handle);
		return false;
	}
	s->current = st;
	s->done = false;
	s->autolock = st->writes && !db->in_tx;
	if (s->autolock) {
		store_write_enter(db->store);
	}
	return true;
}

static enum found sqlite_next(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);
	int code;

	ensure(!s->done);
	code = sqlite3_step(s->current->handle);
	if (code == SQLITE_ROW) {
		return FOUND;
	}
	s->done = true;
	if (code == SQLITE_DONE) {
		s->wrote = s->current->writes ? (uint64_t)sqlite3_changes64(s->handle) : 0;
		return NOT_FOUND;
	}
	(void)(s->current->writes ? fail_write(s, err) : fail(s->handle, err));
	return FAILED;
}

static uint64_t sqlite_changed(struct db *db)
{
	return from(db)->wrote;
}

static void sqlite_end(struct db *db)
{
	struct sqlite_db *s = from(db);

	/* A commit of its own happens in the last step, where its failure can be told. */
	ensure(!s->autolock || s->done);
	/* These report the failure of the last step once more, which next has reported. */
	(void)sqlite3_reset(s->current->handle);
	(void)sqlite3_clear_bindings(s->current->handle);
	s->current = NULL;
	if (s->autolock) {
		s->autolock = false;
		store_write_leave(db->store);
	}
}

/* There is no round trip to save. */
static bool sqlite_many(struct db *db, const struct query *q, const struct db_value *v, size_t n,
			db_row_fn on_row, void *arg, struct err *err)
{
	size_t width = strlen(q->args);
	enum found found = NOT_FOUND;

	for (size_t i = 0; i < n && found != FAILED; i++) {
		struct db_args args = { .v = v + i * width, .n = width };

		if (!sqlite_run(db, q, args, err)) {
			return false;
		}
		while ((found = sqlite_next(db, err)) == FOUND) {
			db->row = true;
			if (on_row != NULL) {
				on_row(db, i, arg);
			}
		}
		sqlite_end(db);
	}
	return found != FAILED;
}

static bool sqlite_col_null(struct db *db, size_t col)
{
	return sqlite3_column_type(from(db)->current->handle, (int)col) == SQLITE_NULL;
}

static int64_t sqlite_col_int(struct db *db, size_t col)
{
	return sqlite3_column_int64(from(db)->current->handle, (int)col);
}

static struct slice sqlite_col_text(struct db *db, size_t col)
{
	sqlite3_stmt *handle = from(db)->current->handle;
	const unsigned char *p = sqlite3_column_text(handle, (int)col);

	return (struct slice) {
		.p = (const char *)p,
		.n = (size_t)sqlite3_column_bytes(handle, (int)col),
	};
}

static bool sqlite_script(struct db *db, const char *sql, struct err *err)
{
	return run_text(from(db), sql, err);
}

/* Who only reads leaves an empty log and its index behind, when there were none. */
static void remove_beside(const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s-wal", target);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s-shm", target);
	(void)unlink(path);
}

static bool has_log(const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s-wal", target);
	return access(path, F_OK) == 0;
}

static void sqlite_close(struct db *db)
{
	struct sqlite_db *s = from(db);
	struct stmt *st;
	size_t at = 0;

	while ((st = map_next(&s->stmts, &at)) != NULL) {
		(void)sqlite3_finalize(st->handle);
		free(st);
	}
	map_release(&s->stmts);
	ensure(sqlite3_close(s->handle) == SQLITE_OK);
	if (s->tidy) {
		remove_beside(store_target(db->store));
	}
	free(s);
}

static const struct db_driver driver = {
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.relax = sqlite_relax,
	.flush = sqlite_flush,
	.rollback = sqlite_rollback,
	.run = sqlite_run,
	.next = sqlite_next,
	.changed = sqlite_changed,
	.end = sqlite_end,
	.many = sqlite_many,
	.col_null = sqlite_col_null,
	.col_int = sqlite_col_int,
	.col_text = sqlite_col_text,
	.script = sqlite_script,
};

/* SQLite would create the file for everybody to read; its log and index take the file's mode. */
static bool create_private(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_errno(err, errno, "open \"%s\"", path);
	}
	close(fd);
	return true;
}

/* Where the log cannot be shared in memory, SQLite quietly stays with another kind of journal. */
static bool set_wal(struct sqlite_db *s, struct err *err)
{
	sqlite3_stmt *st = NULL;
	const unsigned char *mode = NULL;
	bool ok = sqlite3_prepare_v2(s->handle, "pragma journal_mode = wal", -1, &st, NULL) ==
			  SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW;

	if (ok) {
		mode = sqlite3_column_text(st, 0);
		ok = mode != NULL && slice_eq(slice_of((const char *)mode), S("wal"));
		if (!ok) {
			(void)err_set(err, ERR_IO,
				      "this file system cannot hold a write-ahead log");
		}
	} else {
		(void)fail(s->handle, err);
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool set_up(struct sqlite_db *s, struct err *err)
{
	char pragmas[512];

	if (!store_looks_only(s->base.store) && !set_wal(s, err)) {
		return false;
	}
	snprintf(pragmas, sizeof(pragmas),
		 "pragma synchronous = full;"
		 "pragma foreign_keys = on;"
		 "pragma wal_autocheckpoint = 0;"
		 "pragma journal_size_limit = 67108864;"
		 "pragma mmap_size = 0;"
		 "pragma secure_delete = %s;"
		 "pragma trusted_schema = off;"
		 "pragma cell_size_check = on;"
		 "pragma cache_size = -%d;",
		 s->base.role == STORE_API ? "on" : "fast", cache_kib[s->base.role]);
	return run_text(s, pragmas, err);
}

/* SQLite tells after each commit how long the log is. */
static int note_log(void *arg, sqlite3 *handle, const char *schema, int frames)
{
	struct sqlite_db *s = arg;

	(void)handle;
	(void)schema;
	store_set_log_bytes(s->base.store, (uint64_t)frames * PAGE_BYTES);
	return SQLITE_OK;
}

bool sqlite_connect(struct store *store, enum store_role role, struct db **out, struct err *err)
{
	const char *path = store_target(store);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	struct sqlite_db *s;

	if (!store_looks_only(store) && !create_private(path, err)) {
		return false;
	}
	flags |= store_looks_only(store) ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	s = mem_alloc(1, sizeof(*s));
	s->base = (struct db) { .driver = &driver, .store = store, .role = role };
	s->tidy = store_looks_only(store) && !has_log(path);
	map_init(&s->stmts);
	/* Even a failed open may give a handle, which holds the reason and is closed like any. */
	if (sqlite3_open_v2(path, &s->handle, flags, NULL) != SQLITE_OK) {
		(void)fail(s->handle, err);
		goto out;
	}
	(void)sqlite3_busy_timeout(s->handle, BUSY_MS);
	(void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (!set_up(s, err)) {
		goto out;
	}
	(void)sqlite3_wal_hook(s->handle, note_log, s);
	*out = &s->base;
	return true;
out:
	sqlite_close(&s->base);
	return err_wrap(err, "open \"%s\"", path);
}

static bool copy_all(struct sqlite_db *s, sqlite3 *to, struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", s->handle, "main");

	if (backup == NULL) {
		return fail(to, err);
	}
	(void)sqlite3_backup_step(backup, -1);
	return sqlite3_backup_finish(backup) == SQLITE_OK || fail(to, err);
}

bool sqlite_backup(struct db *db, const char *path, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	sqlite3 *to = NULL;
	bool ok = false;

	if (unlink(path) != 0 && errno != ENOENT) {
		return err_errno(err, errno, "remove \"%s\"", path);
	}
	if (!create_private(path, err)) {
		return false;
	}
	if (sqlite3_open_v2(path, &to, flags, NULL) != SQLITE_OK) {
		(void)fail(to, err);
		goto out;
	}
	ok = copy_all(from(db), to, err);
out:
	(void)sqlite3_close(to);
	return ok || err_wrap(err, "backup to \"%s\"", path);
}

bool sqlite_integrity(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(s->handle, "pragma integrity_check(1)", -1, &st, NULL) ==
			  SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW;

	if (!ok) {
		(void)fail(s->handle, err);
	} else {
		const char *text = (const char *)sqlite3_column_text(st, 0);

		ok = text != NULL && slice_eq(slice_of(text), S("ok"));
		if (!ok) {
			(void)err_set(err, ERR_CORRUPT, "%s", text == NULL ? "no answer" : text);
		}
	}
	(void)sqlite3_finalize(st);
	return ok;
}

static bool checkpoint(struct sqlite_db *s, struct err *err)
{
	int code = sqlite3_wal_checkpoint_v2(s->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
					     NULL);

	/* Busy means that a reader or another checkpoint is in the way: the next call goes on. */
	return code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || fail_write(s, err);
}

/*
 * The first pass copies nearly all without holding anybody up. The second, under the write lock,
 * copies the few frames that came meanwhile: only a log that is copied whole starts over.
 */
bool sqlite_checkpoint(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);
	bool ok;

	if (!checkpoint(s, err)) {
		return false;
	}
	store_write_enter(db->store);
	ok = checkpoint(s, err);
	if (ok) {
		store_set_log_bytes(db->store, 0);
	}
	store_write_leave(db->store);
	return ok;
}

bool sqlite_wipe_begin(struct db *db, struct err *err)
{
	return run_text(from(db), "pragma secure_delete = on", err);
}

/* What is older than the log's newest frame of a page stands in the file until it is cut off. */
enum found sqlite_wipe(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);
	int code;

	if (!checkpoint(s, err)) {
		return FAILED;
	}
	store_write_enter(db->store);
	code = sqlite3_wal_checkpoint_v2(s->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code == SQLITE_OK) {
		store_set_log_bytes(db->store, 0);
	}
	store_write_leave(db->store);
	if ((code & 0xff) == SQLITE_BUSY) {
		return NOT_FOUND;
	}
	return code == SQLITE_OK || fail_write(s, err) ? FOUND : FAILED;
}

/*
 * Deleted rows are overwritten, but copies of them stay where pages were split or joined, and on
 * pages that are free: only writing it anew leaves none.
 */
bool sqlite_compact(struct db *db, struct err *err)
{
	struct sqlite_db *s = from(db);
	bool ok;

	store_write_enter(db->store);
	ok = may_write(s, err) &&
	     (sqlite3_exec(s->handle, "vacuum", NULL, NULL, NULL) == SQLITE_OK ||
	      fail_write(s, err));
	store_write_leave(db->store);
	return ok;
}

/* Zeroes behind the end; a file that could not take them is left as it was. */
static bool lengthen(sqlite3_file *log, sqlite3_int64 from, struct err *err)
{
	char *zeroes = mem_alloc(ZEROES_BYTES, 1);
	int code = SQLITE_OK;

	for (size_t n = 0; n < LOG_STEP_BYTES && code == SQLITE_OK; n += ZEROES_BYTES) {
		code = log->pMethods->xWrite(log, zeroes, ZEROES_BYTES, from + (sqlite3_int64)n);
	}
	free(zeroes);
	if (code == SQLITE_OK) {
		return true;
	}
	/* Half of them would do no harm either: what is read ends before them. */
	(void)log->pMethods->xTruncate(log, from);
	return err_set(err, code == SQLITE_FULL ? ERR_DISK_FULL : ERR_IO, "lengthen the log: %s",
		       sqlite3_errstr(code));
}

/*
 * What lies behind the last frame is never looked at, so zeroes may, as long as nobody appends at
 * the time: hence the write lock, SQLite's own and ours.
 */
bool sqlite_make_log_room(struct db *db, struct err *err)
{
	sqlite3_file *log = log_of(from(db));
	uint64_t enough = store_log_bytes(db->store) + LOG_STEP_BYTES / 2;
	sqlite3_int64 bytes = 0;
	bool ok;

	if (log == NULL || log->pMethods->xFileSize(log, &bytes) != SQLITE_OK ||
	    (uint64_t)bytes >= STORE_LOG_ROOM_BYTES || (uint64_t)bytes >= enough) {
		return true;
	}
	if (!db_begin(db, err)) {
		return false;
	}
	ok = log->pMethods->xFileSize(log, &bytes) != SQLITE_OK ||
	     (lengthen(log, bytes, err) && sqlite_flush(db, err));
	db_rollback(db);
	return ok;
}
