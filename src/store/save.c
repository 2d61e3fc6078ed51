/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tables are ours is read out of the migrations, so that a new one cannot be forgotten here.
 * Rows of PostgreSQL stay in the form in which COPY gives them: nothing of them is understood, so
 * nothing of them can be lost in between.
 */
#include "store/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pg/pg.h"
#include "store/db_impl.h"
#include "store/queries.h"
#include "store/row.h"
#include "store/walls.h"

#define TABLES_MAX 256
#define NAME_CHARS_MAX 63 /* of PostgreSQL */
#define FILE_HEAD "tocsin state 1\n"
#define FILE_END "end\n"
#define ROWS_END "\\.\n"
#define FOR_ALL "set tocsin.org = '*'" /* see store/walls.h */

enum { SCHEMA, CURSOR, STRAY_ALERTS, STRAY_DELIVERIES, STRAY_ATTEMPTS, SENT_UNLIKE };
static const struct query queries[] = {
	[SCHEMA] = {
		.name = "save_schema", .args = "", .cols = "i",
		.sql = "select coalesce(max(number), 0) from schema_migrations",
		.global = "the schema is the installation's",
	},
	/* Of any schema since the first, because it is read before that is brought up to date. */
	[CURSOR] = {
		.name = "save_cursor", .args = "", .cols = "iii",
		.sql = "select seq, alerts, deliveries from engine_cursors where partition_id = 0",
		.global = "the cursor is the installation's",
	},
	[STRAY_ALERTS] = {
		.name = "save_stray_alerts", .args = "", .cols = "i",
		.sql = "select count(*) from alerts where number >"
		       " (select coalesce(max(alerts), 0) from engine_cursors)"
		       " or event_seq > (select coalesce(max(seq), 0) from engine_cursors)",
		.global = "the cursor is the installation's",
	},
	[STRAY_DELIVERIES] = {
		.name = "save_stray_deliveries", .args = "", .cols = "i",
		.sql = "select count(*) from deliveries d where d.number >"
		       " (select coalesce(max(deliveries), 0) from engine_cursors) or not exists"
		       " (select 1 from alerts a where a.number = d.alert_number"
		       " and a.org_id = d.org_id)",
		.global = "the cursor is the installation's",
	},
	[STRAY_ATTEMPTS] = {
		.name = "save_stray_attempts", .args = "", .cols = "i",
		.sql = "select count(*) from attempts t where not exists"
		       " (select 1 from deliveries d where d.number = t.delivery_number"
		       " and d.org_id = t.org_id)",
		.global = "whether rows belong together is asked of all of them",
	},
	[SENT_UNLIKE] = {
		.name = "save_sent_unlike", .args = "", .cols = "i",
		.sql = "select cast(abs((select count(*) from deliveries where status = 'sent'"
		       " and org_id not in (select id from orgs where status = 'purging')) -"
		       " (select coalesce(sum(count), 0) from usage_sent where org_id not in"
		       " (select id from orgs where status = 'purging'))) as bigint)",
		.global = "whether rows belong together is asked of all of them",
	},
};
const struct query_set save_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static bool read_saved(struct db *db, struct store_saved *out, struct err *err)
{
	enum found found;
	int64_t schema;

	if (!row_int(db, &queries[SCHEMA], (struct db_args) { 0 }, &schema, err)) {
		return false;
	}
	out->schema = (unsigned)schema;
	if (!db_run(db, &queries[CURSOR], (struct db_args) { 0 }, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		out->cursor = (uint64_t)db_col_int(db, 0);
		out->alerts = (uint64_t)db_col_int(db, 1);
		out->deliveries = (uint64_t)db_col_int(db, 2);
	}
	return found == NOT_FOUND;
}

bool store_saved(struct store *store, struct store_saved *out, struct err *err)
{
	struct db *db = NULL;
	bool ok;

	*out = (struct store_saved) { 0 };
	ok = store_connect(store, STORE_KEEPER, &db, err) && read_saved(db, out, err);
	db_close(&db);
	return ok || err_wrap(err, "read the state store");
}

static bool check_known(unsigned schema, struct err *err)
{
	return schema <= store_schema_newest() ||
	       err_set(err, ERR_CONFLICT,
		       "the state store has schema %u, this program knows up to %u: use a newer "
		       "tocsin",
		       schema, store_schema_newest());
}

bool store_not_newer(struct slice url, struct err *err)
{
	struct store *store = NULL;
	struct db *db = NULL;
	int64_t schema = 0;
	struct err ignored;

	if (!store_open(url, &store, err)) {
		return false;
	}
	store_only_look(store);
	if (store_connect(store, STORE_KEEPER, &db, &ignored) &&
	    !row_int(db, &queries[SCHEMA], (struct db_args) { 0 }, &schema, &ignored)) {
		schema = 0;
	}
	db_close(&db);
	store_close(&store);
	return check_known((unsigned)schema, err);
}

/* Tables. */

static bool take_word(struct slice *text, struct slice word)
{
	if (!slice_starts(*text, word)) {
		return false;
	}
	*text = slice_from(*text, word.n);
	return true;
}

static struct slice name_at(struct slice text)
{
	size_t n = 0;

	while (n < text.n && ((text.p[n] >= 'a' && text.p[n] <= 'z') || text.p[n] == '_' ||
			      (text.p[n] >= '0' && text.p[n] <= '9'))) {
		n++;
	}
	ensure(n > 0 && n <= NAME_CHARS_MAX);
	return (struct slice) { text.p, n };
}

static void drop_table(struct slice *names, size_t *n, struct slice name)
{
	for (size_t i = 0; i < *n; i++) {
		if (slice_eq(names[i], name)) {
			memmove(&names[i], &names[i + 1], (*n - i - 1) * sizeof(*names));
			--*n;
			return;
		}
	}
}

size_t store_tables(unsigned schema, struct arena *req, struct slice **names)
{
	size_t n = 0;

	*names = arena_array(req, TABLES_MAX, sizeof(**names));
	for (unsigned i = 0; i < schema; i++) {
		struct slice text = slice_of(migrations[i].up[STORE_POSTGRES]), line;

		while (slice_split(&text, '\n', &line)) {
			if (take_word(&line, S("create table "))) {
				ensure(n < TABLES_MAX);
				(*names)[n++] = name_at(line);
			} else if (take_word(&line, S("drop table "))) {
				drop_table(*names, &n, name_at(line));
			}
		}
	}
	return n;
}

/* Writing. */

static bool save_sqlite(struct store *store, const char *path, struct store_saved *out,
			struct err *err)
{
	struct store *copy = NULL;
	struct db *db = NULL;
	bool ok = store_connect(store, STORE_KEEPER, &db, err) && sqlite_backup(db, path, err);

	db_close(&db);
	ok = ok && store_open(slice_of(path), &copy, err) && store_saved(copy, out, err);
	store_close(&copy);
	return ok;
}

static bool put(FILE *f, struct slice s, struct err *err)
{
	return fwrite(s.p, 1, s.n, f) == s.n || err_errno(err, errno, "write the state");
}

static bool put_rows(void *arg, struct slice rows, struct err *err)
{
	return put(arg, rows, err);
}

static bool save_table(struct pg *pg, FILE *f, struct slice name, struct err *err)
{
	char sql[NAME_CHARS_MAX + 32];

	fprintf(f, "table %.*s\n", SARG(name));
	snprintf(sql, sizeof(sql), "copy %.*s to stdout", SARG(name));
	return pg_copy_out(pg, sql, put_rows, f, err) && put(f, S(ROWS_END), err);
}

static bool saved_by_numbers(struct pg *pg, struct store_saved *out, struct err *err)
{
	static const char *const sql[] = {
		"select coalesce(max(number), 0) from schema_migrations",
		"select coalesce(max(seq), 0) from engine_cursors where partition_id = 0",
		"select coalesce(max(alerts), 0) from engine_cursors where partition_id = 0",
		"select coalesce(max(deliveries), 0) from engine_cursors where partition_id = 0",
	};
	int64_t v[ARRAY_LEN(sql)];

	for (size_t i = 0; i < ARRAY_LEN(sql); i++) {
		if (!pg_number(pg, sql[i], &v[i], err)) {
			return false;
		}
	}
	*out = (struct store_saved) { .schema = (unsigned)v[0],
				      .cursor = (uint64_t)v[1],
				      .alerts = (uint64_t)v[2],
				      .deliveries = (uint64_t)v[3] };
	return check_known(out->schema, err);
}

static bool save_tables(struct pg *pg, FILE *f, struct store_saved *out, struct err *err)
{
	struct slice *names;
	struct arena req;
	bool ok = pg_script(pg, "begin isolation level repeatable read, read only", err) &&
		  saved_by_numbers(pg, out, err) && put(f, S(FILE_HEAD), err);
	size_t n;

	arena_init(&req, 0);
	n = ok ? store_tables(out->schema, &req, &names) : 0;
	for (size_t i = 0; ok && i < n; i++) {
		ok = save_table(pg, f, names[i], err);
	}
	arena_release(&req);
	return ok && put(f, S(FILE_END), err) && pg_script(pg, "commit", err);
}

static FILE *open_private(const char *path, struct err *err)
{
	FILE *f;

	(void)unlink(path);
	f = fopen(path, "wxe");
	if (f == NULL) {
		err_errno(err, errno, "create \"%s\"", path);
	} else {
		(void)fchmod(fileno(f), 0600);
	}
	return f;
}

static bool save_postgres(struct store *store, const char *path, struct store_saved *out,
			  struct err *err)
{
	struct pg *pg = NULL;
	FILE *f = open_private(path, err);
	bool ok;

	if (f == NULL) {
		return false;
	}
	ok = pg_open(store_target(store), "tocsin backup", FOR_ALL, &pg, err) &&
	     save_tables(pg, f, out, err);
	pg_close(&pg);
	if (fclose(f) != 0 && ok) {
		ok = err_errno(err, errno, "write \"%s\"", path);
	}
	return ok;
}

bool store_save(struct store *store, const char *path, struct store_saved *out, struct err *err)
{
	bool ok = false;

	switch (store_kind(store)) {
	case STORE_SQLITE:
		ok = save_sqlite(store, path, out, err);
		break;
	case STORE_POSTGRES:
		ok = save_postgres(store, path, out, err);
		break;
	}
	return (ok && check_known(out->schema, err)) || err_wrap(err, "copy the state");
}

/* Reading back. */

struct lines_in {
	FILE *f;
	char *line;
	size_t cap;
};

static bool next_line(struct lines_in *in, struct slice *line, struct err *err)
{
	ssize_t n = getline(&in->line, &in->cap, in->f);

	if (n <= 0) {
		return ferror(in->f) != 0 ? err_errno(err, errno, "read the state")
					  : err_set(err, ERR_CORRUPT, "the saved state is cut");
	}
	*line = (struct slice) { in->line, (size_t)n };
	return true;
}

static bool load_rows(struct lines_in *in, struct pg *pg, struct err *err)
{
	struct slice line;

	for (;;) {
		if (!next_line(in, &line, err)) {
			return false;
		}
		if (slice_eq(line, S(ROWS_END))) {
			return true;
		}
		if (!pg_copy_put(pg, line, err)) {
			return false;
		}
	}
}

static bool is_ours(struct slice name, const struct slice *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(name, names[i])) {
			return true;
		}
	}
	return false;
}

