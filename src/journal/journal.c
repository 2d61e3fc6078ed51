/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port: fills in defaults, checks what callers promised, and hands on to the driver, so that
 * every driver starts from the same ground.
 */
#include "journal/journal.h"

#include "base/clock.h"
#include "journal/driver.h"
#include "model/event.h"

#define SEGMENT_BYTES_DEFAULT ((size_t)64 << 20)
#define TURN_BYTES_DEFAULT ((size_t)32 << 20)
#define WINDOW_US_DEFAULT (7 * 24 * 3600 * US_PER_S)
#define PROJECT_KEYS_DEFAULT 50000000
#define KEY_BYTES_DEFAULT ((size_t)512 << 20)

/* What is zero gets its default. */
static struct journal_options fill(const struct journal_options *options)
{
	struct journal_options filled = *options;

	ensure(options->dir != NULL && !(options->read_only && options->create));
	if (filled.segment_bytes == 0) {
		filled.segment_bytes = SEGMENT_BYTES_DEFAULT;
	}
	if (filled.turn_bytes_max == 0) {
		filled.turn_bytes_max = TURN_BYTES_DEFAULT;
	}
	if (filled.idempotency_window_us == 0) {
		filled.idempotency_window_us = WINDOW_US_DEFAULT;
	}
	if (filled.idempotency_bytes_max == 0) {
		filled.idempotency_bytes_max = KEY_BYTES_DEFAULT;
	}
	if (filled.idempotency_project_keys == 0) {
		filled.idempotency_project_keys = PROJECT_KEYS_DEFAULT;
	}
	if (filled.wake == NULL) {
		filled.flush = JOURNAL_FLUSH_INLINE;
	}
	return filled;
}

bool journal_open(struct journal **journal, const struct journal_options *options, struct err *err)
{
	struct journal_options filled = fill(options);

	*journal = NULL;
	return file_journal_open(journal, &filled, err);
}

bool journal_quarantine(const struct journal_options *options, size_t *n, struct err *err)
{
	struct journal_options filled = fill(options);

	return file_journal_quarantine(&filled, n, err);
}

bool journal_repair(const struct journal_options *options, size_t *mended, struct err *err)
{
	struct journal_options filled = fill(options);

	return file_journal_repair(&filled, mended, err);
}

void journal_close(struct journal **journal)
{
	if (*journal != NULL) {
		(*journal)->driver->close(*journal);
		*journal = NULL;
	}
}

const struct journal_meta *journal_meta(const struct journal *journal)
{
	return &journal->meta;
}

bool journal_append(struct journal *journal, struct journal_batch *batch, int64_t wall_us,
		    int64_t mono_us, struct err *err)
{
	ensure(batch->n > 0 && batch->done != NULL);
	return journal->driver->append(journal, batch, wall_us, mono_us, err);
}

size_t journal_files(struct journal *journal, struct arena *req, struct journal_file **files)
{
	return journal->driver->files(journal, req, files);
}

void journal_turn(struct journal *journal)
{
	journal->driver->turn(journal);
}

void journal_drain(struct journal *journal)
{
	journal->driver->drain(journal);
}

void journal_complete(struct journal *journal)
{
	journal->driver->complete(journal);
}

bool journal_failed(const struct journal *journal)
{
	return journal->driver->failed(journal);
}

bool journal_prepare(struct journal *journal, struct err *err)
{
	return journal->driver->prepare(journal, err);
}

enum found journal_seal(struct journal *journal, struct err *err)
{
	return journal->driver->seal(journal, err);
}

enum found journal_scrub(struct journal *journal, int64_t now_us, int64_t every_us, struct err *err)
{
	ensure(every_us > 0);
	return journal->driver->scrub(journal, now_us, every_us, err);
}

bool journal_verify(struct journal *journal, bool deep, journal_damage_fn *on_damage, void *arg,
		    struct journal_health *health, struct err *err)
{
	return journal->driver->verify(journal, deep, on_damage, arg, health, err);
}

bool journal_lost_numbers(struct journal *journal, const struct journal_damage *damage,
			  journal_run_fn *visit, void *arg, struct err *err)
{
	return journal->driver->lost_numbers(journal, damage, visit, arg, err);
}

bool journal_set_aside(struct journal *journal, journal_damage_fn *on_damage, void *arg, size_t *n,
		       struct err *err)
{
	return journal->driver->set_aside(journal, on_damage, arg, n, err);
}

