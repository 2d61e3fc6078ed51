/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations and what ties a state store to its installation. */
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/fixture_contract.h"

static const struct query newer = {
	.name = "test_newer",
	.args = "i",
	.cols = "",
	.sql = "insert into schema_migrations (number, name, checksum, applied_at)"
	       " values ($1, 'from_the_future', 'x', 0)",
};
static const struct query forge = {
	.name = "test_forge",
	.args = "",
	.cols = "",
	.sql = "update schema_migrations set checksum = 'x' where number = 1",
};

/* Like somebody who changes the schema by hand: the API may not. */
static void by_hand(struct fixture *f, const struct query *q, struct db_args args)
{
	struct err err = { 0 };
	struct db *db = NULL;

	T_OK(store_connect(f->store, STORE_KEEPER, &db, &err));
	T_OK(db_exec(db, q, args, NULL, &err));
	db_close(&db);
}

static void migrate_to(struct fixture *f, unsigned target, unsigned want_steps)
{
	struct err err = { 0 };
	unsigned steps = 99;

	T_OK(store_migrate(f->store, target, AT, &steps, &err));
	T_INT(steps, want_steps);
}

CONTRACT(schema_goes_up_down_and_up)
{
	struct err err = { 0 };
	uint64_t keys;

	migrate_to(f, store_schema_newest(), 0);
	db_close(&f->db);
	migrate_to(f, STORE_SCHEMA_EMPTY, store_schema_newest());
	/* Each alone as well: what a down file forgets stands in the way of its up file. */
	for (unsigned n = 1; n <= store_schema_newest(); n++) {
		migrate_to(f, n, 1);
		migrate_to(f, n - 1, 1);
		migrate_to(f, n, 1);
	}
	migrate_to(f, STORE_SCHEMA_EMPTY, store_schema_newest());
	f->db = fixture_connect(f);
	T_FAIL(store_key_count(f->db, &keys, &err), ERR_INTERNAL);
	db_close(&f->db);
	migrate_to(f, store_schema_newest(), store_schema_newest());
	f->db = fixture_connect(f);
	T_OK(store_key_count(f->db, &keys, &err));
	T_INT(keys, 0);
}

CONTRACT(newer_schema_is_refused)
{
	struct err err = { 0 };

	by_hand(f, &newer, DB_ARGS(db_int(store_schema_newest() + 1)));
	T_FAIL(store_migrate(f->store, store_schema_newest(), AT, NULL, &err), ERR_CONFLICT);
	T_TRUE(strstr(err.text, "use a newer tocsin") != NULL);
}

CONTRACT(changed_migration_is_refused)
{
	struct err err = { 0 };

	by_hand(f, &forge, (struct db_args) { 0 });
	T_FAIL(store_migrate(f->store, store_schema_newest(), AT, NULL, &err), ERR_CONFLICT);
}

CONTRACT(backup_is_written_before_a_change)
{
	struct err err = { 0 };
	struct store *old = NULL;
	struct db *db = NULL;
	struct org_row org;
	char path[128];

	db_close(&f->db);
	snprintf(path, sizeof(path), "%s/state.db.before-%04u", f->place, store_schema_newest());
	T_TRUE(access(path, F_OK) != 0);
	migrate_to(f, STORE_SCHEMA_EMPTY, store_schema_newest());
	T_OK(store_open(slice_of(path), &old, &err));
	T_OK(store_connect(old, STORE_API, &db, &err));
	T_INT(store_org_get(ORG_A, db, &f->arena, &org, &err), FOUND);
	db_close(&db);
	store_close(&old);
}

CONTRACT(state_is_private_to_its_owner)
{
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/state.db", f->place);
	T_INT(stat(path, &st), 0);
	T_INT(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/state.db-wal", f->place);
	T_INT(stat(path, &st), 0);
	T_INT(st.st_mode & 0777, 0600);
}

struct migrating {
	struct fixture *f;
	unsigned steps;
	bool ok;
	struct err err;
};

static void *migrate_thread(void *arg)
{
	struct migrating *m = arg;

	m->ok = store_migrate(m->f->store, store_schema_newest(), AT, &m->steps, &m->err);
	return NULL;
}

CONTRACT(only_one_of_many_migrates)
{
	struct migrating runs[4] = { 0 };
	pthread_t threads[4];
	unsigned steps = 0;

	db_close(&f->db);
	migrate_to(f, STORE_SCHEMA_EMPTY, store_schema_newest());
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		runs[i].f = f;
		T_INT(pthread_create(&threads[i], NULL, migrate_thread, &runs[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct err err = { 0 };

		pthread_join(threads[i], NULL);
		err = runs[i].err;
		T_OK(runs[i].ok);
		steps += runs[i].steps;
	}
	T_INT(steps, store_schema_newest());
}

CONTRACT(state_belongs_to_one_journal)
{
	struct err err = { 0 };

	T_OK(store_ticket(f->db, S("0a1b"), &err));
	T_OK(store_ticket(f->db, S("0a1b"), &err));
	T_FAIL(store_ticket(f->db, S("ffff"), &err), ERR_CONFLICT);
	T_TRUE(strstr(err.text, "0a1b") != NULL);
}

CONTRACT(facts_are_kept_and_marks_are_set_once)
{
	struct err err = { 0 };
	struct slice value;

	T_INT(store_meta_get(f->db, "colour", &f->arena, &value, &err), NOT_FOUND);
	T_OK(store_meta_put(f->db, "colour", S("red"), &err));
	T_OK(store_meta_put(f->db, "colour", S("blue"), &err));
	T_INT(store_meta_get(f->db, "colour", &f->arena, &value, &err), FOUND);
	T_SLICE(value, "blue");
	T_OK(store_meta_add(f->db, "first_key", S("1"), &err));
	T_FAIL(store_meta_add(f->db, "first_key", S("2"), &err), ERR_CONFLICT);
}

CONTRACT(urls_say_which_database)
{
	struct err err = { 0 };
	struct store *store = NULL;
	static const char *const bad[] = { "", "sqlite:", "mysql://x", "redis://a/b",
					   "sqlite::memory:" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FAIL(store_open(slice_of(bad[i]), &store, &err), ERR_INVALID);
		T_STR(err.field, "database-url");
	}
	T_OK(store_open(S("data/odd:name.db"), &store, &err));
	T_INT(store_kind(store), STORE_SQLITE);
	store_close(&store);
	T_OK(store_open(S("postgres://host/db"), &store, &err));
	T_INT(store_kind(store), STORE_POSTGRES);
	store_close(&store);
	T_TRUE(f->store != NULL);
}

CONTRACTS(schema_contract, C(schema_goes_up_down_and_up), C(newer_schema_is_refused),
	  C(changed_migration_is_refused), C_SQLITE(backup_is_written_before_a_change),
	  C_SQLITE(state_is_private_to_its_owner), C(only_one_of_many_migrates),
	  C(state_belongs_to_one_journal), C(facts_are_kept_and_marks_are_set_once),
	  C(urls_say_which_database))
