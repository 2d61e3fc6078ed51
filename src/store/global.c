/* SPDX-License-Identifier: Apache-2.0 */
/* What crosses organizations, but for deliveries (courier.c) and changes (changes.c). */
#include "store/global.h"

#include "store/columns.h"
#include "store/queries.h"
#include "store/row.h"

#define CURSOR_COLS \
	"partition_id, journal, seq, alerts, deliveries, updated_at, fence, rollup_seq, usage_seq"
#define CURSOR_LETTERS "itiiiiiii"
#define JOURNAL_ID_MAX 64

enum {
	ORG_BY_SLUG,
	ORG_LIST,
	KEYS_ALL,
	KEY_COUNT,
	KEY_TOUCH,
	RULES_ALL,
	ALERT_INSERT,
	ALERT_RESOLVE,
	ALERTS_FIRING,
	CURSOR_GET,
	CURSOR_TAKE,
	CURSOR_SET,
	COUNTS
};
static const struct query queries[] = {
	[ORG_BY_SLUG] = {
		.name = "org_by_slug", .args = "t", .cols = ORG_LETTERS,
		.sql = "select " ORG_COLS " from orgs where slug = $1",
		.global = "an org is named by its slug before its id is known",
	},
	[ORG_LIST] = {
		.name = "org_list", .args = "iiii", .cols = ORG_LETTERS,
		.sql = "select " ORG_COLS " from orgs where (created_at, id) < ($1, $2)"
		       " order by created_at desc, id desc limit $3 offset $4",
		.global = "operators list all tenants",
	},
	[KEYS_ALL] = {
		.name = "keys_all", .args = "ii", .cols = KEY_LETTERS,
		.sql = "select " KEY_COLS " from api_keys where id > $1 and revoked_at is null"
		       " order by id limit $2",
		.global = "a key decides the org, so all are in memory",
	},
	[KEY_COUNT] = {
		.name = "key_count", .args = "", .cols = "i",
		.sql = "select count(*) from api_keys",
		.global = "the first key of an installation is special",
	},
	[KEY_TOUCH] = {
		.name = "key_touch", .args = "iit", .cols = "",
		.sql = "update api_keys set last_used_at = $2, last_used_address ="
		       " case when $3 = '' then last_used_address else $3 end where id = $1"
		       " and (last_used_at is null or last_used_at < $2)",
		.global = "notes of last use are written together",
	},
	[RULES_ALL] = {
		.name = "rules_all", .args = "ii", .cols = RULE_LETTERS,
		.sql = "select " RULE_COLS " from rules where id > $1 and deleted_at is null"
		       " order by id limit $2",
		.global = "the engine holds all rules",
	},
	[ALERT_INSERT] = {
		.name = "alert_insert", .args = ALERT_LETTERS, .cols = "",
		.sql = "insert into alerts (" ALERT_COLS ") values ($1, $2, $3, $4, $5, $6, $7,"
		       " $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
		.global = "one engine batch serves many orgs",
	},
	[ALERT_RESOLVE] = {
		.name = "alert_resolve", .args = "iit", .cols = "",
		.sql = "update alerts set resolved_at = $2, resolution = $3 where number = $1",
		.global = "one engine batch serves many orgs",
	},
	[ALERTS_FIRING] = {
		.name = "alerts_firing", .args = "", .cols = "i",
		.sql = "select count(*) from alerts where resolved_at is null",
		.global = "the engine holds all open alerts",
	},
	[CURSOR_GET] = {
		.name = "cursor_get", .args = "i", .cols = CURSOR_LETTERS,
		.sql = "select " CURSOR_COLS " from engine_cursors where partition_id = $1",
		.global = "the cursor belongs to the journal",
	},
	[CURSOR_TAKE] = {
		.name = "cursor_take", .args = "iti", .cols = CURSOR_LETTERS,
		.sql = "insert into engine_cursors (" CURSOR_COLS ")"
		       " values ($1, $2, 0, 0, 0, $3, 1, 0, 0) on conflict (partition_id) do update"
		       " set fence = engine_cursors.fence + 1, updated_at = excluded.updated_at"
		       " where engine_cursors.journal = excluded.journal returning " CURSOR_COLS,
		.global = "the cursor belongs to the journal",
	},
	[CURSOR_SET] = {
		.name = "cursor_set", .args = "iiiiiiii", .cols = "",
		.sql = "update engine_cursors set seq = $2, alerts = $3, deliveries = $4,"
		       " updated_at = $5, rollup_seq = $7, usage_seq = $8"
		       " where partition_id = $1 and fence = $6 and seq <= $2"
		       " and rollup_seq <= $7 and usage_seq <= $8",
		.global = "the cursor belongs to the journal",
	},
	[COUNTS] = {
		.name = "counts", .args = "", .cols = "iiii",
		.sql = "select (select count(*) from orgs),"
		       " (select count(*) from projects where delete_after is null),"
		       " (select count(*) from api_keys where revoked_at is null),"
		       " (select count(*) from rules where deleted_at is null)",
		.global = "metrics are about the installation",
	},
};
const struct query_set global_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static const struct row_field cursor_fields[] = {
	FIELD(struct engine_cursor, partition),	 FIELD(struct engine_cursor, journal),
	FIELD(struct engine_cursor, seq),	 FIELD(struct engine_cursor, alerts),
	FIELD(struct engine_cursor, deliveries), FIELD(struct engine_cursor, updated_us),
	FIELD(struct engine_cursor, fence),	 FIELD(struct engine_cursor, rollup_seq),
	FIELD(struct engine_cursor, usage_seq),
};
static const struct row_shape cursor_shape = SHAPE(struct engine_cursor, cursor_fields);

