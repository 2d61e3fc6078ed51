/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts of the same events that were made in different places: by who answered, by the engine (for
 * charts, and as usage), and here from the log. Hours and days that the log does not reach back to
 * whole are left out, and so are counts that may have been pruned.
 */
#include "engine/books.h"

#include "base/clock.h"
#include "base/map.h"
#include "engine/keeper.h"
#include "engine/usage.h"

struct reading {
	struct books *books;
	struct arena *boot;
	struct map lines;
	size_t cap;
	int64_t hours_from_us, minutes_from_us;
	int64_t gone_us;       /* of projects that keep to the default */
	struct org_id *purged; /* orgs that are being deleted: their counts and records go apart */
	size_t purged_n, purged_cap;
};

struct line {
	struct books_line line; /* its ids are the key */
	char key[16];
};

/* The first whole hour at or after a time. */
static int64_t hour_from(int64_t at_us)
{
	return at_us <= 0 ? 0 : (at_us + ROLLUP_HOUR_US - 1) / ROLLUP_HOUR_US * ROLLUP_HOUR_US;
}

static int64_t day_from(int64_t at_us)
{
	return (at_us + DAY_US - 1) / DAY_US * DAY_US;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static struct books_line *line_of(struct reading *r, struct org_id org, struct project_id project)
{
	struct line *line;
	char key[16];

	memcpy(key, &org.v, 8);
	memcpy(key + 8, &project.v, 8);
	line = map_get(&r->lines, (struct slice) { key, sizeof(key) });
	if (line != NULL) {
		return &line->line;
	}
	line = arena_new(r->boot, struct line);
	line->line.org = org;
	line->line.project = project;
	line->line.from_us = line->line.booked_from_us = later(r->hours_from_us,
							       hour_from(r->gone_us));
	line->line.used_from_us = day_from(line->line.from_us);
	memcpy(line->key, key, sizeof(key));
	map_put(&r->lines, (struct slice) { line->key, sizeof(line->key) }, line);
	if (r->books->n == r->cap) {
		struct books_line **more;

		r->cap = r->cap == 0 ? 16 : r->cap * 2;
		more = arena_array(r->boot, r->cap, sizeof(struct books_line *));
		if (r->books->n > 0) {
			memcpy(more, r->books->lines, r->books->n * sizeof(struct books_line *));
		}
		r->books->lines = more;
	}
	r->books->lines[r->books->n++] = &line->line;
	return &line->line;
}

/* Which hours and minutes must be there. False: the log cannot be read. */
static bool find_span(struct reading *r, struct journal *journal, int64_t now_us, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(journal, 0, false);
	struct journal_iter *back = journal_iter_new(journal, 0, true);
	uint64_t first = journal_first(journal);
	struct record record = { 0 };
	bool ok = true;

	switch (journal_iter_next(back, &record, err)) {
	case FOUND:
		now_us = later(now_us, record.received_at_us);
		break;
	case FAILED:
		ok = err->kind == ERR_CORRUPT;
		break;
	case NOT_FOUND:
		break;
	}
	r->hours_from_us = hour_from(now_us - KEEPER_HOURS_KEPT_US);
	r->minutes_from_us = hour_from(now_us - KEEPER_MINUTES_KEPT_US);
	if (ok && first > 1 && journal_iter_next(iter, &record, err) == FOUND) {
		r->hours_from_us = later(r->hours_from_us, hour_from(record.received_at_us));
	}
	r->minutes_from_us = later(r->minutes_from_us, r->hours_from_us);
	journal_iter_free(&iter);
	journal_iter_free(&back);
	return ok;
}

static void count(struct reading *r, const struct record *record)
{
	struct books_line *line = line_of(r, record->org, record->project);

	if (record->received_at_us < line->from_us || record->seq < line->deleted_seq) {
		return;
	}
	line->sent += usage_counts(record) && record->received_at_us >= line->booked_from_us;
	if (usage_counts(record) && record->received_at_us >= line->used_from_us) {
		line->metered += record->seq <= r->books->usage_seq;
		line->pending += record->seq > r->books->usage_seq;
	}
	if (record->seq <= r->books->rollup_seq) {
		line->events++;
		line->recent += record->received_at_us >= r->minutes_from_us;
	}
}

static bool count_log(struct reading *r, struct journal *journal, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(journal, 0, false);
	struct record record;
	enum found found;
	bool ok = true;

	while (ok && (found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		if (found == FAILED) {
			ok = err->kind == ERR_CORRUPT;
		} else if (record.kind == RECORD_EVENT) {
			count(r, &record);
		}
	}
	r->books->last_seq = journal_iter_at(iter) - 1;
	journal_iter_free(&iter);
	return ok;
}

/* Buckets that were over when a deletion came are hidden, and removed by and by. */
static bool is_shown(const struct books_line *line, const struct rollup_row *row)
{
	return row->start_us >= line->from_us && row->start_us > line->deleted_us - row->step_us;
}

static void take_hours(void *arg, const struct rollup_row *row)
{
	struct books_line *line = line_of(arg, row->org, row->project);

	line->hours += is_shown(line, row) ? row->count : 0;
}

static void take_minutes(void *arg, const struct rollup_row *row)
{
	struct books_line *line = line_of(arg, row->org, row->project);

	line->minutes += is_shown(line, row) ? row->count : 0;
}

static void take_usage(void *arg, const struct usage_row *row)
{
	struct books_line *line = line_of(arg, row->org, row->project);

	line->used += row->day_us >= line->used_from_us ? row->count : 0;
}

static void take_outcome(void *arg, const struct outcome_row *row)
{
	struct books_line *line = line_of(arg, row->org, row->project);

	if (row->start_us >= line->booked_from_us) {
		line->outcomes[row->outcome] += row->count;
	}
}

static void note_purged(struct reading *r, struct org_id org)
{
	if (r->purged_n == r->purged_cap) {
		struct org_id *more;

		r->purged_cap = r->purged_cap == 0 ? 16 : r->purged_cap * 2;
		more = arena_array(r->boot, r->purged_cap, sizeof(*more));
		if (r->purged_n > 0) {
			memcpy(more, r->purged, r->purged_n * sizeof(*more));
		}
		r->purged = more;
	}
	r->purged[r->purged_n++] = org;
}

static bool is_purged(const struct reading *r, struct org_id org)
{
	for (size_t i = 0; i < r->purged_n; i++) {
		if (r->purged[i].v == org.v) {
			return true;
		}
	}
	return false;
}

/* Nobody balances the books of an org while they are burnt. */
static void drop_purged(struct reading *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->books->n; i++) {
		if (!is_purged(r, r->books->lines[i]->org)) {
			r->books->lines[n++] = r->books->lines[i];
		}
	}
	r->books->n = n;
}

static void take_default(void *arg, const struct retention_row *row)
{
	if (row->org.v == 0 && row->project.v == 0) {
		((struct reading *)arg)->gone_us = row->gone_us;
	}
}

/*
 * What was deleted is in the log until it is purged, and in no count. What is over its time may be
 * in the log or not, and is in the counts. What was booked of either stays.
 */
static void take_kept(void *arg, const struct retention_row *row)
{
	struct reading *r = arg;
	struct books_line *line;
	int64_t gone_us = row->gone_us;

	if (row->project.v == 0) {
		if (row->org.v != 0) {
			note_purged(r, row->org);
		}
		return;
	}
	line = line_of(r, row->org, row->project);
	if (row->days == RETENTION_DEFAULT) {
		gone_us = later(gone_us, r->gone_us);
	}
	line->from_us = later(r->hours_from_us, hour_from(gone_us));
	line->deleted_seq = row->deleted_seq;
	line->deleted_us = row->deleted_us;
	line->booked_from_us = later(line->from_us, hour_from(row->deleted_us));
	line->used_from_us = day_from(line->booked_from_us);
}

bool books_read(struct books *books, struct journal *journal, struct db *db, int64_t now_us,
		struct arena *boot, struct err *err)
{
	struct reading r = { .books = books, .boot = boot };
	struct engine_cursor cursor = { 0 };
	bool ok;

	*books = (struct books) { 0 };
	map_init(&r.lines);
	ok = store_cursor_get(db, 0, boot, &cursor, err) != FAILED;
	books->rollup_seq = cursor.rollup_seq;
	books->usage_seq = cursor.usage_seq;
	ok = ok && find_span(&r, journal, now_us, err) &&
	     store_retention_all(db, take_default, &r, err) &&
	     store_retention_all(db, take_kept, &r, err) && count_log(&r, journal, err) &&
	     store_rollups_sum(db, ROLLUP_HOUR_US, r.hours_from_us, take_hours, &r, err) &&
	     store_rollups_sum(db, ROLLUP_MINUTE_US, r.minutes_from_us, take_minutes, &r, err) &&
	     store_usage_sum(db, take_usage, &r, err) &&
	     store_outcomes_sum(db, ROLLUP_HOUR_US, r.hours_from_us, take_outcome, &r, err);
	drop_purged(&r);
	map_release(&r.lines);
	return ok;
}

int64_t books_open(const struct books_line *line)
{
	int64_t open = line->outcomes[OUTCOME_RECEIVED];

	for (size_t i = OUTCOME_ACCEPTED; i < OUTCOMES; i++) {
		open -= line->outcomes[i];
	}
	return open;
}

const char *books_fault(const struct books_line *line, uint64_t lost, bool exact)
{
	uint64_t accepted = (uint64_t)line->outcomes[OUTCOME_ACCEPTED];

	if (line->hours < line->events || line->minutes < line->recent) {
		return "the log holds events that were not counted";
	}
	if (line->hours > line->events + lost || line->minutes > line->recent + lost) {
		return "more was counted than the log holds";
	}
	if (line->used < line->metered) {
		return "the log holds events that are not in the usage";
	}
	if (line->used > line->metered + lost) {
		return "the usage has more than the log holds";
	}
	if (accepted > line->sent + lost) {
		return "more was accepted than the log holds";
	}
	if (books_open(line) < 0) {
		return "more has an outcome than was received";
	}
	if (exact && accepted < line->sent) {
		return "the log holds events that were not booked";
	}
	return exact && books_open(line) > 0 ? "something was received and has no outcome" : NULL;
}
