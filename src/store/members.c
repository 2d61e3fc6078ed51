/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members. What may be changed is decided by model/role.h on rows that are read behind the lock of
 * the org, in the transaction that changes them.
 */
#include "store/members.h"

#include "store/orgs.h"
#include "store/queries.h"
#include "store/row.h"

#define COLS "m.org_id, m.user_id, m.role, m.created_at, u.mail, u.name"
#define LETTERS "iititt"
#define FROM " from memberships m join users u on u.id = m.user_id where m.org_id = $1"

enum { INSERT, GET, BY_MAIL, LIST, COUNT, ROLE_OF, OWNERS, OWNER_TO_BE, SET, REMOVE };
static const struct query queries[] = {
	[INSERT] = {
		.name = "member_insert", .args = "iiti", .cols = "",
		.sql = "insert into memberships (org_id, user_id, role, created_at)"
		       " values ($1, $2, $3, $4)",
	},
	[GET] = {
		.name = "member_get", .args = "ii", .cols = LETTERS,
		.sql = "select " COLS FROM " and m.user_id = $2",
	},
	[BY_MAIL] = {
		.name = "member_by_mail", .args = "it", .cols = LETTERS,
		.sql = "select " COLS FROM " and u.mail = $2",
	},
	[LIST] = {
		.name = "member_list", .args = "iiiii", .cols = LETTERS,
		.sql = "select " COLS FROM " and (m.created_at, m.user_id) < ($2, $3)"
		       " order by m.created_at desc, m.user_id desc limit $4 offset $5",
	},
	[COUNT] = {
		.name = "member_count", .args = "i", .cols = "i",
		.sql = "select count(*) from memberships where org_id = $1",
	},
	[ROLE_OF] = {
		.name = "member_role", .args = "ii", .cols = "t",
		.sql = "select role from memberships where org_id = $1 and user_id = $2",
	},
	[OWNERS] = {
		.name = "member_owners", .args = "ii", .cols = "i",
		.sql = "select count(*) from memberships m join users u on u.id = m.user_id"
		       " where m.org_id = $1 and m.role = 'owner'"
		       " and (u.delete_after is null or u.id = $2)",
	},
	[OWNER_TO_BE] = {
		.name = "member_owner_to_be", .args = "i", .cols = "i",
		.sql = "select delete_after from users where id = $1" DB_FOR_UPDATE,
		.global = "a user may be a member of many orgs",
	},
	[SET] = {
		.name = "member_set", .args = "iit", .cols = "",
		.sql = "update memberships set role = $3 where org_id = $1 and user_id = $2",
	},
	[REMOVE] = {
		.name = "member_remove", .args = "ii", .cols = "",
		.sql = "delete from memberships where org_id = $1 and user_id = $2",
	},
};
const struct query_set member_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

const char *const role_words[] = { "", "viewer", "member", "admin", "owner" };
static_assert(ARRAY_LEN(role_words) == ROLES, "every role has a word");

static const struct row_field fields[] = {
	FIELD(struct member_row, org.v),
	FIELD(struct member_row, user.v),
	FIELD_ENUM(struct member_row, role, role_words, ROLES),
	FIELD(struct member_row, created_us),
	FIELD(struct member_row, mail),
	FIELD(struct member_row, name),
};
static const struct row_shape shape = SHAPE(struct member_row, fields);

bool store_member_insert(struct org_id org, struct db *db, const struct member_row *row,
			 struct err *err)
{
	ensure(row->org.v == org.v && row->role != ROLE_NONE);
	return db_exec(db, &queries[INSERT],
		       DB_ARGS(db_id(org.v), db_id(row->user.v), db_text(role_name(row->role)),
			       db_int(row->created_us)),
		       NULL, err);
}

enum found store_member_get(struct org_id org, struct db *db, struct user_id user,
			    struct arena *req, struct member_row *out, struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(user.v)), &shape, req, out,
		       err);
}

enum found store_member_by_mail(struct org_id org, struct db *db, struct slice mail,
				struct arena *req, struct member_row *out, struct err *err)
{
	return row_get(db, &queries[BY_MAIL], DB_ARGS(db_id(org.v), db_text(mail)), &shape, req,
		       out, err);
}

bool store_member_list(struct org_id org, struct db *db, const struct page *page, struct arena *req,
		       struct member_list *out, struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), page_before_at(page), page_before_id(page),
			      page_limit(page), page_offset(page)),
		      &shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, user);
	return true;
}