/* Into an empty table: two restores at a time do not mix. */
static bool load_table(struct lines_in *in, struct pg *pg, struct slice name, struct err *err)
{
	char sql[NAME_CHARS_MAX + 64];
	int64_t rows;

	snprintf(sql, sizeof(sql), "select count(*) from (select 1 from %.*s limit 1) t",
		 SARG(name));
	if (!pg_number(pg, sql, &rows, err)) {
		return false;
	}
	if (rows > 0) {
		return err_set(err, ERR_CONFLICT, "the database is not empty: \"%.*s\" has rows",
			       SARG(name));
	}
	snprintf(sql, sizeof(sql), "copy %.*s from stdin", SARG(name));
	return pg_copy_begin(pg, sql, err) && pg_copy_end(pg, load_rows(in, pg, err), err);
}

static bool load_tables(struct lines_in *in, struct pg *pg, const struct slice *names, size_t n,
			struct err *err)
{
	struct slice line;

	if (!next_line(in, &line, err)) {
		return false;
	}
	if (!slice_eq(line, S(FILE_HEAD))) {
		return err_set(err, ERR_CONFLICT, "the saved state is of another version");
	}
	for (;;) {
		char name[NAME_CHARS_MAX + 1];

		if (!next_line(in, &line, err)) {
			return false;
		}
		if (slice_eq(line, S(FILE_END))) {
			return true;
		}
		line.n--;
		if (!take_word(&line, S("table ")) || !is_ours(line, names, n)) {
			return err_set(err, ERR_CORRUPT, "the saved state has an unknown table");
		}
		snprintf(name, sizeof(name), "%.*s", SARG(line));
		if (!load_table(in, pg, slice_of(name), err)) {
			return false;
		}
	}
}

