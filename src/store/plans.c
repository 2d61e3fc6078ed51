/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: a handful of rows, read at start and written by who runs the server. */
#include "store/plans.h"

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

#define ORG_PLANS_MAX 1000000 /* organizations of an installation: 72 MB for a moment */

enum { PUT, LIST, ORG_SET, ORG_ALL };
static const struct query queries[] = {
	[PUT] = {
		.name = "plan_put", .args = PLAN_LETTERS, .cols = "",
		.sql = "insert into plans (" PLAN_COLS ") values ($1, $2, $3, $4, $5, $6, $7, $8,"
		       " $9, $10, $11, $12, $13) on conflict (name) do update set"
		       " display_name = excluded.display_name, price = excluded.price,"
		       " events_soft = excluded.events_soft, events_hard = excluded.events_hard,"
		       " rules = excluded.rules, retention_days = excluded.retention_days,"
		       " rate = excluded.rate, seats = excluded.seats,"
		       " projects = excluded.projects, overage = excluded.overage,"
		       " price_ref = excluded.price_ref,"
		       " overage_price_ref = excluded.overage_price_ref",
		.global = "plans are the installation's",
	},
	[LIST] = {
		.name = "plan_list", .args = "", .cols = PLAN_LETTERS,
		.sql = "select " PLAN_COLS " from plans order by price, name",
		.global = "plans are the installation's",
	},
	[ORG_SET] = {
		.name = "org_plan_set", .args = ORG_PLAN_LETTERS, .cols = "",
		.sql = "insert into org_plans (" ORG_PLAN_COLS ") values ($1, $2, $3, $4, $5)"
		       " on conflict (org_id) do update set plan = excluded.plan,"
		       " events_soft = excluded.events_soft, events_hard = excluded.events_hard,"
		       " updated_at = excluded.updated_at",
	},
	[ORG_ALL] = {
		.name = "org_plan_all", .args = "", .cols = ORG_PLAN_LETTERS,
		.sql = "select " ORG_PLAN_COLS " from org_plans",
		.global = "the limits of all orgs are kept in memory",
	},
};
const struct query_set plan_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field plan_fields[] = {
	FIELD(struct plan, name),
	FIELD(struct plan, display_name),
	FIELD(struct plan, price_cents),
	FIELD(struct plan, events_soft),
	FIELD(struct plan, events_hard),
	FIELD(struct plan, rules),
	FIELD(struct plan, retention_days),
	FIELD(struct plan, rate_per_min),
	FIELD(struct plan, seats),
	FIELD(struct plan, projects),
	FIELD(struct plan, overage_cents),
	FIELD(struct plan, price_ref),
	FIELD(struct plan, overage_price_ref),
};
static const struct row_shape plan_shape = SHAPE(struct plan, plan_fields);

static const struct row_field org_fields[] = {
	FIELD(struct org_plan_row, org.v),	 FIELD(struct org_plan_row, plan),
	FIELD(struct org_plan_row, events_soft), FIELD(struct org_plan_row, events_hard),
	FIELD(struct org_plan_row, updated_us),
};
static const struct row_shape org_plan_shape = SHAPE(struct org_plan_row, org_fields);

bool store_plan_put(struct db *db, const struct plan *plan, struct err *err)
{
	return row_insert(db, &queries[PUT], &plan_shape, plan, NULL, err);
}

bool store_plan_list(struct db *db, struct arena *req, struct plan_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[LIST], (struct db_args) { 0 }, &plan_shape, PLANS_MAX, req,
		      &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_org_plan_set(struct org_id org, struct db *db, const struct org_plan_row *row,
			struct err *err)
{
	ensure(row->org.v == org.v);
	return row_insert(db, &queries[ORG_SET], &org_plan_shape, row, NULL, err);
}

bool store_org_plans_all(struct db *db, void (*each)(void *arg, const struct org_plan_row *row),
			 void *arg, struct err *err)
{
	struct arena tick;
	void *rows;
	size_t n;
	bool ok;

	arena_init(&tick, 0);
	ok = row_list(db, &queries[ORG_ALL], (struct db_args) { 0 }, &org_plan_shape, ORG_PLANS_MAX,
		      &tick, &rows, &n, err);
	for (size_t i = 0; ok && i < n; i++) {
		each(arg, &((const struct org_plan_row *)rows)[i]);
	}
	arena_release(&tick);
	return ok;
}
