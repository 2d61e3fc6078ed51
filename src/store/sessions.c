/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions. Turning one is a single update that names the hash it expects: who comes second finds
 * another hash there, and its own in the place of the previous one.
 */
#include "store/sessions.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define WHY "a session belongs to a user and may change its org"

enum { INSERT, GET, LIST, TURN, REUSED, RACED, SET_ORG, PROVE, END, END_OTHERS, TOUCH, SWEEP, ALL };
static const struct query queries[] = {
	[INSERT] = {
		.name = "session_insert", .args = SESSION_LETTERS, .cols = "", .global = WHY,
		.sql = "insert into sessions (" SESSION_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
	},
	[GET] = {
		.name = "session_get", .args = "i", .cols = SESSION_LETTERS, .global = WHY,
		.sql = "select " SESSION_COLS " from sessions where id = $1",
	},
	[LIST] = {
		.name = "session_list", .args = "iiiii", .cols = SESSION_LETTERS, .global = WHY,
		.sql = "select " SESSION_COLS " from sessions"
		       " where user_id = $1 and (created_at, id) < ($2, $3)"
		       " order by created_at desc, id desc limit $4 offset $5",
	},
	[TURN] = {
		.name = "session_turn", .args = "ttiitt", .cols = SESSION_LETTERS, .global = WHY,
		.sql = "update sessions set previous_hash = refresh_hash, refresh_hash = $2,"
		       " refreshed_at = $3, expires_at = $4, address = $5, agent = $6"
		       " where refresh_hash = $1 and expires_at > $3 returning " SESSION_COLS,
	},
	[REUSED] = {
		.name = "session_reused", .args = "ti", .cols = SESSION_LETTERS, .global = WHY,
		.sql = "delete from sessions where previous_hash = $1 and refreshed_at <= $2"
		       " returning " SESSION_COLS,
	},
	[RACED] = {
		.name = "session_raced", .args = "ti", .cols = SESSION_LETTERS, .global = WHY,
		.sql = "select " SESSION_COLS " from sessions"
		       " where previous_hash = $1 and expires_at > $2",
	},
	[SET_ORG] = {
		.name = "session_set_org", .args = "iii", .cols = "", .global = WHY,
		.sql = "update sessions set current_org = $3 where user_id = $1 and id = $2",
	},
	[PROVE] = {
		.name = "session_prove", .args = "iii", .cols = "", .global = WHY,
		.sql = "update sessions set proved_at = $3 where user_id = $1 and id = $2",
	},
	[END] = {
		.name = "session_end", .args = "ii", .cols = "", .global = WHY,
		.sql = "delete from sessions where user_id = $1 and id = $2",
	},
	[END_OTHERS] = {
		.name = "session_end_others", .args = "ii", .cols = "", .global = WHY,
		.sql = "delete from sessions where user_id = $1 and id <> $2",
	},
	[TOUCH] = {
		.name = "session_touch", .args = "ii", .cols = "",
		.sql = "update sessions set last_used_at = $2 where id = $1"
		       " and (last_used_at is null or last_used_at < $2)",
		.global = "notes of last use are written together",
	},
	[SWEEP] = {
		.name = "session_sweep", .args = "ii", .cols = "",
		.sql = "delete from sessions where id in (select id from sessions"
		       " where expires_at <= $1 order by expires_at limit $2)",
		.global = "the keeper sweeps for all users",
	},
	[ALL] = {
		.name = "sessions_all", .args = "iii", .cols = SESSION_LETTERS,
		.sql = "select " SESSION_COLS " from sessions where id > $1 and expires_at > $2"
		       " order by id limit $3",
		.global = "a session decides the org, so all are in memory",
	},
};
const struct query_set session_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct session_row, id.v),
	FIELD(struct session_row, user.v),
	FIELD_OPT_ID(struct session_row, org.v),
	FIELD(struct session_row, refresh_hash),
	FIELD_OPT_TEXT(struct session_row, previous_hash),
	FIELD(struct session_row, created_us),
	FIELD(struct session_row, refreshed_us),
	FIELD(struct session_row, expires_us),
	FIELD_OPT(struct session_row, proved_us),
	FIELD_OPT(struct session_row, used_us),
	FIELD(struct session_row, address),
	FIELD(struct session_row, agent),
};
static const struct row_shape shape = SHAPE(struct session_row, fields);

