/* SPDX-License-Identifier: Apache-2.0 */
/* API keys as administration sees them; the memory of the server answers for each request. */
#include "store/keys.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

enum { INSERT, GET, BY_HASH, BY_NAME, NEWEST, LIVE, LIST, RENAME, REVOKE, REVOKE_ALL, ROTATE };
#define WHERE_VERSION \
	" where org_id = $1 and (project_id = $2 or $2 = 0) and id = $3" \
	" and (version = $4 or $4 = 0) and revoked_at is null"
static const struct query queries[] = {
	[INSERT] = {
		.name = "key_insert", .args = KEY_LETTERS, .cols = "",
		.sql = "insert into api_keys (" KEY_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
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
	[NEWEST] = {
		.name = "key_newest", .args = "iii", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys"
		       " where org_id = $1 and project_id = $2 and revoked_at is null"
		       " and (expires_at is null or expires_at > $3)"
		       " order by created_at desc, id desc limit 1",
	},
	[LIVE] = {
		.name = "key_live", .args = "iii", .cols = "i",
		.sql = "select count(*) from api_keys"
		       " where org_id = $1 and project_id = $2 and revoked_at is null"
		       " and (expires_at is null or expires_at > $3)",
	},
	[LIST] = {
		.name = "key_list", .args = "iiiiii", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys"
		       " where org_id = $1 and (project_id = $2 or $2 = 0)"
		       " and (created_at, id) < ($3, $4)"
		       " order by created_at desc, id desc limit $5 offset $6",
	},
	[RENAME] = {
		.name = "key_rename", .args = "iiiit", .cols = "",
		.sql = "update api_keys set name = $5, version = version + 1" WHERE_VERSION,
	},
	[REVOKE] = {
		.name = "key_revoke", .args = "iiiii", .cols = "",
		.sql = "update api_keys set revoked_at = $5, version = version + 1" WHERE_VERSION,
	},
	[REVOKE_ALL] = {
		.name = "key_revoke_all", .args = "iii", .cols = "",
		.sql = "update api_keys set revoked_at = $3, version = version + 1"
		       " where org_id = $1 and project_id = $2 and revoked_at is null",
	},
	[ROTATE] = {
		.name = "key_rotate", .args = "iiiiii", .cols = "",
		.sql = "update api_keys set rotated_to = $5, version = version + 1, expires_at ="
		       " case when expires_at is null or expires_at > $6 then $6"
		       " else expires_at end" WHERE_VERSION " and rotated_to is null",
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
	FIELD(struct key_row, version),
};
const struct row_shape key_shape = SHAPE(struct key_row, fields);

bool store_key_insert(struct org_id org, struct db *db, const struct key_row *row, struct err *err)
{
	struct key_row whole = *row;

	ensure(row->org.v == org.v);
	whole.version = 1;
	return row_insert(db, &queries[INSERT], &key_shape, &whole, NULL, err);
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

enum found store_key_newest(struct org_id org, struct db *db, struct project_id project,
			    int64_t now_us, struct arena *req, struct key_row *out, struct err *err)
{
	return row_get(db, &queries[NEWEST],
		       DB_ARGS(db_id(org.v), db_id(project.v), db_int(now_us)), &key_shape, req,
		       out, err);
}

bool store_key_live(struct org_id org, struct db *db, struct project_id project, int64_t now_us,
		    uint64_t *out, struct err *err)
{
	int64_t n;

	if (!row_int(db, &queries[LIVE], DB_ARGS(db_id(org.v), db_id(project.v), db_int(now_us)),
		     &n, err)) {
		return false;
	}
	*out = (uint64_t)n;
	return true;
}

enum found store_key_rename(struct org_id org, struct db *db, struct project_id project,
			    struct key_id id, struct slice name, uint64_t expect, struct err *err)
{
	return row_touch(
		db, &queries[RENAME],
		DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v), db_id(expect), db_text(name)),
		err);
}

enum found store_key_revoke(struct org_id org, struct db *db, struct project_id project,
			    struct key_id id, uint64_t expect, int64_t now_us, struct err *err)
{
	return row_touch(
		db, &queries[REVOKE],
		DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v), db_id(expect), db_int(now_us)),
		err);
}

bool store_key_revoke_all(struct org_id org, struct db *db, struct project_id project,
			  int64_t now_us, struct err *err)
{
	return db_exec(db, &queries[REVOKE_ALL],
		       DB_ARGS(db_id(org.v), db_id(project.v), db_int(now_us)), NULL, err);
}

enum found store_key_rotate(struct org_id org, struct db *db, struct project_id project,
			    struct key_id id, struct key_id to, int64_t expires_us, uint64_t expect,
			    struct err *err)
{
	return row_touch(db, &queries[ROTATE],
			 DB_ARGS(db_id(org.v), db_id(project.v), db_id(id.v), db_id(expect),
				 db_id(to.v), db_int(expires_us)),
			 err);
}
