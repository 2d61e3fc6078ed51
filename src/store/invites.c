/* SPDX-License-Identifier: Apache-2.0 */
/* Invites. That one is open per mail is a unique index; that one is accepted once is an update. */
#include "store/invites.h"

#include "store/columns.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

#define OPEN "accepted_at is null and revoked_at is null"

enum {
	INSERT,
	GIVE_WAY,
	IS_MEMBER,
	GET,
	LIST,
	COUNT,
	RESEND,
	SET_ROLE,
	REVOKE,
	BY_HASH,
	FOR_MAIL,
	ACCEPT,
	JOIN
};
static const struct query queries[] = {
	[INSERT] = {
		.name = "invite_insert", .args = INVITE_LETTERS, .cols = "",
		.sql = "insert into invites (" INVITE_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
	},
	[GIVE_WAY] = {
		.name = "invite_give_way", .args = "iti", .cols = "",
		.sql = "update invites set revoked_at = $3 where org_id = $1 and mail = $2"
		       " and " OPEN " and expires_at <= $3",
	},
	[IS_MEMBER] = {
		.name = "invite_is_member", .args = "it", .cols = "i",
		.sql = "select count(*) from memberships m join users u on u.id = m.user_id"
		       " where m.org_id = $1 and u.mail = $2",
	},
	[GET] = {
		.name = "invite_get", .args = "ii", .cols = INVITE_LETTERS,
		.sql = "select " INVITE_COLS " from invites where org_id = $1 and id = $2",
	},
	[LIST] = {
		.name = "invite_list", .args = "iiiiii", .cols = INVITE_LETTERS,
		.sql = "select " INVITE_COLS " from invites where org_id = $1"
		       " and ($2 = 0 or (" OPEN ")) and (created_at, id) < ($3, $4)"
		       " order by created_at desc, id desc limit $5 offset $6",
	},
	[COUNT] = {
		.name = "invite_count", .args = "ii", .cols = "i",
		.sql = "select count(*) from invites where org_id = $1 and " OPEN
		       " and expires_at > $2",
	},
	[RESEND] = {
		.name = "invite_resend", .args = "iitii", .cols = "",
		.sql = "update invites set token_hash = $3, sent_at = $4,"
		       " sent_count = sent_count + 1, expires_at = $5"
		       " where org_id = $1 and id = $2 and " OPEN,
	},
	[SET_ROLE] = {
		.name = "invite_set_role", .args = "iit", .cols = "",
		.sql = "update invites set role = $3 where org_id = $1 and id = $2 and " OPEN,
	},
	[REVOKE] = {
		.name = "invite_revoke", .args = "iii", .cols = "",
		.sql = "update invites set revoked_at = $3"
		       " where org_id = $1 and id = $2 and " OPEN,
	},
	[BY_HASH] = {
		.name = "invite_by_hash", .args = "t", .cols = INVITE_LETTERS,
		.sql = "select " INVITE_COLS " from invites where token_hash = $1",
		.global = "the token of an invite names its org",
	},
	[FOR_MAIL] = {
		.name = "invite_for_mail", .args = "ti", .cols = "i",
		.sql = "select count(*) from invites where mail = $1 and " OPEN
		       " and expires_at > $2",
		.global = "whoever has no account yet may be invited by any org",
	},
	[ACCEPT] = {
		.name = "invite_accept", .args = "tiit", .cols = INVITE_LETTERS,
		.sql = "update invites set accepted_at = $3, accepted_by = $2"
		       " where token_hash = $1 and " OPEN " and expires_at > $3 and mail = $4"
		       " returning " INVITE_COLS,
		.global = "the token of an invite names its org",
	},
	[JOIN] = {
		.name = "invite_join", .args = "iiti", .cols = "",
		.sql = "insert into memberships (org_id, user_id, role, created_at)"
		       " values ($1, $2, $3, $4) on conflict (org_id, user_id) do nothing",
		.global = "the token of an invite names its org",
	},
};
const struct query_set invite_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct invite_row, id.v),
	FIELD(struct invite_row, org.v),
	FIELD(struct invite_row, mail),
	FIELD_ENUM(struct invite_row, role, role_words, ROLES),
	FIELD(struct invite_row, token_hash),
	FIELD_OPT_ID(struct invite_row, invited_by.v),
	FIELD(struct invite_row, created_us),
	FIELD(struct invite_row, expires_us),
	FIELD_OPT(struct invite_row, sent_us),
	FIELD(struct invite_row, sent_count),
	FIELD_OPT(struct invite_row, accepted_us),
	FIELD_OPT_ID(struct invite_row, accepted_by.v),
	FIELD_OPT(struct invite_row, revoked_us),
};
static const struct row_shape shape = SHAPE(struct invite_row, fields);

