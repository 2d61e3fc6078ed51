/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of marks and quarantine: which life this is, which record is under way, and
 * what is left out. After an unclean exit the tail that was there is watched record by record;
 * when exits come down to a commit instead, its records are committed one by one.
 */
#include "base/clock.h"
#include "engine/engine_impl.h"

#include <unistd.h>

static void save(struct engine *e)
{
	if (e->o.life_path == NULL) {
		return;
	}
	if (e->life_fd < 0) {
		e->life_fd = life_open(e->o.life_path);
	}
	if (!life_write(e->life_fd, &journal_meta(e->o.journal)->id, &e->life) && !e->life_failed) {
		log_warn("life_not_written", log_str("path", e->o.life_path));
		e->life_failed = true;
	}
}

static bool quarantine(struct engine *e, uint64_t seq, struct err *err)
{
	uint64_t by = 0;

	if (e->poison.n == POISON_MAX) {
		return err_set(err, ERR_LIMIT,
			       "record %llu crashes the rules, and %d are quarantined already",
			       (unsigned long long)seq, POISON_MAX);
	}
	if (!poison_append(e->o.journal, seq,
			   e->life.exits > LIFE_EXITS ? e->life.exits : LIFE_EXITS, clock_wall_us(),
			   clock_mono_us(), &by, err)) {
		return err_wrap(err, "quarantine record %llu", (unsigned long long)seq);
	}
	ensure(poison_add(&e->poison, seq, by));
	e->life.pending = 1;
	log_error("record_quarantined", log_int("seq", seq), log_int("by", by),
		  log_str("why", "applying it ended the process three times"));
	return true;
}

bool engine_watch_open(struct engine *e, struct err *err)
{
	uint64_t flushed = journal_flushed(e->o.journal), culprit;
	enum found found = NOT_FOUND;

	e->life = (struct life) { .clean = 1 };
	if (e->o.life_path != NULL) {
		found = life_read(e->o.life_path, &journal_meta(e->o.journal)->id, &e->life);
	}
	culprit = life_begin(&e->life, e->cursor.seq);
	if ((found != FOUND || e->life.exits > 0 || e->life.pending != 0) &&
	    !poison_scan(e->o.journal, e->cursor.seq, &e->poison, err)) {
		return false;
	}
	if (e->life.exits > 0) {
		e->watch_until = flushed > e->cursor.seq ? flushed : 0;
		log_warn("exit_was_unclean", log_int("seq", e->cursor.seq),
			 log_int("exits", e->life.exits), log_int("at", e->life.last_at));
	}
	if (culprit != 0 && !poison_has(&e->poison, culprit) && !quarantine(e, culprit, err)) {
		return false;
	}
	metric_set(e->o.metrics, METRIC_QUARANTINED, (int64_t)e->poison.n);
	return true;
}

void engine_watch_start(struct engine *e)
{
	save(e);
}

void engine_watch_record(struct engine *e, const struct record *record)
{
	if (e->watch_until > 0 && record->seq <= e->watch_until) {
		e->life.at = record->seq;
		e->life.committing = 0;
		save(e);
	}
}

void engine_watch_commit(struct engine *e)
{
	if (e->watch_until > 0) {
		e->life.at = e->state.seq;
		e->life.committing = 1;
		save(e);
	}
}

void engine_watch_refused(struct engine *e)
{
	e->life.refused = 1;
	save(e);
}

bool engine_watch_alone(const struct engine *e)
{
	return e->watch_until > 0 && e->state.seq <= e->life.careful;
}

bool engine_watch_over(const struct engine *e)
{
	return e->watch_until > 0 && e->state.seq >= e->watch_until;
}

/* Whether some entry stands only in the part of the log that is still to come. */
static bool pending(const struct engine *e)
{
	for (size_t i = 0; i < e->poison.n; i++) {
		if (e->poison.items[i].by > e->cursor.seq) {
			return true;
		}
	}
	return false;
}

void engine_watch_committed(struct engine *e)
{
	bool over = engine_watch_over(e), told = e->life.pending != 0 && !pending(e);

	if (told) {
		e->life.pending = 0;
	}
	if (over) {
		e->watch_until = 0;
		e->life = (struct life) { .cursor = e->cursor.seq, .pending = e->life.pending };
	}
	if (over || told) {
		save(e);
	}
}

void engine_watch_end(struct engine *e)
{
	e->life.clean = 1;
	save(e);
}

void engine_watch_close(struct engine *e)
{
	if (e->life_fd >= 0) {
		close(e->life_fd);
		e->life_fd = -1;
	}
}
