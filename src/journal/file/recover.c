/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening what is there. First everything is read and judged, nothing written; so a refused open
 * changes nothing. Then the tail that is not known flushed moves into a segment where it is.
 *
 * One flush is in flight at a time, so only the last batch can be torn or not flushed: damage
 * with an intact batch of the same epoch behind it hit bytes that were acked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/epochs.h"
#include "journal/file/file_journal.h"

#define SCAN_CHUNK ((size_t)1 << 20)
#define PATH_BYTES 4096

struct tail {
	struct segment *segment; /* NULL: there is no batch at all */
	uint64_t offset;	 /* of the last batch */
	uint64_t end;
	struct batch_head head;
};

struct recovery {
	struct file_journal *j;
	struct reader reader;
	uint64_t next; /* the number that comes next; 0 before the first */
	size_t holes;
	bool damaged; /* in a way that nobody has set aside */
	struct tail tail;
	struct segment *before; /* the segment read before this one, */
	uint64_t before_end;	/* and where its intact batches end */
	struct parts_found sealed;
	struct epochs epochs; /* of the segments */
	struct segment **all; /* NULL once scanned */
	size_t all_n;
	struct segment **empty; /* segments without an intact batch */
	size_t empty_n;
};

bool file_wanted(const struct file_journal *j, const char *name)
{
	for (size_t i = 0; i < j->n_only; i++) {
		if (slice_eq(slice_of(j->only[i].name), slice_of(name))) {
			return true;
		}
	}
	return j->n_only == 0;
}

bool damage_met(struct file_journal *j, struct journal_damage *damage, struct err *err)
{
	char text[160];

	damage->lost = damage->lost == 0 ? journal_damage_span(damage) : damage->lost;
	damage->known = damages_have(journal_known(j), damage);
	if (j->on_damage != NULL) {
		j->on_damage(j->on_damage_arg, damage);
	}
	journal_damage_text(damage, text, sizeof(text));
	if (damage->known) {
		log_warn("journal_damage_known", log_str("damage", text));
		return true;
	}
	if (j->accept_damage) {
		log_error("journal_damaged", log_str("damage", text));
	}
	return j->accept_damage || j->read_only ||
	       err_set(err, ERR_CORRUPT, "%s; `tocsin journal quarantine` sets that aside", text);
}

bool loss_expected(const struct file_journal *j, uint64_t first_seq, uint64_t to_seq)
{
	return j->accept_damage || damages_cover(journal_known(j), first_seq, to_seq - 1);
}

/* False unless this damage was set aside, or damage is accepted. */
static bool told(struct recovery *r, struct journal_damage *damage, struct err *err)
{
	bool go_on = damage_met(r->j, damage, err);

	r->holes++;
	r->damaged = r->damaged || !damage->known;
	return go_on;
}

/* Bytes of the reader's segment that are not what was flushed, up to record to_seq. */
static bool hole(struct recovery *r, uint64_t offset, uint64_t end, uint64_t to_seq,
		 struct err *err)
{
	const struct segment *segment = r->reader.segment;
	struct journal_damage damage = { .epoch = segment->epoch,
					 .offset = offset,
					 .end = end,
					 .first_seq = r->next,
					 .last_seq = to_seq - 1 };

	memcpy(damage.file, segment->name, sizeof(segment->name));
	return reader_crc(&r->reader, offset, end, &damage.crc, err) && told(r, &damage, err);
}

/* Remember one intact record. */
static void accept(struct recovery *r, struct segment *segment, const char *p, uint64_t offset,
		   uint64_t batch_end)
{
	struct file_journal *j = r->j;
	struct record record;

	record_decode(p, &record);
	segment_note(segment, record.seq, (uint32_t)offset, (uint32_t)batch_end);
	if (record.received_at_us > j->last_received_at_us) {
		j->last_received_at_us = record.received_at_us;
	}
	if (record.idempotency_key.n > 0) {
		idem_put(&j->idem, key_hash(j, record.org, record.idempotency_key), record.seq,
			 record.received_at_us);
	}
	r->next = record.seq + 1;
}

