/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of events. Rows are added to where they are, so the engine writes differences only; what
 * keeps it exact is that its cursor moves in the same transaction.
 */
#include "store/rollups.h"

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

/* Rows that a slice removes, and those that share a bucket with its last one. */
#define SLICE_ROWS "3000"

enum { ADD, CLEAR, CLEAR_OLDER, LIST, NEWEST, PRUNE, SUM };
static const struct query queries[] = {
	[ADD] = {
		.name = "rollup_add", .args = ROLLUP_LETTERS, .cols = "",
		.sql = "insert into rollups (" ROLLUP_COLS ") values ($1, $2, $3, $4, $5, $6, $7)"
		       " on conflict (org_id, project_id, step, start_at, type, severity)"
		       " do update set count = rollups.count + excluded.count",
	},
	[CLEAR] = {
		.name = "rollup_clear", .args = "iiii", .cols = "",
		.sql = "delete from rollups where org_id = $1 and project_id = $2 and step = $3"
		       " and start_at >= $4",
	},
	[CLEAR_OLDER] = {
		.name = "rollup_clear_older", .args = "iiii", .cols = "",
		.sql = "delete from rollups where org_id = $1 and project_id = $2 and step = $3"
		       " and start_at < $4 and start_at <= (select max(start_at) from"
		       " (select start_at from rollups where org_id = $1 and project_id = $2"
		       " and step = $3 and start_at < $4 order by start_at limit " SLICE_ROWS
		       ") as slice)",
	},
	[LIST] = {
		/* $6: the type, $7: what it starts with; $8: the severity; $9: no such types. */
		.name = "rollup_list", .args = "iiiiittit", .cols = "iiii",
		.sql = "select start_at, severity,"
		       " cast(sum(case when type = '' and $6 || $7 <> '' then 0 else count end)"
		       " as bigint),"
		       " cast(sum(case when type = '' then count else 0 end) as bigint)"
		       " from rollups where org_id = $1 and project_id = $2 and step = $3"
		       " and start_at >= $4 and start_at < $5"
		       " and start_at >= coalesce((select deleted_at - deleted_at % $3 from retention"
		       " where org_id = $1 and project_id = $2), 0)"
		       " and (type = '' or (($6 = '' or type = $6)"
		       " and substr(type, 1, length($7)) = $7))"
		       " and ($8 = 0 or severity = $8)"
		       " and ($9 = '' or substr(type, 1, length($9)) <> $9)"
		       " group by start_at, severity order by start_at, severity",
	},
	[NEWEST] = {
		.name = "rollup_newest", .args = "i", .cols = ROLLUP_LETTERS,
		.sql = "select " ROLLUP_COLS " from rollups where step = $1"
		       " and start_at = (select max(start_at) from rollups where step = $1)",
		.global = "the engine counts for all orgs",
	},
	[PRUNE] = {
		.name = "rollup_prune", .args = "ii", .cols = "",
		.sql = "delete from rollups where step = $1 and start_at ="
		       " (select min(start_at) from rollups where step = $1) and start_at < $2",
		.global = "the keeper prunes for all orgs",
	},
	[SUM] = {
		.name = "rollup_sum", .args = "ii", .cols = "iiii",
		.sql = "select org_id, project_id, start_at, cast(sum(count) as bigint)"
		       " from rollups where step = $1 and start_at >= $2"
		       " group by org_id, project_id, start_at",
		.global = "the checker of the books adds up all orgs",
	},
};
const struct query_set rollup_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct rollup_row, org.v),   FIELD(struct rollup_row, project.v),
	FIELD(struct rollup_row, step_us), FIELD(struct rollup_row, start_us),
	FIELD(struct rollup_row, type),	   FIELD(struct rollup_row, severity),
	FIELD(struct rollup_row, count),
};
static const struct row_shape shape = SHAPE(struct rollup_row, fields);

