/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event costs one look-up, in the table of its minute, and mostly not even that: what came just
 * now comes again. The hour is fed from what the minutes have gathered. That happens in the order
 * in which types appeared, so that it does not depend on when it happens which types the hour
 * names.
 */
#include "engine/rollup.h"

#include <stdlib.h>

#include "base/map.h"
#include "model/event.h"

#define TALLY_BYTES_MAX ((size_t)1 << 30) /* as bounded by ROLLUP_CELLS_MAX, with room to spare */
#define ROWS_BYTES_KEPT ((size_t)1 << 20)
#define KEY_IDS 16 /* org and project come first in a key */
#define RECENT 64  /* cells that are found without the table; a power of two */

struct cell {
	uint64_t counts[SEVERITIES]; /* since the last emit */
	bool touched;
	uint16_t key_n;
	char key[]; /* org, project, type */
};

/* What a project has in a bucket. */
struct owner {
	size_t types; /* named */
	struct cell *rest;
	char key[KEY_IDS];
};

/* One bucket: the newest minute, or the newest hour. */
struct tally {
	int64_t step_us;
	size_t types_max;
	int64_t start_us;
	struct map cells, owners;
	struct arena arena;
	struct cell **touched; /* in the order in which they were */
	size_t n, cap;
	struct cell *recent[RECENT];
};

struct forgotten {
	struct org_id org;
	struct project_id project;
	int64_t at_us;
};

struct rollups {
	struct tally minute, hour;
	struct forgotten *forgotten; /* whose rows in the store go */
	size_t forgotten_n, forgotten_cap;
	struct arena arena; /* of the rows */
	struct rollup_row *rows;
	size_t n, cap;
};

static void tally_init(struct tally *t, int64_t step_us, size_t types_max)
{
	*t = (struct tally) { .step_us = step_us, .types_max = types_max };
	map_init(&t->cells);
	map_init(&t->owners);
	arena_init(&t->arena, TALLY_BYTES_MAX);
}

static void tally_release(struct tally *t)
{
	map_release(&t->cells);
	map_release(&t->owners);
	arena_release(&t->arena);
	free(t->touched);
}

/* Everything was emitted. */
static void tally_begin(struct tally *t, int64_t start_us)
{
	ensure(t->n == 0);
	map_release(&t->cells);
	map_release(&t->owners);
	map_init(&t->cells);
	map_init(&t->owners);
	arena_clear(&t->arena);
	memset(t->recent, 0, sizeof(t->recent));
	t->start_us = start_us;
}

static struct cell *cell_new(struct tally *t, struct slice key)
{
	struct cell *cell = arena_alloc(&t->arena, sizeof(*cell) + key.n);

	cell->key_n = (uint16_t)key.n;
	memcpy(cell->key, key.p, key.n);
	return cell;
}

static struct owner *owner_of(struct tally *t, struct slice ids)
{
	struct owner *owner = map_get(&t->owners, ids);

	if (owner == NULL) {
		owner = arena_new(&t->arena, struct owner);
		memcpy(owner->key, ids.p, KEY_IDS);
		owner->rest = cell_new(t, ids);
		map_put(&t->owners, (struct slice) { owner->key, KEY_IDS }, owner);
	}
	return owner;
}

/* The few types of the server itself are always named: the books leave them out. */
static bool is_ours(struct slice key)
{
	return event_type_is_system(slice_from(key, KEY_IDS));
}

static struct cell *cell_of(struct tally *t, struct slice key)
{
	struct cell *cell = map_get(&t->cells, key);
	struct owner *owner;

	if (cell != NULL) {
		return cell;
	}
	owner = owner_of(t, (struct slice) { key.p, KEY_IDS });
	if (key.n == KEY_IDS || (owner->types >= t->types_max && !is_ours(key)) ||
	    t->cells.n >= ROLLUP_CELLS_MAX) {
		return owner->rest;
	}
	owner->types++;
	cell = cell_new(t, key);
	map_put(&t->cells, (struct slice) { cell->key, key.n }, cell);
	return cell;
}

