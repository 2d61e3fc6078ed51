/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every statement prepares on the migrated schema with the parameters and columns it declares, and
 * stays inside one organization or says why not. The tables that count as tenant data are read
 * from the schema itself: whoever adds a table with org_id is covered.
 */
#include "store/queries.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>

#include "store/db_impl.h"
#include "store/walls.h"
#include "test/t.h"

#define TABLES_MAX 64

static const struct query_set *const sets[] = QUERY_SETS;

struct tables {
	char names[TABLES_MAX][64];
	size_t n;
};

static sqlite3 *schema(void)
{
	sqlite3 *handle = NULL;

	T_INT(sqlite3_open(":memory:", &handle), SQLITE_OK);
	for (size_t i = 0; i < migrations_n; i++) {
		T_INT(sqlite3_exec(handle, migrations[i].up[STORE_SQLITE], NULL, NULL, NULL),
		      SQLITE_OK);
	}
	T_INT(sqlite3_exec(handle,
			   "create table schema_migrations (number, name, checksum, applied_at)",
			   NULL, NULL, NULL),
	      SQLITE_OK);
	return handle;
}

static void tenant_tables(sqlite3 *handle, struct tables *out)
{
	sqlite3_stmt *st = NULL;

	*out = (struct tables) { 0 };
	T_INT(sqlite3_prepare_v2(handle,
				 "select t.name from sqlite_schema t, pragma_table_info(t.name) c"
				 " where t.type = 'table' and c.name = 'org_id'",
				 -1, &st, NULL),
	      SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		ensure(out->n < TABLES_MAX);
		snprintf(out->names[out->n++], sizeof(out->names[0]), "%s",
			 (const char *)sqlite3_column_text(st, 0));
	}
	sqlite3_finalize(st);
}

/* The next word of *sql: letters, digits, underscores, '$' and '.'. */
static bool next_word(struct slice *sql, struct slice *word)
{
	size_t at = 0, end;

	while (at < sql->n && !isalnum((unsigned char)sql->p[at]) && sql->p[at] != '_' &&
	       sql->p[at] != '$') {
		at++;
	}
	end = at;
	while (end < sql->n && (isalnum((unsigned char)sql->p[end]) || sql->p[end] == '_' ||
				sql->p[end] == '$' || sql->p[end] == '.')) {
		end++;
	}
	*word = (struct slice) { .p = sql->p + at, .n = end - at };
	*sql = slice_from(*sql, end);
	return word->n > 0;
}

static bool names_table(struct slice word)
{
	return slice_eq(word, S("from")) || slice_eq(word, S("join")) ||
	       slice_eq(word, S("into")) || slice_eq(word, S("update"));
}

static bool is_tenant_table(const struct tables *tables, struct slice word)
{
	for (size_t i = 0; i < tables->n; i++) {
		if (slice_eq(word, slice_of(tables->names[i]))) {
			return true;
		}
	}
	return false;
}

static size_t count_text(const char *sql, const char *text)
{
	size_t n = 0;

	for (const char *at = strstr(sql, text); at != NULL; at = strstr(at + 1, text)) {
		n++;
	}
	return n;
}

/* How often the statement reads or writes a table of tenant data. */
static size_t tenant_uses(const struct tables *tables, const char *sql)
{
	struct slice rest = slice_of(sql), word, before = { 0 };
	size_t n = 0;

	while (next_word(&rest, &word)) {
		if (names_table(before) && is_tenant_table(tables, word)) {
			n++;
		}
		before = word;
	}
	return n;
}

/*
 * An insert names org_id among its columns; whatever else touches a tenant table says "org_id = $1"
 * once per table it names. Selected columns do not count.
 */
static bool inside_one_org(const struct tables *tables, const struct query *q)
{
	size_t uses = tenant_uses(tables, q->sql);
	size_t bound = count_text(q->sql, "org_id = $1");
	const char *columns = strchr(q->sql, '(');
	const char *closed = columns == NULL ? NULL : strchr(columns, ')');
	const char *org = columns == NULL ? NULL : strstr(columns, "org_id");

	if (slice_starts(slice_of(q->sql), S("insert into ")) && org != NULL && org < closed) {
		bound++;
	}
	return bound >= uses;
}

