/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking records in: bounds and room first, so that a batch is taken whole or not at all; then
 * time, idempotency and bytes, item by item.
 */
#include "journal/file/file_journal.h"

#include "base/clock.h"

#define RUN ((size_t)16) /* as many misses as a core can have under way */
/* Records of one key in one sealed file: more only when its window ended as often meanwhile. */
#define KEY_SEQS_MAX 16
#define TELL_LOST_US (3600 * US_PER_S)

uint64_t key_hash(const struct file_journal *j, struct org_id org, struct slice key)
{
	return record_key_hash(&j->base.meta.hash, org, key);
}

static bool measure(const struct journal_batch *batch, size_t *total, struct err *err)
{
	*total = 0;
	for (size_t i = 0; i < batch->n; i++) {
		const struct record *item = &batch->items[i];

		if (item->type.n > RECORD_TYPE_BYTES_MAX ||
		    item->idempotency_key.n > RECORD_KEY_BYTES_MAX ||
		    item->body.n > RECORD_BODY_BYTES_MAX) {
			return err_set(err, ERR_TOO_LARGE, "record %zu is too large for the log",
				       i);
		}
		*total += record_size(item);
	}
	return true;
}

static bool have_room(struct file_journal *j, size_t total, struct err *err)
{
	size_t segment_max = j->segment_bytes - SEGMENT_HEAD_BYTES;
	size_t max = j->turn_bytes_max < segment_max ? j->turn_bytes_max : segment_max;

	if (total > max - BATCH_HEAD_BYTES) {
		return err_set(err, ERR_TOO_LARGE,
			       "a batch of %zu bytes is over the %zu that the log takes at once",
			       total, max - BATCH_HEAD_BYTES);
	}
	if (total > max - j->gather->n) {
		return err_set(err, ERR_OVERLOADED, "too much waits for the log to be flushed");
	}
	return flight_fits(j, j->gather->n + total) || spare_make(j, err);
}

/* Time goes on at least nine tenths as fast as it really does, and never stands still. */
static int64_t next_time(const struct file_journal *j, int64_t wall_us, int64_t mono_us)
{
	int64_t at = j->last_received_at_us + 1;

	if (j->mono_known && mono_us > j->last_mono_us) {
		int64_t slewed = j->last_received_at_us + (mono_us - j->last_mono_us) / 10 * 9;

		at = slewed > at ? slewed : at;
	}
	return wall_us > at ? wall_us : at;
}

static bool in_turn(const struct turn *turn, uint64_t seq)
{
	return turn->count > 0 && seq >= turn->first_seq && seq - turn->first_seq < turn->count;
}

/* The record as stored, wherever it is by now. Borrowed until the next call. */
static enum found fetch(struct file_journal *j, uint64_t seq, struct record *record,
			struct err *err)
{
	struct part *part;
	const char *p = NULL;
	size_t size;
	enum found found = FOUND;

	if (in_turn(j->gather, seq)) {
		p = j->gather->p + j->gather->offsets[seq - j->gather->first_seq];
	} else if (in_turn(j->flight, seq)) {
		p = j->flight->p + j->flight->offsets[seq - j->flight->first_seq];
	} else {
		do {
			part = parts_find(j, seq);
			if (part != NULL) {
				arena_clear(&j->lookup_arena);
				found = sealed_read(part->sealed, seq, &j->lookup_arena, record,
						    err);
				part_unref(&part);
				return found;
			}
			walk_seek(&j->lookup, seq);
			found = walk_next(&j->lookup, true, &p, &size, err);
		} while (found == NOT_FOUND && j->lookup.sealed);
	}
	if (found == FOUND) {
		record_decode(p, record);
	}
	return found;
}

/* Whether record seq holds the item's key, or is damaged and may; then *result is the verdict. */
static bool holds(struct file_journal *j, const struct record *item, uint64_t seq, int64_t now_us,
		  struct journal_result *result)
{
	struct record old;
	struct err err;
	enum found found = fetch(j, seq, &old, &err);
	bool same;

