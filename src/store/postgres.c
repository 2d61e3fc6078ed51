/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL driver: blocking libpq, statements prepared once per connection, results read
 * whole (lists are bounded). A lost connection is opened again at the next use that starts
 * something new; inside a transaction that is lost, only a rollback helps.
 */
#include "store/db.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "pg/pg.h"
#include "store/db_impl.h"
#include "store/walls.h"

#define INT_TEXT_MAX 24 /* digits and sign of an int64_t, terminated */

struct prepared {
	const struct query *q;
};
struct postgres_db {
	struct db base;
	struct pg *pg;
	struct map prepared; /* struct prepared by address of its query */
	PGresult *res;
	int row; /* the next row of res */
	int at;	 /* the current row of res */
	uint64_t wrote;
	int64_t wall; /* for whom the session works: an org, WALLS_ALL, or WALL_UNKNOWN */
};
#define WALL_UNKNOWN (-1)

/*
 * By enum store_role. A commit is durable whatever the server's default is. The limits free
 * connections of requests whose clients are gone; engine and courier may take longer.
 */
#define DURABLE "set synchronous_commit = on; set idle_in_transaction_session_timeout = '60s';"
#define FOR_ALL "set tocsin.org = '*';"
/* See WALLS_ROLE. Without the role there is no wall yet: it comes with the schema. */
#define WALLED \
	"do $walls$ begin" \
	" if (select rolsuper from pg_roles where rolname = current_user)" \
	" and exists (select from pg_roles where rolname = '" WALLS_ROLE "') then" \
	" set role " WALLS_ROLE "; end if; end $walls$;"
static const struct {
	const char *application;
	const char *settings;
} roles[STORE_ROLES] = {
	[STORE_API] = { "tocsin api",
			DURABLE WALLED "set statement_timeout = '30s'; set lock_timeout = '10s'" },
	[STORE_ENGINE] = { "tocsin engine", DURABLE FOR_ALL "set statement_timeout = '60s'" },
	[STORE_COURIER] = { "tocsin courier", DURABLE FOR_ALL "set statement_timeout = '60s'" },
	[STORE_KEEPER] = { "tocsin keeper", DURABLE FOR_ALL },
};

static struct postgres_db *from(struct db *db)
{
	return CONTAINER_OF(db, struct postgres_db, base);
}

static void forget_prepared(struct postgres_db *p)
{
	struct prepared *it;
	size_t at = 0;

	while ((it = map_next(&p->prepared, &at)) != NULL) {
		free(it);
	}
	map_release(&p->prepared);
	map_init(&p->prepared);
}

/* A connection that was lost while nobody used it is noticed by its first use, and only then. */
static bool revive(struct postgres_db *p, struct err *err)
{
	if (!pg_lost(p->pg)) {
		return true;
	}
	forget_prepared(p);
	p->wall = WALL_UNKNOWN;
	return pg_reopen(p->pg, err);
}

/* For whom a statement works; false when it names no org and gives no reason. */
static bool wall_of(const struct query *q, const struct db_value *v, int64_t *wall, struct err *err)
{
	size_t at = walls_org_arg(q);

	if (q->global != NULL) {
		*wall = WALLS_ALL;
		return true;
	}
	if (at >= strlen(q->args) || v[at].type != DB_INT || v[at].num <= WALLS_ALL) {
		return err_set(err, ERR_INTERNAL, "%s names no organization", q->name);
	}
	*wall = v[at].num;
	return true;
}

/* Whose rows the next statement may see. Kept until it changes: most calls are of one org. */
static bool stand_behind_wall(struct postgres_db *p, const struct query *q,
			      const struct db_value *v, struct err *err)
{
	int64_t wall = WALL_UNKNOWN;
	char sql[64];

	if (p->base.role != STORE_API) {
		return true;
	}
	if (!wall_of(q, v, &wall, err)) {
		return false;
	}
	if (p->wall == wall) {
		return true;
	}
	if (wall == WALLS_ALL) {
		snprintf(sql, sizeof(sql), "set tocsin.org = '*'");
	} else {
		snprintf(sql, sizeof(sql), "set tocsin.org = '%lld'", (long long)wall);
	}
	p->wall = WALL_UNKNOWN;
	if (!pg_script(p->pg, sql, err)) {
		return false;
	}
	p->wall = wall;
	return true;
}