/* Where a cell of this key would be among the recent ones. Any spread will do. */
static size_t recent_slot(struct slice key)
{
	uint64_t head, tail;

	memcpy(&head, key.p + KEY_IDS / 2, sizeof(head));
	memcpy(&tail, key.p + key.n - sizeof(tail), sizeof(tail));
	return (head ^ tail ^ key.n) * UINT64_C(0x9E3779B97F4A7C15) >> 32 & (RECENT - 1);
}

/* cell_of, quick for what came lately. What counts with the rest of its project is not kept. */
static struct cell *cell_again(struct tally *t, struct slice key)
{
	struct cell **recent = &t->recent[recent_slot(key)];
	struct cell *cell = *recent;

	if (cell != NULL && slice_eq((struct slice) { cell->key, cell->key_n }, key)) {
		return cell;
	}
	cell = cell_of(t, key);
	if (cell->key_n == key.n) {
		*recent = cell;
	}
	return cell;
}

static void touch(struct tally *t, struct cell *cell)
{
	if (cell->touched) {
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->touched = mem_resize(t->touched, t->cap, sizeof(struct cell *));
	}
	cell->touched = true;
	t->touched[t->n++] = cell;
}

struct key {
	char bytes[KEY_IDS + RECORD_TYPE_BYTES_MAX];
};

static struct slice key_of(struct key *key, struct org_id org, struct project_id project,
			   struct slice type)
{
	ensure(type.n <= RECORD_TYPE_BYTES_MAX);
	memcpy(key->bytes, &org.v, 8);
	memcpy(key->bytes + 8, &project.v, 8);
	if (type.n > 0) {
		memcpy(key->bytes + KEY_IDS, type.p, type.n);
	}
	return (struct slice) { key->bytes, KEY_IDS + type.n };
}

static void add_row(struct rollups *r, const struct tally *t, const struct cell *cell, size_t sev)
{
	struct slice type = { cell->key + KEY_IDS, cell->key_n - (size_t)KEY_IDS };
	struct rollup_row *row;

	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 64 : r->cap * 2;
		r->rows = mem_resize(r->rows, r->cap, sizeof(*r->rows));
	}
	row = &r->rows[r->n++];
	*row = (struct rollup_row) { .step_us = t->step_us,
				     .start_us = t->start_us,
				     .type = arena_dup(&r->arena, type),
				     .severity = (uint32_t)sev,
				     .count = cell->counts[sev] };
	memcpy(&row->org.v, cell->key, 8);
	memcpy(&row->project.v, cell->key + 8, 8);
}

/* Rows of all that was touched. */
static void emit(struct rollups *r, struct tally *t, struct tally *into)
{
	for (size_t i = 0; i < t->n; i++) {
		struct cell *cell = t->touched[i], *wider = NULL;

		if (into != NULL) {
			wider = cell_of(into, (struct slice) { cell->key, cell->key_n });
			touch(into, wider);
		}
		for (size_t sev = 0; sev < SEVERITIES; sev++) {
			if (cell->counts[sev] == 0) {
				continue;
			}
			add_row(r, t, cell, sev);
			if (wider != NULL) {
				wider->counts[sev] += cell->counts[sev];
			}
			cell->counts[sev] = 0;
		}
		cell->touched = false;
	}
	t->n = 0;
}

static int64_t start_of(int64_t at_us, int64_t step_us)
{
	return at_us - at_us % step_us;
}

/* A new minute, and perhaps hour. */
static void turn(struct rollups *r, int64_t at_us)
{
	int64_t hour_us = start_of(at_us, r->hour.step_us);

	emit(r, &r->minute, &r->hour);
	tally_begin(&r->minute, start_of(at_us, r->minute.step_us));
	if (hour_us != r->hour.start_us) {
		emit(r, &r->hour, NULL);
		tally_begin(&r->hour, hour_us);
	}
}

struct rollups *rollups_new(void)
{
	struct rollups *r = mem_alloc(1, sizeof(*r));

	tally_init(&r->minute, ROLLUP_MINUTE_US, ROLLUP_MINUTE_TYPES_MAX);
	tally_init(&r->hour, ROLLUP_HOUR_US, ROLLUP_HOUR_TYPES_MAX);
	arena_init(&r->arena, TALLY_BYTES_MAX);
	return r;
}

