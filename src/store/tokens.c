/* SPDX-License-Identifier: Apache-2.0 */
/* Once is what the row says: taking a token is deleting its row, and one delete finds it. */
#include "store/tokens.h"

#include "store/queries.h"
#include "store/row.h"

#define WHY "who uses it is known by it alone"
#define TOKEN_COLS "token_hash, user_id, purpose, data, created_at, expires_at"
#define TOKEN_LETTERS "tittii"

enum {
	PUT,
	TAKE,
	LOOK,
	OF_USER,
	END_ALL,
	SWEEP,
	RECOVERY_CLEAR,
	RECOVERY_ADD,
	RECOVERY_TAKE,
	RECOVERY_LEFT
};
static const struct query queries[] = {
	[PUT] = {
		.name = "token_put", .args = TOKEN_LETTERS, .cols = "", .global = WHY,
		.sql = "insert into one_time_tokens (" TOKEN_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6) on conflict (user_id, purpose) do update"
		       " set token_hash = excluded.token_hash, data = excluded.data,"
		       " created_at = excluded.created_at, expires_at = excluded.expires_at",
	},
	[TAKE] = {
		.name = "token_take", .args = "tti", .cols = TOKEN_LETTERS, .global = WHY,
		.sql = "delete from one_time_tokens where token_hash = $1 and purpose = $2"
		       " and expires_at > $3 returning " TOKEN_COLS,
	},
	[LOOK] = {
		.name = "token_look", .args = "tti", .cols = TOKEN_LETTERS, .global = WHY,
		.sql = "select " TOKEN_COLS " from one_time_tokens where token_hash = $1"
		       " and purpose = $2 and expires_at > $3",
	},
	[OF_USER] = {
		.name = "token_of_user", .args = "iti", .cols = TOKEN_LETTERS, .global = WHY,
		.sql = "select " TOKEN_COLS " from one_time_tokens where user_id = $1"
		       " and purpose = $2 and expires_at > $3",
	},
	[END_ALL] = {
		.name = "token_end_all", .args = "i", .cols = "", .global = WHY,
		.sql = "delete from one_time_tokens where user_id = $1",
	},
	[SWEEP] = {
		.name = "token_sweep", .args = "ii", .cols = "",
		.sql = "delete from one_time_tokens where token_hash in (select token_hash"
		       " from one_time_tokens where expires_at <= $1 order by expires_at limit $2)",
		.global = "the keeper sweeps for all users",
	},
	[RECOVERY_CLEAR] = {
		.name = "recovery_clear", .args = "i", .cols = "", .global = WHY,
		.sql = "delete from recovery_codes where user_id = $1",
	},
	[RECOVERY_ADD] = {
		.name = "recovery_add", .args = "it", .cols = "", .global = WHY,
		.sql = "insert into recovery_codes (user_id, code_hash) values ($1, $2)",
	},
	[RECOVERY_TAKE] = {
		.name = "recovery_take", .args = "iti", .cols = "", .global = WHY,
		.sql = "update recovery_codes set used_at = $3"
		       " where user_id = $1 and code_hash = $2 and used_at is null",
	},
	[RECOVERY_LEFT] = {
		.name = "recovery_left", .args = "i", .cols = "i", .global = WHY,
		.sql = "select count(*) from recovery_codes where user_id = $1 and used_at is null",
	},
};
const struct query_set token_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const char *const purposes[] = {
	[TOKEN_RESET] = "reset", [TOKEN_MAIL_CHANGE] = "mail_change", [TOKEN_VERIFY] = "verify",
	[TOKEN_LINK] = "link",	 [TOKEN_SECOND] = "second",
};
static_assert(ARRAY_LEN(purposes) == TOKEN_PURPOSES, "every purpose has a word");

static const struct row_field fields[] = {
	FIELD(struct token_row, hash),
	FIELD(struct token_row, user.v),
	FIELD_ENUM(struct token_row, purpose, purposes, TOKEN_PURPOSES),
	FIELD(struct token_row, data),
	FIELD(struct token_row, created_us),
	FIELD(struct token_row, expires_us),
};
static const struct row_shape shape = SHAPE(struct token_row, fields);

bool store_token_put(struct db *db, const struct token_row *row, struct err *err)
{
	return row_insert(db, &queries[PUT], &shape, row, NULL, err);
}

enum found store_token_take(struct db *db, enum token_purpose purpose, struct slice hash,
			    int64_t now_us, struct arena *req, struct token_row *out,
			    struct err *err)
{
	ensure(purpose < TOKEN_PURPOSES);
	return row_get(db, &queries[TAKE],
		       DB_ARGS(db_text(hash), db_text(slice_of(purposes[purpose])), db_int(now_us)),
		       &shape, req, out, err);
}

enum found store_token_take_user(struct db *db, enum token_purpose purpose, struct slice hash,
				 int64_t now_us, struct arena *req, struct token_row *out,
				 struct user_row *user, struct err *err)
{
	enum found found;

	ensure(purpose < TOKEN_PURPOSES && db_in_transaction(db));
	found = row_get(
		db, &queries[LOOK],
		DB_ARGS(db_text(hash), db_text(slice_of(purposes[purpose])), db_int(now_us)),
		&shape, req, out, err);
	if (found == FOUND) {
		found = store_user_lock(db, out->user, req, user, err);
	}
	/* It may have ended while the other one changed the user. */
	return found == FOUND ? store_token_take(db, purpose, hash, now_us, req, out, err) : found;
}

enum found store_token_of(struct db *db, struct user_id user, enum token_purpose purpose,
			  int64_t now_us, struct arena *req, struct token_row *out, struct err *err)
{
	ensure(purpose < TOKEN_PURPOSES);
	return row_get(db, &queries[OF_USER],
		       DB_ARGS(db_id(user.v), db_text(slice_of(purposes[purpose])), db_int(now_us)),
		       &shape, req, out, err);
}

bool store_token_end_all(struct db *db, struct user_id user, struct err *err)
{
	return db_exec(db, &queries[END_ALL], DB_ARGS(db_id(user.v)), NULL, err);
}

bool store_tokens_sweep(struct db *db, int64_t now_us, size_t limit, uint64_t *swept,
			struct err *err)
{
	return db_exec(db, &queries[SWEEP], DB_ARGS(db_int(now_us), db_id(limit)), swept, err);
}

bool store_recovery_put(struct db *db, struct user_id user, const struct slice *hashes, size_t n,
			struct err *err)
{
	ensure(db_in_transaction(db) && n <= RECOVERY_CODES_MAX);
	if (!db_exec(db, &queries[RECOVERY_CLEAR], DB_ARGS(db_id(user.v)), NULL, err)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!db_exec(db, &queries[RECOVERY_ADD], DB_ARGS(db_id(user.v), db_text(hashes[i])),
			     NULL, err)) {
			return false;
		}
	}
	return true;
}

enum found store_recovery_take(struct db *db, struct user_id user, struct slice hash,
			       int64_t now_us, struct err *err)
{
	return row_touch(db, &queries[RECOVERY_TAKE],
			 DB_ARGS(db_id(user.v), db_text(hash), db_int(now_us)), err);
}

bool store_recovery_left(struct db *db, struct user_id user, uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[RECOVERY_LEFT], DB_ARGS(db_id(user.v)), &n, err);

	*out = (uint64_t)n;
	return ok;
}