enum found store_org_by_slug(struct db *db, struct slice slug, struct arena *req,
			     struct org_row *out, struct err *err)
{
	return row_get(db, &queries[ORG_BY_SLUG], DB_ARGS(db_text(slug)), &org_shape, req, out,
		       err);
}

bool store_org_list(struct db *db, const struct page *page, struct arena *req, struct org_list *out,
		    struct err *err)
{
	void *rows;
	bool more;

	if (!row_page(db, &queries[ORG_LIST],
		      DB_ARGS(page_before_at(page), page_before_id(page), page_limit(page),
			      page_offset(page)),
		      &org_shape, page, req, &rows, &out->n, &more, err)) {
		return false;
	}
	out->rows = rows;
	PAGE_NEXT(out, more, id);
	return true;
}

bool store_keys_all(struct db *db, struct key_id after, size_t limit, struct arena *boot,
		    struct key_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[KEYS_ALL], DB_ARGS(db_id(after.v), db_id(limit)), &key_shape,
		      limit, boot, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

bool store_key_count(struct db *db, uint64_t *out, struct err *err)
{
	int64_t n;

	if (!row_int(db, &queries[KEY_COUNT], (struct db_args) { 0 }, &n, err)) {
		return false;
	}
	*out = (uint64_t)n;
	return true;
}

bool store_keys_touch(struct db *db, const struct key_use *uses, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	for (size_t i = 0; i < n; i++) {
		if (!db_exec(db, &queries[KEY_TOUCH],
			     DB_ARGS(db_id(uses[i].id.v), db_int(uses[i].at_us),
				     db_text(uses[i].from)),
			     NULL, err)) {
			return false;
		}
	}
	return true;
}

bool store_rules_all(struct db *db, struct rule_id after, size_t limit, struct arena *boot,
		     struct rule_list *out, struct err *err)
{
	void *rows;

	ensure(limit >= 1 && limit <= PAGE_ROWS_MAX);
	if (!row_list(db, &queries[RULES_ALL], DB_ARGS(db_id(after.v), db_id(limit)), &rule_shape,
		      limit, boot, &rows, &out->n, err)) {
		return false;
	}
	out->rows = rows;
	out->next = (struct page_at) { 0 };
	return true;
}

bool store_alerts_insert(struct db *db, const struct alert_row *rows, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[ALERT_INSERT], &alert_shape, rows, n, err);
}

static const struct row_field end_fields[] = {
	FIELD(struct alert_end, number.v),
	FIELD(struct alert_end, resolved_us),
	FIELD(struct alert_end, resolution),
};
static const struct row_shape end_shape = SHAPE(struct alert_end, end_fields);

bool store_alerts_resolve(struct db *db, const struct alert_end *ends, size_t n, struct err *err)
{
	ensure(db_in_transaction(db));
	return row_insert_all(db, &queries[ALERT_RESOLVE], &end_shape, ends, n, err);
}

bool store_alerts_firing(struct db *db, uint64_t *out, struct err *err)
{
	int64_t n = 0;
	bool ok = row_int(db, &queries[ALERTS_FIRING], (struct db_args) { 0 }, &n, err);

	*out = (uint64_t)n;
	return ok;
}

enum found store_cursor_get(struct db *db, uint32_t partition, struct arena *boot,
			    struct engine_cursor *out, struct err *err)
{
	return row_get(db, &queries[CURSOR_GET], DB_ARGS(db_int(partition)), &cursor_shape, boot,
		       out, err);
}

bool store_cursor_take(struct db *db, uint32_t partition, struct slice journal, int64_t now_us,
		       struct arena *boot, struct engine_cursor *out, struct err *err)
{
	enum found found;

	ensure(!db_in_transaction(db) && journal.n > 0 && journal.n <= JOURNAL_ID_MAX);
	found = row_get(db, &queries[CURSOR_TAKE],
			DB_ARGS(db_int(partition), db_text(journal), db_int(now_us)), &cursor_shape,
			boot, out, err);
	if (found == NOT_FOUND) {
		return err_set(err, ERR_CONFLICT,
			       "the cursor of partition %u is not of journal \"%.*s\"", partition,
			       SARG(journal));
	}
	return found == FOUND;
}

bool store_cursor_set(struct db *db, const struct engine_cursor *cursor, struct err *err)
{
	enum found found;

	ensure(db_in_transaction(db));
	found = row_touch(db, &queries[CURSOR_SET],
			  DB_ARGS(db_int(cursor->partition), db_id(cursor->seq),
				  db_id(cursor->alerts), db_id(cursor->deliveries),
				  db_int(cursor->updated_us), db_id(cursor->fence),
				  db_id(cursor->rollup_seq), db_id(cursor->usage_seq)),
			  err);
	if (found == NOT_FOUND) {
		return err_set(err, ERR_CONFLICT,
			       "another engine has taken partition %u, or its cursor is ahead",
			       cursor->partition);
	}
	return found == FOUND;
}

bool store_counts(struct db *db, struct store_counts *out, struct err *err)
{
	if (!db_run(db, &queries[COUNTS], (struct db_args) { 0 }, err) ||
	    db_next(db, err) != FOUND) {
		return false;
	}
	*out = (struct store_counts) {
		.orgs = (uint64_t)db_col_int(db, 0),
		.projects = (uint64_t)db_col_int(db, 1),
		.keys = (uint64_t)db_col_int(db, 2),
		.rules = (uint64_t)db_col_int(db, 3),
	};
	db_end(db);
	return true;
}