/* FOUND: header and all records are intact, *p the bytes from the header on. */
static enum found whole_batch(struct recovery *r, uint64_t offset, struct batch_head *head,
			      const char **p, struct err *err)
{
	uint64_t limit = r->reader.segment->bytes;
	enum found found = reader_batch(&r->reader, offset, limit, head, err);
	uint32_t chain = 0;
	size_t at = BATCH_HEAD_BYTES;
	size_t n;

	if (found != FOUND) {
		return found;
	}
	n = BATCH_HEAD_BYTES + head->length;
	*p = reader_bytes(&r->reader, offset, n, limit, err);
	if (*p == NULL) {
		return FAILED;
	}
	for (uint32_t i = 0; i < head->count; i++) {
		const char *record = *p + at;
		size_t size = n - at < RECORD_HEAD_BYTES ? 0 : record_claims(record);

		if (size == 0 || size > n - at || !record_intact(record, size) ||
		    record_seq(record) != head->first_seq + i) {
			return NOT_FOUND;
		}
		chain = crc32c(chain, record, sizeof(chain));
		at += size;
	}
	return at == n && chain == head->chain ? FOUND : NOT_FOUND;
}

static bool take_batch(struct recovery *r, struct segment *segment, uint64_t offset,
		       const struct batch_head *head, const char *p, struct err *err)
{
	uint64_t end = offset + BATCH_HEAD_BYTES + head->length;
	size_t at = BATCH_HEAD_BYTES;

	if (r->next != 0 && head->first_seq < r->next) {
		return err_set(err, ERR_CORRUPT,
			       "segment \"%s\" at offset %llu starts again at record %llu",
			       segment->name, (unsigned long long)offset,
			       (unsigned long long)head->first_seq);
	}
	r->next = head->first_seq;
	if (segment->first_seq == 0) {
		segment->first_seq = head->first_seq;
	}
	for (uint32_t i = 0; i < head->count; i++) {
		accept(r, segment, p + at, offset + at, end);
		at += record_claims(p + at);
	}
	segment_publish(segment, r->next - 1, (uint32_t)end);
	idem_expire(&r->j->idem, r->j->last_received_at_us);
	r->tail = (struct tail) { segment, offset, end, *head };
	return true;
}

/* One intact thing in a damaged stretch, and the hole before it. *intact moves behind it. */
static bool salvage_one(struct recovery *r, struct segment *segment, const struct resync *at,
			uint64_t limit, uint64_t *intact, struct err *err)
{
	const char *p;
	size_t size = BATCH_HEAD_BYTES;

	if ((at->offset > *intact || at->seq > r->next) &&
	    !hole(r, *intact, at->offset, at->seq, err)) {
		return false;
	}
	r->next = at->seq;
	if (!at->is_batch) {
		if (reader_record(&r->reader, at->offset, limit, &p, &size, err) != FOUND) {
			return false;
		}
		if (segment->first_seq == 0) {
			segment->first_seq = at->seq;
		}
		accept(r, segment, p, at->offset, 0);
	}
	*intact = at->offset + size;
	return true;
}

/* Keep the intact records in a damaged stretch of the reader's segment; they end at *end. */
static bool salvage(struct recovery *r, struct segment *segment, uint64_t offset, uint64_t limit,
		    uint64_t seq_end, uint64_t *end, struct err *err)
{
	uint64_t intact = offset;
	size_t holes = r->holes;
	enum found found;
	struct resync at;

	/* So that walks meet the damage, and do not think that the segment begins behind it. */
	segment_note(segment, r->next, (uint32_t)offset, 0);
	while ((found = reader_resync(&r->reader, offset, limit, r->next, seq_end - 1, true, &at,
				      err)) == FOUND) {
		if (at.is_batch && at.seq > seq_end) { /* nothing of this stretch */
			offset = at.offset + 8;
			continue;
		}
		if (!salvage_one(r, segment, &at, limit, &intact, err)) {
			return false;
		}
		offset = intact;
		if (!at.is_batch) {
			*end = intact;
		}
	}
	if (found == FAILED) {
		return false;
	}
	/* Up to the end of a segment zeros may follow; in front of a batch nothing may. */
	if ((intact < limit && limit < segment->bytes) || r->next < seq_end || r->holes == holes) {
		return hole(r, intact, limit, seq_end, err);
	}
	return true;
}

