/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "store/db.h"

/*
 * The state store: where it is, its schema and its write order. A struct store outlives all
 * connections made from it and may be used by any thread; each connection belongs to one thread
 * at a time. What is in it: one header per noun (orgs, keys, rules, alerts, deliveries, changes),
 * and global.h for what crosses organizations.
 */
struct store;

enum store_kind { STORE_SQLITE, STORE_POSTGRES };

/* Who uses a connection: sets the size of caches and the time limits of statements. */
enum store_role { STORE_API, STORE_ENGINE, STORE_COURIER, STORE_KEEPER, STORE_ROLES };

/*
 * url is "sqlite:PATH", "postgresql://...", "postgres://..." or a plain path, which means SQLite.
 * Touches nothing yet. ERR_INVALID for another scheme. The URL may hold a password: it is in no
 * error text.
 */
NODISCARD bool store_open(struct slice url, struct store **out, struct err *err);
/* All connections are closed before. Takes NULL. */
void store_close(struct store **store);
/*
 * Connections made from now on only look: SQLite's file is not made when it is missing, and nothing
 * in it or in its log is changed. One at a time; while no other process writes, unless one has the
 * file open already.
 */
void store_only_look(struct store *store);
enum store_kind store_kind(const struct store *store);

/* A new connection. Creates the SQLite file, readable by its owner only. Blocks. */
NODISCARD bool store_connect(struct store *store, enum store_role role, struct db **out,
			     struct err *err);

/*
 * SQLite: a write or flush of the file has failed for another reason than a full disk. What the
 * kernel still holds of it is uncertain from then on, so nothing more is written through this
 * store, for good; every attempt is ERR_IO. The process should stop and start anew from the log.
 * Never on PostgreSQL. Any thread.
 */
bool store_failed(const struct store *store);

/* Writers that wait for the write lock of SQLite now; a metric. 0 on PostgreSQL. Any thread. */
uint64_t store_writers_waiting(struct store *store);

/* The newest schema that this program knows. */
unsigned store_schema_newest(void);
#define STORE_SCHEMA_EMPTY 0u
/* The name of the migration that leads to a schema, from 1 to the newest. */
const char *store_schema_name(unsigned schema);
/* The schema that the store has. Fails like store_migrate. */
NODISCARD bool store_schema(struct store *store, unsigned *schema, struct err *err);

/*
 * Bring the schema to target, up or down, in one transaction under a lock that other processes
 * respect. Before it changes a SQLite store that is not empty, a copy is written beside it:
 * PATH.before-NNNN, NNNN being the first migration applied or undone. *applied (may be NULL) gets
 * the number of steps taken. ERR_CONFLICT when the schema is newer than this program, or when a
 * migration was changed after it was applied.
 */
NODISCARD bool store_migrate(struct store *store, unsigned target, int64_t now_us,
			     unsigned *applied, struct err *err);

/*
 * SQLite: move the write-ahead log into the database and let it start over. Called by the keeper
 * now and then, because commits never do it themselves. Most of the copying happens while others
 * write, but its flushes are felt by every commit. PostgreSQL: does nothing.
 */
NODISCARD bool store_checkpoint(struct db *db, struct err *err);
/*
 * SQLite: about how much of the write-ahead log waits for a checkpoint, as of the last commit of
 * this process. PostgreSQL: 0. Any thread, never blocks.
 */
uint64_t store_log_bytes(const struct store *store);
/*
 * SQLite: write the database anew, so that of rows which were deleted no byte is left in it, also
 * not of copies from when pages were split; then store_wipe. Others read meanwhile, and who writes
 * waits: some 50 MB are done in a second, and twice as much room as the database has is needed for
 * that long (ERR_DISK_FULL). PostgreSQL: does nothing. Not in a transaction; blocks.
 */
NODISCARD bool store_compact(struct db *db, struct err *err);
/*
 * SQLite: keep the file of the write-ahead log longer than what is in it, really zeroed and up to
 * STORE_LOG_ROOM_BYTES: a commit that makes the file grow waits for the file system's journal, too,
 * and so does everybody who flushes at the time. Called by the keeper often. PostgreSQL: does
 * nothing. Blocks.
 */
#define STORE_LOG_ROOM_BYTES ((uint64_t)12 << 20)
NODISCARD bool store_make_log_room(struct db *db, struct err *err);

/*
 * What has to be gone from the files, and not just from the tables. SQLite: what this connection
 * deletes from wipe_begin on is overwritten, and store_wipe cuts off the write-ahead log, with all
 * that it still held. PostgreSQL does the like by itself, in its own time: neither does anything.
 * NOT_FOUND: a reader is in the way, try again. Not in a transaction; block.
 */
NODISCARD bool store_wipe_begin(struct db *db, struct err *err);
NODISCARD enum found store_wipe(struct db *db, struct err *err);

/*
 * Tie this state to a journal. The first call remembers the id; later ones with another id are
 * ERR_CONFLICT, because decisions of one log must not meet the events of another. At most 64
 * characters.
 */
NODISCARD bool store_ticket(struct db *db, struct slice journal_id, struct err *err);

/* Small facts about the installation. Keys are names in snake_case; values at most 64 KiB. */
NODISCARD enum found store_meta_get(struct db *db, const char *key, struct arena *req,
				    struct slice *value, struct err *err);
NODISCARD bool store_meta_put(struct db *db, const char *key, struct slice value, struct err *err);
/*
 * ERR_CONFLICT when the key exists. Of two transactions that add one key, only one commits: this is
 * how something happens once in the life of an installation, such as the first key.
 */
NODISCARD bool store_meta_add(struct db *db, const char *key, struct slice value, struct err *err);

#endif
