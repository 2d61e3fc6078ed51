/* SPDX-License-Identifier: Apache-2.0 */
/* API keys as administration sees them; the memory of the server answers for each request. */
#include "store/keys.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

enum { INSERT, GET, BY_HASH, BY_NAME, LIST, REVOKE, ROTATE };
static const struct query queries[] = {
	[INSERT] = {
		.name = "key_insert", .args = KEY_LETTERS, .cols = "",
		.sql = "insert into api_keys (" KEY_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
	},
	[GET] = {
		.name = "key_get", .args = "iii", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys"
		       " where org_id = $1 and (project_id = $2 or $2 = 0) and id = $3",
	},
	[BY_HASH] = {
		.name = "key_by_hash", .args = "it", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys where org_id = $1 and key_hash = $2",
	},
	[BY_NAME] = {
		.name = "key_by_name", .args = "iit", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys"
		       " where org_id = $1 and project_id = $2 and name = $3"
		       " and revoked_at is null order by created_at, id limit 1",
	},
	[LIST] = {
		.name = "key_list", .args = "iiiiii", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys"
		       " where org_id = $1 and (project_id = $2 or $2 = 0)"
		       " and (created_at, id) < ($3, $4)"
		       " order by created_at desc, id desc limit $5 offset $6",
	},
	[REVOKE] = {
		.name = "key_revoke", .args = "iiii", .cols = "",
		.sql = "update api_keys set revoked_at = $4 where org_id = $1"
		       " and (project_id = $2 or $2 = 0) and id = $3 and revoked_at is null",
	},
	[ROTATE] = {
		.name = "key_rotate", .args = "iiiii", .cols = "",
		.sql = "update api_keys set rotated_to = $4, expires_at = case"
		       " when expires_at is null or expires_at > $5 then $5 else expires_at end"
		       " where org_id = $1 and (project_id = $2 or $2 = 0) and id = $3"
		       " and revoked_at is null and rotated_to is null",
	},
};
const struct query_set key_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct key_row, id.v),
	FIELD(struct key_row, org.v),
	FIELD(struct key_row, project.v),
	FIELD(struct key_row, name),
	FIELD(struct key_row, hash),
	FIELD(struct key_row, prefix),
	FIELD(struct key_row, scopes),
	FIELD(struct key_row, created_us),
	FIELD_OPT(struct key_row, expires_us),
	FIELD_OPT(struct key_row, revoked_us),
	FIELD_OPT(struct key_row, last_used_us),
	FIELD_OPT_ID(struct key_row, made_by.v),
	FIELD_OPT_ID(struct key_row, rotated_to.v),
	FIELD(struct key_row, used_from),
};
const struct row_shape key_shape = SHAPE(struct key_row, fields);

bool store_key_insert(struct org_id org, struct db *db, const struct key_row *row, struct err *err)
{
	ensure(row->org.v == org.v);
	return row_insert(db, &queries[INSERT], &key_shape, row, NULL, err);
}

enum found store_key_get(struct org_id org, struct db *db, struct project_id project,
			 struct key_id id, struct arena *req, struct key_row *out, struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v)),
		       &key_shape, req, out, err);
}

enum found store_key_by_hash(struct org_id org, struct db *db, struct slice hash, struct arena *req,
			     struct key_row *out, struct err *err)
{
	return row_get(db, &queries[BY_HASH], DB_ARGS(db_id(org.v), db_text(hash)), &key_shape, req,
		       out, err);
}

enum found store_key_by_name(struct org_id org, struct db *db, struct project_id project,
			     struct slice name, struct arena *req, struct key_row *out,
			     struct err *err)
{
	return row_get(db, &queries[BY_NAME],
		       DB_ARGS(db_id(org.v), db_id(project.v), db_text(name)), &key_shape, req, out,
		       err);
}

bool store_key_list(struct org_id org, struct db *db, struct project_id project,
		    const struct page *page, struct arena *req, struct key_list *out,
		    struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), db_id(project.v), page_before_at(page),
			      page_before_id(page), page_limit(page), page_offset(page)),
		      &key_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}

enum found store_key_revoke(struct org_id org, struct db *db, struct project_id project,
			    struct key_id id, int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[REVOKE],
			 DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v), db_int(now_us)), err);
}

enum found store_key_rotate(struct org_id org, struct db *db, struct project_id project,
			    struct key_id id, struct key_id to, int64_t expires_us, struct err *err)
{
	return row_touch(db, &queries[ROTATE],
			 DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v), db_id(to.v),
				 db_int(expires_us)),
			 err);
}