bool store_session_insert(struct db *db, const struct session_row *row, struct err *err)
{
	return row_insert(db, &queries[INSERT], &shape, row, NULL, err);
}

enum found store_session_get(struct db *db, struct session_id id, struct arena *req,
			     struct session_row *out, struct err *err)
{
	return row_get(db, &queries[GET], DB_ARGS(db_id(id.v)), &shape, req, out, err);
}

bool store_session_list(struct db *db, struct user_id user, const struct page *page,
			struct arena *req, struct session_list *out, struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[LIST],
		      DB_ARGS(db_id(user.v), page_before_at(page), page_before_id(page),
			      page_limit(page), page_offset(page)),
		      &shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}

static enum found turn_to_next(struct db *db, const struct session_refresh *in, struct arena *req,
			       struct session_row *out, struct err *err)
{
	return row_get(db, &queries[TURN],
		       DB_ARGS(db_text(in->hash), db_text(in->next), db_int(in->now_us),
			       db_int(in->expires_us), db_text(in->address), db_text(in->agent)),
		       &shape, req, out, err);
}

bool store_session_refresh(struct db *db, const struct session_refresh *in, struct arena *req,
			   struct session_row *out, enum session_turn *turn, struct err *err)
{
	enum found found;

	ensure(db_in_transaction(db) && in->expires_us > in->now_us && in->race_us >= 0);
	*turn = SESSION_TURNED;
	found = turn_to_next(db, in, req, out, err);
	if (found == NOT_FOUND) {
		*turn = SESSION_REUSED;
		found = row_get(db, &queries[REUSED],
				DB_ARGS(db_text(in->hash), db_int(in->now_us - in->race_us)),
				&shape, req, out, err);
	}
	if (found == NOT_FOUND) {
		*turn = SESSION_RACED;
		found = row_get(db, &queries[RACED], DB_ARGS(db_text(in->hash), db_int(in->now_us)),
				&shape, req, out, err);
	}
	if (found == NOT_FOUND) {
		*turn = SESSION_UNKNOWN;
	}
	return found != FAILED;
}

enum found store_session_set_org(struct db *db, struct user_id user, struct session_id id,
				 struct org_id org, struct err *err)
{
	return row_touch(db, &queries[SET_ORG],
			 DB_ARGS(db_id(user.v), db_id(id.v), org.v == 0 ? db_null() : db_id(org.v)),
			 err);
}

enum found store_session_prove(struct db *db, struct user_id user, struct session_id id,
			       int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[PROVE], DB_ARGS(db_id(user.v), db_id(id.v), db_int(now_us)),
			 err);
}

enum found store_session_end(struct db *db, struct user_id user, struct session_id id,
			     struct err *err)
{
	return row_touch(db, &queries[END], DB_ARGS(db_id(user.v), db_id(id.v)), err);
}

bool store_session_end_others(struct db *db, struct user_id user, struct session_id keep,
			      uint64_t *ended, struct err *err)
{
	return db_exec(db, &queries[END_OTHERS], DB_ARGS(db_id(user.v), db_id(keep.v)), ended, err);
}

bool store_sessions_touch(struct db *db, const struct session_use *uses, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	for (size_t i = 0; i < n; i++) {
		if (!db_exec(db, &queries[TOUCH],
			     DB_ARGS(db_id(uses[i].id.v), db_int(uses[i].at_us)), NULL, err)) {
			return false;
		}
	}
	return true;
}

bool store_sessions_sweep(struct db *db, int64_t now_us, size_t limit, uint64_t *swept,
			  struct err *err)
{
	return db_exec(db, &queries[SWEEP], DB_ARGS(db_int(now_us), db_id(limit)), swept, err);
}

bool store_sessions_all(struct db *db, struct session_id after, int64_t now_us, size_t limit,
			struct arena *boot, struct session_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[ALL], DB_ARGS(db_id(after.v), db_int(now_us), db_id(limit)),
		      &shape, limit, boot, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}
