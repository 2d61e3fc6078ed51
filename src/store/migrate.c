/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered migrations, all pending ones in one transaction: after a crash or a bad script the
 * store is at the old schema or at the new one, never in between.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/db_impl.h"
#include "store/queries.h"
#include "store/walls.h"

#define MIGRATIONS_MAX 9999 /* four digits in the file name */
#define CHECKSUM_LEN ((size_t)2 * SHA256_BYTES)

static const char create_sql[] = "create table if not exists schema_migrations ("
				 " number bigint primary key, name text not null,"
				 " checksum text not null, applied_at bigint not null)";
/* Migrating processes queue here; the number only has to differ from other uses of the server. */
static const char lock_sql[] = "select pg_advisory_xact_lock(7595447214211432051)";

enum { APPLIED, ADD, REMOVE };
static const struct query queries[] = {
	[APPLIED] = {
		.name = "migration_applied", .args = "", .cols = "it",
		.sql = "select number, checksum from schema_migrations order by number",
		.global = "the schema is the installation's",
	},
	[ADD] = {
		.name = "migration_add", .args = "itti", .cols = "",
		.sql = "insert into schema_migrations (number, name, checksum, applied_at)"
		       " values ($1, $2, $3, $4)",
		.global = "the schema is the installation's",
	},
	[REMOVE] = {
		.name = "migration_remove", .args = "i", .cols = "",
		.sql = "delete from schema_migrations where number = $1",
		.global = "the schema is the installation's",
	},
};
const struct query_set migrate_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

struct checksum {
	char p[CHECKSUM_LEN];
};

/* Of the file as it is written, so the same on both databases. */
static struct checksum checksum_of(const struct migration *m)
{
	struct checksum text;

	sha256_hex(slice_of(m->up[STORE_POSTGRES]), text.p);
	return text;
}

static struct slice checksum_slice(const struct checksum *sum)
{
	return (struct slice) { .p = sum->p, .n = sizeof(sum->p) };
}

unsigned store_schema_newest(void)
{
	return (unsigned)migrations_n;
}

const char *store_schema_name(unsigned schema)
{
	ensure(schema >= 1 && schema <= migrations_n);
	return migrations[schema - 1].name;
}

static bool check_applied(int64_t number, unsigned before, struct slice sum, struct err *err)
{
	struct checksum ours;

	if (number > (int64_t)migrations_n) {
		return err_set(err, ERR_CONFLICT,
			       "the state store has schema %lld, this program knows up to %zu: "
			       "use a newer tocsin",
			       (long long)number, migrations_n);
	}
	if (number != (int64_t)before + 1) {
		return err_set(err, ERR_CORRUPT, "migration %04u is missing in the state store",
			       before + 1);
	}
	ours = checksum_of(&migrations[before]);
	if (!slice_eq(sum, checksum_slice(&ours))) {
		return err_set(err, ERR_CONFLICT,
			       "migration %04u_%s is not the one that the state store has applied",
			       before + 1, migrations[before].name);
	}
	return true;
}

static bool read_current(struct db *db, unsigned *current, struct err *err)
{
	enum found found;

	*current = 0;
	if (!db_run(db, &queries[APPLIED], (struct db_args) { 0 }, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		if (!check_applied(db_col_int(db, 0), *current, db_col_text(db, 1), err)) {
			db_end(db);
			return false;
		}
		*current += 1;
	}
	return found == NOT_FOUND;
}

bool store_schema(struct store *store, unsigned *schema, struct err *err)
{
	struct db *db = NULL;
	bool ok = store_connect(store, STORE_KEEPER, &db, err) && db_begin(db, err) &&
		  db_script(db, create_sql, err) && read_current(db, schema, err) &&
		  db_commit(db, err);

	if (db != NULL) {
		db_rollback(db);
	}
	db_close(&db);
	return ok || err_wrap(err, "read the schema of the state store");
}

static bool sync_folder_of(const char *path, struct err *err)
{
	char folder[PATH_MAX];
	int fd;
	bool ok;

	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return err_errno(err, errno, "open the folder of \"%s\"", path);
	}
	ok = fsync(fd) == 0 || err_errno(err, errno, "flush the folder of \"%s\"", path);
	close(fd);
	return ok;
}

