/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key that has expired may still have its row, until the keeper comes: an insert takes its place,
 * so that the promise does not depend on when that is.
 */
#include "store/replies.h"

#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

#define REPLY_COLS \
	"org_id, key_hash, request_hash, status, whole, etag, location, object, body, created_at," \
	" expires_at"
#define REPLY_LETTERS "ittiittttii"

#define INSERT \
	"insert into replies (" REPLY_COLS ")" \
	" values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)" \
	" on conflict (org_id, key_hash) do update set request_hash = excluded.request_hash," \
	" status = excluded.status, whole = excluded.whole, etag = excluded.etag," \
	" location = excluded.location, object = excluded.object, body = excluded.body," \
	" created_at = excluded.created_at, expires_at = excluded.expires_at" \
	" where replies.expires_at <= excluded.created_at"

#define PERSONAL "a reply to a person about himself belongs to no org"
#define SELECT \
	"select " REPLY_COLS " from replies where org_id = $1 and key_hash = $2 and expires_at > $3"

enum { GET, GET_PERSONAL, COUNT, PUT, PUT_PERSONAL, ADD, SWEEP };
static const struct query queries[] = {
	[GET] = {
		.name = "reply_get", .args = "iti", .cols = REPLY_LETTERS,
		.sql = SELECT,
	},
	[GET_PERSONAL] = {
		.name = "reply_get_personal", .args = "iti", .cols = REPLY_LETTERS, .sql = SELECT,
		.global = PERSONAL,
	},
	[COUNT] = {
		.name = "reply_count", .args = "iii", .cols = "i",
		.sql = "select count(*) from (select 1 from replies"
		       " where org_id = $1 and expires_at > $2 limit $3) as few",
	},
	[PUT] = {
		.name = "reply_put", .args = REPLY_LETTERS, .cols = "", .sql = INSERT,
	},
	[PUT_PERSONAL] = {
		.name = "reply_put_personal", .args = REPLY_LETTERS, .cols = "", .sql = INSERT,
		.global = PERSONAL,
	},
	[ADD] = {
		.name = "reply_add", .args = REPLY_LETTERS, .cols = "", .sql = INSERT,
		.global = "one engine batch serves many orgs",
	},
	[SWEEP] = {
		.name = "reply_sweep", .args = "ii", .cols = "",
		.sql = "delete from replies where (org_id, key_hash) in (select org_id, key_hash"
		       " from replies where expires_at <= $1 order by expires_at limit $2)",
		.global = "the keeper sweeps for all orgs",
	},
};
const struct query_set reply_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct reply_row, org.v),	     FIELD(struct reply_row, key),
	FIELD(struct reply_row, request),    FIELD(struct reply_row, status),
	FIELD(struct reply_row, whole),	     FIELD(struct reply_row, etag),
	FIELD(struct reply_row, location),   FIELD(struct reply_row, object),
	FIELD(struct reply_row, body),	     FIELD(struct reply_row, created_us),
	FIELD(struct reply_row, expires_us),
};
static const struct row_shape shape = SHAPE(struct reply_row, fields);

enum found store_reply_get(struct org_id org, struct db *db, struct slice key, int64_t now_us,
			   struct arena *req, struct reply_row *out, struct err *err)
{
	return row_get(db, &queries[org.v == 0 ? GET_PERSONAL : GET],
		       DB_ARGS(db_id(org.v), db_text(key), db_int(now_us)), &shape, req, out, err);
}

bool store_reply_count(struct org_id org, struct db *db, int64_t now_us, uint64_t *out,
		       struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[COUNT],
			  DB_ARGS(db_id(org.v), db_int(now_us), db_int(REPLIES_PER_ORG_MAX)), &n,
			  err);

	*out = (uint64_t)n;
	return ok;
}

bool store_reply_insert(struct org_id org, struct db *db, const struct reply_row *row,
			struct err *err)
{
	uint64_t changed;

	ensure(row->org.v == org.v && db_in_transaction(db));
	if (!row_insert(db, &queries[org.v == 0 ? PUT_PERSONAL : PUT], &shape, row, &changed,
			err)) {
		return false;
	}
	return changed == 1 || err_set(err, ERR_CONFLICT, "the idempotency key is in use");
}

bool store_replies_add(struct db *db, const struct reply_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[ADD], &shape, rows, n, err);
}

bool store_replies_sweep(struct db *db, int64_t now_us, size_t limit, size_t times, struct err *err)
{
	return row_prune(db, &queries[SWEEP], DB_ARGS(db_int(now_us), db_id(limit)), times, err);
}
