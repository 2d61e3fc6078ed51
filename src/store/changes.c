/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change rows. The number comes from one row per org that stays locked until the commit, so the
 * order of numbers is the order of commits and a reader never meets a gap that fills later.
 */
#include "store/changes.h"

#include <stdlib.h>

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

enum { AFTER, BOUNDS, RESERVE, INSERT, ORGS, PRUNE };
static const struct query queries[] = {
	[AFTER] = {
		.name = "change_after", .args = "iiii", .cols = CHANGE_LETTERS,
		.sql = "select " CHANGE_COLS " from changes where org_id = $1"
		       " and (project_id = $2 or project_id = 0 or $2 = 0) and number > $3"
		       " order by number limit $4",
	},
	[BOUNDS] = {
		.name = "change_bounds", .args = "i", .cols = "ii",
		.sql = "select coalesce((select min(number) from changes where org_id = $1),"
		       " number + 1), number from change_heads where org_id = $1",
	},
	[RESERVE] = {
		.name = "change_reserve", .args = "ii", .cols = "i",
		.sql = "insert into change_heads (org_id, number) values ($1, $2)"
		       " on conflict (org_id) do update"
		       " set number = change_heads.number + excluded.number returning number",
	},
	[INSERT] = {
		.name = "change_insert", .args = CHANGE_LETTERS, .cols = "",
		.sql = "insert into changes (" CHANGE_COLS ") values ($1, $2, $3, $4, $5, $6)",
	},
	[ORGS] = {
		.name = "change_orgs", .args = "ii", .cols = "i",
		.sql = "select org_id from change_heads where org_id > $1 order by org_id limit $2",
		.global = "the keeper prunes for all orgs",
	},
	[PRUNE] = {
		.name = "change_prune", .args = "iii", .cols = "",
		.sql = "delete from changes where org_id = $1 and created_at < $2 and number in"
		       " (select number from changes where org_id = $1 order by number limit $3)",
	},
};
const struct query_set change_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct change_row, org.v),  FIELD(struct change_row, project.v),
	FIELD(struct change_row, number), FIELD(struct change_row, kind),
	FIELD(struct change_row, body),	  FIELD(struct change_row, created_us),
};
static const struct row_shape shape = SHAPE(struct change_row, fields);

bool store_changes_after(struct org_id org, struct db *db, struct project_id project,
			 uint64_t after, size_t limit, struct arena *req, struct change_list *out,
			 struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[AFTER],
		      DB_ARGS(db_id(org.v), db_id(project.v), db_id(after), db_id(limit)), &shape,
		      limit, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_changes_bounds(struct org_id org, struct db *db, struct change_bounds *out,
			  struct err *err)
{
	enum found found;

	*out = (struct change_bounds) { 0 };
	if (!db_run(db, &queries[BOUNDS], DB_ARGS(db_id(org.v)), err)) {
		return false;
	}
	found = db_next(db, err);
	if (found != FOUND) {
		return found == NOT_FOUND;
	}
	out->oldest = (uint64_t)db_col_int(db, 0);
	out->newest = (uint64_t)db_col_int(db, 1);
	db_end(db);
	return true;
}

/* By org; among the changes of one org by their first place, which number holds meanwhile. */
static int by_org(const void *left, const void *right)
{
	const struct change_row *a = left, *b = right;

	if (a->org.v != b->org.v) {
		return a->org.v < b->org.v ? -1 : 1;
	}
	return a->number < b->number ? -1 : a->number > b->number;
}

static bool insert_of_org(struct db *db, struct change_row *rows, size_t n, struct err *err)
{
	int64_t last;

	if (!row_int(db, &queries[RESERVE], DB_ARGS(db_id(rows[0].org.v), db_id(n)), &last, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		rows[i].number = (uint64_t)last - n + 1 + i;
	}
	return row_insert_all(db, &queries[INSERT], &shape, rows, n, err);
}

bool store_changes_insert(struct db *db, struct change_row *rows, size_t n, struct err *err)
{
	size_t from, to;

	ensure(db_in_transaction(db));
	for (size_t i = 0; i < n; i++) {
		rows[i].number = i;
	}
	if (n > 1) {
		qsort(rows, n, sizeof(*rows), by_org);
	}
	for (from = 0; from < n; from = to) {
		for (to = from + 1; to < n && rows[to].org.v == rows[from].org.v; to++) {
		}
		if (!insert_of_org(db, &rows[from], to - from, err)) {
			return false;
		}
	}
	return true;
}

#define ORGS_PER_ROUND 100 /* ids held in memory while their changes are pruned */

static bool read_orgs(struct db *db, int64_t after, int64_t *ids, size_t *n, struct err *err)
{
	enum found found;

	*n = 0;
	if (!db_run(db, &queries[ORGS], DB_ARGS(db_int(after), db_int(ORGS_PER_ROUND)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		ids[(*n)++] = db_col_int(db, 0);
	}
	return found == NOT_FOUND;
}

bool store_changes_prune(struct db *db, int64_t before_us, size_t limit, uint64_t *pruned,
			 struct err *err)
{
	int64_t ids[ORGS_PER_ROUND], last = 0;
	uint64_t changed, total = 0;
	size_t n;

	ensure(!db_in_transaction(db));
	do {
		if (!read_orgs(db, last, ids, &n, err)) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			last = ids[i];
			if (!db_exec(db, &queries[PRUNE],
				     DB_ARGS(db_int(last), db_int(before_us), db_id(limit)),
				     &changed, err)) {
				return false;
			}
			total += changed;
		}
	} while (n == ORGS_PER_ROUND);
	if (pruned != NULL) {
		*pruned = total;
	}
	return true;
}
