/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was used. Rows are added to those that are there, in the order of their keys: engine and
 * courier write at the same time and must not wait for each other in a circle.
 */
#include "store/usage.h"

#include <stdlib.h>

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

enum { ADD, LIST, NEWEST, BY_ORG, SUM, EVENTS_SUM, SENT_ADD, SENT_LIST, SENT_SUM };
static const struct query queries[] = {
	[ADD] = {
		.name = "usage_add", .args = USAGE_LETTERS, .cols = "",
		.sql = "insert into usage_events (" USAGE_COLS ") values ($1, $2, $3, $4, $5, $6)"
		       " on conflict (org_id, day, project_id, key_id, type)"
		       " do update set count = usage_events.count + excluded.count",
	},
	[LIST] = {
		.name = "usage_list", .args = "iiii", .cols = USAGE_LETTERS,
		.sql = "select " USAGE_COLS " from usage_events where org_id = $1"
		       " and day >= $3 and day < $4 and project_id = $2 order by day, key_id, type",
	},
	[NEWEST] = {
		.name = "usage_newest", .args = "i", .cols = USAGE_LETTERS,
		.sql = "select " USAGE_COLS " from usage_events where day >= $1",
		.global = "the engine counts for all orgs",
	},
	[BY_ORG] = {
		.name = "usage_by_org", .args = "i", .cols = "ii",
		.sql = "select org_id, cast(sum(count) as bigint) from usage_events"
		       " where day >= $1 group by org_id",
		.global = "the loop's counters are of all orgs",
	},
	[SUM] = {
		.name = "usage_sum", .args = "", .cols = "iiii",
		.sql = "select org_id, project_id, day, cast(sum(count) as bigint)"
		       " from usage_events group by org_id, project_id, day",
		.global = "the checker of the books adds up all orgs",
	},
	[EVENTS_SUM] = {
		.name = "usage_events_sum", .args = "iii", .cols = "i",
		.sql = "select cast(coalesce(sum(count), 0) as bigint) from usage_events"
		       " where org_id = $1 and day >= $2 and day < $3",
	},
	[SENT_ADD] = {
		.name = "usage_sent_add", .args = USAGE_SENT_LETTERS, .cols = "",
		.sql = "insert into usage_sent (" USAGE_SENT_COLS ") values ($1, $2, $3, $4)"
		       " on conflict (org_id, day, project_id)"
		       " do update set count = usage_sent.count + excluded.count",
	},
	[SENT_LIST] = {
		.name = "usage_sent_list", .args = "iiii", .cols = USAGE_SENT_LETTERS,
		.sql = "select " USAGE_SENT_COLS " from usage_sent where org_id = $1"
		       " and day >= $3 and day < $4 and project_id = $2 order by day",
	},
	[SENT_SUM] = {
		.name = "usage_sent_sum", .args = "iii", .cols = "i",
		.sql = "select cast(coalesce(sum(count), 0) as bigint) from usage_sent"
		       " where org_id = $1 and day >= $2 and day < $3",
	},
};
const struct query_set usage_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct usage_row, org.v),	    FIELD(struct usage_row, day_us),
	FIELD(struct usage_row, project.v), FIELD(struct usage_row, key.v),
	FIELD(struct usage_row, type),	    FIELD(struct usage_row, count),
};
static const struct row_shape shape = SHAPE(struct usage_row, fields);

static const struct row_field sent_fields[] = {
	FIELD(struct usage_sent_row, org.v),
	FIELD(struct usage_sent_row, day_us),
	FIELD(struct usage_sent_row, project.v),
	FIELD(struct usage_sent_row, count),
};
static const struct row_shape sent_shape = SHAPE(struct usage_sent_row, sent_fields);

bool store_usage_list(struct org_id org, struct db *db, struct project_id project, int64_t from_us,
		      int64_t to_us, size_t max, struct arena *req, struct usage_list *out,
		      struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), db_id(project.v), db_int(from_us), db_int(to_us)),
		      &shape, max, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_usage_sent_list(struct org_id org, struct db *db, struct project_id project,
			   int64_t from_us, int64_t to_us, size_t max, struct arena *req,
			   struct usage_sent_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[SENT_LIST],
		      DB_ARGS(db_id(org.v), db_id(project.v), db_int(from_us), db_int(to_us)),
		      &sent_shape, max, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_usage_events_sum(struct org_id org, struct db *db, int64_t from_us, int64_t to_us,
			    uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[EVENTS_SUM],
			  DB_ARGS(db_id(org.v), db_int(from_us), db_int(to_us)), &n, err);

	*out = (uint64_t)n;
	return ok;
}

