/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables take turns: one is counted in while the other is saved, so that whoever counts never
 * waits for a disk. Most events are of the same project and minute as the one before: that cell is
 * tried first.
 */
#include "engine/ledger.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"

struct cell_key {
	struct org_id org;
	struct project_id project;
	int64_t minute_us;
};

struct cell {
	struct cell_key key;
	int64_t counts[OUTCOMES];
};

struct ledger {
	pthread_mutex_t lock;
	struct map cells; /* under the lock */
	struct cell *last;
	struct metrics *metrics;
	ledger_heard *heard;
	void *heard_arg;
	struct outcome_row *rows; /* the saver's */
	size_t n, cap;
};

struct ledger *ledger_new(struct metrics *metrics)
{
	struct ledger *l = mem_alloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	map_init(&l->cells);
	l->metrics = metrics;
	return l;
}

void ledger_on_heard(struct ledger *l, ledger_heard *fn, void *arg)
{
	l->heard = fn;
	l->heard_arg = arg;
}

static void tell_heard(const struct ledger *l, const struct map *cells)
{
	const struct cell *cell;
	size_t at = 0;

	while (l->heard != NULL && (cell = map_next(cells, &at)) != NULL) {
		if (cell->counts[OUTCOME_RECEIVED] > 0) {
			l->heard(l->heard_arg, cell->key.org, cell->key.project,
				 cell->key.minute_us);
		}
	}
}

static void cells_free(struct map *cells)
{
	size_t at = 0;
	void *cell;

	while ((cell = map_next(cells, &at)) != NULL) {
		free(cell);
	}
	map_release(cells);
}

void ledger_free(struct ledger **lp)
{
	struct ledger *l = *lp;

	if (l == NULL) {
		return;
	}
	cells_free(&l->cells);
	pthread_mutex_destroy(&l->lock);
	free(l->rows);
	free(l);
	*lp = NULL;
}

static bool same_key(const struct cell_key *a, const struct cell_key *b)
{
	return a->org.v == b->org.v && a->project.v == b->project.v && a->minute_us == b->minute_us;
}

/* NULL: there are too many. */
static struct cell *cell_of(struct ledger *l, const struct cell_key *key)
{
	struct cell *cell = l->last;

	if (cell != NULL && same_key(&cell->key, key)) {
		return cell;
	}
	cell = map_get(&l->cells, MAP_KEY(*key));
	if (cell == NULL && l->cells.n >= LEDGER_CELLS_MAX) {
		return NULL;
	}
	if (cell == NULL) {
		cell = mem_alloc(1, sizeof(*cell));
		cell->key = *key;
		map_put(&l->cells, MAP_KEY(cell->key), cell);
	}
	l->last = cell;
	return cell;
}

void ledger_add(struct ledger *l, struct org_id org, struct project_id project, int64_t at_us,
		enum event_outcome outcome, int64_t n)
{
	struct cell_key key = { org, project, at_us - at_us % ROLLUP_MINUTE_US };
	struct cell *cell;

	pthread_mutex_lock(&l->lock);
	cell = cell_of(l, &key);
	if (cell != NULL) {
		cell->counts[outcome] += n;
	}
	pthread_mutex_unlock(&l->lock);
	if (cell == NULL && n > 0) {
		metric_add(l->metrics, METRIC_OUTCOMES_LOST, (uint64_t)n);
	}
}

static void add_row(struct ledger *l, const struct cell *cell, size_t outcome, int64_t step_us)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->rows = mem_resize(l->rows, l->cap, sizeof(*l->rows));
	}
	l->rows[l->n++] = (struct outcome_row) {
		.org = cell->key.org,
		.project = cell->key.project,
		.step_us = step_us,
		.start_us = cell->key.minute_us - cell->key.minute_us % step_us,
		.outcome = (uint32_t)outcome,
		.count = cell->counts[outcome],
	};
}

static void rows_of(struct ledger *l, const struct map *cells)
{
	const struct cell *cell;
	size_t at = 0;

	l->n = 0;
	while ((cell = map_next(cells, &at)) != NULL) {
		for (size_t i = 0; i < OUTCOMES; i++) {
			if (cell->counts[i] != 0) {
				add_row(l, cell, i, ROLLUP_MINUTE_US);
				add_row(l, cell, i, ROLLUP_HOUR_US);
			}
		}
	}
}

/* Several servers on one PostgreSQL must not wait for each other in a circle. */
static int by_key(const void *left, const void *right)
{
	const struct outcome_row *a = left, *b = right;

	if (a->org.v != b->org.v) {
		return a->org.v < b->org.v ? -1 : 1;
	}
	if (a->project.v != b->project.v) {
		return a->project.v < b->project.v ? -1 : 1;
	}
	if (a->step_us != b->step_us) {
		return a->step_us < b->step_us ? -1 : 1;
	}
	if (a->start_us != b->start_us) {
		return a->start_us < b->start_us ? -1 : 1;
	}
	return (a->outcome > b->outcome) - (a->outcome < b->outcome);
}

static void put_back(struct ledger *l, const struct map *cells)
{
	const struct cell *cell;
	size_t at = 0;

	while ((cell = map_next(cells, &at)) != NULL) {
		for (size_t i = 0; i < OUTCOMES; i++) {
			if (cell->counts[i] != 0) {
				ledger_add(l, cell->key.org, cell->key.project, cell->key.minute_us,
					   (enum event_outcome)i, cell->counts[i]);
			}
		}
	}
}

/* False: not there, or, when *unknown, perhaps. */
static bool write_rows(struct ledger *l, struct db *db, bool *unknown, struct err *err)
{
	*unknown = false;
	if (!db_begin(db, err) || !store_outcomes_add(db, l->rows, l->n, err)) {
		db_rollback(db);
		return false;
	}
	if (db_commit(db, err)) {
		return true;
	}
	*unknown = err->kind == ERR_IO;
	return false;
}

bool ledger_save(struct ledger *l, struct db *db, struct err *err)
{
	struct map cells;
	bool ok = true, unknown = false;

	pthread_mutex_lock(&l->lock);
	cells = l->cells;
	l->last = NULL;
	map_init(&l->cells);
	pthread_mutex_unlock(&l->lock);
	tell_heard(l, &cells);
	rows_of(l, &cells);
	if (l->n > 0) {
		qsort(l->rows, l->n, sizeof(*l->rows), by_key);
		ok = write_rows(l, db, &unknown, err);
	}
	if (!ok && !unknown) {
		put_back(l, &cells);
	}
	cells_free(&cells);
	return ok;
}
