/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread and its transactions. A batch is what was flushed since the last one, up to 20
 * milliseconds of work; deciding fills memory, then one transaction writes it with the cursor. When
 * that fails, the same rows are written again: nothing is decided twice.
 */
#include "engine/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/hex.h"
#include "engine/engine_impl.h"

#define BATCH_US (20 * US_PER_MS)
#define CLOCK_EVERY 256		  /* records between two looks at the clock */
#define WAIT_US (500 * US_PER_MS) /* idle: how often the cursor and snapshots get a chance */
#define ROLLUPS_US US_PER_S	  /* counts, and a cursor without effects, are saved this often */
#define RETRY_US_FIRST (10 * US_PER_MS)
#define RETRY_US_MAX US_PER_S
#define INTERNAL_TRIES 5 /* 0.3 s: then it is the rows, not the moment */
#define SWEEP_RULES 64	 /* per idle moment */
/* When nothing happens for so long, what is behind the older snapshot has to become purgeable. */
#define ALONE_US (24 * 3600 * US_PER_S)
#define TICK_BYTES_KEPT ((size_t)4 << 20)

uint64_t engine_applied(const struct engine *e)
{
	return __atomic_load_n(&e->applied, __ATOMIC_ACQUIRE);
}

int64_t engine_due(const struct engine *e)
{
	return __atomic_load_n(&e->due_us, __ATOMIC_ACQUIRE);
}

int64_t engine_behind_since(const struct engine *e)
{
	return __atomic_load_n(&e->behind_us, __ATOMIC_ACQUIRE);
}

static void set_behind(struct engine *e, int64_t since_us)
{
	__atomic_store_n(&e->behind_us, since_us, __ATOMIC_RELEASE);
}

static void tell_due(struct engine *e)
{
	if (e->o.due != NULL) {
		e->o.due(e->o.arg);
	}
}

/* Later is not worth a word: whoever waits looks again at the moment that was said. */
static void publish_due(struct engine *e)
{
	int64_t due_us = rule_set_due(e->state.rules);
	int64_t before_us = __atomic_exchange_n(&e->due_us, due_us, __ATOMIC_ACQ_REL);

	if (due_us < before_us) {
		tell_due(e);
	}
}

static bool stopping(const struct engine *e)
{
	return __atomic_load_n(&e->stopping, __ATOMIC_ACQUIRE) != 0;
}

void engine_release(struct engine *e)
{
	__atomic_store_n(&e->held, 0, __ATOMIC_RELEASE);
}

static bool write_poison(struct engine *e, struct err *err)
{
	struct buf text;
	bool ok;

	buf_init(&text, (size_t)64 << 10);
	poison_write(&e->poison, &text);
	ensure(!text.overflow);
	ok = store_meta_put(e->db, POISON_META, buf_slice(&text), err);
	buf_release(&text);
	return ok;
}

/* Changes and audits carry numbers per org in the order of commits, so they are written last. */
static bool write_batch(struct engine *e, struct engine_cursor *cursor, struct err *err)
{
	struct effects *fx = &e->effects;
	bool counts = cursor->rollup_seq > e->cursor.rollup_seq ||
		      cursor->usage_seq > e->cursor.usage_seq;

	return db_begin(e->db, err) && effects_write(fx, e->db, err) &&
	       (!counts ||
		(rollups_write(e->rollups, e->db, err) && usage_write(e->usage, e->db, err))) &&
	       store_cursor_set(e->db, cursor, err) && (!fx->poison || write_poison(e, err)) &&
	       (fx->changes.n == 0 ||
		store_changes_insert(e->db, fx->changes.rows, fx->changes.n, err)) &&
	       store_audit_append_all(e->db, fx->audits.rows, fx->audits.n, &e->tick, err) &&
	       db_commit(e->db, err);
}

/*
 * PostgreSQL may lose the connection between COMMIT and its answer: whether the batch is there is
 * then read from the cursor, which moved with it or not at all. FAILED: it cannot be known yet, and
 * nothing may be written again before it is.
 */
static enum found committed_after_all(struct engine *e, const struct engine_cursor *want)
{
	struct engine_cursor have;
	struct err err;