void rollups_free(struct rollups **rp)
{
	struct rollups *r = *rp;

	if (r == NULL) {
		return;
	}
	tally_release(&r->minute);
	tally_release(&r->hour);
	arena_release(&r->arena);
	free(r->forgotten);
	free(r->rows);
	free(r);
	*rp = NULL;
}

static void know(void *arg, const struct rollup_row *row)
{
	struct tally *t = arg;
	struct key key;

	t->start_us = row->start_us;
	(void)cell_of(t, key_of(&key, row->org, row->project, row->type));
}

bool rollups_load(struct rollups *r, struct db *db, struct err *err)
{
	return store_rollups_newest(db, ROLLUP_MINUTE_US, know, &r->minute, err) &&
	       store_rollups_newest(db, ROLLUP_HOUR_US, know, &r->hour, err);
}

/* Records of early versions do not say it themselves. */
static enum severity severity_of(const struct record *record)
{
	return record->severity > SEVERITY_NONE && record->severity < SEVERITIES
		       ? (enum severity)record->severity
		       : event_severity(record->body);
}

void rollups_add(struct rollups *r, const struct record *record)
{
	struct cell *cell;
	struct key key;

	if (record->received_at_us - r->minute.start_us >= r->minute.step_us) {
		turn(r, record->received_at_us);
	}
	cell = cell_again(&r->minute, key_of(&key, record->org, record->project, record->type));
	touch(&r->minute, cell);
	cell->counts[severity_of(record)]++;
}

/* The bucket is as if the project had sent nothing yet. */
static void tally_forget(struct tally *t, struct slice ids)
{
	struct cell *cell;
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (memcmp(t->touched[i]->key, ids.p, KEY_IDS) != 0) {
			t->touched[kept++] = t->touched[i];
		}
	}
	t->n = kept;
	while ((cell = map_next(&t->cells, &at)) != NULL) {
		if (memcmp(cell->key, ids.p, KEY_IDS) == 0) {
			(void)map_del(&t->cells, (struct slice) { cell->key, cell->key_n });
		}
	}
	(void)map_del(&t->owners, ids);
	memset(t->recent, 0, sizeof(t->recent));
}

static void rows_forget(struct rollups *r, struct org_id org, struct project_id project)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (r->rows[i].org.v != org.v || r->rows[i].project.v != project.v) {
			r->rows[kept++] = r->rows[i];
		}
	}
	r->n = kept;
}

void rollups_forget(struct rollups *r, struct org_id org, struct project_id project, int64_t at_us)
{
	struct key key;
	struct slice ids = key_of(&key, org, project, S(""));

	tally_forget(&r->minute, ids);
	tally_forget(&r->hour, ids);
	rows_forget(r, org, project);
	if (r->forgotten_n == r->forgotten_cap) {
		r->forgotten_cap = r->forgotten_cap == 0 ? 4 : r->forgotten_cap * 2;
		r->forgotten = mem_resize(r->forgotten, r->forgotten_cap, sizeof(*r->forgotten));
	}
	r->forgotten[r->forgotten_n++] = (struct forgotten) { org, project, at_us };
}

bool rollups_full(const struct rollups *r)
{
	return r->n + r->minute.n + r->hour.n >= ROLLUP_ROWS_FULL;
}

bool rollups_write(struct rollups *r, struct db *db, struct err *err)
{
	emit(r, &r->minute, &r->hour);
	emit(r, &r->hour, NULL);
	for (size_t i = 0; i < r->forgotten_n; i++) {
		const struct forgotten *f = &r->forgotten[i];

		if (!store_rollups_clear(f->org, db, f->project, f->at_us, err)) {
			return false;
		}
	}
	return store_rollups_add(db, r->rows, r->n, err);
}

void rollups_written(struct rollups *r)
{
	r->n = r->forgotten_n = 0;
	if (r->arena.total > ROWS_BYTES_KEPT) {
		arena_release(&r->arena);
		arena_init(&r->arena, TALLY_BYTES_MAX);
	} else {
		arena_clear(&r->arena);
	}
}
