/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three small jobs of the keeper's thread: notice, remember, say. What was noticed and could not be
 * remembered, because the state was busy or full, is kept here and tried again.
 */
#include "engine/watchman.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "engine/sources.h"
#include "model/builtin.h"
#include "model/month.h"
#include "store/billing.h"
#include "store/global.h"
#include "store/sayings.h"

#define LOOK_US US_PER_S	 /* between looks for what others want to have said */
#define WAIT_US (50 * US_PER_MS) /* between looks whether the engine has applied it */
#define SOME 64			 /* of anything in one step: a short transaction, a small batch */
#define JUDGE_US US_PER_S	 /* between looks at some sources: */
#define JUDGE_SOURCES 5000	 /* 100,000 in twenty seconds */
#define LOAD_SENDERS 20000	 /* some milliseconds */
#define PAYMENTS_US (60 * US_PER_S) /* between looks at those who owe something */
#define LATE_US (3600 * US_PER_S)   /* a level of a month that is over so long is no news */
#define SILENCES_MAX 100000	    /* sources that are heard, or come back, at once */
#define PAYLOAD_BYTES_MAX ((size_t)512)

struct silences {
	struct silence *items;
	size_t n, cap;
};

/* Who has the batch. */
enum turn { OURS, LOOPS };

struct watchman {
	struct watchman_options o;
	struct sources *sources;
	struct meter_level levels[SOME]; /* taken, and not remembered yet */
	size_t levels_n;
	struct silences overs; /* likewise */
	struct silences early; /* heard before the hours were loaded: last_us, quiet_us is when */
	int64_t load_hour;     /* of earlier senders, to be read next */
	int64_t load_until;
	size_t loaded;						      /* in this step */
	int64_t judge_at_us, payments_at_us, look_at_us, retry_at_us; /* monotonic */
	struct org_id paid_up_to; /* the last one that was looked at */
	bool failed;		  /* and told */
	uint64_t wait_seq;	  /* nothing more is said before the state is at this record */
	int turn;		  /* atomic: enum turn */
	/* The batch: whose turn it is. */
	struct arena arena;
	struct journal_batch batch;
	struct record records[SOME];
	struct journal_result results[SOME];
	size_t n;
	bool stored;
};

struct watchman *watchman_new(const struct watchman_options *options)
{
	struct watchman *w = mem_alloc(1, sizeof(*w));
	int64_t hour = options->up_us / SOURCE_HOUR_US;

	w->o = *options;
	w->sources = sources_new(options->mono_us);
	if (options->down_us > 0 && options->down_us < options->up_us) {
		sources_set_outage(w->sources, options->down_us, options->up_us);
		w->load_hour = options->down_us / SOURCE_HOUR_US - SOURCE_HOURS_KEPT;
		w->load_until = hour + 1;
	}
	/* What was appended before is said, though the engine may not know yet. */
	w->wait_seq = journal_flushed(options->journal);
	arena_init(&w->arena, 0);
	return w;
}

void watchman_free(struct watchman **wp)
{
	struct watchman *w = *wp;

	if (w == NULL) {
		return;
	}
	sources_free(&w->sources);
	free(w->overs.items);
	free(w->early.items);
	arena_release(&w->arena);
	free(w);
	*wp = NULL;
}

static void fail(struct watchman *w, const struct err *err, int64_t mono_us)
{
	if (!w->failed) {
		log_warn("watchman_waits", log_str("error", err->text));
	}
	w->failed = true;
	w->retry_at_us = mono_us + LOOK_US;
}

/* Remember. */

static struct slice written(struct arena *tick, struct buf *out)
{
	struct slice text;

	ensure(!out->overflow);
	text = arena_dup(tick, buf_slice(out));
	buf_release(out);
	return text;
}

static struct slice level_payload(const struct meter_level *level, int percent, struct arena *tick)
{
	char month[MONTH_TEXT_MAX];
	struct json_w w;
	struct buf out;

	buf_init(&out, PAYLOAD_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_int(&w, "percent", percent);
	json_put_int(&w, "limit", level->limit);
	json_put_int(&w, "used", (int64_t)level->used);
	json_put_str(&w, "month", month_format(level->month_us, month));
	json_w_end(&w);
	return written(tick, &out);
}

static bool add(struct db *db, const struct saying_row *row, struct err *err)
{
	return store_saying_add(row->org, db, row, err) != FAILED;
}

static bool add_level(struct db *db, const struct meter_level *level, int percent, int64_t wall_us,
		      struct arena *tick, struct err *err)
{
	char month[MONTH_TEXT_MAX];
	struct saying_row row = {
		.org = level->org,
		.name = arena_printf(tick, "usage:%.*s:%" PRId64 ":%d",
				     SARG(month_format(level->month_us, month)), level->limit,
				     percent),
		.type = percent == 80 ? S(SYSTEM_USAGE_80) : S(SYSTEM_USAGE_100),
		.message = arena_printf(tick, "%d %% of the %" PRId64 " events of %s are used",
					percent, level->limit, month),
		.payload = level_payload(level, percent, tick),
		.created_us = wall_us,
	};

