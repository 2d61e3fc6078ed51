/* SPDX-License-Identifier: Apache-2.0 */
/* Which database, and the order of its writers: a ticket lock, as mutexes promise no fairness. */
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/db_impl.h"
#include "store/queries.h"
#include "store/row.h"

#define TARGET_BYTES_MAX 4096 /* PATH_MAX; URLs of databases are shorter */
#define JOURNAL_ID_MAX 64
#define META_BYTES_MAX ((size_t)64 << 10) /* small facts; anything larger deserves a table */

struct store {
	enum store_kind kind;
	bool looks_only; /* set before any connection is made */
	char *target;
	pthread_mutex_t mutex;
	pthread_cond_t turn;
	uint64_t next;	    /* the ticket that the next writer draws */
	uint64_t serving;   /* the ticket that may write */
	int failed;	    /* atomic; for good */
	uint64_t log_bytes; /* atomic; see store_log_bytes */
};

enum { META_GET, META_PUT, META_ADD };
static const struct query queries[] = {
	[META_GET] = {
		.name = "meta_get", .args = "t", .cols = "t",
		.sql = "select value from meta where key = $1",
		.global = "facts about the installation",
	},
	[META_PUT] = {
		.name = "meta_put", .args = "tt", .cols = "",
		.sql = "insert into meta (key, value) values ($1, $2)"
		       " on conflict (key) do update set value = excluded.value",
		.global = "facts about the installation",
	},
	[META_ADD] = {
		.name = "meta_add", .args = "tt", .cols = "",
		.sql = "insert into meta (key, value) values ($1, $2)",
		.global = "facts about the installation",
	},
};
const struct query_set meta_queries = { .queries = queries, .n = ARRAY_LEN(queries) };

static bool parse_url(struct slice url, enum store_kind *kind, struct slice *target,
		      struct err *err)
{
	size_t colon = slice_find(url, ':');

	*target = url;
	if (slice_starts(url, S("postgresql://")) || slice_starts(url, S("postgres://"))) {
		*kind = STORE_POSTGRES;
	} else if (slice_starts(url, S("sqlite:"))) {
		*kind = STORE_SQLITE;
		*target = slice_from(url, strlen("sqlite:"));
	} else if (colon == url.n || slice_find(url, '/') < colon) {
		*kind = STORE_SQLITE;
	} else {
		return err_field(err, ERR_INVALID, "database-url",
				 "\"database-url\" must start with sqlite: or postgresql://");
	}
	if (slice_eq(*target, S(":memory:"))) {
		return err_field(err, ERR_INVALID, "database-url",
				 "\"database-url\" must name a file: memory is not durable");
	}
	if (target->n == 0 || target->n > TARGET_BYTES_MAX ||
	    slice_find(*target, '\0') < target->n) {
		return err_field(err, ERR_INVALID, "database-url",
				 "\"database-url\" must name a file or server in %d bytes",
				 TARGET_BYTES_MAX);
	}
	return true;
}

bool store_open(struct slice url, struct store **out, struct err *err)
{
	enum store_kind kind = STORE_SQLITE;
	struct slice target;
	struct store *store;

	if (!parse_url(url, &kind, &target, err)) {
		return false;
	}
	store = mem_alloc(1, sizeof(*store));
	store->kind = kind;
	store->target = mem_alloc(target.n + 1, 1);
	memcpy(store->target, target.p, target.n);
	ensure(pthread_mutex_init(&store->mutex, NULL) == 0);
	ensure(pthread_cond_init(&store->turn, NULL) == 0);
	*out = store;
	return true;
}

void store_close(struct store **store)
{
	if (*store == NULL) {
		return;
	}
	ensure((*store)->next == (*store)->serving);
	pthread_cond_destroy(&(*store)->turn);
	pthread_mutex_destroy(&(*store)->mutex);
	free((*store)->target);
	free(*store);
	*store = NULL;
}

enum store_kind store_kind(const struct store *store)
{
	return store->kind;
}

void store_only_look(struct store *store)
{
	store->looks_only = true;
}

bool store_looks_only(const struct store *store)
{
	return store->looks_only;
}

bool store_failed(const struct store *store)
{
	return __atomic_load_n(&store->failed, __ATOMIC_ACQUIRE) != 0;
}

void store_fail(struct store *store)
{
	__atomic_store_n(&store->failed, 1, __ATOMIC_RELEASE);
}

const char *store_target(const struct store *store)
{
	return store->target;
}

bool store_connect(struct store *store, enum store_role role, struct db **out, struct err *err)
{
	switch (store->kind) {
	case STORE_SQLITE:
		return sqlite_connect(store, role, out, err);
	case STORE_POSTGRES:
		return postgres_connect(store, role, out, err);
	}
	never("store kind");
}

