/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start: the newest snapshot, then a replay up to the cursor without effects. The numbers that
 * the replay ends with must be those of the cursor, or this log did not make this state.
 */
#include "engine/control.h"
#include "engine/engine_impl.h"

bool engine_may_pass(const struct engine *e, const struct journal_iter *iter, uint64_t seq,
		     struct err *err)
{
	struct err why = *err;

	log_error("record_unreadable", log_str("error", err->text));
	return seq > e->found_seq || journal_iter_set_aside(iter) ||
	       err_set(err, ERR_CORRUPT, "%.190s; `tocsin journal quarantine` sets that aside",
		       why.text);
}

/* *lost: some of the log could not be read. */
static bool replay(struct engine *e, bool *lost, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(e->o.journal, e->state.seq + 1, false);
	struct record record;
	enum found found = FOUND;
	bool ok = true;

	e->with_effects = false;
	while (ok && e->state.seq < e->cursor.seq &&
	       (found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		if (found == FAILED && err->kind == ERR_IO) {
			break;
		}
		if (found == FOUND && record.seq > e->cursor.seq) {
			*lost = true; /* up to the cursor; from here on it counts */
			break;
		}
		/* Numbers are dense: what is not there was purged, or lost with a file. */
		*lost = *lost || found == FAILED || record.seq > e->state.seq + 1;
		if (found == FAILED) {
			ok = engine_may_pass(e, iter, e->state.seq + 1, err);
		} else if (!engine_apply(e, &record, err)) {
			log_error("record_unreadable", log_str("error", err->text));
		}
		if (e->tick.total > ((size_t)1 << 20)) {
			arena_clear(&e->tick);
		}
	}
	arena_clear(&e->tick);
	journal_iter_free(&iter);
	return ok && (found != FAILED || err->kind != ERR_IO);
}

static bool agree(const struct engine *e, struct err *err)
{
	if (e->state.alerts == e->cursor.alerts && e->state.deliveries == e->cursor.deliveries) {
		return true;
	}
	return err_set(
		err, ERR_CORRUPT,
		"the replay up to record %llu gives %llu alerts and %llu deliveries, the state has "
		"%llu and %llu: state and log do not belong together",
		(unsigned long long)e->cursor.seq, (unsigned long long)e->state.alerts,
		(unsigned long long)e->state.deliveries, (unsigned long long)e->cursor.alerts,
		(unsigned long long)e->cursor.deliveries);
}

/*
 * Alerts that fire in the state are open here. The other way round it need not be: what fired
 * before states were kept was taken for over.
 */
static bool agree_on_firing(const struct engine *e, struct err *err)
{
	uint64_t firing;

	if (!store_alerts_firing(e->db, &firing, err)) {
		return false;
	}
	return firing <= rule_set_opens(e->state.rules) ||
	       err_set(err, ERR_CORRUPT,
		       "the replay up to record %llu leaves %zu alerts firing, the state has %llu: "
		       "state and log do not belong together",
		       (unsigned long long)e->cursor.seq, rule_set_opens(e->state.rules),
		       (unsigned long long)firing);
}

static bool is_deletion(const struct engine *e, const struct record *record)
{
	return record->kind == RECORD_CONTROL &&
	       slice_eq(record->type, control_type(CONTROL_EVENTS_DELETE)) &&
	       !poison_has(&e->poison, record->seq);
}

/* When the record came that usage counts next, or, where there is none yet, the last one. */
static int64_t usage_from(struct engine *e)
{
	struct journal_iter *iter = journal_iter_new(e->o.journal, e->cursor.usage_seq + 1, false);
	int64_t at_us = journal_last_received_at(e->o.journal);
	struct record record;
	struct err ignored = { 0 };
	enum found found;

	do {
		found = journal_iter_next(iter, &record, &ignored);
	} while (found == FAILED && ignored.kind == ERR_CORRUPT);
	if (found == FOUND) {
		at_us = record.received_at_us;
	}
	journal_iter_free(&iter);
	return at_us;
}

static uint64_t counted_seq(const struct engine *e)
{
	return e->cursor.usage_seq < e->cursor.rollup_seq ? e->cursor.usage_seq
							  : e->cursor.rollup_seq;
}

/* Each in what has not seen it yet. */
static void count_again(struct engine *e, const struct record *record)
{
	if (record->seq > e->cursor.rollup_seq) {
		if (is_deletion(e, record)) {
			rollups_forget(e->rollups, record->org, record->project,
				       record->received_at_us);
		} else if (record->kind == RECORD_EVENT) {
			rollups_add(e->rollups, record);
		}
	}
	if (record->seq > e->cursor.usage_seq) {
		usage_add(e->usage, record);
	}
}

/*
 * Counts are saved less often than the cursor: count what it is ahead. A state from before there
 * were such counts is a whole log ahead.
 */
static bool count_on(struct engine *e, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(e->o.journal, counted_seq(e) + 1, false);
	struct record record;
	enum found found = FOUND;
	bool ok = true;

	while (ok && journal_iter_at(iter) <= e->cursor.seq &&
	       (found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		ok = found == FOUND || err->kind != ERR_IO;
		if (found != FOUND || record.seq > e->cursor.seq) {
			continue;
		}
		count_again(e, &record);
		ok = !(rollups_full(e->rollups) || usage_full(e->usage)) ||
		     engine_save_counts(e, record.seq, err);
	}
	journal_iter_free(&iter);
	return ok;
}

/*
 * Whoever has set damaged records aside has to be able to start: the state knows what they led to,
 * so its numbers hold, and no number is given twice.
 */
static void believe_the_state(struct engine *e, const struct err *why)
{
	log_error("replay_differs", log_str("why", "records of the log are lost"),
		  log_str("difference", why->text));
	e->state.alerts = e->cursor.alerts;
	e->state.deliveries = e->cursor.deliveries;
}

/*
 * Whether the replay may differ: it went over lost records, or an earlier one did. That one's state
 * was believed, and what fires in it stays open there alone; a snapshot since then does not tell.
 */
static bool may_differ(const struct engine *e, bool lost, bool counts_agree)
{
	struct journal_stats stats;

	journal_stats(e->o.journal, &stats);
	return lost || (counts_agree && stats.set_aside_records > 0);
}

bool engine_recover(struct engine *e, struct err *err)
{
	bool lost = false, counts_agree;
	uint64_t flushed = journal_flushed(e->o.journal);

	if (e->cursor.seq > flushed) {
		return err_set(
			err, ERR_CONFLICT,
			"the state has seen record %llu, but the log ends at %llu: it is older than "
			"the state, or cut",
			(unsigned long long)e->cursor.seq, (unsigned long long)flushed);
	}
	e->found_seq = flushed;
	engine_snapshot_load(e, e->cursor.seq);
	if (!replay(e, &lost, err)) {
		return false;
	}
	counts_agree = agree(e, err);
	if (!counts_agree || !agree_on_firing(e, err)) {
		if (!may_differ(e, lost, counts_agree) || err->kind != ERR_CORRUPT) {
			return false;
		}
		believe_the_state(e, err);
	}
	if (!rollups_load(e->rollups, e->db, err) ||
	    !usage_load(e->usage, e->db, usage_from(e), err) || !count_on(e, err)) {
		return false;
	}
	/* Records lost to damage at the very end must not be waited for again. */
	e->state.seq = e->cursor.seq;
	e->snapshot_seq = e->state.seq;
	return true;
}
