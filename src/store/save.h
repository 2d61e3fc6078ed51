/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SAVE_H
#define STORE_SAVE_H

#include "store/store.h"

/*
 * The whole state at one moment, in a file: for backups. Of SQLite that is a database, of
 * PostgreSQL the rows of our tables as its COPY writes them, which any later version reads. Others
 * may read and write meanwhile. Blocks for as long as the state is large; main thread of a command.
 */
struct store_saved {
	unsigned schema;
	uint64_t cursor; /* the last record of the journal that the state has seen */
	uint64_t alerts; /* numbers given so far */
	uint64_t deliveries;
};

/* Schema and cursor as they are now. */
NODISCARD bool store_saved(struct store *store, struct store_saved *out, struct err *err);
/*
 * Before anything is opened to write: ERR_CONFLICT when the state is of a newer program. True for
 * one that is not there yet or cannot be read, which opening it will tell.
 */
NODISCARD bool store_not_newer(struct slice url, struct err *err);
/*
 * Write the file, readable by its owner only, in the place of what is there. ERR_CONFLICT when the
 * schema is newer than this program.
 */
NODISCARD bool store_save(struct store *store, const char *path, struct store_saved *out,
			  struct err *err);
/*
 * PostgreSQL: fill an empty database from such a file, in one transaction; ERR_CONFLICT when it is
 * not empty. (SQLite's file is put in its place.)
 */
NODISCARD bool store_load(struct store *store, const char *path, unsigned schema, int64_t now_us,
			  struct err *err);

/*
 * Whether the database is sound, as far as it can tell itself (SQLite: every page and index;
 * PostgreSQL looks after itself), and rows agree: no alert or delivery beyond the cursor's numbers,
 * none without what it belongs to. ERR_CORRUPT says what does not.
 */
NODISCARD bool store_integrity(struct store *store, struct err *err);
NODISCARD bool store_rows_agree(struct store *store, struct err *err);
/* Whether usage has as many notifications as were sent. Of the newest schema alone. */
NODISCARD bool store_sent_agree(struct store *store, struct err *err);

/*
 * The tables that the migrations up to a schema make, in the order in which they are made, but for
 * the one that the migrations are noted in. Names are in the arena. Pure.
 */
size_t store_tables(unsigned schema, struct arena *req, struct slice **names);

#endif