	return add(db, &row, err);
}

static bool add_levels(struct watchman *w, struct db *db, int64_t wall_us, struct arena *tick,
		       struct err *err)
{
	for (size_t i = 0; i < w->levels_n; i++) {
		const struct meter_level *level = &w->levels[i];

		if (month_end_us(level->month_us) + LATE_US < wall_us) {
			continue;
		}
		if (!add_level(db, level, 80, wall_us, tick, err) ||
		    (level->percent == 100 && !add_level(db, level, 100, wall_us, tick, err))) {
			return false;
		}
	}
	return true;
}

static struct slice silence_payload(const struct silence *silence, struct arena *tick)
{
	struct id_text project = id_format(ID_PROJECT, silence->project.v);
	struct json_w w;
	struct buf out;

	buf_init(&out, PAYLOAD_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, "projectId", slice_of(project.p));
	json_put_time(&w, "lastReceivedAt", silence->last_us);
	json_put_int(&w, "quietSeconds", silence->quiet_us / US_PER_S);
	json_w_end(&w);
	return written(tick, &out);
}

/* "silent:prj_...:490123", and the same for its end. */
static struct slice silence_name(const struct silence *silence, const char *what,
				 struct arena *tick)
{
	struct id_text project = id_format(ID_PROJECT, silence->project.v);

	return arena_printf(tick, "%s:%s:%" PRId64, what, project.p, silence->hour);
}

/* Nobody is asked for what was taken away. */
static enum found is_there(struct db *db, const struct silence *silence, struct arena *tick,
			   struct err *err)
{
	struct project_row project;
	struct org_row org;
	enum found found = store_org_get(silence->org, db, tick, &org, err);

	if (found != FOUND) {
		return found;
	}
	if (org.suspended_us != 0 || org.delete_after_us != 0) {
		return NOT_FOUND;
	}
	return store_project_get(silence->org, db, silence->project, tick, &project, err);
}

static bool add_silence(struct db *db, const struct silence *silence, int64_t wall_us,
			struct arena *tick, struct err *err)
{
	struct saying_row row = {
		.org = silence->org,
		.name = silence_name(silence, "silent", tick),
		.type = S(SYSTEM_SOURCE_SILENT),
		.message = arena_printf(tick,
					"a project that sent events in each of %d hours has sent "
					"none for %" PRId64 " minutes",
					SOURCE_HOURS, silence->quiet_us / (60 * US_PER_S)),
		.payload = silence_payload(silence, tick),
		.created_us = wall_us,
	};

	switch (is_there(db, silence, tick, err)) {
	case FOUND:
		return add(db, &row, err);
	case NOT_FOUND:
		return true;
	case FAILED:
		return false;
	}
	never("found");
}

static bool add_over(struct db *db, const struct silence *over, int64_t wall_us, struct arena *tick,
		     struct err *err)
{
	struct saying_row row = {
		.org = over->org,
		.name = silence_name(over, "back", tick),
		.type = S(SYSTEM_SOURCE_BACK),
		.message = S("a project that was silent sends events again"),
		.payload = silence_payload(over, tick),
		.created_us = wall_us,
	};

	return store_saying_follow(over->org, db, silence_name(over, "silent", tick), &row, err) !=
	       FAILED;
}

/* A payment that is overdue since another time is another one. */
static bool add_payment(struct db *db, const struct billing_past_due *due, int64_t wall_us,
			struct arena *tick, struct err *err)
{
	struct saying_row row = {
		.org = due->org,
		.name = arena_printf(tick, "payment:%" PRId64, due->since_us),
		.type = S(SYSTEM_PAYMENT_FAILED),
		.message = S("a payment for this organization has failed"),
		.created_us = wall_us,
	};
	struct json_w w;
	struct buf out;

	buf_init(&out, PAYLOAD_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_time(&w, "since", due->since_us);
	json_w_end(&w);
	row.payload = written(tick, &out);
	return add(db, &row, err);
}

static bool add_overs(struct watchman *w, struct db *db, size_t n, int64_t wall_us,
		      struct arena *tick, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!add_over(db, &w->overs.items[i], wall_us, tick, err)) {
			return false;
		}
	}
	return true;
}

/* Notice. */

static void push(struct silences *list, const struct silence *item)
{
	if (list->n == SILENCES_MAX) {
		return;
	}
	if (list->n == list->cap) {
		list->cap = list->cap == 0 ? SOME : list->cap * 2;
		list->items = mem_resize(list->items, list->cap, sizeof(*list->items));
	}
	list->items[list->n++] = *item;
}

