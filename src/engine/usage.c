/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event costs a comparison when the same key sent the same type just before, and a look-up when
 * not. Cells live for a day; rows are made of those that were touched.
 */
#include "engine/usage.h"

#include <stdlib.h>

#include "base/map.h"
#include "model/month.h"

#define USAGE_BYTES_MAX ((size_t)1 << 30) /* as bounded by USAGE_CELLS_MAX, with room to spare */
#define ROWS_BYTES_KEPT ((size_t)1 << 20)
#define ROWS_FULL 8192 /* a transaction of some 50 ms */
#define PROJECT_IDS 16 /* org and project come first in a key, */
#define IDS 24	       /* then the API key, and the type */
#define RECENT 64      /* cells that are found without the table; a power of two */

struct cell {
	uint64_t count; /* since the last row was made of it */
	bool touched;
	uint16_t key_n;
	char key[];
};

/* What a project has in the day. */
struct owner {
	size_t pairs; /* named */
	size_t keys;  /* counted by themselves */
	struct cell *rest;
	char key[PROJECT_IDS];
};

struct usage {
	int64_t day_us;
	struct map cells, owners;
	struct arena arena; /* of the day */
	struct cell **touched;
	size_t touched_n, touched_cap;
	struct cell *recent[RECENT];
	struct arena rows_arena;
	struct usage_row *rows;
	size_t n, cap;
};

struct key {
	char bytes[IDS + RECORD_TYPE_BYTES_MAX];
};

static struct slice key_of(struct key *key, struct org_id org, struct project_id project,
			   struct key_id id, struct slice type)
{
	ensure(type.n <= RECORD_TYPE_BYTES_MAX);
	memcpy(key->bytes, &org.v, 8);
	memcpy(key->bytes + 8, &project.v, 8);
	memcpy(key->bytes + PROJECT_IDS, &id.v, 8);
	if (type.n > 0) {
		memcpy(key->bytes + IDS, type.p, type.n);
	}
	return (struct slice) { key->bytes, IDS + type.n };
}

static void day_init(struct usage *u, int64_t day_us)
{
	map_init(&u->cells);
	map_init(&u->owners);
	memset(u->recent, 0, sizeof(u->recent));
	u->day_us = day_us;
}

struct usage *usage_new(void)
{
	struct usage *u = mem_alloc(1, sizeof(*u));

	arena_init(&u->arena, USAGE_BYTES_MAX);
	arena_init(&u->rows_arena, USAGE_BYTES_MAX);
	day_init(u, 0);
	return u;
}

void usage_free(struct usage **up)
{
	struct usage *u = *up;

	if (u == NULL) {
		return;
	}
	map_release(&u->cells);
	map_release(&u->owners);
	arena_release(&u->arena);
	arena_release(&u->rows_arena);
	free(u->touched);
	free(u->rows);
	free(u);
	*up = NULL;
}

static struct cell *cell_new(struct usage *u, struct slice key)
{
	struct cell *cell = arena_alloc(&u->arena, sizeof(*cell) + key.n);

	cell->key_n = (uint16_t)key.n;
	memcpy(cell->key, key.p, key.n);
	return cell;
}

static struct cell *cell_put(struct usage *u, struct slice key)
{
	struct cell *cell = cell_new(u, key);

	map_put(&u->cells, (struct slice) { cell->key, key.n }, cell);
	return cell;
}

static struct owner *owner_of(struct usage *u, struct slice key)
{
	struct slice ids = { key.p, PROJECT_IDS };
	struct owner *owner = map_get(&u->owners, ids);
	char rest[IDS] = { 0 };

	if (owner == NULL) {
		owner = arena_new(&u->arena, struct owner);
		memcpy(owner->key, ids.p, PROJECT_IDS);
		memcpy(rest, ids.p, PROJECT_IDS);
		owner->rest = cell_new(u, (struct slice) { rest, IDS });
		map_put(&u->owners, (struct slice) { owner->key, PROJECT_IDS }, owner);
	}
	return owner;
}

/* By the key alone, or, where there is no room for that either, with all others. */
static struct cell *cell_of_key(struct usage *u, struct owner *owner, struct slice key)
{
	struct slice alone = { key.p, IDS };
	struct cell *cell = map_get(&u->cells, alone);

	if (cell != NULL) {
		return cell;
	}
	if (memcmp(owner->rest->key, key.p, IDS) == 0 || owner->keys >= USAGE_KEYS_MAX ||
	    u->cells.n >= USAGE_CELLS_MAX) {
		return owner->rest;
	}
	owner->keys++;
	return cell_put(u, alone);
}

