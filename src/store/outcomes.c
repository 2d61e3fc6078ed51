/* SPDX-License-Identifier: Apache-2.0 */
/* The books of what was sent: differences are added to the rows that are there. */
#include "store/outcomes.h"

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

/* Projects times hours times outcomes: forty bytes each, in a command that looks. */
#define SUMS_MAX 20000000

enum { ADD, LIST, PRUNE, SUM, SENDERS };
static const struct query queries[] = {
	[ADD] = {
		.name = "outcome_add", .args = OUTCOME_LETTERS, .cols = "",
		.sql = "insert into outcomes (" OUTCOME_COLS ") values ($1, $2, $3, $4, $5, $6)"
		       " on conflict (org_id, project_id, step, start_at, outcome)"
		       " do update set count = outcomes.count + excluded.count",
	},
	[LIST] = {
		.name = "outcome_list", .args = "iiiii", .cols = OUTCOME_LETTERS,
		.sql = "select " OUTCOME_COLS " from outcomes where org_id = $1 and project_id = $2"
		       " and step = $3 and start_at >= $4 and start_at < $5 order by start_at",
	},
	[PRUNE] = {
		.name = "outcome_prune", .args = "ii", .cols = "",
		.sql = "delete from outcomes where step = $1 and start_at ="
		       " (select min(start_at) from outcomes where step = $1) and start_at < $2",
		.global = "the keeper prunes for all orgs",
	},
	[SUM] = {
		.name = "outcome_sum", .args = "ii", .cols = OUTCOME_LETTERS,
		.sql = "select " OUTCOME_COLS " from outcomes where step = $1 and start_at >= $2",
		.global = "the checker of the books adds up all orgs",
	},
	[SENDERS] = {
		.name = "outcome_senders", .args = "iit", .cols = "ii",
		.sql = "select org_id, project_id from outcomes where step = $1 and start_at = $2"
		       " and outcome = $3 and count > 0",
		.global = "one watchman looks at all orgs",
	},
};
const struct query_set outcome_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct outcome_row, org.v),
	FIELD(struct outcome_row, project.v),
	FIELD(struct outcome_row, step_us),
	FIELD(struct outcome_row, start_us),
	FIELD_ENUM(struct outcome_row, outcome, outcome_names, OUTCOMES),
	FIELD(struct outcome_row, count),
};
static const struct row_shape shape = SHAPE(struct outcome_row, fields);

bool store_outcome_list(struct org_id org, struct db *db, const struct outcome_filter *filter,
			size_t max, struct arena *req, struct outcome_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), db_id(filter->project.v), db_int(filter->step_us),
			      db_int(filter->from_us), db_int(filter->to_us)),
		      &shape, max, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_outcomes_add(struct db *db, const struct outcome_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[ADD], &shape, rows, n, err);
}

bool store_outcomes_prune(struct db *db, int64_t step_us, int64_t before_us, size_t buckets,
			  struct err *err)
{
	return row_prune(db, &queries[PRUNE], DB_ARGS(db_int(step_us), db_int(before_us)), buckets,
			 err);
}

bool store_outcomes_sum(struct db *db, int64_t step_us, int64_t from_us,
			void (*each)(void *arg, const struct outcome_row *row), void *arg,
			struct err *err)
{
	struct arena tick;
	void *rows;
	size_t n;
	bool ok;

	arena_init(&tick, 0);
	ok = row_list(db, &queries[SUM], DB_ARGS(db_int(step_us), db_int(from_us)), &shape,
		      SUMS_MAX, &tick, &rows, &n, err);
	for (size_t i = 0; ok && i < n; i++) {
		each(arg, &((const struct outcome_row *)rows)[i]);
	}
	arena_release(&tick);
	return ok;
}

bool store_outcomes_senders(struct db *db, int64_t hour_us,
			    void (*each)(void *arg, struct org_id org, struct project_id project),
			    void *arg, struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[SENDERS],
		    DB_ARGS(db_int(ROLLUP_HOUR_US), db_int(hour_us),
			    db_text(slice_of(outcome_names[OUTCOME_RECEIVED]))),
		    err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		each(arg, (struct org_id) { (uint64_t)db_col_int(db, 0) },
		     (struct project_id) { (uint64_t)db_col_int(db, 1) });
	}
	return found == NOT_FOUND;
}
