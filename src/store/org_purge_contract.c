/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An org that is gone leaves nothing, and others lose nothing. Which tables there are is asked of
 * the schema: one that is added with an org_id and forgotten fails here.
 */
#include "store/org_purge.h"

#include <stdio.h>

#include "store/audit.h"
#include "store/fixture_contract.h"
#include "store/save.h"

#define USER ((struct user_id) { 900 })
#define TABLES_MAX 64

/* A row of each table for the org $1, with a mark in each text that may have one. */
#define MARK "'mark-' || cast($1 as text)"
#define FILL(table_, columns, values) \
	{ \
		.table = (table_), \
		.q = {.name = "fill_" table_, \
		      .args = "i", \
		      .cols = "", \
		      .global = "a test fills it", \
		      .sql = "insert into " table_ " (" columns ") values (" values ")" } \
	}
static const struct {
	const char *table;
	struct query q;
} fills[] = {
	FILL("attempts",
	     "delivery_number, n, org_id, started_at, ended_at, duration, outcome, http_status,"
	     " error",
	     "$1 * 100, 1, $1, 1, 2, 1, 'retry', 500, " MARK),
	FILL("change_heads", "org_id, number", "$1, 1"),
	FILL("changes", "org_id, number, project_id, kind, body, created_at",
	     "$1, 1, $1 * 10, 'x', " MARK ", 1"),
	FILL("invites", "id, org_id, mail, role, token_hash, created_at, expires_at, sent_count",
	     "$1, $1, " MARK ", 'viewer', " MARK ", 1, 2, 0"),
	FILL("memberships", "org_id, user_id, role, created_at", "$1, 900, 'owner', 1"),
	FILL("replies",
	     "org_id, key_hash, request_hash, status, whole, etag, location, object, body,"
	     " created_at, expires_at",
	     "$1, " MARK ", 'r', 201, 1, '', '', '', " MARK ", 1, 2"),
	FILL("rollups", "org_id, project_id, step, start_at, type, severity, count",
	     "$1, $1 * 10, 60000000, 60000000, " MARK ", 1, 7"),
	FILL("outcomes", "org_id, project_id, step, start_at, outcome, count",
	     "$1, $1 * 10, 60000000, 60000000, 'accepted', 7"),
	FILL("usage_events", "org_id, day, project_id, key_id, type, count",
	     "$1, 86400000000, $1 * 10, 1, " MARK ", 7"),
	FILL("usage_sent", "org_id, day, project_id, count", "$1, 86400000000, $1 * 10, 7"),
	FILL("org_plans", "org_id, plan, events_soft, events_hard, updated_at",
	     "$1, " MARK ", -1, -1, 1"),
	FILL("billing",
	     "org_id, customer, checkouts, checkout, subscription, status, price, plan,"
	     " period_start, period_end, ends, hints, heeded, asked_at, behind_at, failed_at,"
	     " paid_at, leaving, updated_at",
	     "$1, " MARK ", 0, '', " MARK ", '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0"),
	FILL("billing_events", "org_id, id, kind, created_at, received_at",
	     "$1, " MARK ", 'x', 1, 1"),
	FILL("billing_months", "org_id, month, soft, seen, accrued, settled", "$1, 1, 1, 1, 1, 1"),
	FILL("billing_reports",
	     "org_id, month, number, customer, thousands, told_at, tried_at, done_at, lost",
	     "$1, 1, 1, " MARK ", 1, 1, 1, 1, 0"),
	FILL("sayings", "org_id, name, type, message, payload, created_at",
	     "$1, " MARK ", 'x', " MARK ", '{}', 1"),
	FILL("builtin_rules", "org_id, name, version, definition, updated_at, seq",
	     "$1, 'usage_80', 2, " MARK ", 1, 1"),
	FILL("retention",
	     "org_id, project_id, days, gone_before, deleted_seq, deleted_at, purged_at",
	     "$1, $1 * 10, 3, 0, 0, 0, 0"),
};

