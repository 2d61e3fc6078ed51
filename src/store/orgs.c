/* SPDX-License-Identifier: Apache-2.0 */
/* Organizations and projects: few rows, read at start and by administration. */
#include "store/orgs.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define PROJECT_COLS "id, org_id, slug, name, is_default, created_at"

enum {
	ORG_INSERT,
	ORG_GET,
	PROJECT_INSERT,
	PROJECT_GET,
	PROJECT_BY_SLUG,
	PROJECT_DEFAULT,
	PROJECT_LIST
};
static const struct query queries[] = {
	[ORG_INSERT] = {
		.name = "org_insert", .args = "ittti", .cols = "",
		.sql = "insert into orgs (" ORG_COLS ") values ($1, $2, $3, $4, $5)",
	},
	[ORG_GET] = {
		.name = "org_get", .args = "i", .cols = ORG_LETTERS,
		.sql = "select " ORG_COLS " from orgs where id = $1",
	},
	[PROJECT_INSERT] = {
		.name = "project_insert", .args = "iittii", .cols = "",
		.sql = "insert into projects (" PROJECT_COLS ") values ($1, $2, $3, $4, $5, $6)",
	},
	[PROJECT_GET] = {
		.name = "project_get", .args = "ii", .cols = "iittii",
		.sql = "select " PROJECT_COLS " from projects where org_id = $1 and id = $2",
	},
	[PROJECT_BY_SLUG] = {
		.name = "project_by_slug", .args = "it", .cols = "iittii",
		.sql = "select " PROJECT_COLS " from projects where org_id = $1 and slug = $2",
	},
	[PROJECT_DEFAULT] = {
		.name = "project_default", .args = "i", .cols = "iittii",
		.sql = "select " PROJECT_COLS " from projects where org_id = $1 and is_default = 1",
	},
	[PROJECT_LIST] = {
		.name = "project_list", .args = "iiiii", .cols = "iittii",
		.sql = "select " PROJECT_COLS " from projects"
		       " where org_id = $1 and (created_at, id) < ($2, $3)"
		       " order by created_at desc, id desc limit $4 offset $5",
	},
};
const struct query_set org_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field org_fields[] = {
	FIELD(struct org_row, id.v),	   FIELD(struct org_row, slug),
	FIELD(struct org_row, name),	   FIELD(struct org_row, status),
	FIELD(struct org_row, created_us),
};
const struct row_shape org_shape = SHAPE(struct org_row, org_fields);

static const struct row_field project_fields[] = {
	FIELD(struct project_row, id.v),       FIELD(struct project_row, org.v),
	FIELD(struct project_row, slug),       FIELD(struct project_row, name),
	FIELD(struct project_row, is_default), FIELD(struct project_row, created_us),
};
static const struct row_shape project_shape = SHAPE(struct project_row, project_fields);

bool store_org_insert(struct org_id org, struct db *db, const struct org_row *row, struct err *err)
{
	ensure(row->id.v == org.v);
	return row_insert(db, &queries[ORG_INSERT], &org_shape, row, NULL, err);
}

enum found store_org_get(struct org_id org, struct db *db, struct arena *req, struct org_row *out,
			 struct err *err)
{
	return row_get(db, &queries[ORG_GET], DB_ARGS(db_id(org.v)), &org_shape, req, out, err);
}

bool store_project_insert(struct org_id org, struct db *db, const struct project_row *row,
			  struct err *err)
{
	ensure(row->org.v == org.v);
	return row_insert(db, &queries[PROJECT_INSERT], &project_shape, row, NULL, err);
}

enum found store_project_get(struct org_id org, struct db *db, struct project_id id,
			     struct arena *req, struct project_row *out, struct err *err)
{
	return row_get(db, &queries[PROJECT_GET], DB_ARGS(db_id(org.v), db_id(id.v)),
		       &project_shape, req, out, err);
}

enum found store_project_by_slug(struct org_id org, struct db *db, struct slice slug,
				 struct arena *req, struct project_row *out, struct err *err)
{
	return row_get(db, &queries[PROJECT_BY_SLUG], DB_ARGS(db_id(org.v), db_text(slug)),
		       &project_shape, req, out, err);
}

enum found store_project_default(struct org_id org, struct db *db, struct arena *req,
				 struct project_row *out, struct err *err)
{
	return row_get(db, &queries[PROJECT_DEFAULT], DB_ARGS(db_id(org.v)), &project_shape, req,
		       out, err);
}

bool store_project_list(struct org_id org, struct db *db, const struct page *page,
			struct arena *req, struct project_list *out, struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[PROJECT_LIST],
		      DB_ARGS(db_id(org.v), page_before_at(page), page_before_id(page),
			      page_limit(page), page_offset(page)),
		      &project_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}
