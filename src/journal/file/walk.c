/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving over records. To find a record it goes to the closest mark of the index and hops from
 * header to header; damage on the way is stepped over by searching for the next intact header, so
 * that a flipped bit costs the record it is in and no other.
 */
#include "journal/file/file_journal.h"

enum step { STEP_RECORD, STEP_END, STEP_DAMAGE, STEP_FAILED };

void walk_init(struct walk *walk, struct file_journal *journal, size_t chunk)
{
	*walk = (struct walk) { .journal = journal, .seq = 1 };
	reader_init(&walk->reader, chunk);
}

void walk_release(struct walk *walk)
{
	reader_release(&walk->reader);
	*walk = (struct walk) { 0 };
}

void walk_seek(struct walk *walk, uint64_t seq)
{
	walk->seq = seq;
	walk->offset = 0;
}

static void report(const struct walk *walk, uint64_t to, uint64_t offset, struct err *err)
{
	const char *name = walk->reader.segment == NULL ? NULL : walk->reader.segment->name;
	unsigned long long first = walk->seq;
	unsigned long long last = to - 1;

	if (name == NULL) {
		err_set(err, ERR_CORRUPT, "a sealed file is missing: records %llu to %llu are lost",
			first, last);
	} else if (to == walk->seq) {
		err_set(err, ERR_CORRUPT,
			"segment \"%s\" is damaged at offset %llu: no record is lost", name,
			(unsigned long long)offset);
	} else if (first == last) {
		err_set(err, ERR_CORRUPT,
			"segment \"%s\" is damaged at offset %llu: record %llu is lost", name,
			(unsigned long long)offset, first);
	} else {
		err_set(err, ERR_CORRUPT,
			"segment \"%s\" is damaged at offset %llu: records %llu to %llu are lost",
			name, (unsigned long long)offset, first, last);
	}
}

static uint64_t segment_last(const struct segment *segment)
{
	return atomic_load_explicit(&segment->last_seq, memory_order_acquire);
}

/* No segment begins at or before the wanted record: a part has it, or nothing. */
static enum found before_segments(struct walk *walk, uint64_t first_seq, struct err *err)
{
	struct part *part = parts_find(walk->journal, walk->seq);
	uint64_t before, after;

	walk->sealed = part != NULL;
	part_unref(&part);
	if (walk->sealed) {
		return NOT_FOUND;
	}
	parts_around(walk->journal, walk->seq, &before, &after);
	first_seq = after != 0 ? after : first_seq;
	if (before != 0) {
		reader_turn_to(&walk->reader, NULL);
		report(walk, first_seq, 0, err);
	}
	walk->seq = first_seq;
	walk->offset = 0;
	return before != 0 ? FAILED : FOUND;
}

/* Nothing has the wanted record: go to what comes next. FAILED reports what no segment has. */
static enum found skip(struct walk *walk, struct segment *segment, struct err *err)
{
	struct segment *next = segments_after(walk->journal, walk->seq);
	uint64_t first_seq;

	if (next == NULL) {
		return NOT_FOUND;
	}
	first_seq = next->first_seq;
	segment_unref(&next);
	if (segment == NULL) {
		return before_segments(walk, first_seq, err);
	}
	reader_turn_to(&walk->reader, segment);
	report(walk, first_seq, segment->end, err);
	walk->seq = first_seq;
	walk->offset = 0;
	return FAILED;
}

/* Find the segment and the closest mark. FOUND without an offset: once more. */
static enum found enter(struct walk *walk, struct err *err)
{
	struct segment *segment = segments_find(walk->journal, walk->seq);
	struct segment_mark mark;
	enum found found = FOUND;

	if (segment != NULL && walk->seq <= segment_last(segment) &&
	    segment_find(segment, walk->seq, &mark)) {
		if (walk->reader.segment != segment) {
			reader_turn_to(&walk->reader, segment);
		}
		walk->at = mark.seq;
		walk->offset = mark.offset;
		walk->batch_end = mark.batch_end;
	} else {
		found = skip(walk, segment, err);
	}
	segment_unref(&segment);
	return found;
}