static const struct query many_changes = {
	.name = "fill_many_changes",
	.args = "ii",
	.cols = "",
	.sql = "insert into changes (org_id, number, project_id, kind, body, created_at)"
	       " values ($1, $2, $1 * 10, 'x', 'mark-' || cast($1 as text) || '-and-some-more', 1)",
};
static const struct query acting_in = {
	.name = "fill_session",
	.args = "i",
	.cols = "",
	.global = "a test fills it",
	.sql = "insert into sessions (id, user_id, current_org, refresh_hash, created_at,"
	       " refreshed_at, expires_at, address, agent) values ($1, 900, $1,"
	       " cast($1 as text), 1, 1, 2, '', '')",
};
static const struct query acting = {
	.name = "count_session",
	.args = "i",
	.cols = "i",
	.sql = "select count(*) from sessions where current_org = $1",
};
static const struct query leaving = {
	.name = "fill_leaving",
	.args = "ii",
	.cols = "",
	.sql = "update orgs set delete_after = $2 where id = $1",
};

static int64_t number_of(struct fixture *f, const struct query *q, struct org_id org)
{
	struct err err;
	int64_t n;

	T_OK(db_run(f->db, q, DB_ARGS(db_id(org.v)), &err));
	T_INT(db_next(f->db, &err), FOUND);
	n = db_col_int(f->db, 0);
	db_end(f->db);
	return n;
}

/* Statements are cached by their address, for as long as a connection lives. */
static struct query counts[TABLES_MAX];
static char texts[TABLES_MAX][2][128];

/* The tables with an org_id; statements that count an org's rows in each. */
static size_t tenant_tables(struct fixture *f, const char *tables[TABLES_MAX])
{
	struct slice *names;
	size_t all = store_tables(store_schema_newest(), &f->arena, &names), n = 0;

	for (size_t i = 0; i < all; i++) {
		struct err err;

		ensure(n < TABLES_MAX);
		snprintf(texts[i][0], sizeof(texts[i][0]), "count_of_%.*s", SARG(names[i]));
		snprintf(texts[i][1], sizeof(texts[i][1]),
			 "select count(*) from %.*s where org_id = $1", SARG(names[i]));
		counts[n] = (struct query) {
			.name = texts[i][0], .sql = texts[i][1], .args = "i", .cols = "i"
		};
		if (db_run(f->db, &counts[n], DB_ARGS(db_id(1)), &err)) {
			db_end(f->db);
			tables[n++] = arena_cstr(&f->arena, names[i]);
		}
	}
	return n;
}

static bool is_purged(const char *table)
{
	for (size_t i = 0; org_purge_tables[i] != NULL; i++) {
		if (strcmp(org_purge_tables[i], table) == 0) {
			return true;
		}
	}
	return false;
}

CONTRACT(no_table_of_tenants_is_forgotten)
{
	const char *tables[TABLES_MAX];
	size_t n = tenant_tables(f, tables);

	T_TRUE(n >= 18);
	for (size_t i = 0; i < n; i++) {
		if (!is_purged(tables[i])) {
			fail_msg("rows of \"%s\" stay when their org goes: see store/org_purge.c",
				 tables[i]);
		}
	}
}

static void fill(struct fixture *f, struct org_id org, struct project_id project)
{
	struct key_row key = sample_key(org, project, org.v);
	struct rule_row rule = sample_rule(org, project, org.v);
	struct audit_entry entry = { .at_us = AT,
				     .actor = S("operator"),
				     .action = S("rule.create"),
				     .target = S("rule"),
				     .target_name = arena_printf(&f->arena, "mark-%d",
								 (int)org.v) };
	struct err err;

	rule.name = entry.target_name;
	put_alert(f, sample_alert(org, project, org.v * 100));
	put_delivery(f, sample_delivery(org, project, org.v * 100));
	T_OK(store_key_insert(org, f->db, &key, &err));
	T_OK(store_rule_put(org, f->db, &rule, &err));
	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		T_OK(db_exec(f->db, &fills[i].q, DB_ARGS(db_id(org.v)), NULL, &err));
	}
	T_OK(db_exec(f->db, &acting_in, DB_ARGS(db_id(org.v)), NULL, &err));
	T_OK(db_begin(f->db, &err));
	for (int64_t i = 2; i < 3000; i++) {
		T_OK(db_exec(f->db, &many_changes, DB_ARGS(db_id(org.v), db_int(i)), NULL, &err));
	}
	T_OK(store_audit_append(org, f->db, &entry, &f->arena, &err));
	T_OK(db_commit(f->db, &err));
}