	switch (store_cursor_get(e->db, want->partition, &e->tick, &have, &err)) {
	case FAILED:
		return FAILED;
	case NOT_FOUND:
		return NOT_FOUND;
	case FOUND:
		break;
	}
	return have.fence == want->fence && have.seq == want->seq &&
			       have.rollup_seq == want->rollup_seq &&
			       have.usage_seq == want->usage_seq &&
			       (want->seq > e->cursor.seq ||
				want->rollup_seq > e->cursor.rollup_seq ||
				want->usage_seq > e->cursor.usage_seq)
		       ? FOUND
		       : NOT_FOUND;
}

static void pause_us(int64_t us)
{
	struct timespec ts = { .tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000 };

	nanosleep(&ts, NULL);
}

/*
 * What trying again cannot mend: another engine's place, a damaged file, or a flush that failed,
 * after which SQLite may only be trusted again when it was opened anew.
 */
static bool is_final(const struct engine *e, const struct err *err)
{
	return err->kind == ERR_CONFLICT || err->kind == ERR_CORRUPT ||
	       (err->kind == ERR_IO && store_kind(e->o.store) == STORE_SQLITE);
}

/*
 * A fault of ours that comes again each time is either the state's (nothing can be written at all:
 * that may end) or that of these rows, which will never be taken.
 */
static bool is_poison(struct engine *e, const struct err *failure, int *tries)
{
	bool ours = failure->kind == ERR_INTERNAL || failure->kind == ERR_INVALID;
	struct err err;

	if (!ours || ++*tries < INTERNAL_TRIES) {
		return false;
	}
	e->poisoned = db_begin(e->db, &err) && store_cursor_set(e->db, &e->cursor, &err) &&
		      db_commit(e->db, &err);
	if (e->poisoned) {
		engine_watch_refused(e);
	} else {
		db_rollback(e->db);
	}
	return e->poisoned;
}

/* False: give up, because the engine stops or cannot go on. */
static bool write_until_done(struct engine *e, struct engine_cursor *cursor)
{
	int64_t retry_us = RETRY_US_FIRST;
	enum found there = NOT_FOUND;
	int tries = 0;
	struct err err;

	for (;;) {
		if (there != FAILED && write_batch(e, cursor, &err)) {
			return true;
		}
		db_rollback(e->db);
		there = err.kind == ERR_IO ? committed_after_all(e, cursor) : NOT_FOUND;
		if (there == FOUND) {
			return true;
		}
		log_warn("engine_commit_failed", log_int("seq", cursor->seq),
			 log_str("code", err_info(err.kind)->code), log_str("error", err.text));
		metric_add(e->o.metrics, METRIC_ENGINE_RETRIES, 1);
		if (is_final(e, &err) || is_poison(e, &err, &tries)) {
			e->o.failed(e->o.arg, &err);
			return false;
		}
		if (stopping(e) && clock_mono_us() > e->deadline_us) {
			return false;
		}
		pause_us(retry_us);
		retry_us = retry_us * 2 > RETRY_US_MAX ? RETRY_US_MAX : retry_us * 2;
	}
}

static bool has_deliveries(const struct engine *e)
{
	for (size_t i = 0; i < e->effects.deliveries.n; i++) {
		if (e->effects.deliveries.rows[i].status == DELIVERY_PENDING) {
			return true;
		}
	}
	return false;
}

/*
 * What is decided follows from the log, so a delivery may leave before the flush of its row: a
 * power cut in between decides it once more, under the same id. Whoever is told that something
 * happened waits for the flush.
 */
static bool flush_batch(struct engine *e)
{
	struct engine_news early = { .deliveries = true, .log_us = e->record_us };
	struct err err;

	if (has_deliveries(e)) {
		e->o.news(e->o.arg, &early);
	}
	if (!db_flush(e->db, &err)) {
		e->o.failed(e->o.arg, &err);
		return false;
	}
	return true;
}

static void tell_waiters(struct engine *e)
{
	for (size_t i = 0; i < e->effects.verdicts.n; i++) {
		const struct verdict_effect *v = &e->effects.verdicts.rows[i];

		waiters_settle(e->o.waiters, v->seq, &v->verdict);
	}
}

static void tell_news(struct engine *e)
{
	struct effects *fx = &e->effects;
	struct org_id *orgs = arena_array(&e->tick, fx->changes.n + 1, sizeof(*orgs));
	struct engine_news news = { .orgs = orgs, .log_us = e->record_us };

	/* store_changes_insert has put the rows in the order of orgs. */
	for (size_t i = 0; i < fx->changes.n; i++) {
		struct org_id org = fx->changes.rows[i].org;

		if (news.orgs_n == 0 || orgs[news.orgs_n - 1].v != org.v) {
			orgs[news.orgs_n++] = org;
		}
	}
	if (news.orgs_n > 0) {
		e->o.news(e->o.arg, &news);
	}
}

