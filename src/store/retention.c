/* SPDX-License-Identifier: Apache-2.0 */
/* One row per project with a history; each writer has columns of its own. */
#include "store/retention.h"

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

#define ROWS_MAX 1000000 /* projects of an installation: 56 MB */

#define INSERT \
	"insert into retention (" RETENTION_COLS ") values ($1, $2, $3, $4, $5, $6, $7)" \
	" on conflict (org_id, project_id) do update set "
#define LATER_GONE \
	"gone_before = case when excluded.gone_before > retention.gone_before" \
	" then excluded.gone_before else retention.gone_before end"

enum { GET, SET, PURGED, ALL, DELETED, GONE };
static const struct query queries[] = {
	[GET] = {
		.name = "retention_get", .args = "ii", .cols = RETENTION_LETTERS,
		.sql = "select " RETENTION_COLS " from retention"
		       " where org_id = $1 and project_id = $2",
	},
	[SET] = {
		.name = "retention_set", .args = RETENTION_LETTERS, .cols = "",
		.sql = INSERT "days = excluded.days, " LATER_GONE,
	},
	[PURGED] = {
		.name = "retention_purged", .args = "iiii", .cols = "",
		.sql = "update retention set purged_at = $4"
		       " where org_id = $1 and project_id = $2 and deleted_seq = $3",
	},
	[ALL] = {
		.name = "retention_all", .args = "", .cols = RETENTION_LETTERS,
		.sql = "select " RETENTION_COLS " from retention",
		.global = "what is hidden is kept in memory for all orgs",
	},
	[DELETED] = {
		.name = "retention_deleted", .args = RETENTION_LETTERS, .cols = "",
		.sql = INSERT "deleted_seq = excluded.deleted_seq,"
			      " deleted_at = excluded.deleted_at, purged_at = 0",
		.global = "one engine batch serves many orgs",
	},
	[GONE] = {
		.name = "retention_gone", .args = RETENTION_LETTERS, .cols = "",
		.sql = INSERT LATER_GONE,
		.global = "the keeper purges for all orgs",
	},
};
const struct query_set retention_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct retention_row, org.v),	  FIELD(struct retention_row, project.v),
	FIELD(struct retention_row, days),	  FIELD(struct retention_row, gone_us),
	FIELD(struct retention_row, deleted_seq), FIELD(struct retention_row, deleted_us),
	FIELD(struct retention_row, purged_us),
};
static const struct row_shape shape = SHAPE(struct retention_row, fields);

enum found store_retention_get(struct org_id org, struct db *db, struct project_id project,
			       struct arena *req, struct retention_row *out, struct err *err)
{
	*out = (struct retention_row) { .org = org, .project = project, .days = RETENTION_DEFAULT };
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(project.v)), &shape, req, out,
		       err);
}

bool store_retention_set(struct org_id org, struct db *db, struct project_id project, int64_t days,
			 int64_t gone_us, struct err *err)
{
	struct retention_row row = {
		.org = org, .project = project, .days = days, .gone_us = gone_us
	};

	return row_insert(db, &queries[SET], &shape, &row, NULL, err);
}

bool store_retention_purged(struct org_id org, struct db *db, struct project_id project,
			    uint64_t seq, int64_t at_us, struct err *err)
{
	return row_touch(db, &queries[PURGED],
			 DB_ARGS(db_id(org.v), db_id(project.v), db_id(seq), db_int(at_us)),
			 err) != FAILED;
}

bool store_retention_all(struct db *db, void (*each)(void *arg, const struct retention_row *row),
			 void *arg, struct err *err)
{
	struct arena tick;
	void *rows;
	size_t n;
	bool ok;

	arena_init(&tick, 0);
	ok = row_list(db, &queries[ALL], (struct db_args) { 0 }, &shape, ROWS_MAX, &tick, &rows, &n,
		      err);
	for (size_t i = 0; ok && i < n; i++) {
		each(arg, &((const struct retention_row *)rows)[i]);
	}
	arena_release(&tick);
	return ok;
}

bool store_retention_delete(struct db *db, const struct retention_row *rows, size_t n,
			    struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[DELETED], &shape, rows, n, err);
}

bool store_retention_gone(struct db *db, const struct retention_row *rows, size_t n,
			  struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[GONE], &shape, rows, n, err);
}