void store_write_enter(struct store *store)
{
	uint64_t ticket;

	ensure(pthread_mutex_lock(&store->mutex) == 0);
	ticket = store->next++;
	while (ticket != store->serving) {
		ensure(pthread_cond_wait(&store->turn, &store->mutex) == 0);
	}
	ensure(pthread_mutex_unlock(&store->mutex) == 0);
}

void store_write_leave(struct store *store)
{
	ensure(pthread_mutex_lock(&store->mutex) == 0);
	store->serving++;
	ensure(pthread_cond_broadcast(&store->turn) == 0);
	ensure(pthread_mutex_unlock(&store->mutex) == 0);
}

uint64_t store_writers_waiting(struct store *store)
{
	uint64_t tickets;

	ensure(pthread_mutex_lock(&store->mutex) == 0);
	tickets = store->next - store->serving;
	ensure(pthread_mutex_unlock(&store->mutex) == 0);
	return tickets > 0 ? tickets - 1 : 0;
}

void store_set_log_bytes(struct store *store, uint64_t bytes)
{
	__atomic_store_n(&store->log_bytes, bytes, __ATOMIC_RELAXED);
}

uint64_t store_log_bytes(const struct store *store)
{
	return __atomic_load_n(&store->log_bytes, __ATOMIC_RELAXED);
}

bool store_checkpoint(struct db *db, struct err *err)
{
	ensure(!db_in_transaction(db));
	switch (db->store->kind) {
	case STORE_SQLITE:
		return sqlite_checkpoint(db, err);
	case STORE_POSTGRES:
		return true;
	}
	never("store kind");
}

bool store_compact(struct db *db, struct err *err)
{
	ensure(!db_in_transaction(db));
	switch (db->store->kind) {
	case STORE_SQLITE:
		return sqlite_compact(db, err);
	case STORE_POSTGRES:
		return true;
	}
	never("store kind");
}

bool store_make_log_room(struct db *db, struct err *err)
{
	ensure(!db_in_transaction(db));
	switch (db->store->kind) {
	case STORE_SQLITE:
		return sqlite_make_log_room(db, err);
	case STORE_POSTGRES:
		return true;
	}
	never("store kind");
}

bool store_wipe_begin(struct db *db, struct err *err)
{
	ensure(!db_in_transaction(db));
	return db->store->kind != STORE_SQLITE || sqlite_wipe_begin(db, err);
}

enum found store_wipe(struct db *db, struct err *err)
{
	ensure(!db_in_transaction(db));
	return db->store->kind == STORE_SQLITE ? sqlite_wipe(db, err) : FOUND;
}

bool store_ticket(struct db *db, struct slice journal_id, struct err *err)
{
	struct arena tick;
	struct slice bound = { 0 };
	enum found found;

	ensure(journal_id.n > 0 && journal_id.n <= JOURNAL_ID_MAX);
	arena_init(&tick, 0);
	found = store_meta_get(db, "journal_id", &tick, &bound, err);
	if (found == NOT_FOUND) {
		found = store_meta_put(db, "journal_id", journal_id, err) ? FOUND : FAILED;
		bound = journal_id;
	}
	if (found == FOUND && !slice_eq(bound, journal_id)) {
		(void)err_set(err, ERR_CONFLICT,
			      "the state store belongs to journal \"%.*s\", not to \"%.*s\"",
			      SARG(bound), SARG(journal_id));
		found = FAILED;
	}
	arena_release(&tick);
	return found == FOUND;
}

enum found store_meta_get(struct db *db, const char *key, struct arena *req, struct slice *value,
			  struct err *err)
{
	static const struct row_field fields[] = { { .offset = 0, .kind = ROW_TEXT } };
	static const struct row_shape shape = SHAPE(struct slice, fields);

	return row_get(db, &queries[META_GET], DB_ARGS(db_text(slice_of(key))), &shape, req, value,
		       err);
}

bool store_meta_put(struct db *db, const char *key, struct slice value, struct err *err)
{
	ensure(value.n <= META_BYTES_MAX);
	return db_exec(db, &queries[META_PUT], DB_ARGS(db_text(slice_of(key)), db_text(value)),
		       NULL, err);
}

bool store_meta_add(struct db *db, const char *key, struct slice value, struct err *err)
{
	ensure(value.n <= META_BYTES_MAX);
	return db_exec(db, &queries[META_ADD], DB_ARGS(db_text(slice_of(key)), db_text(value)),
		       NULL, err);
}