TEST(each_statement_stays_inside_one_org_or_says_why)
{
	sqlite3 *handle = schema();
	struct tables tables;

	tenant_tables(handle, &tables);
	T_TRUE(tables.n >= 8);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		for (size_t j = 0; j < sets[i]->n; j++) {
			const struct query *q = &sets[i]->queries[j];

			if (q->global == NULL && !inside_one_org(&tables, q)) {
				fail_msg("%s crosses organizations without a reason", q->name);
			}
			if (q->global != NULL && strlen(q->global) < 10) {
				fail_msg("%s gives no reason", q->name);
			}
		}
	}
	sqlite3_close(handle);
}

/* Tables without an org, and why: a new table is in here or has an org_id. */
static const struct {
	const char *name, *why;
} shared[] = {
	{ "orgs", "its id is the org" },
	{ "meta", "facts about the installation" },
	{ "schema_migrations", "the schema is the installation's" },
	{ "engine_cursors", "the cursor belongs to the journal" },
	{ "users", "a user may be a member of many orgs" },
	{ "sessions", "a session is a user's, and decides the org" },
	{ "one_time_tokens", "who uses one is known by it alone" },
	{ "recovery_codes", "they are a user's" },
	{ "oidc_links", "they are a user's" },
	{ "sign_keys", "tokens are signed for the installation" },
	{ "plans", "they are offered to all orgs" },
	{ "guesses", "who guesses is nobody yet" },
};

TEST(each_table_has_an_org_or_says_why)
{
	sqlite3 *handle = schema();
	sqlite3_stmt *st = NULL;
	struct tables tables;

	tenant_tables(handle, &tables);
	T_INT(sqlite3_prepare_v2(handle,
				 "select name from sqlite_schema where type = 'table'"
				 " and name not like 'sqlite_%'",
				 -1, &st, NULL),
	      SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		bool known = is_tenant_table(&tables, slice_of(name));

		for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
			known = known || strcmp(name, shared[i].name) == 0;
		}
		if (!known) {
			fail_msg("%s has no org_id and no reason", name);
		}
	}
	sqlite3_finalize(st);
	sqlite3_close(handle);
}

/* What SQLite itself says a statement touches, whatever its text looks like. */
struct touched {
	const struct tables *tenant;
	struct tables tables;
	bool by_org[TABLES_MAX]; /* its org is read, or the row comes with one */
};

static int on_touch(void *arg, int action, const char *table, const char *column,
		    const char *schema_name UNUSED, const char *trigger UNUSED)
{
	struct touched *t = arg;
	bool orgs = table != NULL && strcmp(table, "orgs") == 0;
	size_t i = 0;

	if ((action != SQLITE_READ && action != SQLITE_INSERT && action != SQLITE_UPDATE &&
	     action != SQLITE_DELETE) ||
	    (!orgs && !is_tenant_table(t->tenant, slice_of(table)))) {
		return SQLITE_OK;
	}
	while (i < t->tables.n && strcmp(t->tables.names[i], table) != 0) {
		i++;
	}
	if (i == t->tables.n) {
		ensure(t->tables.n < TABLES_MAX);
		snprintf(t->tables.names[t->tables.n++], sizeof(t->tables.names[0]), "%s", table);
	}
	if (action == SQLITE_INSERT ||
	    (action == SQLITE_READ && strcmp(column, orgs ? "id" : "org_id") == 0)) {
		t->by_org[i] = true;
	}
	return SQLITE_OK;
}

/* The table whose org a statement does not ask for, "" when it touches none; NULL: all is well. */
static const char *left_open(sqlite3 *handle, const struct tables *tenant, const char *sql,
			     struct touched *t)
{
	sqlite3_stmt *st = NULL;

