/* SPDX-License-Identifier: Apache-2.0 */
/* Organizations and projects: few rows, read at start and by administration. */
#include "store/orgs.h"

#include "model/slug.h"
#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

enum {
	ORG_INSERT,
	ORG_TRY,
	ORG_GET,
	ORG_LOCK,
	ORG_RENAME,
	ORG_SETTINGS,
	ORG_SUSPEND,
	ORG_DELETE,
	ORG_OWNER,
	PROJECT_INSERT,
	PROJECT_TRY,
	PROJECT_GET,
	PROJECT_BY_SLUG,
	PROJECT_DEFAULT,
	PROJECT_COUNT,
	PROJECT_LIST,
	PROJECT_SET,
	PROJECT_END
};
#define ORG_VALUES "insert into orgs (" ORG_COLS ") values ($1, $2, $3, $4, $5, $6, $7, $8)"
#define PROJECT_VALUES \
	"insert into projects (" PROJECT_COLS ")" \
	" values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
static const struct query queries[] = {
	[ORG_INSERT] = {
		.name = "org_insert", .args = ORG_LETTERS, .cols = "", .sql = ORG_VALUES,
	},
	[ORG_TRY] = {
		.name = "org_try", .args = ORG_LETTERS, .cols = "",
		.sql = ORG_VALUES " on conflict (slug) do nothing",
	},
	[ORG_GET] = {
		.name = "org_get", .args = "i", .cols = ORG_LETTERS,
		.sql = "select " ORG_COLS " from orgs where id = $1",
	},
	[ORG_LOCK] = {
		.name = "org_lock", .args = "i", .cols = "i",
		.sql = "select id from orgs where id = $1" DB_FOR_UPDATE,
	},
	[ORG_RENAME] = {
		.name = "org_rename", .args = "it", .cols = "",
		.sql = "update orgs set name = $2 where id = $1",
	},
	[ORG_SETTINGS] = {
		.name = "org_settings", .args = "it", .cols = "",
		.sql = "update orgs set settings = $2 where id = $1",
	},
	[ORG_SUSPEND] = {
		.name = "org_suspend", .args = "iit", .cols = "",
		.sql = "update orgs set suspended_at = $2, status = case status"
		       " when '" ORG_PURGING "' then status else $3 end where id = $1",
	},
	[ORG_DELETE] = {
		.name = "org_delete", .args = "ii", .cols = "",
		.sql = "update orgs set delete_after = $2 where id = $1",
	},
	[ORG_OWNER] = {
		.name = "org_owner", .args = "iii", .cols = "",
		.sql = "insert into memberships (org_id, user_id, role, created_at)"
		       " values ($1, $2, 'owner', $3)",
	},
	[PROJECT_INSERT] = {
		.name = "project_insert", .args = PROJECT_LETTERS, .cols = "",
		.sql = PROJECT_VALUES,
	},
	[PROJECT_TRY] = {
		.name = "project_try", .args = PROJECT_LETTERS, .cols = "",
		.sql = PROJECT_VALUES " on conflict (org_id, slug) do nothing",
	},
	[PROJECT_GET] = {
		.name = "project_get", .args = "ii", .cols = PROJECT_LETTERS,
		.sql = "select " PROJECT_COLS " from projects"
		       " where org_id = $1 and id = $2 and delete_after is null",
	},
	[PROJECT_BY_SLUG] = {
		.name = "project_by_slug", .args = "it", .cols = PROJECT_LETTERS,
		.sql = "select " PROJECT_COLS " from projects"
		       " where org_id = $1 and slug = $2 and delete_after is null",
	},
	[PROJECT_DEFAULT] = {
		.name = "project_default", .args = "i", .cols = PROJECT_LETTERS,
		.sql = "select " PROJECT_COLS " from projects where org_id = $1 and is_default = 1",
	},
	[PROJECT_COUNT] = {
		.name = "project_count", .args = "i", .cols = "i",
		.sql = "select count(*) from projects"
		       " where org_id = $1 and delete_after is null",
	},
	[PROJECT_LIST] = {
		.name = "project_list", .args = "iiiii", .cols = PROJECT_LETTERS,
		.sql = "select " PROJECT_COLS " from projects"
		       " where org_id = $1 and delete_after is null"
		       " and (created_at, id) < ($2, $3)"
		       " order by created_at desc, id desc limit $4 offset $5",
	},
	[PROJECT_SET] = {
		.name = "project_set", .args = "iiittitt", .cols = "",
		.sql = "update projects set slug = $4, name = $5, owner_id = $6,"
		       " environments = $7, origins = $8, version = version + 1"
		       " where org_id = $1 and id = $2 and (version = $3 or $3 = 0)"
		       " and delete_after is null",
	},
	[PROJECT_END] = {
		/* With a blank no other slug is like it. */
		.name = "project_end", .args = "iii", .cols = "",
		.sql = "update projects set delete_after = $3, slug = slug || ' ' || id,"
		       " version = version + 1 where org_id = $1 and id = $2"
		       " and is_default = 0 and delete_after is null",
	},
};
const struct query_set org_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field org_fields[] = {
	FIELD(struct org_row, id.v),
	FIELD(struct org_row, slug),
	FIELD(struct org_row, name),
	FIELD(struct org_row, status),
	FIELD(struct org_row, created_us),
	FIELD_OPT(struct org_row, suspended_us),
	FIELD_OPT(struct org_row, delete_after_us),
	FIELD(struct org_row, settings),
};
const struct row_shape org_shape = SHAPE(struct org_row, org_fields);