bool store_invite_insert(struct org_id org, struct db *db, const struct invite_row *row,
			 struct err *err)
{
	int64_t members;

	ensure(db_in_transaction(db) && row->org.v == org.v && row->role != ROLE_NONE);
	if (!row_int(db, &queries[IS_MEMBER], DB_ARGS(db_id(org.v), db_text(row->mail)), &members,
		     err)) {
		return false;
	}
	if (members > 0) {
		return err_set(err, ERR_CONFLICT, "this address is a member's already");
	}
	if (!db_exec(db, &queries[GIVE_WAY],
		     DB_ARGS(db_id(org.v), db_text(row->mail), db_int(row->created_us)), NULL,
		     err)) {
		return false;
	}
	if (row_insert(db, &queries[INSERT], &shape, row, NULL, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT
		       ? err_set(err, ERR_CONFLICT, "this address has an open invite already")
		       : false;
}

enum found store_invite_get(struct org_id org, struct db *db, struct invite_id id,
			    struct arena *req, struct invite_row *out, struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(org.v), db_id(id.v)), &shape, req, out,
		       err);
}

bool store_invite_list(struct org_id org, struct db *db, bool only_open, const struct page *page,
		       struct arena *req, struct invite_list *out, struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[LIST],
		      DB_ARGS(db_id(org.v), db_int(only_open ? 1 : 0), page_before_at(page),
			      page_before_id(page), page_limit(page), page_offset(page)),
		      &shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}

bool store_invite_count(struct org_id org, struct db *db, int64_t now_us, uint64_t *out,
			struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[COUNT], DB_ARGS(db_id(org.v), db_int(now_us)), &n, err);

	*out = (uint64_t)n;
	return ok;
}

enum found store_invite_set_role(struct org_id org, struct db *db, struct invite_id id,
				 enum role role, struct err *err)
{
	ensure(role != ROLE_NONE);
	return row_touch(db, &queries[SET_ROLE],
			 DB_ARGS(db_id(org.v), db_id(id.v), db_text(role_name(role))), err);
}

enum found store_invite_resend(struct org_id org, struct db *db, struct invite_id id,
			       struct slice token_hash, int64_t sent_us, int64_t expires_us,
			       struct err *err)
{
	return row_touch(db, &queries[RESEND],
			 DB_ARGS(db_id(org.v), db_id(id.v), db_text(token_hash), db_opt(sent_us),
				 db_int(expires_us)),
			 err);
}

enum found store_invite_revoke(struct org_id org, struct db *db, struct invite_id id,
			       int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[REVOKE], DB_ARGS(db_id(org.v), db_id(id.v), db_int(now_us)),
			 err);
}

enum found store_invite_by_hash(struct db *db, struct slice hash, struct arena *req,
				struct invite_row *out, struct err *err)
{
	return row_get(db, &queries[BY_HASH], DB_ARGS(db_text(hash)), &shape, req, out, err);
}

enum found store_invite_for_mail(struct db *db, struct slice mail, int64_t now_us, struct err *err)
{
	int64_t n;

	if (!row_int(db, &queries[FOR_MAIL], DB_ARGS(db_text(mail), db_int(now_us)), &n, err)) {
		return FAILED;
	}
	return n > 0 ? FOUND : NOT_FOUND;
}

enum found store_invite_accept(struct db *db, struct slice hash, struct user_id user,
			       struct slice mail, int64_t now_us, struct arena *req,
			       struct invite_row *out, struct err *err)
{
	enum found found;

	ensure(db_in_transaction(db));
	found = row_get(db, &queries[ACCEPT],
			DB_ARGS(db_text(hash), db_id(user.v), db_int(now_us), db_text(mail)),
			&shape, req, out, err);
	if (found == FOUND && !db_exec(db, &queries[JOIN],
				       DB_ARGS(db_id(out->org.v), db_id(user.v),
					       db_text(role_name(out->role)), db_int(now_us)),
				       NULL, err)) {
		return FAILED;
	}
	return found;
}
