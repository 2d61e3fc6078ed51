/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DB_IMPL_H
#define STORE_DB_IMPL_H

#include "store/db.h"
#include "store/store.h"

/*
 * What a driver is: the operations behind store/db.h. db.c checks types, states and transactions,
 * so a driver only talks to its library. Only drivers, db.c, store.c and migrate.c include this.
 */
struct db_driver {
	void (*close)(struct db *db);
	bool (*begin)(struct db *db, struct err *err);
	bool (*commit)(struct db *db, struct err *err);
	void (*rollback)(struct db *db);
	/* See db_relax; NULL: commits cannot be made cheaper. */
	bool (*relax)(struct db *db, bool on, struct err *err);
	/* See db_flush; NULL with relax. */
	bool (*flush)(struct db *db, struct err *err);
	bool (*run)(struct db *db, const struct query *q, struct db_args args, struct err *err);
	enum found (*next)(struct db *db, struct err *err);
	/* After the last row: how many rows the statement wrote. */
	uint64_t (*changed)(struct db *db);
	void (*end)(struct db *db);
	bool (*col_null)(struct db *db, size_t col);
	int64_t (*col_int)(struct db *db, size_t col);
	struct slice (*col_text)(struct db *db, size_t col);
	/* See db_exec_many; parameters are checked, and q is the open statement. */
	bool (*many)(struct db *db, const struct query *q, const struct db_value *v, size_t n,
		     db_row_fn on_row, void *arg, struct err *err);
	/* Several statements without parameters, for migrations. */
	bool (*script)(struct db *db, const char *sql, struct err *err);
};

/* The first member of each driver's connection. */
struct db {
	const struct db_driver *driver;
	struct store *store;
	enum store_role role;
	const struct query *open; /* the statement being walked, or NULL */
	bool row;		  /* columns can be read */
	bool in_tx;
	bool tx_failed; /* only rollback may follow */
};

NODISCARD bool sqlite_connect(struct store *store, enum store_role role, struct db **out,
			      struct err *err);
/* Copy the committed state to path with the library's online backup, flushed. */
NODISCARD bool sqlite_backup(struct db *db, const char *path, struct err *err);
/* ERR_CORRUPT with the first complaint unless every page and index is sound. Reads everything. */
NODISCARD bool sqlite_integrity(struct db *db, struct err *err);
/* See store_checkpoint. */
NODISCARD bool sqlite_checkpoint(struct db *db, struct err *err);
/* See store_compact. */
NODISCARD bool sqlite_compact(struct db *db, struct err *err);
/* See store_make_log_room. */
NODISCARD bool sqlite_make_log_room(struct db *db, struct err *err);
NODISCARD bool sqlite_wipe_begin(struct db *db, struct err *err);
NODISCARD enum found sqlite_wipe(struct db *db, struct err *err);
NODISCARD bool postgres_connect(struct store *store, enum store_role role, struct db **out,
				struct err *err);

/* Run a script inside the open transaction. */
NODISCARD bool db_script(struct db *db, const char *sql, struct err *err);

bool store_looks_only(const struct store *store);
/* Terminated; a file for SQLite, the whole URL for PostgreSQL. */
const char *store_target(const struct store *store);
/* The write lock of SQLite: first come, first served among our threads. */
void store_write_enter(struct store *store);
void store_write_leave(struct store *store);
/* See store_log_bytes. Any thread. */
void store_set_log_bytes(struct store *store, uint64_t bytes);
/* From now on store_failed. */
void store_fail(struct store *store);

/* One numbered migration; generated from src/store/migrations. */
struct migration {
	unsigned number;
	const char *name;
	const char *up[2];   /* by enum store_kind */
	const char *down[2]; /* likewise */
};
extern const struct migration migrations[];
extern const size_t migrations_n;

#endif