/* A segment begins behind the number that comes next: the one before it lost its last batches. */
static bool missing(struct recovery *r, struct segment *segment, uint64_t first_seq,
		    struct err *err)
{
	struct segment *before = r->before;
	uint64_t end = r->before_end;
	bool ok;

	if (before == NULL) {
		return hole(r, SEGMENT_HEAD_BYTES, SEGMENT_HEAD_BYTES, first_seq, err);
	}
	reader_turn_to(&r->reader, before);
	ok = salvage(r, before, end, before->bytes, first_seq, &end, err);
	reader_turn_to(&r->reader, segment);
	if (!ok || before->first_seq == 0) {
		return ok;
	}
	segment_publish(before, r->next - 1, (uint32_t)end);
	if (r->empty_n > 0 && r->empty[r->empty_n - 1] == before) {
		r->empty_n--;
		segments_add(r->j, before);
	}
	return true;
}

/* Behind the intact batches: the end, or damage before more of them. *offset moves to the next. */
static enum found after_gap(struct recovery *r, struct segment *segment, uint64_t limit,
			    uint64_t *offset, struct err *err)
{
	struct resync at;
	uint64_t next = r->next == 0 ? 1 : r->next;
	uint64_t end;
	enum found found;

	r->reader.met_unread = false;
	found = reader_resync(&r->reader, *offset + 8, segment->bytes, next, 0, false, &at, err);
	if (found != FOUND || at.seq >= limit) {
		return found == FAILED ? FAILED : NOT_FOUND;
	}
	r->next = next;
	if (!salvage(r, segment, *offset, at.offset, at.seq, &end, err)) {
		return FAILED;
	}
	r->next = at.seq;
	*offset = at.offset;
	return FOUND;
}

/* Whether a batch was begun at offset: it would have been written from its first byte on. */
static enum found is_begun(struct recovery *r, uint64_t offset, uint64_t limit, struct err *err)
{
	static const char zero[BATCH_HEAD_BYTES];
	const char *p;

	if (offset + BATCH_HEAD_BYTES > limit) {
		return NOT_FOUND;
	}
	p = reader_bytes(&r->reader, offset, BATCH_HEAD_BYTES, limit, err);
	if (p == NULL) {
		return FAILED;
	}
	return memcmp(p, zero, sizeof(zero)) == 0 ? NOT_FOUND : FOUND;
}

/*
 * The log ends where the disk does not give its bytes. A torn write may have left that, but so may
 * a batch that was flushed and answered: it is not for us to cut it without a word.
 */
static bool unread_end(struct recovery *r, struct segment *segment, uint64_t offset,
		       struct err *err)
{
	struct journal_damage damage = { .epoch = segment->epoch,
					 .offset = offset,
					 .end = segment->bytes,
					 .first_seq = r->next == 0 ? 1 : r->next,
					 .open_end = true };
	struct batch_head head;
	uint64_t end = offset;
	enum found found = reader_batch(&r->reader, offset, segment->bytes, &head, err);

	if (found == FOUND && head.count > 0 && head.first_seq >= r->next) {
		r->next = r->next == 0 ? head.first_seq : r->next;
		if (!salvage(r, segment, offset, segment->bytes, head.first_seq + head.count, &end,
			     err)) {
			return false;
		}
		r->next = head.first_seq + head.count;
		segment_publish(segment, r->next - 1, (uint32_t)end);
		r->tail = (struct tail) { 0 }; /* what is before a batch is flushed */
		return true;
	}
	found = found == FAILED ? FAILED : is_begun(r, offset, segment->bytes, err);
	damage.last_seq = damage.first_seq - 1;
	memcpy(damage.file, segment->name, sizeof(segment->name));
	return found == NOT_FOUND ||
	       (found == FOUND &&
		reader_crc(&r->reader, offset, segment->bytes, &damage.crc, err) &&
		told(r, &damage, err));
}

