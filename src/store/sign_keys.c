/* SPDX-License-Identifier: Apache-2.0 */
/* The newest key stays even when it is long past, so that numbers never start anew. */
#include "store/sign_keys.h"

#include "store/queries.h"
#include "store/row.h"

#define WHY "tokens are signed for the installation"
#define COLS "number, kid, public, private, created_at, sign_until, check_until"
#define LETTERS "itttiii"

enum { INSERT, LIST, PRUNE };
static const struct query queries[] = {
	[INSERT] = {
		.name = "sign_key_insert", .args = LETTERS, .cols = "", .global = WHY,
		.sql = "insert into sign_keys (" COLS ") values ($1, $2, $3, $4, $5, $6, $7)",
	},
	[LIST] = {
		.name = "sign_key_list", .args = "i", .cols = LETTERS, .global = WHY,
		.sql = "select " COLS " from sign_keys order by number desc limit $1",
	},
	[PRUNE] = {
		.name = "sign_key_prune", .args = "i", .cols = "", .global = WHY,
		.sql = "delete from sign_keys where check_until <= $1"
		       " and number < (select max(number) from sign_keys)",
	},
};
const struct query_set sign_key_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct sign_key_row, number),	    FIELD(struct sign_key_row, kid),
	FIELD(struct sign_key_row, public_key),	    FIELD(struct sign_key_row, private_key),
	FIELD(struct sign_key_row, created_us),	    FIELD(struct sign_key_row, sign_until_us),
	FIELD(struct sign_key_row, check_until_us),
};
static const struct row_shape shape = SHAPE(struct sign_key_row, fields);

bool store_sign_key_insert(struct db *db, const struct sign_key_row *row, struct err *err)
{
	return row_insert(db, &queries[INSERT], &shape, row, NULL, err);
}

bool store_sign_key_list(struct db *db, struct arena *req, struct sign_key_list *out,
			 struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[LIST], DB_ARGS(db_int(SIGN_KEYS_MAX)), &shape, SIGN_KEYS_MAX,
		      req, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_sign_key_prune(struct db *db, int64_t now_us, struct err *err)
{
	return db_exec(db, &queries[PRUNE], DB_ARGS(db_int(now_us)), NULL, err);
}
