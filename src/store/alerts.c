/* SPDX-License-Identifier: Apache-2.0 */
/* Reading alerts. They are written by the engine, in global.c. */
#include "store/alerts.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define LIST_WHERE \
	" where org_id = $1 and project_id = $2 and (created_at, number) < ($3, $4)" \
	" and created_at >= $5 and created_at < $6 and (rule_id = $7 or $7 = 0)"
#define LIST_ORDER " order by created_at desc, number desc limit $8 offset $9"

/* One list for each state, so that each finds its index. */
enum { LIST, LIST_FIRING, LIST_RESOLVED, GET };
static const struct query queries[] = {
	[LIST] = {
		.name = "alert_list", .args = "iiiiiiiii", .cols = ALERT_LETTERS,
		.sql = "select " ALERT_COLS " from alerts" LIST_WHERE LIST_ORDER,
	},
	[LIST_FIRING] = {
		.name = "alert_list_firing", .args = "iiiiiiiii", .cols = ALERT_LETTERS,
		.sql = "select " ALERT_COLS " from alerts" LIST_WHERE " and resolved_at is null"
		       LIST_ORDER,
	},
	[LIST_RESOLVED] = {
		.name = "alert_list_resolved", .args = "iiiiiiiii", .cols = ALERT_LETTERS,
		.sql = "select " ALERT_COLS " from alerts" LIST_WHERE " and resolved_at is not null"
		       LIST_ORDER,
	},
	[GET] = {
		.name = "alert_get", .args = "iii", .cols = ALERT_LETTERS,
		.sql = "select " ALERT_COLS " from alerts"
		       " where org_id = $1 and (project_id = $2 or $2 = 0) and number = $3",
	},
};
const struct query_set alert_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct alert_row, number.v),
	FIELD(struct alert_row, org.v),
	FIELD(struct alert_row, project.v),
	FIELD(struct alert_row, rule.v),
	FIELD(struct alert_row, rule_version),
	FIELD(struct alert_row, rule_name),
	FIELD(struct alert_row, event_seq),
	FIELD(struct alert_row, event_us),
	FIELD(struct alert_row, event_type),
	FIELD(struct alert_row, key),
	FIELD(struct alert_row, severity),
	FIELD(struct alert_row, count),
	FIELD(struct alert_row, count_is_least),
	FIELD(struct alert_row, title),
	FIELD(struct alert_row, cid),
	FIELD(struct alert_row, created_us),
	FIELD_OPT(struct alert_row, resolved_us),
	FIELD(struct alert_row, resolution),
};
const struct row_shape alert_shape = SHAPE(struct alert_row, fields);

enum found store_alert_get(struct org_id org, struct db *db, struct project_id project,
			   struct alert_id number, struct arena *req, struct alert_row *out,
			   struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(project.v), db_id(number.v)),
		       &alert_shape, req, out, err);
}

static const struct query *list_of(enum alert_state state)
{
	switch (state) {
	case ALERT_ANY:
		return &queries[LIST];
	case ALERT_FIRING:
		return &queries[LIST_FIRING];
	case ALERT_RESOLVED:
		return &queries[LIST_RESOLVED];
	}
	never("alert state");
}

bool store_alert_list(struct org_id org, struct db *db, const struct alert_filter *filter,
		      const struct page *page, struct arena *req, struct alert_list *out,
		      struct err *err)
{
	int64_t to_us = filter->to_us == 0 ? INT64_MAX : filter->to_us;
	void *rows;
	bool more;

	ensure(filter->project.v != 0);
	if (!row_page(db, list_of(filter->state),
		      DB_ARGS(db_id(org.v), db_id(filter->project.v), page_before_at(page),
			      page_before_id(page), db_int(filter->from_us), db_int(to_us),
			      db_id(filter->rule.v), page_limit(page), page_offset(page)),
		      &alert_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, number);
	return true;
}