static const struct row_field project_fields[] = {
	FIELD(struct project_row, id.v),	   FIELD(struct project_row, org.v),
	FIELD(struct project_row, slug),	   FIELD(struct project_row, name),
	FIELD(struct project_row, is_default),	   FIELD(struct project_row, created_us),
	FIELD_OPT_ID(struct project_row, owner.v), FIELD(struct project_row, environments),
	FIELD(struct project_row, origins),	   FIELD_OPT(struct project_row, delete_after_us),
	FIELD(struct project_row, version),
};
const struct row_shape project_shape = SHAPE(struct project_row, project_fields);

static struct slice or_else(struct slice text, struct slice empty)
{
	return text.n == 0 ? empty : text;
}

static bool org_insert(struct db *db, const struct query *q, const struct org_row *row,
		       uint64_t *changed, struct err *err)
{
	struct org_row whole = *row;

	whole.settings = or_else(row->settings, S("{}"));
	return row_insert(db, q, &org_shape, &whole, changed, err);
}

static bool project_insert(struct db *db, const struct query *q, const struct project_row *row,
			   uint64_t *changed, struct err *err)
{
	struct project_row whole = *row;

	whole.environments = or_else(row->environments, S("[]"));
	whole.origins = or_else(row->origins, S("[]"));
	whole.version = 1;
	return row_insert(db, q, &project_shape, &whole, changed, err);
}

bool store_org_insert(struct org_id org, struct db *db, const struct org_row *row, struct err *err)
{
	ensure(row->id.v == org.v);
	return org_insert(db, &queries[ORG_INSERT], row, NULL, err);
}

#define SLUG_TRIES_MAX 20 /* of these, half with random digits: nobody is that unlucky */

static bool found_org(struct db *db, const struct org_founding *in, struct arena *req,
		      struct org_row *out, struct err *err)
{
	struct slice slug = slug_of(in->name, S("org"), req);
	uint64_t changed = 0;

	*out = (struct org_row) { .id = in->id,
				  .name = in->name,
				  .status = S("active"),
				  .created_us = in->now_us,
				  .settings = S("{}") };
	for (unsigned n = 0; n < SLUG_TRIES_MAX; n++) {
		out->slug = slug_try(slug, n, id_random(), req);
		if (!org_insert(db, &queries[ORG_TRY], out, &changed, err)) {
			return false;
		}
		if (changed > 0) {
			return true;
		}
	}
	return err_set(err, ERR_CONFLICT, "there is no free short name like \"%.*s\"", SARG(slug));
}