static void note(struct watchman *w, const struct silence *heard)
{
	struct silence over;

	if (sources_note(w->sources, heard->org, heard->project, heard->last_us, heard->quiet_us,
			 &over)) {
		push(&w->overs, &over);
	}
}

static bool loading(const struct watchman *w)
{
	return w->load_hour < w->load_until;
}

void watchman_heard(struct watchman *w, struct org_id org, struct project_id project,
		    int64_t minute_us, int64_t mono_us)
{
	struct silence heard = {
		.org = org, .project = project, .last_us = minute_us, .quiet_us = mono_us
	};

	if (loading(w)) {
		push(&w->early, &heard);
	} else {
		note(w, &heard);
	}
}

static void note_early(struct watchman *w)
{
	for (size_t i = 0; i < w->early.n; i++) {
		note(w, &w->early.items[i]);
	}
	w->early.n = 0;
}

static void load_sender(void *arg, struct org_id org, struct project_id project)
{
	struct watchman *w = arg;

	sources_load(w->sources, org, project, w->load_hour * SOURCE_HOUR_US);
	w->loaded++;
}

/* The hours before the start: all of them in the first step, or, of many senders, some in each. */
static bool load_hours(struct watchman *w, struct db *db, struct err *err)
{
	if (!loading(w)) {
		return true;
	}
	w->loaded = 0;
	for (; loading(w) && w->loaded < LOAD_SENDERS; w->load_hour++) {
		if (!store_outcomes_senders(db, w->load_hour * SOURCE_HOUR_US, load_sender, w,
					    err)) {
			return false;
		}
	}
	if (!loading(w)) {
		note_early(w);
	}
	return true;
}

static size_t judge(struct watchman *w, struct silence silences[SOME], int64_t wall_us,
		    int64_t mono_us)
{
	if (mono_us < w->judge_at_us || loading(w)) {
		return 0;
	}
	w->judge_at_us = mono_us + JUDGE_US;
	return sources_judge(w->sources, wall_us, mono_us, JUDGE_SOURCES, silences, SOME);
}

static void take_levels(struct watchman *w)
{
	while (w->levels_n < SOME && meter_take_level(w->o.meter, &w->levels[w->levels_n])) {
		w->levels_n++;
	}
}

/* Some of those with an overdue payment; from the first again when the last was seen. */
static bool read_payments(struct watchman *w, struct db *db, int64_t mono_us, struct arena *tick,
			  struct billing_past_due_list *list, struct err *err)
{
	list->n = 0;
	if (mono_us < w->payments_at_us) {
		return true;
	}
	if (!store_billing_past_due(db, w->paid_up_to, SOME, tick, list, err)) {
		return false;
	}
	if (list->n < SOME) {
		w->payments_at_us = mono_us + PAYMENTS_US;
		w->paid_up_to.v = 0;
	} else {
		w->paid_up_to = list->rows[list->n - 1].org;
	}
	return true;
}

static void forget_overs(struct watchman *w, size_t n)
{
	struct silences *overs = &w->overs;

	memmove(overs->items, overs->items + n, (overs->n - n) * sizeof(*overs->items));
	overs->n -= n;
}

/* All that was noticed since the last time. */
struct noticed {
	struct billing_past_due_list payments;
	struct silence silences[SOME];
	size_t silences_n, overs_n;
};

static bool add_all(struct watchman *w, struct db *db, const struct noticed *all, int64_t wall_us,
		    struct arena *tick, struct err *err)
{
	bool ok = add_levels(w, db, wall_us, tick, err) &&
		  add_overs(w, db, all->overs_n, wall_us, tick, err);

	for (size_t i = 0; ok && i < all->silences_n; i++) {
		ok = add_silence(db, &all->silences[i], wall_us, tick, err);
	}
	for (size_t i = 0; ok && i < all->payments.n; i++) {
		ok = add_payment(db, &all->payments.rows[i], wall_us, tick, err);
	}
	return ok;
}

/* In one transaction. When that fails, it is noticed again, or still here. */
static bool keep(struct watchman *w, struct db *db, const struct noticed *all, int64_t wall_us,
		 struct arena *tick, struct err *err)
{
	if (w->levels_n + all->silences_n + all->overs_n + all->payments.n == 0) {
		return true;
	}
	if (!db_begin(db, err) || !add_all(w, db, all, wall_us, tick, err) || !db_commit(db, err)) {
		db_rollback(db);
		for (size_t i = 0; i < all->silences_n; i++) {
			sources_judge_again(w->sources, &all->silences[i]);
		}
		return false;
	}
	w->levels_n = 0;
	w->look_at_us = 0;
	if (all->overs_n > 0) {
		forget_overs(w, all->overs_n);
	}
	return true;
}