/* Take in the segment's records below limit, where the next segment begins. */
static bool scan(struct recovery *r, struct segment *segment, uint64_t limit, struct err *err)
{
	uint64_t offset = SEGMENT_HEAD_BYTES;
	enum found found = FOUND;

	reader_turn_to(&r->reader, segment);
	while (found == FOUND && r->next < limit) {
		struct batch_head head;
		const char *p;

		found = whole_batch(r, offset, &head, &p, err);
		if (found == NOT_FOUND) {
			found = after_gap(r, segment, limit, &offset, err);
		} else if (found == FOUND && head.first_seq >= limit) {
			break;
		} else if (found == FOUND && r->next != 0 && head.first_seq > r->next) {
			if (!missing(r, segment, head.first_seq, err)) {
				return false;
			}
			r->next = head.first_seq;
		} else if (found == FOUND) {
			if (!take_batch(r, segment, offset, &head, p, err)) {
				return false;
			}
			offset = r->tail.end;
		}
	}
	r->before = segment;
	r->before_end = offset;
	if (found == NOT_FOUND && limit == UINT64_MAX && r->reader.met_unread) {
		return unread_end(r, segment, offset, err);
	}
	if (found == NOT_FOUND && r->next == 0 && r->reader.met_unread) {
		r->next = 1; /* what the next segment does not begin with was here */
	}
	return found != FAILED;
}

/* A segment of which not even the beginning is right; what it had shows as missing. */
static bool foreign(struct recovery *r, uint64_t epoch, struct err *err)
{
	struct journal_damage damage = { .epoch = epoch, .first_seq = 1 };

	segment_name(epoch, damage.file);
	return err->kind == ERR_CORRUPT && told(r, &damage, err);
}

static bool open_one(struct recovery *r, uint64_t epoch, struct err *err)
{
	struct file_journal *j = r->j;
	bool intact;
	struct segment *segment = segment_open(&j->files, j->dir, epoch, &j->base.meta.id,
					       j->read_only, &intact, err);

	j->epoch = epoch;
	if (segment == NULL) {
		return foreign(r, epoch, err);
	}
	r->all[r->all_n++] = segment;
	for (size_t i = 0; i < j->n_only; i++) {
		if (slice_eq(slice_of(j->only[i].name), slice_of(segment->name)) &&
		    j->only[i].bytes < segment->bytes) {
			segment->bytes = j->only[i].bytes;
		}
	}
	if (intact) {
		return true;
	}
	reader_turn_to(&r->reader, segment);
	r->next = 1; /* no record is lost with it */
	intact = hole(r, 0, SEGMENT_HEAD_BYTES, 1, err);
	r->next = 0;
	return intact;
}

static bool open_all(struct recovery *r, struct err *err)
{
	r->all = mem_alloc(r->epochs.n + 1, sizeof(struct segment *));
	for (size_t i = 0; i < r->epochs.n; i++) {
		/* What is in a sealed file, too, was left by a crash. */
		if (r->epochs.v[i] > r->sealed.epoch && !open_one(r, r->epochs.v[i], err)) {
			return false;
		}
	}
	return true;
}

/*
 * Where the segments behind the first i begin. What a segment has from there on is the leftover of
 * a tail that was moved, perhaps half removed, and nobody's records any more.
 */
static bool next_start(struct recovery *r, size_t i, uint64_t *limit, struct err *err)
{
	*limit = UINT64_MAX;
	for (; i < r->all_n; i++) {
		struct batch_head head;
		const char *p;
		enum found found;

		reader_turn_to(&r->reader, r->all[i]);
		found = whole_batch(r, SEGMENT_HEAD_BYTES, &head, &p, err);
		if (found == FOUND) {
			*limit = head.first_seq;
		}
		if (found != NOT_FOUND) {
			return found == FOUND;
		}
	}
	return true;
}

/* While one segment is checked the disk reads the next, so that neither waits for the other. */
static void read_ahead(const struct recovery *r, size_t i)
{
	const struct files *files = &r->j->files;

	if (i < r->all_n && files->ops->will_read != NULL) {
		files->ops->will_read(files->arg, r->all[i]->fd);
	}
}

static bool scan_all(struct recovery *r, struct err *err)
{
	if (!parts_open(r->j, &r->sealed, err) || !open_all(r, err)) {
		return false;
	}
	r->next = r->sealed.next;
	r->damaged = r->damaged || r->sealed.damaged;
	r->j->idem_base = r->j->idem.kept_seq = r->next;
	read_ahead(r, 0);
	for (size_t i = 0; i < r->all_n; i++) {
		struct segment *segment = r->all[i];
		uint64_t limit;

		read_ahead(r, i + 1);
		if (!next_start(r, i + 1, &limit, err) || !scan(r, segment, limit, err)) {
			return false;
		}
		r->all[i] = NULL; /* the journal's from here on */
		if (segment->first_seq != 0) {
			segments_add(r->j, segment);
		} else {
			r->empty = mem_resize(r->empty, r->empty_n + 1, sizeof(segment));
			r->empty[r->empty_n++] = segment;
		}
	}
	return true;
}

