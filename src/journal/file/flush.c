/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the turn's buffer to the disk. Two buffers take turns: one gathers, one flies; so the
 * position known flushed before a batch is always the end of the batch before it. Inline and
 * thread share everything but who calls fly().
 */
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define THREAD_OVER_US 1000 /* the 95th percentile that makes a thread worth its hand-over */
#define INLINE_UNDER_US 500
#define AT_ONCE_US 5000 /* one flush like this has held everybody up: not another one */
#define FLUSH_SAMPLES_LEAST 16

void turn_init(struct turn *turn, size_t bytes_max)
{
	*turn = (struct turn) { .p = mem_alloc(bytes_max, 1), .n = BATCH_HEAD_BYTES };
	turn->last = &turn->first;
}

void turn_release(struct turn *turn)
{
	free(turn->p);
	free(turn->offsets);
	*turn = (struct turn) { 0 };
}

static void turn_reset(struct turn *turn)
{
	turn->n = BATCH_HEAD_BYTES;
	turn->count = 0;
	turn->chain = 0;
	turn->first = NULL;
	turn->last = &turn->first;
}

bool batch_write(const struct segment *segment, uint32_t offset, uint64_t first_seq,
		 uint64_t flushed_seq, struct turn *turn, struct err *err)
{
	struct batch_head head = {
		.id = segment->id,
		.epoch = segment->epoch,
		.first_seq = first_seq,
		.flushed_seq = flushed_seq,
		.count = (uint32_t)turn->count,
		.length = (uint32_t)(turn->n - BATCH_HEAD_BYTES),
		.chain = turn->chain,
	};

	batch_head_encode(&head, turn->p);
	return files_write(&segment->files, segment->fd, turn->p, turn->n, offset, segment->name,
			   err) &&
	       files_flush(&segment->files, segment->fd, segment->name, err);
}

bool mark_write(const struct segment *segment, uint32_t offset, uint64_t next_seq, struct err *err)
{
	char head[BATCH_HEAD_BYTES];
	struct turn mark = { .p = head, .n = sizeof(head) };

	return batch_write(segment, offset, next_seq, next_seq - 1, &mark, err);
}

bool flight_fits(const struct file_journal *j, size_t n)
{
	return n <= j->active->bytes - j->plan_end;
}

static bool fly(struct file_journal *j, int64_t *took_us, struct err *err)
{
	struct turn *turn = j->flight;
	int64_t start_us = j->files.ops->mono_us(j->files.arg);
	bool ok = batch_write(j->active, j->flight_at, turn->first_seq, turn->first_seq - 1, turn,
			      err);

	*took_us = j->files.ops->mono_us(j->files.arg) - start_us;
	return ok;
}

static void *flusher(void *arg)
{
	struct file_journal *j = arg;

	pthread_mutex_lock(&j->flight_lock);
	for (;;) {
		while (j->flight_state != FLIGHT_QUEUED && !j->thread_stop) {
			pthread_cond_wait(&j->flight_cond, &j->flight_lock);
		}
		if (j->flight_state != FLIGHT_QUEUED) {
			break;
		}
		pthread_mutex_unlock(&j->flight_lock);
		j->flight_ok = fly(j, &j->flight_us, &j->flight_err);
		pthread_mutex_lock(&j->flight_lock);
		j->flight_state = FLIGHT_DONE;
		pthread_cond_broadcast(&j->flight_cond);
		pthread_mutex_unlock(&j->flight_lock);
		j->wake(j->wake_arg);
		pthread_mutex_lock(&j->flight_lock);
	}
	pthread_mutex_unlock(&j->flight_lock);
	return NULL;
}