/* All numbers are given. */
static void set_cursor(struct fixture *f)
{
	struct engine_cursor cursor;
	struct err err;

	T_OK(store_cursor_take(f->db, 0, S("j"), AT, &f->arena, &cursor, &err));
	cursor.seq = cursor.alerts = cursor.deliveries = 1000000;
	T_OK(db_begin(f->db, &err));
	T_OK(store_cursor_set(f->db, &cursor, &err));
	T_OK(db_commit(f->db, &err));
}

static void set_leaving(struct fixture *f, struct org_id org, int64_t at_us)
{
	struct err err;

	T_OK(db_exec(f->db, &leaving, DB_ARGS(db_id(org.v), db_opt(at_us)), NULL, &err));
}

/* The API may not remove entries of the audit log. */
static struct db *keeper(struct fixture *f)
{
	struct db *db = NULL;
	struct err err;

	T_OK(store_connect(f->store, STORE_KEEPER, &db, &err));
	return db;
}

static enum found begin(struct fixture *f, struct org_id org, int64_t now_us)
{
	struct err err;
	enum found found;

	T_OK(db_begin(f->db, &err));
	found = store_org_purge_begin(org, f->db, now_us, &f->arena, &err);
	T_OK(db_commit(f->db, &err));
	return found;
}

/* Until nothing is left; how many slices it took. */
static int purge_rows(struct fixture *f, struct org_id org)
{
	struct db *db = keeper(f);
	struct err err = { 0 };
	enum found found;
	int n = 0;

	while ((found = store_org_purge_rows(org, db, &err)) == FOUND) {
		n++;
	}
	T_INT(found, NOT_FOUND);
	db_close(&db);
	return n;
}

static void purge_end(struct fixture *f, struct org_id org)
{
	struct err err;

	T_OK(db_begin(f->db, &err));
	T_OK(store_org_purge_end(org, f->db, &err));
	T_OK(db_commit(f->db, &err));
}

CONTRACT(all_rows_of_an_org_go_and_no_others)
{
	const char *tables[TABLES_MAX];
	int64_t before[TABLES_MAX];
	size_t n = tenant_tables(f, tables);
	struct org_row row;
	struct err err;

	set_cursor(f);
	put_user(f, USER.v, "ann@example.com");
	fill(f, ORG_A, PROJECT_A);
	fill(f, ORG_B, PROJECT_B);
	for (size_t i = 0; i < n; i++) {
		before[i] = number_of(f, &counts[i], ORG_B);
		if (before[i] == 0 || number_of(f, &counts[i], ORG_A) == 0) {
			fail_msg("\"%s\" is empty: fill it here", tables[i]);
		}
	}
	set_leaving(f, ORG_A, AT);
	T_INT(begin(f, ORG_A, AT), FOUND);
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &row, &err), FOUND);
	T_SLICE(row.status, ORG_PURGING);
	T_TRUE(slice_starts(row.settings,
			    S("{\"projects\":1,\"members\":1,\"keys\":1,\"rules\":1,")));
	T_TRUE(purge_rows(f, ORG_A) > 17);
	purge_end(f, ORG_A);
	for (size_t i = 0; i < n; i++) {
		if (number_of(f, &counts[i], ORG_A) != 0) {
			fail_msg("rows of \"%s\" stayed", tables[i]);
		}
		T_INT(number_of(f, &counts[i], ORG_B), before[i]);
	}
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &row, &err), NOT_FOUND);
	T_INT(number_of(f, &acting, ORG_A), 0);
	T_INT(number_of(f, &acting, ORG_B), 1);
	T_OK(store_rows_agree(f->store, &err));
}

/* Whoever looks at any moment finds rows that belong together. */
CONTRACT(no_slice_leaves_a_row_alone)
{
	struct db *db = keeper(f);
	struct err err = { 0 };
	struct org_id *chains;
	size_t n;
	enum found found;

	set_cursor(f);
	put_user(f, USER.v, "ann@example.com");
	fill(f, ORG_A, PROJECT_A);
	for (uint64_t i = 1; i < 50; i++) {
		put_alert(f, sample_alert(ORG_A, PROJECT_A, ORG_A.v * 100 + i));
		put_delivery(f, sample_delivery(ORG_A, PROJECT_A, ORG_A.v * 100 + i));
	}
	set_leaving(f, ORG_A, AT);
	T_INT(begin(f, ORG_A, AT), FOUND);
	do {
		found = store_org_purge_rows(ORG_A, db, &err);
		T_TRUE(found != FAILED);
		T_OK(store_rows_agree(f->store, &err));
		T_OK(store_sent_agree(f->store, &err));
		T_OK(store_audit_chains(f->db, -1, 10, &f->arena, &chains, &n, &err));
		T_INT(n, 0);
	} while (found == FOUND);
	db_close(&db);
}