static const struct row_field bucket_fields[] = {
	FIELD(struct rollup_bucket, start_us),
	FIELD(struct rollup_bucket, severity),
	FIELD(struct rollup_bucket, count),
	FIELD(struct rollup_bucket, unnamed),
};
static const struct row_shape bucket_shape = SHAPE(struct rollup_bucket, bucket_fields);

bool store_rollup_list(struct org_id org, struct db *db, const struct rollup_filter *filter,
		       size_t max, struct arena *req, struct rollup_list *out, struct err *err)
{
	struct slice type = filter->type, prefix = S("");
	void *rows;

	if (slice_ends(type, S(".*"))) {
		prefix = (struct slice) { type.p, type.n - 1 };
		type = S("");
	}
	if (!row_list(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), db_id(filter->project.v), db_int(filter->step_us),
			      db_int(filter->from_us), db_int(filter->to_us), db_text(type),
			      db_text(prefix), db_int(filter->severity), db_text(filter->without)),
		      &bucket_shape, max, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

static const int64_t steps[] = { ROLLUP_MINUTE_US, ROLLUP_HOUR_US };

/* One of the deletions, of the buckets of one length, from or until the one that at_us is in. */
static bool clear(struct org_id org, struct db *db, const struct query *q,
		  struct project_id project, int64_t step_us, int64_t at_us, uint64_t *removed,
		  struct err *err)
{
	return db_exec(db, q,
		       DB_ARGS(db_id(org.v), db_id(project.v), db_int(step_us),
			       db_int(at_us - at_us % step_us)),
		       removed, err);
}

bool store_rollups_clear(struct org_id org, struct db *db, struct project_id project, int64_t at_us,
			 struct err *err)
{
	uint64_t removed;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (!clear(org, db, &queries[CLEAR], project, steps[i], at_us, &removed, err)) {
			return false;
		}
	}
	return true;
}

enum found store_rollups_clear_older(struct org_id org, struct db *db, struct project_id project,
				     int64_t at_us, struct err *err)
{
	uint64_t removed = 0;

	ensure(!db_in_transaction(db));
	for (size_t i = 0; i < ARRAY_LEN(steps) && removed == 0; i++) {
		if (!clear(org, db, &queries[CLEAR_OLDER], project, steps[i], at_us, &removed,
			   err)) {
			return FAILED;
		}
	}
	return removed > 0 ? FOUND : NOT_FOUND;
}

bool store_rollups_add(struct db *db, const struct rollup_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[ADD], &shape, rows, n, err);
}

bool store_rollups_newest(struct db *db, int64_t step_us,
			  void (*each)(void *arg, const struct rollup_row *row), void *arg,
			  struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[NEWEST], DB_ARGS(db_int(step_us)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		struct rollup_row row = {
			.org = { (uint64_t)db_col_int(db, 0) },
			.project = { (uint64_t)db_col_int(db, 1) },
			.step_us = db_col_int(db, 2),
			.start_us = db_col_int(db, 3),
			.type = db_col_text(db, 4),
			.severity = (uint32_t)db_col_int(db, 5),
			.count = (uint64_t)db_col_int(db, 6),
		};

		each(arg, &row);
	}
	return found == NOT_FOUND;
}

bool store_rollups_prune(struct db *db, int64_t step_us, int64_t before_us, size_t buckets,
			 struct err *err)
{
	return row_prune(db, &queries[PRUNE], DB_ARGS(db_int(step_us), db_int(before_us)), buckets,
			 err);
}

bool store_rollups_sum(struct db *db, int64_t step_us, int64_t from_us,
		       void (*each)(void *arg, const struct rollup_row *row), void *arg,
		       struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[SUM], DB_ARGS(db_int(step_us), db_int(from_us)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		struct rollup_row row = {
			.org = { (uint64_t)db_col_int(db, 0) },
			.project = { (uint64_t)db_col_int(db, 1) },
			.step_us = step_us,
			.start_us = db_col_int(db, 2),
			.count = (uint64_t)db_col_int(db, 3),
		};

		each(arg, &row);
	}
	return found == NOT_FOUND;
}
