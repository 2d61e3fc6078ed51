/* SPDX-License-Identifier: Apache-2.0 */
/* A small table with one writer; every statement is about the whole installation. */
#include "store/guesses.h"

#include "store/queries.h"
#include "store/row.h"

enum { LOAD, PUT, PRUNE };
static const struct query queries[] = {
	[LOAD] = {
		.name = "guess_load", .args = "i", .cols = "itii",
		.sql = "select kind, subject, failures, last_at from guesses"
		       " order by failures desc, last_at desc limit $1",
		.global = "who guesses belongs to no org",
	},
	[PUT] = {
		.name = "guess_put", .args = "itii", .cols = "",
		.sql = "insert into guesses (kind, subject, failures, last_at)"
		       " values ($1, $2, $3, $4) on conflict (kind, subject)"
		       " do update set failures = excluded.failures, last_at = excluded.last_at",
		.global = "who guesses belongs to no org",
	},
	[PRUNE] = {
		.name = "guess_prune", .args = "i", .cols = "",
		.sql = "delete from guesses where last_at < $1 or failures = 0",
		.global = "who guesses belongs to no org",
	},
};
const struct query_set guess_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field fields[] = {
	FIELD(struct guess_row, kind),
	FIELD(struct guess_row, subject),
	FIELD(struct guess_row, failures),
	FIELD(struct guess_row, last_us),
};
static const struct row_shape shape = SHAPE(struct guess_row, fields);

bool store_guesses_load(struct db *db, size_t max,
			void (*each)(void *arg, const struct guess_row *row), void *arg,
			struct err *err)
{
	struct arena tick;
	void *rows;
	size_t n;
	bool ok;

	arena_init(&tick, 0);
	ok = row_list(db, &queries[LOAD], DB_ARGS(db_int((int64_t)max)), &shape, max, &tick, &rows,
		      &n, err);
	for (size_t i = 0; ok && i < n; i++) {
		each(arg, &((const struct guess_row *)rows)[i]);
	}
	arena_release(&tick);
	return ok;
}

bool store_guesses_put(struct db *db, const struct guess_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[PUT], &shape, rows, n, err);
}

bool store_guesses_prune(struct db *db, int64_t before_us, struct err *err)
{
	return db_exec(db, &queries[PRUNE], DB_ARGS(db_int(before_us)), NULL, err);
}
