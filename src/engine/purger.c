/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds over the sealed files. One begins when a deletion can be carried out to the end, because
 * its records are all in sealed files and older than every snapshot, or when the hour is over. What
 * is noted in the store before a round (what may be gone) and after it (what is) makes a crash in
 * the middle cost a round, no more.
 *
 * Counts of deleted events wait for no round: they are removed a slice at a time, and a deletion is
 * done when neither they nor the events are left.
 */
#include "engine/purger.h"

#include <stdlib.h>

#include "base/clock.h"
#include "model/month.h"
#include "model/rule_def.h"

#define ROUND_US (3600 * US_PER_S)
#define SETTLE_US (60 * US_PER_S)
#define LEAP_US (3600 * US_PER_S) /* what a clock may gain at once and still be believed */
#define NO_OFFSET INT64_MIN

struct purger {
	struct purger_options o;
	struct db *db;
	struct arena tick; /* of a round */
	bool under_way;
	struct journal_purge round;
	struct retain_deletion *waiting; /* at the begin of the round */
	size_t waiting_n;
	uint64_t settle_seq;  /* what journal_settle was asked for, */
	int64_t settle_at_us; /* monotonic: and for more not before this */
	int64_t round_at_us;  /* monotonic: of the next round for what is over its time */
	int64_t offset_us;    /* wall minus monotonic, as believed */
	int64_t leapt_us;     /* monotonic: since when the wall clock says something else; 0: no */
};

/*
 * The time of the last record but those of this start: a clock that is far ahead of it may have
 * leapt while nobody ran.
 */
