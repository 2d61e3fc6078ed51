/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as applied by the engine; one row per rule, its newest version. */
#include "store/rules.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

enum { PUT, DELETE, GET, BY_NAME, LIST, COUNT };
static const struct query queries[] = {
	/* The condition at the end makes an id of another org a row that is not written. */
	[PUT] = {
		.name = "rule_put", .args = RULE_LETTERS, .cols = "",
		.sql = "insert into rules (" RULE_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
		       " on conflict (id) do update set name = excluded.name,"
		       " version = excluded.version, definition = excluded.definition,"
		       " event_type = excluded.event_type, enabled = excluded.enabled,"
		       " updated_at = excluded.updated_at, deleted_at = excluded.deleted_at,"
		       " seq = excluded.seq where rules.org_id = excluded.org_id",
	},
	[DELETE] = {
		.name = "rule_delete", .args = "iiii", .cols = "",
		.sql = "update rules set deleted_at = $3, updated_at = $3, seq = $4"
		       " where org_id = $1 and id = $2 and deleted_at is null",
	},
	[GET] = {
		.name = "rule_get", .args = "iii", .cols = RULE_LETTERS,
		.sql = "select " RULE_COLS " from rules where org_id = $1"
		       " and (project_id = $2 or $2 = 0) and id = $3 and deleted_at is null",
	},
	[BY_NAME] = {
		.name = "rule_by_name", .args = "iit", .cols = RULE_LETTERS,
		.sql = "select " RULE_COLS " from rules"
		       " where org_id = $1 and project_id = $2 and name = $3"
		       " and deleted_at is null order by created_at, id limit 1",
	},
	[COUNT] = {
		.name = "rule_count", .args = "i", .cols = "i",
		.sql = "select count(*) from rules where org_id = $1 and deleted_at is null",
	},
	[LIST] = {
		.name = "rule_list", .args = "iiiiii", .cols = RULE_LETTERS,
		.sql = "select " RULE_COLS " from rules where org_id = $1"
		       " and (project_id = $2 or $2 = 0) and (created_at, id) < ($3, $4)"
		       " and deleted_at is null"
		       " order by created_at desc, id desc limit $5 offset $6",
	},
};
const struct query_set rule_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct rule_row, id.v),		FIELD(struct rule_row, org.v),
	FIELD(struct rule_row, project.v),	FIELD(struct rule_row, name),
	FIELD(struct rule_row, version),	FIELD(struct rule_row, definition),
	FIELD(struct rule_row, event_type),	FIELD(struct rule_row, enabled),
	FIELD(struct rule_row, created_us),	FIELD(struct rule_row, updated_us),
	FIELD_OPT(struct rule_row, deleted_us), FIELD(struct rule_row, seq),
};
const struct row_shape rule_shape = SHAPE(struct rule_row, fields);

bool store_rule_put(struct org_id org, struct db *db, const struct rule_row *row, struct err *err)
{
	uint64_t changed;

	ensure(row->org.v == org.v);
	if (!row_insert(db, &queries[PUT], &rule_shape, row, &changed, err)) {
		return false;
	}
	return changed == 1 || err_set(err, ERR_CONFLICT, "the rule id is taken");
}

enum found store_rule_delete(struct org_id org, struct db *db, struct rule_id id, int64_t now_us,
			     uint64_t seq, struct err *err)
{
	return row_touch(db, &queries[DELETE],
			 DB_ARGS(db_id(org.v), db_id(id.v), db_int(now_us), db_id(seq)), err);
}

enum found store_rule_get(struct org_id org, struct db *db, struct project_id project,
			  struct rule_id id, struct arena *req, struct rule_row *out,
			  struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v)),
		       &rule_shape, req, out, err);
}

enum found store_rule_by_name(struct org_id org, struct db *db, struct project_id project,
			      struct slice name, struct arena *req, struct rule_row *out,
			      struct err *err)
{
	return row_get(db, &queries[BY_NAME],
		       DB_ARGS(db_id(org.v), db_id(project.v), db_text(name)), &rule_shape, req,
		       out, err);
}

bool store_rule_list(struct org_id org, struct db *db, struct project_id project,
		     const struct page *page, struct arena *req, struct rule_list *out,
		     struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), db_id(project.v), page_before_at(page),
			      page_before_id(page), page_limit(page), page_offset(page)),
		      &rule_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}

bool store_rule_count(struct org_id org, struct db *db, uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[COUNT], DB_ARGS(db_id(org.v)), &n, err);

	*out = (uint64_t)n;
	return ok;
}