static void thread_start(struct file_journal *j)
{
	if (!j->thread_started) {
		ensure(pthread_create(&j->thread, NULL, flusher, j) == 0);
		j->thread_started = true;
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/*
 * Every few flushes look at the slow ones and choose who flushes from now on; after one that was
 * very slow at once, and then not back before it is forgotten.
 */
static void choose_mode(struct file_journal *j, int64_t took_us)
{
	int64_t sorted[FLUSH_SAMPLES];
	size_t n = j->flush_n < FLUSH_SAMPLES ? j->flush_n : FLUSH_SAMPLES;
	int64_t p95;

	if (j->flush == JOURNAL_FLUSH_AUTO && took_us > AT_ONCE_US) {
		j->threaded = true;
		return;
	}
	if (j->flush != JOURNAL_FLUSH_AUTO || j->flush_n % FLUSH_SAMPLES_LEAST != 0) {
		return;
	}
	memcpy(sorted, j->flush_us, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	p95 = sorted[n * 95 / 100];
	if (p95 > THREAD_OVER_US) {
		j->threaded = true;
	} else if (p95 < INLINE_UNDER_US && sorted[n - 1] <= AT_ONCE_US) {
		j->threaded = false;
	}
}

static void count_flush(struct file_journal *j, const struct turn *turn, int64_t took_us)
{
	size_t bucket = 0;

	while (bucket + 1 < JOURNAL_FLUSH_BUCKETS && took_us >= INT64_C(16) << bucket) {
		bucket++;
	}
	j->counts.flush_buckets[bucket]++;
	j->counts.flush_us_sum += (uint64_t)took_us;
	j->counts.flushes++;
	j->counts.records += turn->count;
	j->counts.bytes += turn->n;
	j->flush_us[j->flush_n++ % FLUSH_SAMPLES] = took_us;
	choose_mode(j, took_us);
}

static int64_t remembered_from(const struct file_journal *j)
{
	int64_t from_us = j->last_received_at_us - j->idem.window_us;

	return j->idem.lost_to_us > from_us ? j->idem.lost_to_us : from_us;
}

/* Other threads may have forgotten some, too, so it is seen at the next flush. */
static void note_shortened(struct file_journal *j)
{
	uint64_t shortened = j->idem.lost + j->keys.over_budget;

	if (shortened != j->shortened) {
		j->shortened = shortened;
		j->counts.idempotency_shortened_us = j->last_received_at_us;
	}
}

void flush_stats(struct file_journal *j)
{
	struct journal_stats *to = &j->counts;

	to->idempotency_keys = j->idem.keys;
	to->idempotency_bytes = j->idem.slots * sizeof(uint64_t);
	to->idempotency_shortened = j->idem.lost;
	note_shortened(j);
	to->idempotency_from_us = remembered_from(j);
	to->threaded = j->threaded;
	pthread_mutex_lock(&j->lock);
	j->stats = *to;
	pthread_mutex_unlock(&j->lock);
}

static void publish(struct file_journal *j, const struct turn *turn)
{
	uint32_t end = j->flight_at + (uint32_t)turn->n;
	uint64_t last = turn->first_seq + turn->count - 1;

	for (size_t i = 0; i < turn->count; i++) {
		segment_note(j->active, turn->first_seq + i, j->flight_at + turn->offsets[i], end);
	}
	segment_publish(j->active, last, end);
	/* In this order against the waiters' count and look, so that no wake-up is missed. */
	atomic_store(&j->flushed, last);
	if (atomic_load(&j->waiters) > 0) {
		pthread_mutex_lock(&j->wait_lock);
		pthread_cond_broadcast(&j->wait_cond);
		pthread_mutex_unlock(&j->wait_lock);
	}
}

static void complete_all(struct journal_batch *batch, const struct err *err)
{
	while (batch != NULL) {
		struct journal_batch *next = batch->next;

		batch->next = NULL;
		batch->done(batch, err);
		batch = next;
	}
}

/* The flight's records can be read from here on; who waits for them is the caller's to tell. */
static struct journal_batch *land(struct file_journal *j, bool ok, int64_t took_us)
{
	struct journal_batch *batches = j->flight->first;

	if (ok && j->flight->count > 0) {
		publish(j, j->flight);
		count_flush(j, j->flight, took_us);
	}
	turn_reset(j->flight);
	flush_stats(j);
	return batches;
}

static void fail_all(struct file_journal *j, struct journal_batch *batches, const struct err *err)
{
	struct journal_batch *gathered = j->gather->first;

	log_error("journal_failed", log_str("error", err->text));
	atomic_store(&j->failed, true);
	turn_reset(j->gather);
	complete_all(batches, err);
	complete_all(gathered, err);
}

static void tell(struct file_journal *j, struct journal_batch *batches, bool ok,
		 const struct err *err)
{
	j->completing = true;
	if (ok) {
		complete_all(batches, NULL);
	} else {
		fail_all(j, batches, err);
	}
	j->completing = false;
}

/* Go on in the spare, from record first_seq. */
static void next_segment(struct file_journal *j, uint64_t first_seq)
{
	j->active = spare_take(j);
	j->active->first_seq = first_seq;
	segment_publish(j->active, first_seq - 1, SEGMENT_HEAD_BYTES);
	segments_add(j, j->active);
	j->plan_end = SEGMENT_HEAD_BYTES;
}

/* Somebody wants what is in the active segment sealed, so it has to end before it is full. */
static bool ends_early(struct file_journal *j)
{
	const struct segment *active = j->active; /* NULL while nothing is open for writing */
	bool ready;

	if (active == NULL || atomic_load(&j->settle_seq) < active->first_seq ||
	    atomic_load_explicit(&active->last_seq, memory_order_relaxed) < active->first_seq) {
		return false;
	}
	pthread_mutex_lock(&j->lock);
	ready = j->spare != NULL;
	pthread_mutex_unlock(&j->lock);
	return ready;
}

/* Give the gathered batch its place; append made sure that there is one. */
static void plan(struct file_journal *j)
{
	if (!flight_fits(j, j->flight->n) || ends_early(j)) {
		next_segment(j, j->flight->first_seq);
	}
	j->flight_at = j->plan_end;
	j->plan_end += (uint32_t)j->flight->n;
}

static bool by_thread(const struct file_journal *j)
{
	return j->flush == JOURNAL_FLUSH_THREAD || j->threaded;
}

static void take_off(struct file_journal *j)
{
	struct turn *turn = j->gather;
	struct err err = { 0 };
	int64_t took_us = 0;
	bool ok = true;

	j->gather = j->flight;
	j->flight = turn;
	if (turn->count > 0) {
		plan(j);
		if (by_thread(j)) {
			thread_start(j);
			pthread_mutex_lock(&j->flight_lock);
			j->flight_state = FLIGHT_QUEUED;
			pthread_cond_broadcast(&j->flight_cond);
			pthread_mutex_unlock(&j->flight_lock);
			return;
		}
		ok = fly(j, &took_us, &err);
	}
	tell(j, land(j, ok, took_us), ok, &err);
}

static bool flight_is(struct file_journal *j, enum flight state)
{
	bool is;

	pthread_mutex_lock(&j->flight_lock);
	is = j->flight_state == state;
	pthread_mutex_unlock(&j->flight_lock);
	return is;
}

static void take_off_gathered(struct file_journal *j)
{
	if (j->gather->first != NULL && flight_is(j, FLIGHT_IDLE)) {
		take_off(j);
	}
}

void file_complete(struct journal *journal)
{
	struct file_journal *j = file_journal(journal);
	struct journal_batch *batches;
	struct err err;
	bool ok;

	ensure(!j->completing);
	if (!flight_is(j, FLIGHT_DONE)) {
		return;
	}
	/* The flusher is done with the state until the next take-off. */
	pthread_mutex_lock(&j->flight_lock);
	j->flight_state = FLIGHT_IDLE;
	pthread_mutex_unlock(&j->flight_lock);
	ok = j->flight_ok;
	err = j->flight_err;
	batches = land(j, ok, j->flight_us);
	/* The disk goes on with the next ones while these get their replies. */
	if (ok && by_thread(j)) {
		take_off_gathered(j);
	}
	tell(j, batches, ok, &err);
	take_off_gathered(j);
}

void file_turn(struct journal *journal)
{
	struct file_journal *j = file_journal(journal);

	file_complete(journal);
	take_off_gathered(j);
	if (!atomic_load(&j->failed) && j->gather->first == NULL && flight_is(j, FLIGHT_IDLE) &&
	    ends_early(j)) {
		next_segment(j, j->next_seq);
	}
}

static void wait_landed(struct file_journal *j)
{
	pthread_mutex_lock(&j->flight_lock);
	while (j->flight_state == FLIGHT_QUEUED) {
		pthread_cond_wait(&j->flight_cond, &j->flight_lock);
	}
	pthread_mutex_unlock(&j->flight_lock);
}

void file_drain(struct journal *journal)
{
	struct file_journal *j = file_journal(journal);

	do {
		wait_landed(j);
		file_turn(journal);
	} while (!flight_is(j, FLIGHT_IDLE) || j->gather->first != NULL);
}

void flight_stop(struct file_journal *j)
{
	file_drain(&j->base);
	pthread_mutex_lock(&j->flight_lock);
	j->thread_stop = true;
	pthread_cond_broadcast(&j->flight_cond);
	pthread_mutex_unlock(&j->flight_lock);
	if (j->thread_started) {
		pthread_join(j->thread, NULL);
	}
}
