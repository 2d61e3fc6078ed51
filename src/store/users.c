/* SPDX-License-Identifier: Apache-2.0 */
/* Users and who they are elsewhere. What must happen once is decided by the update that does it. */
#include "store/users.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define WHY "a user may be a member of many orgs"
#define LINK_COLS "issuer, subject, user_id, mail, created_at, last_login_at"
#define LINK_LETTERS "ttitii"

enum {
	INSERT,
	GET,
	LOCK,
	BY_MAIL,
	LIST,
	COUNT,
	SET_PASSWORD,
	SET_NAME,
	SET_MAIL,
	SET_TOTP,
	TAKE_TOTP,
	LOGGED_IN,
	SET_STATUS,
	END_SESSIONS,
	END_TOKENS,
	LINK_INSERT,
	LINK_GET,
	LINK_USED,
	LINK_LIST,
	LINK_DELETE
};
static const struct query queries[] = {
	[INSERT] = {
		.name = "user_insert", .args = USER_LETTERS, .cols = "", .global = WHY,
		.sql = "insert into users (" USER_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
	},
	[GET] = {
		.name = "user_get", .args = "i", .cols = USER_LETTERS, .global = WHY,
		.sql = "select " USER_COLS " from users where id = $1",
	},
	[LOCK] = {
		.name = "user_lock", .args = "i", .cols = USER_LETTERS, .global = WHY,
		.sql = "select " USER_COLS " from users where id = $1" DB_FOR_UPDATE,
	},
	[BY_MAIL] = {
		.name = "user_by_mail", .args = "t", .cols = USER_LETTERS, .global = WHY,
		.sql = "select " USER_COLS " from users where mail = $1",
	},
	[LIST] = {
		.name = "user_list", .args = "iiii", .cols = USER_LETTERS,
		.sql = "select " USER_COLS " from users where (created_at, id) < ($1, $2)"
		       " order by created_at desc, id desc limit $3 offset $4",
		.global = "operators list all users",
	},
	[COUNT] = {
		.name = "user_count", .args = "", .cols = "i",
		.sql = "select count(*) from users",
		.global = "the first user of an installation is special",
	},
	[SET_PASSWORD] = {
		.name = "user_set_password", .args = "iti", .cols = "", .global = WHY,
		.sql = "update users set password = $2, password_at = $3 where id = $1",
	},
	[SET_NAME] = {
		.name = "user_set_name", .args = "it", .cols = "", .global = WHY,
		.sql = "update users set name = $2 where id = $1",
	},
	[SET_MAIL] = {
		.name = "user_set_mail", .args = "iti", .cols = "", .global = WHY,
		.sql = "update users set mail = $2, mail_verified_at = $3 where id = $1",
	},
	[SET_TOTP] = {
		.name = "user_set_totp", .args = "iti", .cols = "", .global = WHY,
		.sql = "update users set totp = $2, totp_at = $3 where id = $1",
	},
	[TAKE_TOTP] = {
		.name = "user_take_totp", .args = "ii", .cols = "", .global = WHY,
		.sql = "update users set totp_step = $2 where id = $1 and totp_step < $2",
	},
	[LOGGED_IN] = {
		.name = "user_logged_in", .args = "ii", .cols = "", .global = WHY,
		.sql = "update users set last_login_at = $2 where id = $1 and status = 'active'",
	},
	[SET_STATUS] = {
		.name = "user_set_status", .args = "it", .cols = "", .global = WHY,
		.sql = "update users set status = $2 where id = $1",
	},
	[END_SESSIONS] = {
		.name = "user_end_sessions", .args = "i", .cols = "", .global = WHY,
		.sql = "delete from sessions where user_id = $1",
	},
	[END_TOKENS] = {
		.name = "user_end_tokens", .args = "i", .cols = "", .global = WHY,
		.sql = "delete from one_time_tokens where user_id = $1",
	},
	[LINK_INSERT] = {
		.name = "link_insert", .args = LINK_LETTERS, .cols = "", .global = WHY,
		.sql = "insert into oidc_links (" LINK_COLS ") values ($1, $2, $3, $4, $5, $6)",
	},
	[LINK_GET] = {
		.name = "link_get", .args = "tt", .cols = LINK_LETTERS, .global = WHY,
		.sql = "select " LINK_COLS " from oidc_links where issuer = $1 and subject = $2",
	},
	[LINK_USED] = {
		.name = "link_used", .args = "tti", .cols = "", .global = WHY,
		.sql = "update oidc_links set last_login_at = $3"
		       " where issuer = $1 and subject = $2",
	},
	[LINK_LIST] = {
		.name = "link_list", .args = "ii", .cols = LINK_LETTERS, .global = WHY,
		.sql = "select " LINK_COLS " from oidc_links where user_id = $1"
		       " order by created_at limit $2",
	},
	[LINK_DELETE] = {
		.name = "link_delete", .args = "it", .cols = "", .global = WHY,
		.sql = "delete from oidc_links where user_id = $1 and issuer = $2",
	},
};
const struct query_set user_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const char *const statuses[] = { [USER_ACTIVE] = "active", [USER_DISABLED] = "disabled" };
static_assert(ARRAY_LEN(statuses) == USER_STATUSES, "every status has a word");

static const struct row_field fields[] = {
	FIELD(struct user_row, id.v),
	FIELD(struct user_row, mail),
	FIELD(struct user_row, name),
	FIELD_OPT_TEXT(struct user_row, password),
	FIELD_OPT(struct user_row, password_us),
	FIELD_ENUM(struct user_row, status, statuses, USER_STATUSES),
	FIELD_OPT(struct user_row, mail_verified_us),
	FIELD_OPT_TEXT(struct user_row, totp),
	FIELD_OPT(struct user_row, totp_us),
	FIELD(struct user_row, totp_step),
	FIELD(struct user_row, created_us),
	FIELD_OPT(struct user_row, login_us),
	FIELD_OPT(struct user_row, delete_after_us),
};
const struct row_shape user_shape = SHAPE(struct user_row, fields);