bool store_member_count(struct org_id org, struct db *db, uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[COUNT], DB_ARGS(db_id(org.v)), &n, err);

	*out = (uint64_t)n;
	return ok;
}

/* Those who stay, and the member that is asked about. */
static bool count_owners(struct org_id org, struct db *db, struct user_id member, uint64_t *out,
			 struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[OWNERS], DB_ARGS(db_id(org.v), db_id(member.v)), &n, err);

	*out = (uint64_t)n;
	return ok;
}

/*
 * Nobody becomes an owner and leaves at the same time, or the org may end up without one. Before
 * the lock of the org, as leaving does it (store/leaving.c).
 */
static bool lock_owner_to_be(struct db *db, struct user_id user, struct err *err)
{
	bool leaves = false;
	enum found found;

	if (!db_run(db, &queries[OWNER_TO_BE], DB_ARGS(db_id(user.v)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		leaves = !db_col_null(db, 0);
	}
	if (found == FAILED) {
		return false;
	}
	return !leaves || err_set(err, ERR_CONFLICT, "this account is about to be deleted");
}

static bool lock(struct org_id org, struct db *db, struct err *err)
{
	return store_org_lock(org, db, err);
}

/* ROLE_NONE: not a member. */
static bool role_of(struct org_id org, struct db *db, struct user_id user, enum role *out,
		    struct err *err)
{
	enum found found;

	*out = ROLE_NONE;
	if (!db_run(db, &queries[ROLE_OF], DB_ARGS(db_id(org.v), db_id(user.v)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		*out = role_parse(db_col_text(db, 0));
	}
	return found == NOT_FOUND;
}

static bool no_member(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such member");
}

static bool may(const struct member_change *change, struct err *err)
{
	switch (member_change(change)) {
	case MEMBER_ALLOWED:
		return true;
	case MEMBER_FORBIDDEN:
		return err_set(err, ERR_FORBIDDEN, "the role of %.*s does not allow this",
			       SARG(role_name(change->actor)));
	case MEMBER_LAST_OWNER:
		return err_set(err, ERR_CONFLICT,
			       "the last owner stays: make another member an owner first");
	}
	never("member verdict");
}

static bool set_role(struct org_id org, struct db *db, struct user_id user, enum role to,
		     struct err *err)
{
	if (to == ROLE_NONE) {
		return db_exec(db, &queries[REMOVE], DB_ARGS(db_id(org.v), db_id(user.v)), NULL,
			       err);
	}
	return db_exec(db, &queries[SET],
		       DB_ARGS(db_id(org.v), db_id(user.v), db_text(role_name(to))), NULL, err);
}

bool store_member_change(struct org_id org, struct db *db, const struct member_ask *ask,
			 struct err *err)
{
	struct member_change change = { .actor = ROLE_OWNER,
					.to = ask->to,
					.self = ask->actor.v == ask->user.v };

	ensure(db_in_transaction(db) && ask->user.v != 0);
	if ((ask->to == ROLE_OWNER && !lock_owner_to_be(db, ask->user, err)) ||
	    !lock(org, db, err) || !role_of(org, db, ask->user, &change.from, err) ||
	    (ask->actor.v != 0 && !role_of(org, db, ask->actor, &change.actor, err)) ||
	    !count_owners(org, db, ask->user, &change.owners, err)) {
		return false;
	}
	if (change.from == ROLE_NONE || change.actor == ROLE_NONE) {
		return no_member(err);
	}
	return may(&change, err) && set_role(org, db, ask->user, ask->to, err);
}

bool store_member_transfer(struct org_id org, struct db *db, struct user_id from, struct user_id to,
			   struct err *err)
{
	enum role giver, taker;

	ensure(db_in_transaction(db));
	if (!lock_owner_to_be(db, to, err) || !lock(org, db, err) ||
	    !role_of(org, db, from, &giver, err) || !role_of(org, db, to, &taker, err)) {
		return false;
	}
	if (giver == ROLE_NONE || taker == ROLE_NONE) {
		return no_member(err);
	}
	if (!transfer_allowed(giver, taker, from.v == to.v)) {
		return err_set(err, ERR_FORBIDDEN,
			       "only an owner can give the organization to another member");
	}
	return set_role(org, db, to, ROLE_OWNER, err) && set_role(org, db, from, ROLE_ADMIN, err);
}