	*t = (struct touched) { .tenant = tenant };
	T_INT(sqlite3_set_authorizer(handle, on_touch, t), SQLITE_OK);
	T_INT(sqlite3_prepare_v2(handle, sql, -1, &st, NULL), SQLITE_OK);
	T_INT(sqlite3_set_authorizer(handle, NULL, NULL), SQLITE_OK);
	sqlite3_finalize(st);
	for (size_t i = 0; i < t->tables.n; i++) {
		if (!t->by_org[i]) {
			return t->tables.names[i];
		}
	}
	return t->tables.n == 0 ? "" : NULL;
}

TEST(the_authorizer_finds_each_statement_inside_one_org)
{
	sqlite3 *handle = schema();
	struct tables tenant;
	struct touched t;

	tenant_tables(handle, &tenant);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		for (size_t j = 0; j < sets[i]->n; j++) {
			const struct query *q = &sets[i]->queries[j];
			const char *open = q->global != NULL
						   ? NULL
						   : left_open(handle, &tenant, q->sql, &t);

			if (open != NULL) {
				fail_msg("%s: the org of \"%s\" is not asked for", q->name, open);
			}
			if (q->global == NULL && q->args[walls_org_arg(q)] != 'i') {
				fail_msg("%s does not name its org", q->name);
			}
		}
	}
	sqlite3_close(handle);
}

TEST(the_authorizer_sees_what_a_text_hides)
{
	static const char *const bad[] = {
		"select r.id from rules r, alerts a where r.org_id = $1 and a.rule_id = r.id",
		"select count(*) from alerts where $1 > 0",
		"delete from rules where id = (select max(rule_id) from alerts)",
		"update orgs set name = $2 where slug = $1",
	};
	sqlite3 *handle = schema();
	struct tables tenant;
	struct touched t;

	tenant_tables(handle, &tenant);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (left_open(handle, &tenant, bad[i], &t) == NULL) {
			fail_msg("not seen: %s", bad[i]);
		}
	}
	sqlite3_close(handle);
}

TEST(the_org_of_an_insert_is_found)
{
	static const struct {
		const char *sql;
		size_t at;
	} rows[] = {
		{ "insert into a (id, org_id, x) values ($1, $2, $3)", 1 },
		{ "insert into a (org_id, x) values ($1, $2)", 0 },
		{ "insert into orgs (id, slug) values ($1, $2)", 0 },
		{ "select org_id from a where (x, org_id) > ($2, $3) and org_id = $1", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_INT(walls_org_arg(&(struct query) { .sql = rows[i].sql }), rows[i].at);
	}
}

TEST(the_check_sees_what_crosses)
{
	static const char *const bad[] = {
		"select id from api_keys where id = $1",
		"select org_id, id from rules where id = $1",
		"update deliveries set status = $2 where number = $1",
		"delete from changes where number < $1",
		"insert into alerts (number, title) values ($1, $2)",
		"select r.id from rules r join alerts on alerts.rule_id = r.id where r.org_id = $1",
		"update alerts set title = $2 where org_id = $1 and number in (select n from attempts)",
	};
	sqlite3 *handle = schema();
	struct tables tables;

	tenant_tables(handle, &tables);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct query q = { .name = "bad", .sql = bad[i] };

		if (inside_one_org(&tables, &q)) {
			fail_msg("not seen: %s", bad[i]);
		}
	}
	sqlite3_close(handle);
}

TEST(each_statement_prepares_as_declared)
{
	sqlite3 *handle = schema();

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		for (size_t j = 0; j < sets[i]->n; j++) {
			const struct query *q = &sets[i]->queries[j];
			sqlite3_stmt *st = NULL;

			if (sqlite3_prepare_v2(handle, q->sql, -1, &st, NULL) != SQLITE_OK) {
				fail_msg("%s: %s", q->name, sqlite3_errmsg(handle));
			}
			if ((size_t)sqlite3_bind_parameter_count(st) != strlen(q->args) ||
			    (size_t)sqlite3_column_count(st) != strlen(q->cols) ||
			    strlen(q->args) > DB_ARGS_MAX) {
				fail_msg("%s: has other parameters or columns", q->name);
			}
			T_INT(strspn(q->args, "it"), strlen(q->args));
			T_INT(strspn(q->cols, "it"), strlen(q->cols));
			sqlite3_finalize(st);
		}
	}
	sqlite3_close(handle);
}