static bool postgres_begin(struct db *db, struct err *err)
{
	struct postgres_db *p = from(db);

	if (!revive(p, err)) {
		return false;
	}
	if (pg_script(p->pg, "begin", err)) {
		return true;
	}
	/* Nothing has begun yet, so a connection that died idle is worth one more try. */
	return pg_lost(p->pg) && revive(p, err) && pg_script(p->pg, "begin", err);
}

static bool postgres_commit(struct db *db, struct err *err)
{
	struct postgres_db *p = from(db);

	if (pg_script(p->pg, "commit", err)) {
		return true;
	}
	p->wall = WALL_UNKNOWN;
	return false;
}

static void postgres_rollback(struct db *db)
{
	struct postgres_db *p = from(db);
	struct err err;

	/* What was set in the transaction is taken back with it. */
	p->wall = WALL_UNKNOWN;
	if (!pg_lost(p->pg) && !pg_script(p->pg, "rollback", &err)) {
		/*
		 * The server forgets the transaction with the connection, which begin opens anew.
		 */
		log_warn("store_rollback_failed", log_str("error", err.text));
	}
}

/* The words in a dialect comment come to life; see DB_SKIP_LOCKED. */
static void speak(const char *sql, char *out, size_t cap)
{
	static const char open[] = "/*+pg ";
	const char *mark = strstr(sql, open);
	const char *end = mark == NULL ? NULL : strstr(mark, "*/");

	ensure(strlen(sql) < cap);
	if (mark == NULL || end == NULL) {
		memcpy(out, sql, strlen(sql) + 1);
		return;
	}
	snprintf(out, cap, "%.*s%.*s%s", (int)(mark - sql), sql,
		 (int)(end - mark - (ptrdiff_t)sizeof(open) + 1), mark + sizeof(open) - 1, end + 2);
}

#define SQL_BYTES_MAX 4096 /* the longest statement has about 1,000 */

static bool prepare(struct postgres_db *p, const struct query *q, struct err *err)
{
	struct slice key = { .p = (const char *)&q, .n = sizeof(q) };
	Oid types[DB_ARGS_MAX];
	char sql[SQL_BYTES_MAX];
	struct prepared *it;
	size_t n = strlen(q->args);

	if (map_get(&p->prepared, key) != NULL) {
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		types[i] = q->args[i] == 'i' ? PG_INT8 : PG_TEXT;
	}
	speak(q->sql, sql, sizeof(sql));
	if (!pg_prepare(p->pg, q->name, sql, types, (int)n, err)) {
		return false;
	}
	it = mem_alloc(1, sizeof(*it));
	it->q = q;
	map_put(&p->prepared, MAP_KEY(it->q), it);
	return true;
}

/* Texts as libpq wants them: terminated. */
struct bound {
	const char *values[DB_ARGS_MAX];
	char numbers[DB_ARGS_MAX][INT_TEXT_MAX];
	struct arena texts;
};

static void bind(struct bound *b, struct db_args args)
{
	for (size_t i = 0; i < args.n; i++) {
		const struct db_value *v = &args.v[i];

		switch (v->type) {
		case DB_NULL:
			b->values[i] = NULL;
			break;
		case DB_INT:
			snprintf(b->numbers[i], INT_TEXT_MAX, "%lld", (long long)v->num);
			b->values[i] = b->numbers[i];
			break;
		case DB_TEXT:
			b->values[i] = arena_cstr(&b->texts, v->text);
			break;
		}
	}
}

static bool run_once(struct postgres_db *p, const struct query *q, const struct bound *b, size_t n,
		     struct err *err)
{
	return prepare(p, q, err) && pg_run(p->pg, q->name, b->values, (int)n, &p->res, err);
}

static bool postgres_run(struct db *db, const struct query *q, struct db_args args, struct err *err)
{
	struct postgres_db *p = from(db);
	struct bound b;
	bool ok;

	if ((!db->in_tx && !revive(p, err)) || !stand_behind_wall(p, q, args.v, err)) {
		return false;
	}
	arena_init(&b.texts, 0);
	bind(&b, args);
	ok = run_once(p, q, &b, args.n, err);
	arena_release(&b.texts);
	if (!ok) {
		return false;
	}
	ensure((size_t)PQnfields(p->res) == strlen(q->cols));
	p->row = 0;
	return true;
}

