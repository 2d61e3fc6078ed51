/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users who leave. Whether an org keeps an owner is decided behind the locks of the user and of all
 * that the user owns; whoever makes an owner locks that user first (store/members.c), so nothing is
 * missing from the list.
 */
#include "store/leaving.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define WHY "a user may be a member of many orgs"
#define KEEPER "the keeper forgets a user everywhere"

enum {
	OWNED,
	SOLE,
	LEAVE,
	STAY,
	LEAVING,
	LEFT,
	INVITES_TO,
	INVITE_FORGET,
	REPLIES_NAMING,
	REPLY_FORGET,
	STRIP,
	STRIP_MEMBERS,
	STRIP_SESSIONS,
	STRIP_TOKENS,
	STRIP_CODES,
	STRIP_LINKS,
	REMOVE
};
static const struct query queries[] = {
	[OWNED] = {
		.name = "user_owned", .args = "ii", .cols = "i", .global = WHY,
		.sql = "select org_id from memberships where user_id = $1 and role = 'owner'"
		       " order by org_id limit $2",
	},
	[SOLE] = {
		.name = "user_sole", .args = "ii", .cols = ORG_LETTERS, .global = WHY,
		.sql = "select " ORG_COLS " from orgs where delete_after is null and id in"
		       " (select m.org_id from memberships m where m.user_id = $1"
		       " and m.role = 'owner' and not exists (select 1 from memberships o"
		       " join users u on u.id = o.user_id where o.org_id = m.org_id"
		       " and o.role = 'owner' and o.user_id <> $1 and u.delete_after is null))"
		       " order by id limit $2",
	},
	[LEAVE] = {
		.name = "user_leave", .args = "ii", .cols = "", .global = WHY,
		.sql = "update users set delete_after = $2 where id = $1",
	},
	[STAY] = {
		.name = "user_stay", .args = "ii", .cols = "", .global = WHY,
		.sql = "update users set delete_after = null"
		       " where id = $1 and delete_after > $2",
	},
	[LEAVING] = {
		.name = "users_leaving", .args = "ii", .cols = USER_LETTERS,
		.sql = "select " USER_COLS " from users where delete_after is not null"
		       " and id > $1 order by id limit $2",
		.global = "what a session may is answered from memory",
	},
	[LEFT] = {
		.name = "users_left", .args = "ii", .cols = USER_LETTERS, .global = KEEPER,
		.sql = "select " USER_COLS " from users where delete_after <= $1"
		       " order by delete_after limit $2",
	},
	[INVITES_TO] = {
		.name = "invites_to", .args = "ti", .cols = "ii", .global = KEEPER,
		.sql = "select org_id, id from invites where mail = $1 order by id limit $2",
	},
	[INVITE_FORGET] = {
		.name = "invite_forget", .args = "ii", .cols = "", .global = KEEPER,
		.sql = "delete from invites where org_id = $1 and id = $2",
	},
	[REPLIES_NAMING] = {
		.name = "replies_naming", .args = "ti", .cols = "it", .global = KEEPER,
		.sql = "select org_id, key_hash from replies"
		       " where whole = 1 and body like $1 escape '\\' limit $2",
	},
	[REPLY_FORGET] = {
		.name = "reply_forget", .args = "it", .cols = "", .global = KEEPER,
		.sql = "update replies set whole = 0, body = ''"
		       " where org_id = $1 and key_hash = $2",
	},
	[STRIP] = {
		.name = "user_strip", .args = "it", .cols = "", .global = KEEPER,
		.sql = "update users set mail = $2, name = '', password = null,"
		       " password_at = null, mail_verified_at = null, totp = null,"
		       " totp_at = null, totp_step = 0, last_login_at = null where id = $1",
	},
	[STRIP_MEMBERS] = {
		.name = "user_strip_members", .args = "i", .cols = "", .global = KEEPER,
		.sql = "delete from memberships where user_id = $1",
	},
	[STRIP_SESSIONS] = {
		.name = "user_strip_sessions", .args = "i", .cols = "", .global = KEEPER,
		.sql = "delete from sessions where user_id = $1",
	},
	[STRIP_TOKENS] = {
		.name = "user_strip_tokens", .args = "i", .cols = "", .global = KEEPER,
		.sql = "delete from one_time_tokens where user_id = $1",
	},
	[STRIP_CODES] = {
		.name = "user_strip_codes", .args = "i", .cols = "", .global = KEEPER,
		.sql = "delete from recovery_codes where user_id = $1",
	},
	[STRIP_LINKS] = {
		.name = "user_strip_links", .args = "i", .cols = "", .global = KEEPER,
		.sql = "delete from oidc_links where user_id = $1",
	},
	[REMOVE] = {
		.name = "user_remove", .args = "i", .cols = "", .global = KEEPER,
		.sql = "delete from users where id = $1",
	},
};
const struct query_set leaving_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

/* In order of id, so that two who leave never wait in a circle. */
static bool lock_owned(struct db *db, struct user_id id, struct arena *req, struct err *err)
{
	uint64_t *orgs = arena_array(req, PAGE_ROWS_MAX, sizeof(*orgs));
	enum found found;
	size_t n = 0;

	if (!db_run(db, &queries[OWNED], DB_ARGS(db_id(id.v), db_id(PAGE_ROWS_MAX)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		orgs[n++] = (uint64_t)db_col_int(db, 0);
	}
	for (size_t i = 0; i < n && found != FAILED; i++) {
		if (!store_org_lock((struct org_id) { orgs[i] }, db, err)) {
			return false;
		}
	}
	return found != FAILED;
}

static bool find_sole(struct db *db, struct user_id id, struct arena *req, struct org_list *sole,
		      struct err *err)
{
	void *rows;

	*sole = (struct org_list) { 0 };
	if (!row_list(db, &queries[SOLE], DB_ARGS(db_id(id.v), db_id(PAGE_ROWS_MAX)), &org_shape,
		      PAGE_ROWS_MAX, req, &rows, &sole->n, err)) {
		return false;
	}
	sole->rows = rows;
	return true;
}

static bool run_all(struct db *db, const int *which, size_t n, struct user_id id, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!db_exec(db, &queries[which[i]], DB_ARGS(db_id(id.v)), NULL, err)) {
			return false;
		}
	}
	return true;
}

