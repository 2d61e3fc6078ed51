/* SPDX-License-Identifier: Apache-2.0 */
/* What the server tells orgs, and the rules that take it. Names make everything here once only. */
#include "store/sayings.h"

#include "model/builtin.h"
#include "store/global.h"
#include "store/queries.h"
#include "store/row.h"

#define SAYING_COLS "org_id, name, type, message, payload, created_at, said_seq"
#define SAYING_LETTERS \
	"itttt" \
	"ii"
#define BUILTIN_COLS "org_id, name, version, definition, updated_at, seq"
#define BUILTIN_LETTERS \
	"itit" \
	"ii"

enum { ADD, FOLLOW, UNSAID, SAID, PRUNE, PUT, LIST };
static const struct query queries[] = {
	[ADD] = {
		.name = "saying_add", .args = SAYING_LETTERS, .cols = "",
		.sql = "insert into sayings (" SAYING_COLS ") values ($1, $2, $3, $4, $5, $6, $7)"
		       " on conflict (org_id, name) do nothing",
	},
	[FOLLOW] = {
		.name = "saying_follow", .args = "it", .cols = "i",
		.sql = "select 1 from sayings where org_id = $1 and name = $2",
	},
	/* An org without a default project is on its way out. */
	[UNSAID] = {
		.name = "saying_unsaid", .args = "i", .cols = SAYING_LETTERS "i",
		.sql = "select s.org_id, s.name, s.type, s.message, s.payload, s.created_at,"
		       " s.said_seq, p.id from sayings s"
		       " join projects p on p.org_id = s.org_id and p.is_default = 1"
		       " where s.said_seq is null and not exists"
		       " (select 1 from orgs o where o.id = s.org_id and o.delete_after is not null)"
		       " order by s.created_at, s.org_id, s.name limit $1",
		.global = "one watchman speaks to all orgs",
	},
	[SAID] = {
		.name = "saying_said", .args = "iti", .cols = "",
		.sql = "update sayings set said_seq = $3 where org_id = $1 and name = $2"
		       " and said_seq is null",
	},
	[PRUNE] = {
		.name = "saying_prune", .args = "i", .cols = "",
		.sql = "delete from sayings where created_at < $1 and created_at <="
		       " (select max(created_at) from (select created_at from sayings"
		       " order by created_at limit 1000) as slice)",
		.global = "the keeper prunes for all orgs",
	},
	[PUT] = {
		.name = "builtin_put", .args = BUILTIN_LETTERS, .cols = "",
		.sql = "insert into builtin_rules (" BUILTIN_COLS ")"
		       " values ($1, $2, $3, $4, $5, $6) on conflict (org_id, name) do update set"
		       " version = excluded.version, definition = excluded.definition,"
		       " updated_at = excluded.updated_at, seq = excluded.seq",
	},
	[LIST] = {
		.name = "builtin_list", .args = "i", .cols = BUILTIN_LETTERS,
		.sql = "select " BUILTIN_COLS " from builtin_rules where org_id = $1 order by name",
	},
};
const struct query_set saying_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

#define SAYING_FIELDS \
	FIELD(struct saying_row, org.v), FIELD(struct saying_row, name), \
		FIELD(struct saying_row, type), FIELD(struct saying_row, message), \
		FIELD(struct saying_row, payload), FIELD(struct saying_row, created_us), \
		FIELD_OPT_ID(struct saying_row, said_seq)
static const struct row_field fields[] = { SAYING_FIELDS };
static const struct row_shape shape = SHAPE(struct saying_row, fields);
static const struct row_field unsaid_fields[] = { SAYING_FIELDS,
						  FIELD(struct saying_row, project.v) };
static const struct row_shape unsaid_shape = SHAPE(struct saying_row, unsaid_fields);

static const struct row_field builtin_fields[] = {
	FIELD(struct builtin_row, org.v),      FIELD(struct builtin_row, name),
	FIELD(struct builtin_row, version),    FIELD(struct builtin_row, definition),
	FIELD(struct builtin_row, updated_us), FIELD(struct builtin_row, seq),
};
static const struct row_shape builtin_shape = SHAPE(struct builtin_row, builtin_fields);

enum found store_saying_add(struct org_id org, struct db *db, const struct saying_row *row,
			    struct err *err)
{
	uint64_t changed;

	ensure(row->org.v == org.v && row->said_seq == 0 && row->name.n <= SAYING_NAME_BYTES_MAX &&
	       row->message.n <= SAYING_MESSAGE_BYTES_MAX &&
	       row->payload.n <= SAYING_PAYLOAD_BYTES_MAX);
	if (!row_insert(db, &queries[ADD], &shape, row, &changed, err)) {
		return FAILED;
	}
	return changed == 1 ? FOUND : NOT_FOUND;
}

enum found store_saying_follow(struct org_id org, struct db *db, struct slice other,
			       const struct saying_row *row, struct err *err)
{
	enum found found;

	if (!db_run(db, &queries[FOLLOW], DB_ARGS(db_id(org.v), db_text(other)), err)) {
		return FAILED;
	}
	found = db_next(db, err);
	db_end(db);
	return found == FOUND ? store_saying_add(org, db, row, err) : found;
}

bool store_sayings_unsaid(struct db *db, size_t limit, struct arena *tick, struct saying_list *out,
			  struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[UNSAID], DB_ARGS(db_id(limit)), &unsaid_shape, limit, tick,
		      &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}

bool store_sayings_said(struct db *db, const struct saying_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	for (size_t i = 0; i < n; i++) {
		if (!db_exec(db, &queries[SAID],
			     DB_ARGS(db_id(rows[i].org.v), db_text(rows[i].name),
				     db_id(rows[i].said_seq)),
			     NULL, err)) {
			return false;
		}
	}
	return true;
}

bool store_sayings_prune(struct db *db, int64_t before_us, size_t times, struct err *err)
{
	return row_prune(db, &queries[PRUNE], DB_ARGS(db_int(before_us)), times, err);
}

bool store_builtin_put(struct org_id org, struct db *db, const struct builtin_row *row,
		       struct err *err)
{
	ensure(row->org.v == org.v);
	return row_insert(db, &queries[PUT], &builtin_shape, row, NULL, err);
}

bool store_builtin_list(struct org_id org, struct db *db, struct arena *req,
			struct builtin_list *out, struct err *err)
{
	void *rows;

	if (!row_list(db, &queries[LIST], DB_ARGS(db_id(org.v)), &builtin_shape, BUILTINS, req,
		      &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	return true;
}