static enum found postgres_next(struct db *db, struct err *err UNUSED)
{
	struct postgres_db *p = from(db);
	uint64_t wrote = 0;

	if (p->row < PQntuples(p->res)) {
		p->at = p->row++;
		return FOUND;
	}
	if (slice_u64(slice_of(PQcmdTuples(p->res)), &wrote)) {
		p->wrote = wrote;
	} else {
		p->wrote = 0;
	}
	return NOT_FOUND;
}

static uint64_t postgres_changed(struct db *db)
{
	return from(db)->wrote;
}

static void postgres_end(struct db *db)
{
	struct postgres_db *p = from(db);

	PQclear(p->res);
	p->res = NULL;
}

static bool send_all(struct postgres_db *p, const struct query *q, const struct db_value *v,
		     size_t n, struct err *err)
{
	size_t width = strlen(q->args);
	struct bound b;
	bool ok = true;

	arena_init(&b.texts, 0);
	for (size_t i = 0; i < n && ok; i++) {
		bind(&b, (struct db_args) { .v = v + i * width, .n = width });
		ok = pg_send(p->pg, q->name, b.values, (int)width, err);
		arena_clear(&b.texts);
	}
	arena_release(&b.texts);
	return ok;
}

/* The answer of run i, row by row. */
static void tell_rows(struct postgres_db *p, size_t i, db_row_fn on_row, void *arg)
{
	for (p->at = 0; on_row != NULL && p->at < PQntuples(p->res); p->at++) {
		p->base.row = true;
		on_row(&p->base, i, arg);
	}
	PQclear(p->res);
	p->res = NULL;
}

static bool postgres_many(struct db *db, const struct query *q, const struct db_value *v, size_t n,
			  db_row_fn on_row, void *arg, struct err *err)
{
	struct postgres_db *p = from(db);
	bool ok = n == 0 || (stand_behind_wall(p, q, v, err) && prepare(p, q, err));

	if (!ok || n == 0) {
		return ok;
	}
	ok = pg_pipeline(p->pg, err) && send_all(p, q, v, n, err) && pg_sync(p->pg, err);
	for (size_t i = 0; i < n && ok; i++) {
		ok = pg_take(p->pg, &p->res, err);
		if (ok) {
			tell_rows(p, i, on_row, arg);
		}
	}
	return pg_settle(p->pg, ok, err);
}

static bool postgres_col_null(struct db *db, size_t col)
{
	return PQgetisnull(from(db)->res, from(db)->at, (int)col) != 0;
}

static struct slice postgres_col_text(struct db *db, size_t col)
{
	struct postgres_db *p = from(db);

	return (struct slice) {
		.p = PQgetvalue(p->res, p->at, (int)col),
		.n = (size_t)PQgetlength(p->res, p->at, (int)col),
	};
}

static int64_t postgres_col_int(struct db *db, size_t col)
{
	int64_t v = 0;

	ensure(slice_i64(postgres_col_text(db, col), &v));
	return v;
}

static bool postgres_script(struct db *db, const char *sql, struct err *err)
{
	return pg_script(from(db)->pg, sql, err);
}

static void postgres_close(struct db *db)
{
	struct postgres_db *p = from(db);

	forget_prepared(p);
	map_release(&p->prepared);
	pg_close(&p->pg);
	free(p);
}

static const struct db_driver driver = {
	.close = postgres_close,
	.begin = postgres_begin,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.run = postgres_run,
	.next = postgres_next,
	.changed = postgres_changed,
	.end = postgres_end,
	.many = postgres_many,
	.col_null = postgres_col_null,
	.col_int = postgres_col_int,
	.col_text = postgres_col_text,
	.script = postgres_script,
};

bool postgres_connect(struct store *store, enum store_role role, struct db **out, struct err *err)
{
	struct postgres_db *p = mem_alloc(1, sizeof(*p));

	p->base = (struct db) { .driver = &driver, .store = store, .role = role };
	p->wall = WALL_UNKNOWN;
	map_init(&p->prepared);
	if (!pg_open(store_target(store), roles[role].application, roles[role].settings, &p->pg,
		     err)) {
		postgres_close(&p->base);
		return false;
	}
	*out = &p->base;
	return true;
}