/* Before anybody who waits for it hears that it is done. */
static void tell_deletions(struct engine *e)
{
	for (size_t i = 0; i < e->effects.deletions.n; i++) {
		const struct retention_row *row = &e->effects.deletions.rows[i];

		e->deleted_seq = row->deleted_seq;
		if (e->o.retain != NULL) {
			retain_delete(e->o.retain, row->org, row->project, row->deleted_seq,
				      row->deleted_us);
		}
	}
}

static void count(struct engine *e, int64_t began_us)
{
	int64_t now_us = clock_wall_us();
	struct rusage usage;

	metric_add(e->o.metrics, METRIC_ENGINE_COMMITS, 1);
	metric_time(e->o.metrics, METRIC_ENGINE_COMMIT, clock_mono_us() - began_us);
	metric_add(e->o.metrics, METRIC_ALERTS, e->effects.alerts.n);
	metric_add(e->o.metrics, METRIC_ALERTS_RESOLVED, e->effects.resolved);
	metric_set(e->o.metrics, METRIC_ALERTS_FIRING, (int64_t)rule_set_opens(e->state.rules));
	for (size_t i = 0; i < e->effects.alerts.n; i++) {
		metric_time(e->o.metrics, METRIC_EVENT_TO_ALERT,
			    now_us - e->effects.alerts.rows[i].created_us);
	}
	if (getrusage(RUSAGE_THREAD, &usage) == 0) {
		metric_set(e->o.metrics, METRIC_ENGINE_CPU,
			   (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_S +
				   usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	}
}

/* counts: with what rollups and usage have gathered. */
static bool commit(struct engine *e, bool counts)
{
	struct engine_cursor cursor = e->cursor;
	int64_t began_us = clock_mono_us();

	cursor.seq = e->state.seq;
	cursor.rollup_seq = counts ? e->state.seq : e->cursor.rollup_seq;
	cursor.usage_seq = counts ? e->state.seq : e->cursor.usage_seq;
	cursor.alerts = e->state.alerts;
	cursor.deliveries = e->state.deliveries;
	cursor.updated_us = clock_wall_us();
	engine_watch_commit(e);
	if (!write_until_done(e, &cursor) || !flush_batch(e)) {
		return false;
	}
	e->cursor = cursor;
	if (counts) {
		rollups_written(e->rollups);
		usage_written(e->usage);
		e->rollups_saved_us = began_us;
	}
	engine_watch_committed(e);
	count(e, began_us);
	tell_deletions(e);
	tell_waiters(e);
	tell_news(e);
	return true;
}

/* One of the two may have come further in an earlier life: what it has is not counted again. */
bool engine_save_counts(struct engine *e, uint64_t seq, struct err *err)
{
	struct engine_cursor cursor = e->cursor;

	cursor.rollup_seq = seq > cursor.rollup_seq ? seq : cursor.rollup_seq;
	cursor.usage_seq = seq > cursor.usage_seq ? seq : cursor.usage_seq;
	cursor.updated_us = clock_wall_us();
	if (!write_batch(e, &cursor, err)) {
		db_rollback(e->db);
		return false;
	}
	e->cursor = cursor;
	rollups_written(e->rollups);
	usage_written(e->usage);
	return true;
}

static void next_batch(struct engine *e)
{
	if (e->tick.total > TICK_BYTES_KEPT) {
		arena_release(&e->tick);
		arena_init(&e->tick, 0);
	} else {
		arena_clear(&e->tick);
	}
	effects_init(&e->effects, &e->tick);
}

/* Whether records were applied that are not counted in the store. */
static bool has_counts(const struct engine *e)
{
	return e->state.seq > e->cursor.rollup_seq || e->state.seq > e->cursor.usage_seq;
}

/*
 * Effects are committed at once; counts, and a cursor without effects, now and then: a start finds
 * the rest in the log. A deletion takes its counts with it.
 */
static bool end_batch(struct engine *e)
{
	bool counts = has_counts(e) &&
		      (rollups_full(e->rollups) || usage_full(e->usage) ||
		       e->effects.deletions.n > 0 || engine_watch_alone(e) ||
		       engine_watch_over(e) || clock_mono_us() - e->rollups_saved_us > ROLLUPS_US);

	if ((!effects_empty(&e->effects) || counts) && !commit(e, counts)) {
		return false;
	}
	__atomic_store_n(&e->applied, e->state.seq, __ATOMIC_RELEASE);
	publish_due(e);
	next_batch(e);
	return true;
}

static void apply_one(struct engine *e, const struct record *record, bool first)
{
	struct err err;

	if (first) {
		set_behind(e, record->received_at_us);
	}
	e->record_us = record->received_at_us;
	engine_watch_record(e, record);
	if (!engine_apply(e, record, &err)) {
		log_error("record_unreadable", log_int("seq", record->seq),
			  log_str("error", err.text));
	}
}

/* Apply what there is, up to a batch; how many records, or -1 when nothing more can be read. */
static long apply_some(struct engine *e)
{
	int64_t until_us = clock_mono_us() + BATCH_US;
	struct record record;
	struct err err;
	long n = 0;

	while (!effects_full(&e->effects) && !rollups_full(e->rollups) && !usage_full(e->usage) &&
	       e->tick.total < EFFECTS_BATCH_BYTES) {
		enum found found = journal_iter_next(e->iter, &record, &err);

		if (found == NOT_FOUND) {
			break;
		}
		if (found == FAILED && err.kind == ERR_IO) {
			e->o.failed(e->o.arg, &err);
			return -1;
		}
		if (found == FAILED) {
			/* Lost to damage: log time goes on behind it. */
			uint64_t before = e->state.seq;

			e->state.seq = journal_iter_at(e->iter) - 1;
			if (!engine_may_pass(e, e->iter, before + 1, &err)) {
				e->o.failed(e->o.arg, &err);
				return -1;
			}
		} else {
			apply_one(e, &record, n == 0);
		}
		n++;
		if (engine_watch_alone(e) ||
		    (n % CLOCK_EVERY == 0 && clock_mono_us() >= until_us)) {
			break;
		}
	}
	metric_add(e->o.metrics, METRIC_ENGINE_APPLIED, (uint64_t)n);
	return n;
}

static void snapshot_if_due(struct engine *e)
{
	uint64_t since = e->state.seq - e->snapshot_seq;
	bool old = since > 0 && clock_mono_us() - e->snapshot_at_us > e->o.snapshot_us;

	if ((since >= e->o.snapshot_records || old) && e->cursor.seq == e->state.seq) {
		engine_snapshot(e);
		e->snapshot_at_us = clock_mono_us();
		e->snapshot_seq = e->state.seq;
		e->snapshot_alone = false;
	} else if (since == 0 && !e->snapshot_alone &&
		   clock_mono_us() - e->snapshot_at_us > ALONE_US) {
		engine_snapshot_prune(e, 1);
		e->snapshot_alone = true;
	}
}

/* Somebody else's write of the state failed: ours would, too. */
static bool store_is_well(struct engine *e)
{
	struct err err;

	if (!store_failed(e->o.store)) {
		return true;
	}
	err_set(&err, ERR_IO, "a write of the state has failed");
	e->o.failed(e->o.arg, &err);
	return false;
}

/* The wall clock may have been set forward: whoever waits for a due time may not have seen it. */
static void idle(struct engine *e)
{
	rule_set_sweep(e->state.rules, SWEEP_RULES);
	if (stopping(e)) {
		return;
	}
	if (rule_set_due(e->state.rules) <= clock_wall_us()) {
		tell_due(e);
	}
	journal_wait(e->o.journal, e->state.seq, WAIT_US);
}

/* Nothing is applied, but everybody can see how far behind that is. */
static void hold(struct engine *e)
{
	struct record record;
	struct err err;

	if (e->behind_us == INT64_MAX && journal_flushed(e->o.journal) > e->state.seq &&
	    journal_read(e->o.journal, e->state.seq + 1, &e->tick, &record, &err) == FOUND) {
		set_behind(e, record.received_at_us);
	}
	pause_us(US_PER_MS);
}

static bool turn(struct engine *e)
{
	long n;

	if (__atomic_load_n(&e->held, __ATOMIC_ACQUIRE) != 0) {
		hold(e);
		return true;
	}
	if (!store_is_well(e)) {
		return false;
	}
	n = apply_some(e);
	if (n < 0 || !end_batch(e)) {
		return false;
	}
	metric_set(e->o.metrics, METRIC_ENGINE_LAG,
		   (int64_t)(journal_flushed(e->o.journal) - e->state.seq));
	if (n == 0) {
		set_behind(e, INT64_MAX);
		idle(e);
	}
	snapshot_if_due(e);
	return true;
}

static bool drained(const struct engine *e)
{
	return e->state.seq >= journal_flushed(e->o.journal) || clock_mono_us() > e->deadline_us;
}

static void *run(void *arg)
{
	struct engine *e = arg;
	bool ok = true;

	engine_watch_start(e);
	while (ok && !(stopping(e) && drained(e))) {
		ok = turn(e);
	}
	if (ok && (!has_counts(e) || commit(e, true))) {
		engine_snapshot(e);
	}
	if (!e->poisoned) {
		engine_watch_end(e);
	}
	return NULL;
}

static void journal_text(const struct journal *journal, char out[33])
{
	hex_encode(journal_meta(journal)->id.v, 16, out);
	out[32] = '\0';
}

static bool take_over(struct engine *e, struct err *err)
{
	char journal[33];

	journal_text(e->o.journal, journal);
	return store_ticket(e->db, slice_of(journal), err) &&
	       store_cursor_take(e->db, 0, slice_of(journal), clock_wall_us(), &e->boot, &e->cursor,
				 err);
}

bool engine_open(struct engine **ep, const struct engine_options *options, struct err *err)
{
	struct engine *e = mem_alloc(1, sizeof(*e));
	int64_t began_us = clock_mono_us();
	struct window_limits limits = { 0 };

	e->o = *options;
	e->o.snapshot_records = options->snapshot_records != 0 ? options->snapshot_records : 500000;
	e->o.snapshot_us = options->snapshot_us != 0 ? options->snapshot_us : 60 * US_PER_S;
	e->held = options->hold;
	e->life_fd = -1;
	arena_init(&e->tick, 0);
	arena_init(&e->boot, 0);
	effects_init(&e->effects, &e->tick);
	e->state.rules = rule_set_new(&journal_meta(options->journal)->hash, limits);
	e->state.rulebook = rulebook_new();
	e->rollups = rollups_new();
	e->usage = usage_new();
	*ep = e;
	if (mkdir(options->snapshot_dir, 0700) != 0 && errno != EEXIST) {
		err_errno(err, errno, "make \"%s\"", options->snapshot_dir);
		goto out;
	}
	if (!store_connect(options->store, STORE_ENGINE, &e->db, err) || !take_over(e, err) ||
	    !poison_load(e->db, &e->boot, &e->poison, err) || !engine_recover(e, err) ||
	    !engine_watch_open(e, err) || !db_relax(e->db, true, err)) {
		goto out;
	}
	e->with_effects = true;
	e->deleted_seq = options->retain == NULL ? 0 : retain_deleted(options->retain);
	engine_snapshot_prune(e, SIZE_MAX);
	e->applied = e->state.seq;
	e->behind_us = INT64_MAX;
	e->due_us = rule_set_due(e->state.rules);
	e->rollups_saved_us = e->snapshot_at_us = clock_mono_us();
	e->iter = journal_iter_new(options->journal, e->state.seq + 1, false);
	log_info("engine_ready", log_int("seq", e->state.seq),
		 log_int("rules", rule_set_count(e->state.rules)),
		 log_int("us", clock_mono_us() - began_us));
	return true;
out:
	engine_close(ep, 0);
	return false;
}

void engine_start(struct engine *e)
{
	pthread_t thread;

	ensure(pthread_create(&thread, NULL, run, e) == 0);
	e->thread = thread;
	e->started = true;
}

void engine_close(struct engine **ep, int64_t wait_us)
{
	struct engine *e = *ep;

	if (e == NULL) {
		return;
	}
	e->deadline_us = clock_mono_us() + wait_us;
	__atomic_store_n(&e->stopping, 1, __ATOMIC_RELEASE);
	engine_release(e);
	if (e->started) {
		journal_interrupt(e->o.journal);
		pthread_join(e->thread, NULL);
	}
	journal_iter_free(&e->iter);
	rule_set_free(&e->state.rules);
	rulebook_free(&e->state.rulebook);
	rollups_free(&e->rollups);
	usage_free(&e->usage);
	db_close(&e->db);
	engine_watch_close(e);
	arena_release(&e->tick);
	arena_release(&e->boot);
	free(e);
	*ep = NULL;
}