/* Over batch headers to the record at walk->offset. */
static enum step to_record(struct walk *walk, uint64_t limit, struct err *err)
{
	struct batch_head head;

	while (walk->offset == walk->batch_end || walk->batch_end == 0) {
		enum found found = NOT_FOUND;

		if (walk->offset >= limit) {
			return STEP_END;
		}
		found = reader_batch(&walk->reader, walk->offset, limit, &head, err);
		if (found == FAILED) {
			return STEP_FAILED;
		}
		if (found == NOT_FOUND) {
			return walk->batch_end == 0 ? STEP_RECORD : STEP_DAMAGE;
		}
		if (head.first_seq != walk->at) {
			return STEP_DAMAGE;
		}
		walk->offset += BATCH_HEAD_BYTES;
		walk->batch_end = walk->offset + head.length;
	}
	return STEP_RECORD;
}

static enum step step(struct walk *walk, bool verify, const char **p, size_t *size, struct err *err)
{
	uint64_t limit = atomic_load_explicit(&walk->reader.segment->end, memory_order_acquire);
	enum step step = to_record(walk, limit, err);
	enum found found;

	if (step != STEP_RECORD) {
		return step;
	}
	if (walk->batch_end != 0) {
		limit = walk->batch_end;
	}
	if (verify) {
		found = reader_record(&walk->reader, walk->offset, limit, p, size, err);
	} else if (walk->offset + RECORD_HEAD_BYTES > limit) {
		found = NOT_FOUND;
	} else {
		*p = reader_bytes(&walk->reader, walk->offset, RECORD_HEAD_BYTES, limit, err);
		*size = *p == NULL ? 0 : record_claims(*p);
		found = *p == NULL ? FAILED : *size == 0 ? NOT_FOUND : FOUND;
	}
	if (found == FAILED) {
		return STEP_FAILED;
	}
	if (found == NOT_FOUND || record_seq(*p) != walk->at || *size > limit - walk->offset) {
		return STEP_DAMAGE;
	}
	walk->offset += *size;
	walk->at++;
	return STEP_RECORD;
}

/* Step over damage. FOUND: nothing that is wanted is lost. */
static enum found recover_from_damage(struct walk *walk, struct err *err)
{
	const struct segment *segment = walk->reader.segment;
	uint64_t offset = walk->offset;
	uint64_t last = segment_last(segment);
	bool wanted = walk->at == walk->seq;
	struct resync at = { .seq = last + 1 };
	enum found found = reader_resync(&walk->reader, offset + 8, segment->end, walk->seq, last,
					 true, &at, err);

	if (found == FAILED) {
		return FAILED;
	}
	if (found == FOUND && at.is_batch) {
		walk->batch_end = at.offset;
	} else if (at.offset >= walk->batch_end) {
		walk->batch_end = 0;
	}
	walk->at = at.seq;
	walk->offset = found == FOUND ? at.offset : 0;
	if (at.seq == walk->seq && !wanted) {
		return FOUND;
	}
	report(walk, at.seq, offset, err);
	walk->seq = at.seq;
	return FAILED;
}

enum found walk_next(struct walk *walk, bool verify, const char **p, size_t *size, struct err *err)
{
	uint64_t flushed = atomic_load_explicit(&walk->journal->flushed, memory_order_acquire);

	walk->sealed = false;
	while (walk->seq <= flushed) {
		enum found found = FOUND;
		bool wanted;
		enum step did;

		if (walk->offset == 0) {
			found = enter(walk, err);
			if (found != FOUND) {
				return found;
			}
			continue;
		}
		wanted = walk->at == walk->seq;
		did = step(walk, verify && wanted, p, size, err);
		if (did == STEP_RECORD && wanted) {
			walk->seq++;
			return FOUND;
		}
		if (did == STEP_FAILED) {
			return FAILED;
		}
		if (did == STEP_END && walk->seq > segment_last(walk->reader.segment)) {
			walk->offset = 0;
		} else if (did != STEP_RECORD) {
			found = recover_from_damage(walk, err);
		}
		if (found != FOUND) {
			return found;
		}
	}
	return NOT_FOUND;
}