bool store_user_leave(struct db *db, struct user_id id, int64_t after_us, struct arena *req,
		      struct org_list *sole, struct err *err)
{
	static const int ends[] = { STRIP_SESSIONS, STRIP_TOKENS };
	struct user_row user;
	enum found found = store_user_lock(db, id, req, &user, err);

	if (found == NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "this account is gone");
	}
	if (found == FAILED || !lock_owned(db, id, req, err) ||
	    !find_sole(db, id, req, sole, err)) {
		return false;
	}
	return sole->n > 0 ||
	       (db_exec(db, &queries[LEAVE], DB_ARGS(db_id(id.v), db_int(after_us)), NULL, err) &&
		run_all(db, ends, ARRAY_LEN(ends), id, err));
}

enum found store_user_stay(struct db *db, struct user_id id, int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[STAY], DB_ARGS(db_id(id.v), db_int(now_us)), err);
}

static bool list(struct db *db, const struct query *q, struct db_args args, size_t limit,
		 struct arena *arena, struct user_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, q, args, &user_shape, limit, arena, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

bool store_users_leaving(struct db *db, struct user_id after, size_t limit, struct arena *boot,
			 struct user_list *out, struct err *err)
{
	return list(db, &queries[LEAVING], DB_ARGS(db_id(after.v), db_id(limit)), limit, boot, out,
		    err);
}

bool store_users_left(struct db *db, int64_t now_us, size_t limit, struct arena *tick,
		      struct user_list *out, struct err *err)
{
	return list(db, &queries[LEFT], DB_ARGS(db_int(now_us), db_id(limit)), limit, tick, out,
		    err);
}

bool store_invites_to(struct db *db, struct slice mail, size_t limit, struct sent_invite *out,
		      size_t *n, struct err *err)
{
	enum found found;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	*n = 0;
	if (!db_run(db, &queries[INVITES_TO], DB_ARGS(db_text(mail), db_id(limit)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		out[(*n)++] = (struct sent_invite) { { (uint64_t)db_col_int(db, 0) },
						     { (uint64_t)db_col_int(db, 1) } };
	}
	return found == NOT_FOUND;
}

bool store_invite_forget(struct db *db, const struct sent_invite *invite, struct err *err)
{
	return db_exec(db, &queries[INVITE_FORGET],
		       DB_ARGS(db_id(invite->org.v), db_id(invite->id.v)), NULL, err);
}

/* The text anywhere, as "like" wants it. */
static struct slice pattern(struct slice text, struct arena *tick)
{
	char *p = arena_alloc(tick, 2 * text.n + 2);
	size_t n = 0;

	p[n++] = '%';
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '%' || text.p[i] == '_' || text.p[i] == '\\') {
			p[n++] = '\\';
		}
		p[n++] = text.p[i];
	}
	p[n++] = '%';
	return (struct slice) { p, n };
}

struct naming {
	uint64_t org;
	struct slice key;
};

/* All are read to find them, which is no work for who holds the lock to write. */
static bool find_naming(struct db *db, struct slice mail, size_t limit, struct arena *tick,
			struct naming *out, size_t *n, struct err *err)
{
	enum found found;

	*n = 0;
	if (!db_run(db, &queries[REPLIES_NAMING],
		    DB_ARGS(db_text(pattern(mail, tick)), db_id(limit)), err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		out[(*n)++] = (struct naming) { (uint64_t)db_col_int(db, 0),
						arena_dup(tick, db_col_text(db, 1)) };
	}
	return found == NOT_FOUND;
}

bool store_replies_forget(struct db *db, struct slice mail, size_t limit, uint64_t *forgotten,
			  struct err *err)
{
	struct naming *rows;
	struct arena tick;
	size_t n = 0;
	bool ok;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	arena_init(&tick, 0);
	rows = arena_array(&tick, limit, sizeof(*rows));
	ok = find_naming(db, mail, limit, &tick, rows, &n, err);
	for (size_t i = 0; ok && i < n; i++) {
		ok = db_exec(db, &queries[REPLY_FORGET],
			     DB_ARGS(db_id(rows[i].org), db_text(rows[i].key)), NULL, err);
	}
	*forgotten = n;
	arena_release(&tick);
	return ok;
}

bool store_user_strip(struct db *db, struct user_id id, struct err *err)
{
	static const int all[] = { STRIP_MEMBERS, STRIP_SESSIONS, STRIP_TOKENS, STRIP_CODES,
				   STRIP_LINKS };
	struct id_text text = id_format(ID_USER, id.v);

	ensure(db_in_transaction(db));
	return db_exec(db, &queries[STRIP], DB_ARGS(db_id(id.v), db_text(slice_of(text.p))), NULL,
		       err) &&
	       run_all(db, all, ARRAY_LEN(all), id, err);
}

enum found store_user_remove(struct db *db, struct user_id id, struct err *err)
{
	return row_touch(db, &queries[REMOVE], DB_ARGS(db_id(id.v)), err);
}
