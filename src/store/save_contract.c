/* SPDX-License-Identifier: Apache-2.0 */
/* What is saved is the whole state of one moment, and comes back as it was. */
#include "store/save.h"

#include <stdio.h>
#include <unistd.h>

#include "store/db_impl.h"
#include "store/fixture_contract.h"

static const struct query tables_sqlite = {
	.name = "test_tables",
	.args = "",
	.cols = "t",
	.sql = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
	       " and name <> 'schema_migrations' order by rowid",
};
static const struct query tables_postgres = {
	.global = "a test",
	.name = "test_tables",
	.args = "",
	.cols = "t",
	.sql = "select c.relname::text from pg_class c where c.relkind = 'r'"
	       " and c.relnamespace = current_schema()::regnamespace"
	       " and c.relname <> 'schema_migrations' order by c.oid",
};

CONTRACT(every_table_of_the_migrations_is_known)
{
	struct slice *names;
	size_t n = store_tables(store_schema_newest(), &f->arena, &names);
	struct err err = { 0 };
	size_t i = 0;

	T_OK(db_run(f->db, f->kind == STORE_SQLITE ? &tables_sqlite : &tables_postgres,
		    (struct db_args) { 0 }, &err));
	while (db_next(f->db, &err) == FOUND) {
		bool known = false;

		for (size_t k = 0; k < n; k++) {
			known = known || slice_eq(names[k], db_col_text(f->db, 0));
		}
		T_TRUE(known);
		i++;
	}
	T_INT(i, n);
	T_TRUE(n > 10);
}

static void fill(struct fixture *f)
{
	struct delivery_row delivery = sample_delivery(ORG_A, PROJECT_A, 1);
	struct err err = { 0 };
	struct engine_cursor cursor;

	T_OK(store_cursor_take(f->db, 0, S("journal"), AT, &f->arena, &cursor, &err));
	put_alert(f, sample_alert(ORG_A, PROJECT_A, 1));
	put_alert(f, sample_alert(ORG_B, PROJECT_B, 2));
	delivery.payload = S("tab\tline\nback\\slash \\. {\"a\":\"\\u00e9\"}");
	put_delivery(f, delivery);
	cursor.seq = 1000;
	cursor.alerts = 2;
	cursor.deliveries = 1;
	T_OK(db_begin(f->db, &err));
	T_OK(store_cursor_set(f->db, &cursor, &err));
	T_OK(db_commit(f->db, &err));
}

static void check_saved(const struct store_saved *saved)
{
	T_INT(saved->schema, store_schema_newest());
	T_INT(saved->cursor, 1000);
	T_INT(saved->alerts, 2);
	T_INT(saved->deliveries, 1);
}

static void path_for(const struct fixture *f, char path[128])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(path, 128, "%s/tocsin-saved-%d-%d", tmp == NULL ? "/tmp" : tmp, (int)getpid(),
		 (int)f->kind);
}

CONTRACT(a_saved_sqlite_is_the_same_database)
{
	struct store_saved saved, again;
	struct store *copy = NULL;
	struct db *db = NULL;
	struct err err = { 0 };
	char path[128];

	fill(f);
	path_for(f, path);
	T_OK(store_save(f->store, path, &saved, &err));
	check_saved(&saved);
	put_alert(f, sample_alert(ORG_A, PROJECT_A, 3));
	T_OK(store_open(slice_of(path), &copy, &err));
	store_only_look(copy);
	T_OK(store_saved(copy, &again, &err));
	check_saved(&again);
	T_OK(store_integrity(copy, &err));
	T_OK(store_rows_agree(copy, &err));
	T_FAIL(store_rows_agree(f->store, &err), ERR_CORRUPT);
	T_OK(store_connect(copy, STORE_KEEPER, &db, &err));
	T_FAIL(store_meta_put(db, "k", S("v"), &err), ERR_IO);
	db_close(&db);
	store_close(&copy);
	unlink(path);
	T_OK(store_open(slice_of(path), &copy, &err));
	store_only_look(copy);
	T_FAIL(store_saved(copy, &again, &err), ERR_IO);
	T_TRUE(access(path, F_OK) != 0);
	store_close(&copy);
}

CONTRACT(a_saved_postgres_fills_an_empty_one)
{
	struct store_saved saved, again;
	struct delivery_row row;
	struct err err = { 0 };
	char path[128];

	fill(f);
	path_for(f, path);
	T_OK(store_save(f->store, path, &saved, &err));
	check_saved(&saved);
	T_FAIL(store_load(f->store, path, saved.schema, AT, &err), ERR_CONFLICT);
	db_close(&f->db);
	T_OK(store_migrate(f->store, STORE_SCHEMA_EMPTY, AT, NULL, &err));
	T_OK(store_load(f->store, path, saved.schema, AT, &err));
	T_OK(store_saved(f->store, &again, &err));
	check_saved(&again);
	T_OK(store_rows_agree(f->store, &err));
	f->db = fixture_connect(f);
	T_INT(store_delivery_get(ORG_A, f->db, PROJECT_A, (struct delivery_id) { 1 }, &f->arena,
				 &row, &err),
	      FOUND);
	T_SLICE(row.payload, "tab\tline\nback\\slash \\. {\"a\":\"\\u00e9\"}");
	unlink(path);
}

CONTRACTS(save_contract, C(every_table_of_the_migrations_is_known),
	  C_SQLITE(a_saved_sqlite_is_the_same_database),
	  C_POSTGRES(a_saved_postgres_fills_an_empty_one))