	if (found == FAILED) {
		log_error("journal_record_unreadable", log_str("error", err.text));
		*result = (struct journal_result) { JOURNAL_UNREADABLE, seq, 0 };
		return true;
	}
	/* What was deleted, or is over its time, is as good as never sent: it is stored anew. */
	if (found == NOT_FOUND || old.seq != seq || old.org.v != item->org.v ||
	    !slice_eq(old.idempotency_key, item->idempotency_key) ||
	    old.received_at_us <= now_us - j->idem.window_us || !journal_kept(&j->base, &old)) {
		return false;
	}
	same = old.hash.lo == item->hash.lo && old.hash.hi == item->hash.hi;
	j->counts.duplicates += same;
	j->counts.conflicts += !same;
	*result = (struct journal_result) { same ? JOURNAL_DUPLICATE : JOURNAL_CONFLICT, seq,
					    old.received_at_us };
	return true;
}

static bool part_holds(struct file_journal *j, struct part *part, const struct record *item,
		       uint64_t hash, int64_t now_us, struct journal_result *result)
{
	uint64_t seqs[KEY_SEQS_MAX];
	size_t n;
	struct err err;

	if (!sealed_find_key(part->sealed, hash, seqs, KEY_SEQS_MAX, &n, &err)) {
		log_error("journal_keys_unreadable", log_str("error", err.text));
		*result = (struct journal_result) { JOURNAL_UNREADABLE, part->info->first_seq, 0 };
		return true;
	}
	while (n > 0) {
		if (holds(j, item, seqs[--n], now_us, result)) {
			return true;
		}
	}
	return false;
}

/* The sealed files that a damaged table stands for, newest first. */
static bool parts_hold(struct file_journal *j, const struct key_run *run, const struct record *item,
		       uint64_t hash, int64_t now_us, struct journal_result *result)
{
	struct part *part;
	bool held = false;

	for (size_t i = 0; !held && (part = parts_before(j, run->last_seq + 1, i)) != NULL; i++) {
		bool before = part->info->last_seq < run->first_seq;

		held = !before && part_holds(j, part, item, hash, now_us, result);
		part_unref(&part);
		if (before) {
			break;
		}
	}
	return held;
}

static bool table_holds(struct file_journal *j, const struct key_item *at,
			const struct record *item, uint64_t hash, int64_t now_us,
			struct journal_result *result)
{
	struct key_run *run = at->run;
	uint64_t seqs[KEY_SEQS_MAX];
	size_t n = 0;
	struct err err;

	if (!run->damaged && !key_table_find(&run->table, hash, seqs, KEY_SEQS_MAX, &n, &err)) {
		log_error("journal_keys_unreadable", log_str("error", err.text));
		run->damaged = true; /* the sealer makes it again */
	}
	if (run->damaged) {
		return parts_hold(j, run, item, hash, now_us, result);
	}
	while (n > 0) {
		if (holds(j, item, seqs[--n], now_us, result)) {
			return true;
		}
	}
	return false;
}

/* Keys of records before this are not all in memory. */
static uint64_t known_from(const struct file_journal *j)
{
	return j->idem.from_seq > j->idem_base ? j->idem.from_seq : j->idem_base;
}

/* The tables of sealed records inside the window whose keys are not in memory, newest first. */
static bool tables_hold(struct file_journal *j, const struct record *item, uint64_t hash,
			int64_t now_us, struct journal_result *result)
{
	const struct key_set *set = j->keys.set;
	uint64_t known = known_from(j);
	bool maybe = key_sieve_has(&set->sieve, key_kept(hash));

	for (size_t i = 0; i < set->n && (maybe || !set->sieved); i++) {
		const struct key_item *at = &set->items[i];

		if (at->run->last_us <= now_us - j->idem.window_us) {
			break;
		}
		if (at->run->first_seq < known && (maybe || !at->sieved) &&
		    table_holds(j, at, item, hash, now_us, result)) {
			return true;
		}
	}
	return false;
}

/* Whether something holds the item's key already; then *result is the verdict. */
static bool was_seen(struct file_journal *j, const struct record *item, uint64_t hash,
		     int64_t now_us, struct journal_result *result)
{
	uint64_t seq;

	for (size_t at = 0; (seq = idem_next(&j->idem, hash, &at)) != 0;) {
		if (holds(j, item, seq, now_us, result)) {
			return true;
		}
	}
	return tables_hold(j, item, hash, now_us, result);
}