enum found journal_purge(struct journal *journal, struct journal_purge *purge, struct err *err)
{
	return journal->driver->purge(journal, purge, err);
}

uint64_t journal_unsealed(struct journal *journal)
{
	return journal->driver->unsealed(journal);
}

void journal_settle(struct journal *journal, uint64_t seq)
{
	journal->driver->settle(journal, seq);
}

void journal_floor_of(const struct journal *journal, struct org_id org, struct project_id project,
		      struct journal_floor *floor)
{
	*floor = (struct journal_floor) { 0 };
	if (journal->floor != NULL) {
		journal->floor(journal->floor_arg, org, project, floor);
	}
}

bool journal_kept(const struct journal *journal, const struct record *record)
{
	struct journal_floor floor;

	if (record->kind != RECORD_EVENT) {
		return true;
	}
	journal_floor_of(journal, record->org, record->project, &floor);
	return record->seq >= floor.seq && record->received_at_us >= floor.from_us;
}

uint64_t journal_flushed(const struct journal *journal)
{
	return journal->driver->flushed(journal);
}

uint64_t journal_first(struct journal *journal)
{
	return journal->driver->first(journal);
}

void journal_bounds(struct journal *journal, int64_t from_us, int64_t to_us, uint64_t *first,
		    uint64_t *last)
{
	journal->driver->bounds(journal, from_us, to_us, first, last);
}

int64_t journal_last_received_at(const struct journal *journal)
{
	return journal->driver->last_received_at(journal);
}

uint64_t journal_wait(struct journal *journal, uint64_t after_seq, int64_t wait_us)
{
	return journal->driver->wait(journal, after_seq, wait_us);
}

void journal_interrupt(struct journal *journal)
{
	journal->driver->interrupt(journal);
}

enum found journal_read(struct journal *journal, uint64_t seq, struct arena *req,
			struct record *record, struct err *err)
{
	return journal->driver->read(journal, seq, req, record, err);
}

struct journal_iter *journal_iter_new(struct journal *journal, uint64_t from_seq, bool reverse)
{
	return journal->driver->iter_new(journal, from_seq, reverse, NULL);
}

/* It came without a key, and nobody else may send one of such a type. */
bool record_is_system(const struct record *record)
{
	return record->kind == RECORD_EVENT && record->key.v == 0 &&
	       event_type_is_system(record->type);
}

bool journal_type_matches(struct slice want, struct slice type)
{
	if (slice_ends(want, S(".*"))) {
		return slice_starts(type, (struct slice) { want.p, want.n - 1 });
	}
	return want.n == 0 || slice_eq(want, type);
}

struct journal_iter *journal_iter_where(struct journal *journal, uint64_t from_seq, bool reverse,
					const struct journal_filter *filter)
{
	return journal->driver->iter_new(journal, from_seq, reverse, filter);
}

void journal_iter_free(struct journal_iter **iter)
{
	if (*iter != NULL) {
		(*iter)->driver->free(*iter);
		*iter = NULL;
	}
}

enum found journal_iter_next(struct journal_iter *iter, struct record *record, struct err *err)
{
	return iter->driver->next(iter, record, err);
}

uint64_t journal_iter_at(const struct journal_iter *iter)
{
	return iter->driver->at(iter);
}

bool journal_iter_set_aside(const struct journal_iter *iter)
{
	return iter->driver->set_aside(iter);
}

void journal_iter_set_budget(struct journal_iter *iter, size_t bytes)
{
	iter->driver->set_budget(iter, bytes);
}

void journal_stats(struct journal *journal, struct journal_stats *stats)
{
	journal->driver->stats(journal, stats);
}

int64_t journal_flush_quantile(const struct journal_stats *stats, double q)
{
	uint64_t total = 0;
	double want;

	for (size_t i = 0; i < JOURNAL_FLUSH_BUCKETS; i++) {
		total += stats->flush_buckets[i];
	}
	want = q * (double)total;
	for (size_t i = 0; i < JOURNAL_FLUSH_BUCKETS && total > 0; i++) {
		double n = (double)stats->flush_buckets[i];
		double low = i == 0 ? 0 : (double)(INT64_C(8) << i);

		if (n > 0 && want <= n) {
			return (int64_t)(low + ((double)(INT64_C(16) << i) - low) * want / n);
		}
		want -= n;
	}
	return total == 0 ? 0 : INT64_C(16) << (JOURNAL_FLUSH_BUCKETS - 1);
}