static struct cell *cell_of(struct usage *u, struct slice key)
{
	struct cell *cell = map_get(&u->cells, key);
	struct owner *owner;

	if (cell != NULL) {
		return cell;
	}
	owner = owner_of(u, key);
	if (key.n == IDS || owner->pairs >= USAGE_PAIRS_MAX || u->cells.n >= USAGE_CELLS_MAX) {
		return cell_of_key(u, owner, key);
	}
	owner->pairs++;
	return cell_put(u, key);
}

/* Where a cell of this key would be among the recent ones. Any spread will do. */
static size_t recent_slot(struct slice key)
{
	uint64_t id, tail;

	memcpy(&id, key.p + PROJECT_IDS, sizeof(id));
	memcpy(&tail, key.p + key.n - sizeof(tail), sizeof(tail));
	return (id ^ tail ^ key.n) * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (RECENT - 1);
}

/* cell_of, quick for what came lately. What counts with others is not kept. */
static struct cell *cell_again(struct usage *u, struct slice key)
{
	struct cell **recent = &u->recent[recent_slot(key)];
	struct cell *cell = *recent;

	if (cell != NULL && slice_eq((struct slice) { cell->key, cell->key_n }, key)) {
		return cell;
	}
	cell = cell_of(u, key);
	if (cell->key_n == key.n) {
		*recent = cell;
	}
	return cell;
}

static void touch(struct usage *u, struct cell *cell)
{
	if (cell->touched) {
		return;
	}
	if (u->touched_n == u->touched_cap) {
		u->touched_cap = u->touched_cap == 0 ? 64 : u->touched_cap * 2;
		u->touched = mem_resize(u->touched, u->touched_cap, sizeof(struct cell *));
	}
	cell->touched = true;
	u->touched[u->touched_n++] = cell;
}

static void add_row(struct usage *u, const struct cell *cell)
{
	struct slice type = { cell->key + IDS, cell->key_n - (size_t)IDS };
	struct usage_row *row;

	if (u->n == u->cap) {
		u->cap = u->cap == 0 ? 64 : u->cap * 2;
		u->rows = mem_resize(u->rows, u->cap, sizeof(*u->rows));
	}
	row = &u->rows[u->n++];
	*row = (struct usage_row) { .day_us = u->day_us,
				    .type = arena_dup(&u->rows_arena, type),
				    .count = cell->count };
	memcpy(&row->org.v, cell->key, 8);
	memcpy(&row->project.v, cell->key + 8, 8);
	memcpy(&row->key.v, cell->key + PROJECT_IDS, 8);
}

/* Rows of all that was touched. */
static void emit(struct usage *u)
{
	for (size_t i = 0; i < u->touched_n; i++) {
		struct cell *cell = u->touched[i];

		add_row(u, cell);
		cell->count = 0;
		cell->touched = false;
	}
	u->touched_n = 0;
}

static void turn(struct usage *u, int64_t day_us)
{
	emit(u);
	map_release(&u->cells);
	map_release(&u->owners);
	arena_clear(&u->arena);
	day_init(u, day_us);
}

static void know(void *arg, const struct usage_row *row)
{
	struct usage *u = arg;
	struct key key;

	(void)cell_of(u, key_of(&key, row->org, row->project, row->key, row->type));
}

bool usage_load(struct usage *u, struct db *db, int64_t next_us, struct err *err)
{
	turn(u, day_start_us(next_us));
	return store_usage_newest(db, u->day_us, know, u, err);
}

bool usage_counts(const struct record *record)
{
	return record->kind == RECORD_EVENT && record->key.v != 0;
}

void usage_add(struct usage *u, const struct record *record)
{
	struct cell *cell;
	struct key key;

	if (!usage_counts(record)) {
		return;
	}
	if (record->received_at_us - u->day_us >= DAY_US) {
		turn(u, day_start_us(record->received_at_us));
	}
	cell = cell_again(u, key_of(&key, record->org, record->project, record->key, record->type));
	touch(u, cell);
	cell->count++;
}

bool usage_full(const struct usage *u)
{
	return u->n + u->touched_n >= ROWS_FULL;
}

bool usage_write(struct usage *u, struct db *db, struct err *err)
{
	emit(u);
	return store_usage_add(db, u->rows, u->n, err);
}

void usage_written(struct usage *u)
{
	u->n = 0;
	if (u->rows_arena.total > ROWS_BYTES_KEPT) {
		arena_release(&u->rows_arena);
		arena_init(&u->rows_arena, USAGE_BYTES_MAX);
	} else {
		arena_clear(&u->rows_arena);
	}
}