bool store_org_found(struct org_id org, struct db *db, const struct org_founding *in,
		     struct arena *req, struct org_row *out, struct err *err)
{
	struct project_row project = { .id = in->project,
				       .org = org,
				       .slug = S("default"),
				       .name = S("Default"),
				       .is_default = true,
				       .created_us = in->now_us };

	ensure(db_in_transaction(db) && in->id.v == org.v);
	return found_org(db, in, req, out, err) && store_project_insert(org, db, &project, err) &&
	       (in->owner.v == 0 ||
		db_exec(db, &queries[ORG_OWNER],
			DB_ARGS(db_id(org.v), db_id(in->owner.v), db_int(in->now_us)), NULL, err));
}

bool store_org_lock(struct org_id org, struct db *db, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_touch(db, &queries[ORG_LOCK], DB_ARGS(db_id(org.v)), err) != FAILED;
}

enum found store_org_rename(struct org_id org, struct db *db, struct slice name, struct err *err)
{
	return row_touch(db, &queries[ORG_RENAME], DB_ARGS(db_id(org.v), db_text(name)), err);
}

enum found store_org_set_settings(struct org_id org, struct db *db, struct slice json,
				  struct err *err)
{
	return row_touch(db, &queries[ORG_SETTINGS], DB_ARGS(db_id(org.v), db_text(json)), err);
}

enum found store_org_suspend(struct org_id org, struct db *db, int64_t at_us, struct err *err)
{
	return row_touch(db, &queries[ORG_SUSPEND],
			 DB_ARGS(db_id(org.v), db_opt(at_us),
				 db_text(at_us == 0 ? S("active") : S("suspended"))),
			 err);
}

enum found store_org_set_delete(struct org_id org, struct db *db, int64_t after_us, struct err *err)
{
	return row_touch(db, &queries[ORG_DELETE], DB_ARGS(db_id(org.v), db_opt(after_us)), err);
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
	return project_insert(db, &queries[PROJECT_INSERT], row, NULL, err);
}

bool store_project_found(struct org_id org, struct db *db, const struct project_row *row,
			 struct arena *req, struct project_row *out, struct err *err)
{
	struct slice slug = slug_of(row->name, S("project"), req);
	struct project_row made = *row;
	uint64_t changed = 0;

	ensure(db_in_transaction(db) && row->org.v == org.v && !row->is_default);
	for (unsigned n = 0; n < SLUG_TRIES_MAX; n++) {
		made.slug = slug_try(slug, n, id_random(), req);
		if (!project_insert(db, &queries[PROJECT_TRY], &made, &changed, err)) {
			return false;
		}
		if (changed > 0) {
			if (out != NULL) {
				made.version = 1;
				*out = made;
			}
			return true;
		}
	}
	return err_set(err, ERR_CONFLICT, "there is no free short name like \"%.*s\"", SARG(slug));
}

enum found store_project_set(struct org_id org, struct db *db, const struct project_row *row,
			     struct err *err)
{
	return row_touch(db, &queries[PROJECT_SET],
			 DB_ARGS(db_id(org.v), db_id(row->id.v), db_id(row->version),
				 db_text(row->slug), db_text(row->name),
				 row->owner.v == 0 ? db_null() : db_id(row->owner.v),
				 db_text(or_else(row->environments, S("[]"))),
				 db_text(or_else(row->origins, S("[]")))),
			 err);
}

enum found store_project_end(struct org_id org, struct db *db, struct project_id id, int64_t now_us,
			     struct err *err)
{
	return row_touch(db, &queries[PROJECT_END],
			 DB_ARGS(db_id(org.v), db_id(id.v), db_int(now_us)), err);
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

bool store_project_count(struct org_id org, struct db *db, uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[PROJECT_COUNT], DB_ARGS(db_id(org.v)), &n, err);

	*out = (uint64_t)n;
	return ok;
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