/* The caller holds the write lock, so what is committed now is all that the migration will see. */
static bool back_up(struct store *store, unsigned number, struct err *err)
{
	char path[PATH_MAX], part[PATH_MAX];
	struct db *db = NULL;
	int len = snprintf(path, sizeof(path) - 8, "%s.before-%04u", store_target(store), number);
	bool ok;

	if (len < 0 || (size_t)len >= sizeof(path) - 8) {
		return err_set(err, ERR_INVALID, "the path of the state store is too long");
	}
	snprintf(part, sizeof(part), "%.*s.part", (int)sizeof(part) - 8, path);
	if (!store_connect(store, STORE_KEEPER, &db, err)) {
		return false;
	}
	ok = sqlite_backup(db, part, err);
	db_close(&db);
	if (!ok) {
		return false;
	}
	if (rename(part, path) != 0) {
		return err_errno(err, errno, "rename \"%s\"", part);
	}
	log_info("store_backed_up", log_str("path", path));
	return sync_folder_of(path, err);
}

static bool step_up(struct db *db, const struct migration *m, int64_t now_us, struct err *err)
{
	struct checksum sum = checksum_of(m);

	return db_script(db, m->up[store_kind(db->store)], err) &&
	       db_exec(db, &queries[ADD],
		       DB_ARGS(db_int(m->number), db_text(slice_of(m->name)),
			       db_text(checksum_slice(&sum)), db_int(now_us)),
		       NULL, err);
}

static bool step_down(struct db *db, const struct migration *m, struct err *err)
{
	return db_script(db, m->down[store_kind(db->store)], err) &&
	       db_exec(db, &queries[REMOVE], DB_ARGS(db_int(m->number)), NULL, err);
}

static bool walk(struct db *db, unsigned current, unsigned target, int64_t now_us, struct err *err)
{
	while (current != target) {
		bool up = current < target;
		const struct migration *m = &migrations[up ? current : current - 1];
		bool ok = up ? step_up(db, m, now_us, err) : step_down(db, m, err);

		if (!ok) {
			return err_wrap(err, "migration %04u_%s %s", m->number, m->name,
					up ? "up" : "down");
		}
		log_info("store_migrated", log_int("number", m->number), log_bool("up", up));
		current += up ? 1u : -1u;
	}
	return true;
}

/* Around the tables as they are from now on; programs that know no walls do not meet any. */
static bool set_walls(struct db *db, unsigned schema, struct err *err)
{
	struct arena tick;
	bool ok;

	arena_init(&tick, 0);
	ok = db_script(db, walls_sql(schema, schema >= WALLS_SCHEMA, &tick), err) ||
	     err_wrap(err, "set the walls");
	arena_release(&tick);
	return ok;
}

static bool migrate(struct store *store, struct db *db, unsigned target, int64_t now_us,
		    unsigned *steps, struct err *err)
{
	unsigned current;

	if (store_kind(store) == STORE_POSTGRES && !db_script(db, lock_sql, err)) {
		return false;
	}
	if (!db_script(db, create_sql, err) || !read_current(db, &current, err)) {
		return false;
	}
	*steps = current < target ? target - current : current - target;
	if (*steps > 0 && current > 0 && store_kind(store) == STORE_SQLITE &&
	    !back_up(store, current < target ? current + 1 : current, err)) {
		return false;
	}
	return walk(db, current, target, now_us, err) &&
	       (*steps == 0 || store_kind(store) == STORE_SQLITE || set_walls(db, target, err));
}

bool store_migrate(struct store *store, unsigned target, int64_t now_us, unsigned *applied,
		   struct err *err)
{
	struct db *db = NULL;
	unsigned steps = 0;
	bool ok;

	ensure(target <= migrations_n && migrations_n <= MIGRATIONS_MAX);
	if (!store_connect(store, STORE_KEEPER, &db, err)) {
		return false;
	}
	ok = db_begin(db, err) && migrate(store, db, target, now_us, &steps, err) &&
	     db_commit(db, err);
	db_rollback(db);
	db_close(&db);
	if (ok && applied != NULL) {
		*applied = steps;
	}
	return ok || err_wrap(err, "migrate the state store");
}