CONTRACT(what_stays_after_all_is_not_begun)
{
	struct org_row row;
	struct err err;

	T_INT(begin(f, ORG_A, AT), NOT_FOUND);
	set_leaving(f, ORG_A, AT + 1);
	T_INT(begin(f, ORG_A, AT), NOT_FOUND);
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &row, &err), FOUND);
	T_SLICE(row.status, "active");
	T_INT(begin(f, ORG_A, AT + 1), FOUND);
	/* Whoever closes or opens it for now does not bring it back. */
	T_INT(store_org_suspend(ORG_A, f->db, AT, &err), FOUND);
	T_INT(store_org_suspend(ORG_A, f->db, 0, &err), FOUND);
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &row, &err), FOUND);
	T_SLICE(row.status, ORG_PURGING);
	T_INT(begin(f, (struct org_id) { 99 }, AT), NOT_FOUND);
}

CONTRACT(an_org_with_rows_does_not_end)
{
	struct org_row row;
	struct err err;

	set_leaving(f, ORG_A, AT);
	T_INT(begin(f, ORG_A, AT), FOUND);
	T_OK(db_begin(f->db, &err));
	T_FALSE(store_org_purge_end(ORG_A, f->db, &err));
	T_INT(err.kind, ERR_CONFLICT);
	db_rollback(f->db);
	T_INT(store_org_get(ORG_A, f->db, &f->arena, &row, &err), FOUND);
}

/* How often the bytes stand in a file; a file that is not there has none. */
static size_t count_in(struct fixture *f, const char *name, struct slice bytes)
{
	const char *path = arena_printf(&f->arena, "%s/%s", f->place, name).p;
	FILE *file = fopen(path, "rb");
	size_t n = 0, found = 0;
	char *all;

	if (file == NULL) {
		return 0;
	}
	T_INT(fseek(file, 0, SEEK_END), 0);
	n = (size_t)ftell(file);
	rewind(file);
	all = mem_alloc(n + 1, 1);
	T_INT(fread(all, 1, n, file), n);
	fclose(file);
	for (const char *at = all; (at = memmem(at, n - (size_t)(at - all), bytes.p, bytes.n));
	     at++) {
		found++;
	}
	free(all);
	return found;
}

static size_t bytes_of(struct fixture *f, const char *mark)
{
	return count_in(f, "state.db", slice_of(mark)) +
	       count_in(f, "state.db-wal", slice_of(mark));
}

CONTRACT(no_byte_stays_in_the_file_or_in_its_log)
{
	struct err err;

	set_cursor(f);
	put_user(f, USER.v, "ann@example.com");
	fill(f, ORG_A, PROJECT_A);
	fill(f, ORG_B, PROJECT_B);
	T_OK(store_checkpoint(f->db, &err));
	T_TRUE(bytes_of(f, "mark-11") > 3000 && bytes_of(f, "mark-22") > 3000);
	set_leaving(f, ORG_A, AT);
	T_INT(begin(f, ORG_A, AT), FOUND);
	purge_rows(f, ORG_A);
	purge_end(f, ORG_A);
	T_TRUE(bytes_of(f, "mark-11") > 0);
	T_OK(store_compact(f->db, &err));
	T_INT(store_wipe(f->db, &err), FOUND);
	T_INT(bytes_of(f, "mark-11"), 0);
	T_INT(count_in(f, "state.db-wal", S("mark-")), 0);
	T_TRUE(bytes_of(f, "mark-22") > 3000);
	T_OK(store_integrity(f->store, &err));
}

CONTRACTS(org_purge_contract, C(no_table_of_tenants_is_forgotten),
	  C(all_rows_of_an_org_go_and_no_others), C(no_slice_leaves_a_row_alone),
	  C(what_stays_after_all_is_not_begun), C(an_org_with_rows_does_not_end),
	  C_SQLITE(no_byte_stays_in_the_file_or_in_its_log))