static const struct row_field link_fields[] = {
	FIELD(struct link_row, issuer),	    FIELD(struct link_row, subject),
	FIELD(struct link_row, user.v),	    FIELD(struct link_row, mail),
	FIELD(struct link_row, created_us), FIELD_OPT(struct link_row, login_us),
};
static const struct row_shape link_shape = SHAPE(struct link_row, link_fields);

const char *user_status_name(enum user_status status)
{
	ensure(status < USER_STATUSES);
	return statuses[status];
}

bool store_user_insert(struct db *db, const struct user_row *row, struct err *err)
{
	return row_insert(db, &queries[INSERT], &user_shape, row, NULL, err);
}

enum found store_user_get(struct db *db, struct user_id id, struct arena *req, struct user_row *out,
			  struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(id.v)), &user_shape, req, out, err);
}

enum found store_user_lock(struct db *db, struct user_id id, struct arena *req,
			   struct user_row *out, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_get(db, &queries[LOCK], DB_ARGS(db_id(id.v)), &user_shape, req, out, err);
}

enum found store_user_by_mail(struct db *db, struct slice mail, struct arena *req,
			      struct user_row *out, struct err *err)
{
	return row_get(db, &queries[BY_MAIL], DB_ARGS(db_text(mail)), &user_shape, req, out, err);
}

bool store_user_list(struct db *db, const struct page *page, struct arena *req,
		     struct user_list *out, struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[LIST],
		      DB_ARGS(page_before_at(page), page_before_id(page), page_limit(page),
			      page_offset(page)),
		      &user_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}

bool store_user_count(struct db *db, uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[COUNT], (struct db_args) { 0 }, &n, err);

	*out = (uint64_t)n;
	return ok;
}

static struct db_value text_or_null(struct slice s)
{
	return s.n == 0 ? db_null() : db_text(s);
}

enum found store_user_set_password(struct db *db, struct user_id id, struct slice hash,
				   int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[SET_PASSWORD],
			 DB_ARGS(db_id(id.v), text_or_null(hash), db_int(now_us)), err);
}

enum found store_user_set_name(struct db *db, struct user_id id, struct slice name, struct err *err)
{
	return row_touch(db, &queries[SET_NAME], DB_ARGS(db_id(id.v), db_text(name)), err);
}

enum found store_user_set_mail(struct db *db, struct user_id id, struct slice mail,
			       int64_t verified_us, struct err *err)
{
	return row_touch(db, &queries[SET_MAIL],
			 DB_ARGS(db_id(id.v), db_text(mail), db_opt(verified_us)), err);
}

enum found store_user_set_totp(struct db *db, struct user_id id, struct slice sealed, int64_t at_us,
			       struct err *err)
{
	return row_touch(db, &queries[SET_TOTP],
			 DB_ARGS(db_id(id.v), text_or_null(sealed), db_opt(at_us)), err);
}

enum found store_user_take_totp(struct db *db, struct user_id id, int64_t step, struct err *err)
{
	return row_touch(db, &queries[TAKE_TOTP], DB_ARGS(db_id(id.v), db_int(step)), err);
}

enum found store_user_logged_in(struct db *db, struct user_id id, int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[LOGGED_IN], DB_ARGS(db_id(id.v), db_int(now_us)), err);
}

enum found store_user_set_status(struct db *db, struct user_id id, enum user_status status,
				 struct err *err)
{
	struct db_args of_user = DB_ARGS(db_id(id.v));
	enum found found;

	ensure(db_in_transaction(db));
	/* The user first: a login that is under way then waits, and finds nobody, or is ended. */
	found = row_touch(db, &queries[SET_STATUS],
			  DB_ARGS(db_id(id.v), db_text(slice_of(user_status_name(status)))), err);
	if (found != FOUND || status != USER_DISABLED) {
		return found;
	}
	return db_exec(db, &queries[END_SESSIONS], of_user, NULL, err) &&
			       db_exec(db, &queries[END_TOKENS], of_user, NULL, err)
		       ? FOUND
		       : FAILED;
}

bool store_link_insert(struct db *db, const struct link_row *row, struct err *err)
{
	return row_insert(db, &queries[LINK_INSERT], &link_shape, row, NULL, err);
}

enum found store_link_get(struct db *db, struct slice issuer, struct slice subject,
			  struct arena *req, struct link_row *out, struct err *err)
{
	return row_get(db, &queries[LINK_GET], DB_ARGS(db_text(issuer), db_text(subject)),
		       &link_shape, req, out, err);
}

enum found store_link_used(struct db *db, struct slice issuer, struct slice subject, int64_t now_us,
			   struct err *err)
{
	return row_touch(db, &queries[LINK_USED],
			 DB_ARGS(db_text(issuer), db_text(subject), db_int(now_us)), err);
}

bool store_link_list(struct db *db, struct user_id user, struct arena *req, struct link_list *out,
		     struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[LINK_LIST], DB_ARGS(db_id(user.v), db_int(USER_LINKS_MAX)),
		      &link_shape, USER_LINKS_MAX, req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

enum found store_link_delete(struct db *db, struct user_id user, struct slice issuer,
			     struct err *err)
{
	return row_touch(db, &queries[LINK_DELETE], DB_ARGS(db_id(user.v), db_text(issuer)), err);
}