static int64_t last_record_us(struct journal *journal)
{
	struct journal_iter *iter = journal_iter_new(journal, 0, true);
	struct record record;
	struct err err;
	enum found found;
	int64_t at_us = 0;

	while (at_us == 0 && (found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		if (found == FAILED && err.kind == ERR_IO) {
			break;
		}
		if (found == FOUND && record.kind != RECORD_START) {
			at_us = record.received_at_us;
		}
	}
	journal_iter_free(&iter);
	return at_us;
}

bool purger_open(struct purger **pp, const struct purger_options *options, struct err *err)
{
	struct purger *p = mem_alloc(1, sizeof(*p));
	int64_t last_us = last_record_us(options->journal);

	p->o = *options;
	p->offset_us = last_us == 0 ? NO_OFFSET : last_us - clock_mono_us();
	arena_init(&p->tick, 0);
	if (!store_connect(options->store, STORE_KEEPER, &p->db, err)) {
		purger_close(&p);
		return false;
	}
	*pp = p;
	return true;
}

void purger_close(struct purger **pp)
{
	struct purger *p = *pp;

	*pp = NULL;
	if (p == NULL) {
		return;
	}
	db_close(&p->db);
	arena_release(&p->tick);
	free(p);
}

/*
 * What is purged does not come back, so a clock that leaps ahead is believed only when it has said
 * so for a day. Events are hidden by it all the same, and seen again when it is put right.
 */
int64_t purger_now_us(struct purger *p, int64_t wall_us, int64_t mono_us)
{
	int64_t offset_us = wall_us - mono_us;

	if (p->offset_us == NO_OFFSET || offset_us <= p->offset_us + LEAP_US) {
		p->offset_us = offset_us;
		p->leapt_us = 0;
		return wall_us;
	}
	if (p->leapt_us == 0) {
		p->leapt_us = mono_us;
	}
	if (mono_us - p->leapt_us < DAY_US) {
		return p->offset_us + mono_us;
	}
	p->offset_us = NO_OFFSET;
	return wall_us;
}

static bool note_gone(struct purger *p, const struct retention_row *rows, size_t n, struct err *err)
{
	if (n == 0) {
		return true;
	}
	if (!db_begin(p->db, err) || !store_retention_gone(p->db, rows, n, err) ||
	    !db_commit(p->db, err)) {
		db_rollback(p->db);
		return false;
	}
	retain_note_gone(p->o.retain, rows, n);
	return true;
}

/* Somebody may edit a rule behind the last snapshot, and have its window counted again. */
static int64_t needed_from_us(struct purger *p, uint64_t replayed_seq, int64_t now_us)
{
	struct journal_iter *iter = journal_iter_new(p->o.journal, replayed_seq + 1, false);
	int64_t from_us = now_us - LEAP_US;
	struct record record;
	struct err err;

	if (journal_iter_next(iter, &record, &err) == FOUND && record.received_at_us < from_us) {
		from_us = record.received_at_us;
	}
	journal_iter_free(&iter);
	return from_us - (int64_t)RULE_WINDOW_SECONDS_MAX * US_PER_S;
}

/*
 * To end a segment early costs a fresh one: 64 MiB of zeros. Whoever deletes over and over gets
 * that once a minute.
 */
static void settle(struct purger *p, uint64_t seq, int64_t mono_us)
{
	if (seq > p->settle_seq) {
		if (mono_us < p->settle_at_us) {
			return;
		}
		p->settle_seq = seq;
		p->settle_at_us = mono_us + SETTLE_US;
	}
	journal_settle(p->o.journal, p->settle_seq);
}

/* A log that grows slowly keeps what is over its time in a segment: not for another day. */
static void settle_old(struct purger *p, int64_t now_us, int64_t mono_us)
{
	uint64_t seq = journal_unsealed(p->o.journal);
	int64_t days = retain_shortest(p->o.retain);
	struct record record;
	struct arena one;
	struct err err;

	arena_init(&one, 0);
	if (days > 0 && journal_read(p->o.journal, seq, &one, &record, &err) == FOUND &&
	    record.received_at_us < now_us - (days + 1) * DAY_US) {
		settle(p, seq, mono_us);
	}
	arena_release(&one);
}

/* Whether a round would carry out one of them; those that are not sealed yet soon will be. */
static bool some_ready(struct purger *p, uint64_t replayed_seq, int64_t mono_us)
{
	uint64_t unsealed = journal_unsealed(p->o.journal);
	uint64_t last = 0;
	bool ready = false;

	for (size_t i = 0; i < p->waiting_n; i++) {
		uint64_t seq = p->waiting[i].seq;

		last = unsealed < seq && seq > last ? seq : last;
		ready = ready || (unsealed >= seq && replayed_seq >= seq);
	}
	if (last > 0) {
		settle(p, last, mono_us);
	}
	return ready;
}

/* A slice of the counts that were deleted. NOT_FOUND: none is left. */
static enum found clear_counts(struct purger *p, struct err *err)
{
	struct retain_deletion *list;
	size_t n;

	arena_clear(&p->tick);
	n = retain_waiting(p->o.retain, &p->tick, &list);
	for (size_t i = 0; i < n; i++) {
		const struct retain_deletion *d = &list[i];
		enum found found = NOT_FOUND;

		if (d->counted) {
			found = store_rollups_clear_older(d->org, p->db, d->project, d->at_us, err);
		}
		if (found != NOT_FOUND) {
			return found;
		}
		retain_cleared(p->o.retain, d);
	}
	return NOT_FOUND;
}

static bool begin(struct purger *p, int64_t wall_us, int64_t mono_us, struct err *err)
{
	int64_t now_us = purger_now_us(p, wall_us, mono_us);
	uint64_t replayed_seq = retain_replayed_seq(p->o.retain);
	uint64_t flushed = journal_flushed(p->o.journal);
	bool hour = mono_us >= p->round_at_us && retain_shortest(p->o.retain) > 0;
	struct retention_row *rows;
	size_t n;

	arena_clear(&p->tick);
	p->waiting_n = retain_waiting(p->o.retain, &p->tick, &p->waiting);
	metric_set(p->o.metrics, METRIC_PURGE_WAITING, (int64_t)p->waiting_n);
	if (replayed_seq == 0 || (!some_ready(p, replayed_seq, mono_us) && !hour)) {
		return true;
	}
	if (hour) {
		p->round_at_us = mono_us + ROUND_US;
		settle_old(p, now_us, mono_us);
	}
	n = retain_over(p->o.retain, now_us, &p->tick, &rows);
	if (!note_gone(p, rows, n, err)) {
		return false;
	}
	/* The newest record stays: the time of the log goes on from it. */
	p->round = (struct journal_purge) {
		.below_seq = replayed_seq < flushed ? replayed_seq + 1 : flushed,
		.before_us = needed_from_us(p, replayed_seq, now_us),
		.now_us = now_us,
	};
	p->under_way = true;
	return true;
}

/* The round is over: what it has carried out is done. */
static bool end(struct purger *p, int64_t wall_us, struct err *err)
{
	p->under_way = false;
	for (size_t i = 0; i < p->waiting_n; i++) {
		const struct retain_deletion *d = &p->waiting[i];

		if (d->seq > p->round.done_seq || d->counted) {
			continue;
		}
		if (!store_retention_purged(d->org, p->db, d->project, d->seq, wall_us, err)) {
			return false;
		}
		retain_purged(p->o.retain, d);
		log_info("events_purged", log_int("below", d->seq));
	}
	return true;
}

enum found purger_step(struct purger *p, int64_t wall_us, int64_t mono_us, struct err *err)
{
	if (!p->under_way) {
		enum found found = clear_counts(p, err);

		if (found != NOT_FOUND) {
			return found;
		}
		if (!begin(p, wall_us, mono_us, err)) {
			return FAILED;
		}
		return p->under_way ? FOUND : NOT_FOUND;
	}
	switch (journal_purge(p->o.journal, &p->round, err)) {
	case FOUND:
		return FOUND;
	case NOT_FOUND:
		return end(p, wall_us, err) ? NOT_FOUND : FAILED;
	case FAILED:
		break;
	}
	/* A file that is damaged stays as it is; the round goes on with the others. */
	p->under_way = err->kind == ERR_CORRUPT;
	return FAILED;
}