/* FOUND: only zeros from offset to the end. */
static enum found zeros(struct recovery *r, struct segment *segment, uint64_t offset,
			struct err *err)
{
	struct reader *reader = &r->reader;
	uint64_t sum = 0;

	reader_turn_to(reader, segment);
	for (; offset + 8 <= segment->bytes && sum == 0; offset += 8) {
		const char *p = reader_bytes(reader, offset, 8, segment->bytes, err);

		if (p == NULL) {
			return FAILED;
		}
		memcpy(&sum, p, sizeof(sum));
	}
	return sum == 0 ? FOUND : NOT_FOUND;
}

static bool drop(struct file_journal *j, struct segment **segment, struct err *err)
{
	char path[PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", j->dir, (*segment)->name);
	segment_unref(segment);
	rc = j->files.ops->unlink(j->files.arg, path);
	return rc < 0 ? err_errno(err, -rc, "remove \"%s\"", path) : true;
}

/* Keep the newest segment that nothing was ever written to as the spare; remove the others. */
static bool sort_empty(struct recovery *r, struct err *err)
{
	struct file_journal *j = r->j;

	for (; r->empty_n > 0; r->empty_n--) {
		struct segment *segment = r->empty[r->empty_n - 1];
		enum found found = NOT_FOUND;

		if (segment->epoch == j->epoch && segment->bytes == j->segment_bytes) {
			found = zeros(r, segment, SEGMENT_HEAD_BYTES, err);
		}
		if (found == FAILED) {
			return false;
		}
		if (found == FOUND) {
			j->spare = segment;
		} else if (r->damaged ||
			   damages_in(journal_known(j), segment->epoch)) { /* evidence */
			segment_unref(&r->empty[r->empty_n - 1]);
		} else if (!drop(j, &r->empty[r->empty_n - 1], err)) {
			return false;
		}
	}
	return true;
}

/* A segment that can take n bytes of batches. */
static struct segment *fresh(struct file_journal *j, size_t n, struct err *err)
{
	size_t bytes = j->segment_bytes;
	bool made;

	if (j->spare != NULL && j->spare->bytes - SEGMENT_HEAD_BYTES >= n) {
		return spare_take(j);
	}
	segment_unref(&j->spare);
	if (bytes - SEGMENT_HEAD_BYTES < n) {
		j->segment_bytes = SEGMENT_HEAD_BYTES + (n + 4095) / 4096 * 4096;
	}
	made = spare_make(j, err);
	j->segment_bytes = bytes;
	return made ? spare_take(j) : NULL;
}

static bool copy_batch(struct recovery *r, struct segment *to, uint32_t *end, struct err *err)
{
	const struct tail *tail = &r->tail;
	size_t n = BATCH_HEAD_BYTES + tail->head.length;
	struct turn turn = { .n = n, .count = tail->head.count, .chain = tail->head.chain };
	const char *p;
	bool ok;

	reader_turn_to(&r->reader, tail->segment);
	p = reader_bytes(&r->reader, tail->offset, n, tail->segment->bytes, err);
	if (p == NULL) {
		return false;
	}
	turn.p = mem_alloc(n, 1);
	memcpy(turn.p, p, n);
	ok = batch_write(to, *end, tail->head.first_seq, tail->head.first_seq - 1, &turn, err);
	free(turn.p);
	for (size_t at = BATCH_HEAD_BYTES, i = 0; i < tail->head.count; i++) {
		segment_note(to, tail->head.first_seq + i, (uint32_t)(*end + at),
			     (uint32_t)(*end + n));
		at += record_claims(p + at);
	}
	*end += (uint32_t)n;
	return ok;
}

/* What moved to the fresh segment, and what was torn, goes from the old one. */
static bool cut_old(struct recovery *r, uint64_t first_moved, struct err *err)
{
	struct file_journal *j = r->j;
	struct segment *old = r->tail.segment;
	int rc;

	if (r->damaged || damages_in(journal_known(j), old->epoch)) {
		segment_cut(old, first_moved, (uint32_t)r->tail.offset);
		return true;
	}
	if (old->first_seq == first_moved) {
		j->segments_n--;
		return drop(j, &old, err);
	}
	segment_cut(old, first_moved,
		    (uint32_t)(r->tail.head.count > 0 ? r->tail.offset : r->tail.end));
	rc = j->files.ops->truncate(j->files.arg, old->fd, old->end);
	old->bytes = old->end;
	return rc < 0 ? err_errno(err, -rc, "cut \"%s\"", old->name) : true;
}

/* Move the tail to a fresh segment, flush it there, and go on behind it. */
static bool move_tail(struct recovery *r, struct err *err)
{
	struct file_journal *j = r->j;
	const struct tail *tail = &r->tail;
	bool some = tail->segment != NULL && tail->head.count > 0;
	uint64_t first = some ? tail->head.first_seq : r->next;
	uint32_t end = SEGMENT_HEAD_BYTES;
	struct segment *to = fresh(j, 2 * BATCH_HEAD_BYTES + (some ? tail->head.length : 0), err);

	if (to == NULL) {
		return false;
	}
	to->first_seq = first;
	if ((some && !copy_batch(r, to, &end, err)) || !mark_write(to, end, r->next, err)) {
		segment_unref(&to);
		return false;
	}
	if (tail->segment != NULL && !cut_old(r, first, err)) {
		segment_unref(&to);
		return false;
	}
	segment_publish(to, r->next - 1, end + BATCH_HEAD_BYTES);
	segments_add(j, to);
	return true;
}

static enum found is_clean(struct recovery *r, struct err *err)
{
	const struct tail *tail = &r->tail;

	if (tail->segment == NULL || tail->head.count > 0 || r->damaged ||
	    tail->segment != r->j->segments[r->j->segments_n - 1]) {
		return NOT_FOUND;
	}
	return zeros(r, tail->segment, tail->end, err);
}

/*
 * The flush of the mark may have failed, and its bytes be in the page cache alone, where they look
 * as good as any; a power cut after more was flushed behind them would leave a hole.
 */
static bool mark_again(struct recovery *r, struct err *err)
{
	return mark_write(r->tail.segment, (uint32_t)r->tail.offset, r->next, err);
}

static bool settle(struct recovery *r, struct err *err)
{
	struct file_journal *j = r->j;
	enum found clean = is_clean(r, err);

	j->stats.clean = clean == FOUND;
	if (r->next == 0) {
		r->next = 1;
	}
	if (clean == FAILED || !parts_sweep(j, r->sealed.epoch, err) || !sort_empty(r, err)) {
		return false;
	}
	if (clean == NOT_FOUND ? !move_tail(r, err) : !mark_again(r, err)) {
		return false;
	}
	j->active = j->segments[j->segments_n - 1];
	j->plan_end = j->active->end;
	j->next_seq = r->next;
	j->flushed = r->next - 1;
	return true;
}

/* Nothing is written: the last batch is taken as it is. */
static bool settle_read_only(struct recovery *r, struct err *err)
{
	struct file_journal *j = r->j;
	enum found clean = is_clean(r, err);

	j->stats.clean = clean == FOUND;
	j->next_seq = r->next == 0 ? 1 : r->next;
	j->flushed = j->next_seq - 1;
	return clean != FAILED;
}

bool recover(struct file_journal *j, struct err *err)
{
	struct recovery r = { .j = j };
	bool ok;

	reader_init(&r.reader, SCAN_CHUNK);
	ok = epochs_list(j, segment_epoch, &r.epochs, err) && scan_all(&r, err) &&
	     (j->read_only ? settle_read_only(&r, err) : settle(&r, err));
	while (r.all_n > 0) {
		segment_unref(&r.all[--r.all_n]);
	}
	while (r.empty_n > 0) {
		segment_unref(&r.empty[--r.empty_n]);
	}
	free(r.all);
	free(r.empty);
	epochs_release(&r.epochs);
	reader_release(&r.reader);
	return ok;
}