static void put(struct turn *turn, const struct record *record)
{
	uint32_t crc;

	if (turn->count == turn->offsets_cap) {
		turn->offsets_cap = turn->offsets_cap == 0 ? 256 : turn->offsets_cap * 2;
		turn->offsets = mem_resize(turn->offsets, turn->offsets_cap, sizeof(uint32_t));
	}
	if (turn->count == 0) {
		turn->first_seq = record->seq;
	}
	turn->offsets[turn->count++] = (uint32_t)turn->n;
	crc = record_encode(record, turn->p + turn->n);
	turn->chain = crc32c(turn->chain, turn->p + turn->n, sizeof(crc));
	turn->n += record_size(record);
}

/* What is known costs no room. */
static void take(struct file_journal *j, const struct record *item, uint64_t hash, int64_t wall_us,
		 int64_t mono_us, uint64_t *room, struct journal_result *result)
{
	struct record record = *item;
	bool keyed = item->idempotency_key.n > 0;

	record.received_at_us = next_time(j, wall_us, mono_us);
	if (keyed && was_seen(j, item, hash, record.received_at_us, result)) {
		return;
	}
	if (*room == 0) {
		*result = (struct journal_result) { .verdict = JOURNAL_OVER };
		return;
	}
	--*room;
	record.seq = j->next_seq++;
	j->last_received_at_us = record.received_at_us;
	j->last_mono_us = mono_us;
	j->mono_known = true;
	put(j->gather, &record);
	if (keyed) {
		idem_put(&j->idem, hash, record.seq, record.received_at_us);
	}
	*result = (struct journal_result) { JOURNAL_STORED, record.seq, record.received_at_us };
}

/*
 * Memory and sieve are far larger than any cache: the places of a whole run are fetched together
 * before the first is looked at.
 */
static void take_run(struct file_journal *j, const struct record *items, size_t n, int64_t wall_us,
		     int64_t mono_us, uint64_t *room, struct journal_result *results)
{
	uint64_t hashes[RUN] = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (items[i].idempotency_key.n > 0) {
			hashes[i] = key_hash(j, items[i].org, items[i].idempotency_key);
			idem_prefetch(&j->idem, hashes[i]);
			key_sieve_prefetch(&j->keys.set->sieve, key_kept(hashes[i]));
		}
	}
	for (size_t i = 0; i < n; i++) {
		take(j, &items[i], hashes[i], wall_us, mono_us, room, &results[i]);
	}
}

/* Once an hour at most: somebody sends again and is not recognised. */
static void tell_lost(struct file_journal *j)
{
	if (j->idem.lost > j->lost_told && j->last_received_at_us >= j->tell_lost_us) {
		log_warn("idempotency_keys_forgotten", log_str("reason", "memory"),
			 log_int("keys", j->idem.lost - j->lost_told));
		j->lost_told = j->idem.lost;
		j->tell_lost_us = j->last_received_at_us + TELL_LOST_US;
	}
}

/*
 * Keys in tables need no memory of their own: of one that arrives, the sieve is asked anyway.
 * Without a sieve each new key would be looked for in every table.
 */
static void hand_over_keys(struct file_journal *j)
{
	const struct key_set *set = j->keys.set;

	j->idem.kept_seq = set->end_seq;
	if (set->sharp) {
		idem_hand_over(&j->idem, set->end_seq);
	}
}

bool file_append(struct journal *journal, struct journal_batch *batch, int64_t wall_us,
		 int64_t mono_us, struct err *err)
{
	struct file_journal *j = file_journal(journal);
	uint64_t room = batch->limited ? batch->room : UINT64_MAX;
	size_t total;

	if (atomic_load_explicit(&j->failed, memory_order_relaxed)) {
		return err_set(err, ERR_IO, "the log failed and takes nothing more");
	}
	if (!measure(batch, &total, err) || !have_room(j, total, err)) {
		return false;
	}
	keys_adopt(j);
	hand_over_keys(j);
	for (size_t i = 0; i < batch->n; i += RUN) {
		size_t n = batch->n - i < RUN ? batch->n - i : RUN;

		take_run(j, batch->items + i, n, wall_us, mono_us, &room, batch->results + i);
	}
	idem_expire(&j->idem, j->last_received_at_us);
	tell_lost(j);
	j->counts.clock_offset_us = j->last_received_at_us - wall_us;
	batch->next = NULL;
	*j->gather->last = batch;
	j->gather->last = &batch->next;
	return true;
}