bool store_usage_sent_sum(struct org_id org, struct db *db, int64_t from_us, int64_t to_us,
			  uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[SENT_SUM],
			  DB_ARGS(db_id(org.v), db_int(from_us), db_int(to_us)), &n, err);

	*out = (uint64_t)n;
	return ok;
}

static int by_key(const void *left, const void *right)
{
	const struct usage_row *a = left, *b = right;
	const uint64_t x[] = { a->org.v, (uint64_t)a->day_us, a->project.v, a->key.v };
	const uint64_t y[] = { b->org.v, (uint64_t)b->day_us, b->project.v, b->key.v };

	for (size_t i = 0; i < ARRAY_LEN(x); i++) {
		if (x[i] != y[i]) {
			return x[i] < y[i] ? -1 : 1;
		}
	}
	return slice_cmp(a->type, b->type);
}

bool store_usage_add(struct db *db, struct usage_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	if (n > 1) {
		qsort(rows, n, sizeof(*rows), by_key);
	}
	return row_insert_all(db, &queries[ADD], &shape, rows, n, err);
}

bool store_usage_newest(struct db *db, int64_t day_us,
			void (*each)(void *arg, const struct usage_row *row), void *arg,
			struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[NEWEST], DB_ARGS(db_int(day_us)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		struct usage_row row = {
			.org = { (uint64_t)db_col_int(db, 0) },
			.day_us = db_col_int(db, 1),
			.project = { (uint64_t)db_col_int(db, 2) },
			.key = { (uint64_t)db_col_int(db, 3) },
			.type = db_col_text(db, 4),
			.count = (uint64_t)db_col_int(db, 5),
		};

		each(arg, &row);
	}
	return found == NOT_FOUND;
}

bool store_usage_by_org(struct db *db, int64_t from_us,
			void (*each)(void *arg, const struct usage_row *row), void *arg,
			struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[BY_ORG], DB_ARGS(db_int(from_us)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		struct usage_row row = { .org = { (uint64_t)db_col_int(db, 0) },
					 .day_us = from_us,
					 .count = (uint64_t)db_col_int(db, 1) };

		each(arg, &row);
	}
	return found == NOT_FOUND;
}

bool store_usage_sum(struct db *db, void (*each)(void *arg, const struct usage_row *row), void *arg,
		     struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[SUM], (struct db_args) { 0 }, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		struct usage_row row = {
			.org = { (uint64_t)db_col_int(db, 0) },
			.project = { (uint64_t)db_col_int(db, 1) },
			.day_us = db_col_int(db, 2),
			.count = (uint64_t)db_col_int(db, 3),
		};

		each(arg, &row);
	}
	return found == NOT_FOUND;
}

static int by_day(const void *left, const void *right)
{
	const struct usage_sent_row *a = left, *b = right;
	const uint64_t x[] = { a->org.v, (uint64_t)a->day_us, a->project.v };
	const uint64_t y[] = { b->org.v, (uint64_t)b->day_us, b->project.v };

	for (size_t i = 0; i < ARRAY_LEN(x); i++) {
		if (x[i] != y[i]) {
			return x[i] < y[i] ? -1 : 1;
		}
	}
	return 0;
}

bool store_usage_sent_add(struct db *db, struct usage_sent_row *rows, size_t n, struct err *err)
{
	size_t kept = 0;

	ensure(db_in_transaction(db));
	if (n > 1) {
		qsort(rows, n, sizeof(*rows), by_day);
	}
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && by_day(&rows[kept - 1], &rows[i]) == 0) {
			rows[kept - 1].count += rows[i].count;
		} else {
			rows[kept++] = rows[i];
		}
	}
	return row_insert_all(db, &queries[SENT_ADD], &sent_shape, rows, kept, err);
}