static bool load_file(struct store *store, FILE *f, unsigned schema, struct err *err)
{
	struct lines_in in = { .f = f };
	struct pg *pg = NULL;
	struct slice *names;
	struct arena req;
	size_t n;
	bool ok;

	arena_init(&req, 0);
	n = store_tables(schema, &req, &names);
	/* COPY does not go into a table with walls, so they are down until the rows are there. */
	ok = pg_open(store_target(store), "tocsin restore", FOR_ALL, &pg, err) &&
	     pg_script(pg, "begin", err) && pg_script(pg, walls_sql(schema, false, &req), err) &&
	     load_tables(&in, pg, names, n, err) &&
	     (schema < WALLS_SCHEMA || pg_script(pg, walls_sql(schema, true, &req), err)) &&
	     pg_script(pg, "commit", err);
	pg_close(&pg);
	arena_release(&req);
	free(in.line);
	return ok;
}

bool store_load(struct store *store, const char *path, unsigned schema, int64_t now_us,
		struct err *err)
{
	FILE *f;
	bool ok;

	ensure(store_kind(store) == STORE_POSTGRES);
	if (!check_known(schema, err) || !store_migrate(store, schema, now_us, NULL, err)) {
		return false;
	}
	f = fopen(path, "re");
	if (f == NULL) {
		return err_errno(err, errno, "open \"%s\"", path);
	}
	ok = load_file(store, f, schema, err);
	fclose(f);
	return ok || err_wrap(err, "fill the database");
}