static bool remember(struct watchman *w, struct db *db, int64_t wall_us, int64_t mono_us,
		     struct err *err)
{
	struct noticed all;
	struct arena tick;
	bool ok;

	arena_init(&tick, 0);
	ok = read_payments(w, db, mono_us, &tick, &all.payments, err);
	if (ok) {
		take_levels(w);
		all.silences_n = judge(w, all.silences, wall_us, mono_us);
		all.overs_n = w->overs.n < SOME ? w->overs.n : SOME;
		ok = keep(w, db, &all, wall_us, &tick, err);
	}
	arena_release(&tick);
	return ok;
}

/* Say. */

static void hand_back(struct watchman *w, bool stored)
{
	w->stored = stored;
	__atomic_store_n(&w->turn, OURS, __ATOMIC_RELEASE);
}

static void flushed(struct journal_batch *batch, const struct err *failure)
{
	hand_back(batch->arg, failure == NULL);
}

/* On the loop. A log that is full or overloaded is asked again later. */
static void append(void *arg)
{
	struct watchman *w = arg;
	struct err err;

	w->batch = (struct journal_batch) {
		.items = w->records, .n = w->n, .results = w->results, .done = flushed, .arg = w
	};
	if (!journal_append(w->o.journal, &w->batch, clock_wall_us(), loop_now_us(w->o.loop),
			    &err)) {
		log_debug("sayings_not_taken", log_str("error", err.text));
		hand_back(w, false);
	}
}

static struct record record_of(struct watchman *w, const struct saying_row *row)
{
	struct event event = {
		.type = row->type,
		.severity = builtin_severity(row->type),
		.source = S("tocsin"),
		.message = row->message,
		.fingerprint = row->name,
		.payload = row->payload,
	};
	struct slice body;
	struct buf out;

	buf_init(&out, EVENT_BYTES_MAX);
	event_encode(&event, &out);
	body = written(&w->arena, &out);
	return (struct record) {
		.kind = RECORD_EVENT,
		.org = row->org,
		.project = row->project,
		.severity = (uint8_t)event.severity,
		.hash = hash_sip128(&journal_meta(w->o.journal)->hash, body),
		.type = row->type,
		.body = body,
	};
}

/* Whether the engine has applied what was said, and the rows know. */
static bool is_applied(struct watchman *w, struct db *db, struct err *err)
{
	struct engine_cursor cursor;
	struct arena tick;
	enum found found;

	if (w->wait_seq == 0) {
		return true;
	}
	arena_init(&tick, 0);
	found = store_cursor_get(db, 0, &tick, &cursor, err);
	arena_release(&tick);
	if (found == FOUND && cursor.seq >= w->wait_seq) {
		w->wait_seq = 0;
	}
	return w->wait_seq == 0;
}

static void take_back(struct watchman *w, int64_t mono_us)
{
	if (w->n == 0) {
		return;
	}
	if (w->stored) {
		w->wait_seq = w->results[w->n - 1].seq;
	} else {
		w->look_at_us = mono_us + LOOK_US;
	}
	w->n = 0;
}

static bool read_unsaid(struct watchman *w, struct db *db, struct err *err)
{
	struct saying_list list;

	arena_clear(&w->arena);
	if (!store_sayings_unsaid(db, SOME, &w->arena, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		w->records[i] = record_of(w, &list.rows[i]);
	}
	w->n = list.n;
	return true;
}

static bool say(struct watchman *w, struct db *db, int64_t mono_us, struct err *err)
{
	if (__atomic_load_n(&w->turn, __ATOMIC_ACQUIRE) == LOOPS) {
		return true;
	}
	take_back(w, mono_us);
	if (mono_us < w->look_at_us) {
		return true;
	}
	w->look_at_us = mono_us + WAIT_US;
	if (!is_applied(w, db, err)) {
		return true;
	}
	w->look_at_us = mono_us + LOOK_US;
	if (!read_unsaid(w, db, err)) {
		return false;
	}
	if (w->n == 0) {
		return true;
	}
	__atomic_store_n(&w->turn, LOOPS, __ATOMIC_RELEASE);
	if (!loop_post(w->o.loop, append, w)) {
		hand_back(w, false);
	}
	w->look_at_us = mono_us; /* more may wait */
	return true;
}

void watchman_step(struct watchman *w, struct db *db, int64_t wall_us, int64_t mono_us)
{
	struct err err;

	if (mono_us < w->retry_at_us) {
		return;
	}
	if (load_hours(w, db, &err) && remember(w, db, wall_us, mono_us, &err) &&
	    say(w, db, mono_us, &err)) {
		w->failed = false;
	} else {
		fail(w, &err, mono_us);
	}
}