static const struct query *query_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		for (size_t j = 0; j < sets[i]->n; j++) {
			if (strcmp(sets[i]->queries[j].name, name) == 0) {
				return &sets[i]->queries[j];
			}
		}
	}
	never("no such statement");
}

/* The whole plan as SQLite explains it, one step after the other. */
static void plan_of(sqlite3 *handle, const struct query *q, char *out, size_t cap)
{
	sqlite3_stmt *st = NULL;
	char sql[4096];
	size_t n = 0;

	snprintf(sql, sizeof(sql), "explain query plan %s", q->sql);
	T_INT(sqlite3_prepare_v2(handle, sql, -1, &st, NULL), SQLITE_OK);
	out[0] = '\0';
	while (sqlite3_step(st) == SQLITE_ROW && n < cap) {
		n += (size_t)snprintf(out + n, cap - n, "%s; ",
				      (const char *)sqlite3_column_text(st, 3));
	}
	sqlite3_finalize(st);
}

/* What a busy server runs all day must not read more the longer its history is. */
TEST(frequent_statements_seek_and_do_not_sort)
{
	static const struct {
		const char *name;
		const char *index;
	} wants[] = {
		{ "alert_list", "USING INDEX alerts_list" },
		{ "alert_list_firing", "USING INDEX alerts_firing" },
		{ "alert_list_resolved", "USING INDEX alerts_list" },
		{ "alerts_firing", "INDEX alerts_firing" },
		{ "alert_resolve", "USING INTEGER PRIMARY KEY" },
		{ "delivery_list", "USING INDEX deliveries_list" },
		{ "delivery_list_dead", "USING INDEX deliveries_dead" },
		{ "delivery_list_failed", "USING INDEX deliveries_failed" },
		{ "delivery_claim", "USING COVERING INDEX deliveries_due" },
		{ "delivery_queue", "USING COVERING INDEX deliveries_due" },
		{ "delivery_dead", "USING INDEX deliveries_dead" },
		{ "delivery_release", "USING INDEX deliveries_due" },
		{ "delivery_free", "INDEX deliveries_held" },
		{ "delivery_replay", "USING INDEX deliveries_dead" },
		{ "delivery_record", "USING INTEGER PRIMARY KEY" },
		{ "change_after", "USING INDEX sqlite_autoindex_changes_1" },
		{ "key_list", "USING INDEX api_keys_list" },
		{ "rule_list", "USING INDEX rules_list" },
		{ "audit_list", "USING INDEX audit_entries_list" },
		{ "audit_list_actor", "USING INDEX audit_entries_actor" },
		{ "audit_list_action", "USING INDEX audit_entries_action" },
		{ "audit_list_target", "USING INDEX audit_entries_target" },
		{ "audit_walk", "USING INDEX sqlite_autoindex_audit_entries" },
	};
	sqlite3 *handle = schema();
	char plan[2048];

	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		plan_of(handle, query_named(wants[i].name), plan, sizeof(plan));
		if (strstr(plan, wants[i].index) == NULL || strstr(plan, "TEMP B-TREE") != NULL) {
			fail_msg("%s: %s", wants[i].name, plan);
		}
	}
	sqlite3_close(handle);
}

TEST(names_are_unique)
{
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		for (size_t j = 0; j < sets[i]->n; j++) {
			size_t same = 0;

			for (size_t k = 0; k < ARRAY_LEN(sets); k++) {
				for (size_t l = 0; l < sets[k]->n; l++) {
					same += strcmp(sets[i]->queries[j].name,
						       sets[k]->queries[l].name) == 0;
				}
			}
			T_INT(same, 1);
		}
	}
}

T_MAIN(T(each_statement_stays_inside_one_org_or_says_why), T(each_table_has_an_org_or_says_why),
       T(the_authorizer_finds_each_statement_inside_one_org),
       T(the_authorizer_sees_what_a_text_hides), T(the_org_of_an_insert_is_found),
       T(the_check_sees_what_crosses), T(each_statement_prepares_as_declared),
       T(frequent_statements_seek_and_do_not_sort), T(names_are_unique))