/* Looking. */

bool store_integrity(struct store *store, struct err *err)
{
	struct db *db = NULL;
	bool ok = store_connect(store, STORE_KEEPER, &db, err) &&
		  (store_kind(store) == STORE_POSTGRES || sqlite_integrity(db, err));

	db_close(&db);
	return ok;
}

static bool none(struct db *db, const struct query *q, const char *what, struct err *err)
{
	int64_t n;

	return row_int(db, q, (struct db_args) { 0 }, &n, err) &&
	       (n == 0 || err_set(err, ERR_CORRUPT, "%lld %s", (long long)n, what));
}

/* Each in one statement, which sees one moment: others may write meanwhile. */
bool store_rows_agree(struct store *store, struct err *err)
{
	struct db *db = NULL;
	bool ok = store_connect(store, STORE_KEEPER, &db, err) &&
		  none(db, &queries[STRAY_ALERTS], "alerts are beyond the cursor", err) &&
		  none(db, &queries[STRAY_DELIVERIES],
		       "deliveries are beyond the cursor or belong to no alert", err) &&
		  none(db, &queries[STRAY_ATTEMPTS], "attempts belong to no delivery", err);

	db_close(&db);
	return ok;
}

bool store_sent_agree(struct store *store, struct err *err)
{
	struct db *db = NULL;
	bool ok = store_connect(store, STORE_KEEPER, &db, err) &&
		  none(db, &queries[SENT_UNLIKE],
		       "deliveries are sent and not in the usage, or the other way round", err);

	db_close(&db);
	return ok;
}
