/* SPDX-License-Identifier: Apache-2.0 */
/* Orgs, projects and members as the server loads them into memory: whole tables, page by page. */
#include "store/directory.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define WHY "whose call it is, is answered from memory"

enum { ORGS, PROJECTS, MEMBERS, MEMBERS_OF, LEAVING, GOING };
static const struct query queries[] = {
	[ORGS] = {
		.name = "orgs_all", .args = "ii", .cols = ORG_LETTERS, .global = WHY,
		.sql = "select " ORG_COLS " from orgs where id > $1 order by id limit $2",
	},
	[PROJECTS] = {
		.name = "projects_all", .args = "ii", .cols = PROJECT_LETTERS, .global = WHY,
		.sql = "select " PROJECT_COLS " from projects where id > $1 order by id limit $2",
	},
	[MEMBERS] = {
		.name = "members_all", .args = "iii", .cols = "iiti", .global = WHY,
		.sql = "select org_id, user_id, role, created_at from memberships"
		       " where (user_id, org_id) > ($1, $2) order by user_id, org_id limit $3",
	},
	[MEMBERS_OF] = {
		.name = "members_of", .args = "iii", .cols = "iiti",
		.sql = "select org_id, user_id, role, created_at from memberships"
		       " where user_id = $1 and org_id > $2 order by org_id limit $3",
		.global = "a user chooses among the orgs of all memberships",
	},
	[LEAVING] = {
		.name = "orgs_leaving", .args = "ii", .cols = ORG_LETTERS,
		.sql = "select " ORG_COLS " from orgs where delete_after <= $1"
		       " order by delete_after limit $2",
		.global = "the keeper purges for all orgs",
	},
	[GOING] = {
		.name = "orgs_going", .args = "", .cols = "i",
		.sql = "select id from orgs where delete_after is not null order by id",
		.global = "one courier serves all orgs",
	},
};
const struct query_set directory_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field member_fields[] = {
	FIELD(struct member_row, org.v),
	FIELD(struct member_row, user.v),
	FIELD_ENUM(struct member_row, role, role_words, ROLES),
	FIELD(struct member_row, created_us),
};
static const struct row_shape member_shape = SHAPE(struct member_row, member_fields);

bool store_orgs_all(struct db *db, struct org_id after, size_t limit, struct arena *boot,
		    struct org_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[ORGS], DB_ARGS(db_id(after.v), db_id(limit)), &org_shape, limit,
		      boot, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

bool store_projects_all(struct db *db, struct project_id after, size_t limit, struct arena *boot,
			struct project_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[PROJECTS], DB_ARGS(db_id(after.v), db_id(limit)), &project_shape,
		      limit, boot, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

static bool list_members(struct db *db, const struct query *q, struct db_args args, size_t limit,
			 struct arena *req, struct member_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, q, args, &member_shape, limit, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

bool store_members_all(struct db *db, struct user_id after, struct org_id after_org, size_t limit,
		       struct arena *boot, struct member_list *out, struct err *err)
{
	return list_members(db, &queries[MEMBERS],
			    DB_ARGS(db_id(after.v), db_id(after_org.v), db_id(limit)), limit, boot,
			    out, err);
}

bool store_members_of(struct db *db, struct user_id user, struct org_id after, size_t limit,
		      struct arena *req, struct member_list *out, struct err *err)
{
	return list_members(db, &queries[MEMBERS_OF],
			    DB_ARGS(db_id(user.v), db_id(after.v), db_id(limit)), limit, req, out,
			    err);
}

bool store_orgs_leaving(struct db *db, int64_t now_us, size_t limit, struct arena *tick,
			struct org_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[LEAVING], DB_ARGS(db_int(now_us), db_id(limit)), &org_shape,
		      limit, tick, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

bool store_orgs_going(struct db *db, struct arena *tick, struct org_id **orgs, size_t *n,
		      struct err *err)
{
	size_t cap = 0;
	enum found found;

	*orgs = NULL;
	*n = 0;
	if (!db_run(db, &queries[GOING], (struct db_args) { 0 }, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		if (*n == cap) {
			struct org_id *more;

			cap = cap == 0 ? 16 : cap * 2;
			more = arena_array(tick, cap, sizeof(*more));
			if (*n > 0) {
				memcpy(more, *orgs, *n * sizeof(*more));
			}
			*orgs = more;
		}
		(*orgs)[(*n)++].v = (uint64_t)db_col_int(db, 0);
	}
	return found == NOT_FOUND;
}
