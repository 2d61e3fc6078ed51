/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterators. Through sealed files a cursor goes, one file after the other. Elsewhere forward is a
 * walk; reverse loads one group at a time, the records from one mark of the index to the next,
 * remembers where each is, and hands them out from the back.
 */
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define FORWARD_CHUNK ((size_t)256 << 10)
#define REVERSE_CHUNK ((size_t)96 << 10) /* a group and what sticks out */
#define READ_CHUNK ((size_t)16 << 10)

struct place {
	uint64_t seq;
	size_t at;	    /* in group bytes */
	struct err *damage; /* instead of a record */
	bool expected;	    /* somebody knows of it */
};

struct file_iter {
	struct journal_iter base;
	struct file_journal *journal;
	struct walk walk;
	struct part *part;	      /* where the cursor is, or NULL */
	struct sealed_cursor *cursor; /* knows the place itself; next and walk come after it */
	uint64_t budget;	      /* value of reader.loaded at which to stop */
	const struct damages *known;  /* in the part: what was set aside, */
	uint64_t told;		      /* and up to where it was told */
	struct record ahead; /* of the cursor, read over numbers that were set aside; seq 0: none */
	bool expected;	     /* the damage that was told last */
	bool filtered;
	struct journal_filter filter;
	struct journal_floor floor; /* of the one project */
	uint64_t first_seq;	    /* nothing before it matches */
	bool past;		    /* no record behind can match */
	bool reverse;
	uint64_t next; /* reverse: the number to hand out next */
	char *group;
	size_t group_n;
	size_t group_cap;
	struct place *places;
	size_t places_n;
	size_t places_cap;
};

static struct file_iter *file_iter(struct journal_iter *iter)
{
	return CONTAINER_OF(iter, struct file_iter, base);
}

static void places_clear(struct file_iter *it)
{
	for (size_t i = 0; i < it->places_n; i++) {
		free(it->places[i].damage);
	}
	it->places_n = 0;
	it->group_n = 0;
}

static void leave_part(struct file_iter *it)
{
	sealed_cursor_free(&it->cursor);
	part_unref(&it->part);
	it->ahead.seq = 0;
}

static void iter_free(struct journal_iter *iter)
{
	struct file_iter *it = file_iter(iter);

	places_clear(it);
	leave_part(it);
	walk_release(&it->walk);
	free(it->group);
	free(it->places);
	free(it);
}

/* Where a walk in reverse is when seq comes next: nowhere, in front of the first record. */
static uint64_t reverse_at(const struct file_iter *it, uint64_t seq)
{
	return seq < journal_first(&it->journal->base) ? 0 : seq;
}

static void go_to(struct file_iter *it, uint64_t seq)
{
	if (it->reverse) {
		it->next = reverse_at(it, seq);
	} else {
		walk_seek(&it->walk, seq);
	}
}

/* Into the part, at seq; behind it when it cannot be read. */
static enum found enter_part(struct file_iter *it, uint64_t seq, struct err *err)
{
	const struct sealed_info *info = it->part->info;
	const struct journal_filter *f = &it->filter;
	struct sealed_filter filter = { .one_project = f->one_project,
					.org = f->org,
					.project = f->project,
					.from_us = f->from_us,
					.to_us = f->to_us,
					.severities = f->severities,
					.kinds = f->kinds,
					.type = f->type,
					.hashes = !it->filtered };

	*(it->reverse ? &filter.last_seq : &filter.first_seq) = seq;
	it->known = journal_known(it->journal);
	it->told = seq;
	if (it->reverse) {
		filter.first_seq = it->first_seq;
	}
	it->cursor = sealed_cursor_new(it->part->sealed, &filter, it->reverse, err);
	if (it->cursor == NULL) {
		if (err->kind == ERR_CORRUPT) {
			go_to(it, it->reverse ? info->first_seq - 1 : info->last_seq + 1);
		}
		leave_part(it);
		return FAILED;
	}
	if (it->budget != UINT64_MAX) {
		sealed_cursor_set_budget(it->cursor, it->budget - it->walk.reader.loaded);
	}
	return FOUND;
}

/* The end of the part, or of the budget. */
static bool left_part(struct file_iter *it)
{
	size_t bytes = it->part->info->file_bytes;
	uint64_t left = it->budget - it->walk.reader.loaded;

	if (!sealed_cursor_done(it->cursor)) {
		return false;
	}
	if (it->budget != UINT64_MAX) {
		it->budget -= left < bytes ? left : bytes;
	}
	leave_part(it);
	return true;
}

/* By what is in memory of it. */
static bool part_may_match(const struct file_iter *it)
{
	const struct journal_filter *f = &it->filter;
	const struct sealed_info *info = it->part->info;

	return (f->from_us == 0 || info->last_us >= f->from_us) &&
	       (f->to_us == 0 || info->first_us < f->to_us) &&
	       (!f->one_project || sealed_may_have(it->part->sealed, f->org, f->project));
}

/*
 * What was set aside between what was told last and seq, itself left out: the sealed file has
 * nothing of it any more, and only the list tells it from numbers that were never there.
 */
static bool tell_set_aside(struct file_iter *it, uint64_t seq, struct err *err)
{
	const struct damages *known = it->known;
	const struct journal_damage *d =
		known->n == 0 ? NULL
			      : damages_met(known, it->reverse ? seq + 1 : it->told,
					    it->reverse ? it->told : seq - 1, it->reverse);
	char text[160];

	if (d == NULL) {
		it->told = seq;
		return false;
	}
	it->told = it->reverse ? d->last_seq - 1 : d->first_seq + 1;
	it->expected = true;
	journal_damage_text(d, text, sizeof(text));
	return !err_set(err, ERR_CORRUPT, "%s; it was set aside", text);
}

static enum found next_of_part(struct file_iter *it, struct record *record, struct err *err)
{
	const struct sealed_info *info = it->part->info;
	enum found found = FOUND;

	if (it->known->n == 0) {
		return sealed_cursor_next(it->cursor, record, err);
	}
	if (it->ahead.seq == 0) {
		found = sealed_cursor_next(it->cursor, &it->ahead, err);
	}
	if (found == FOUND && tell_set_aside(it, it->ahead.seq, err)) {
		return FAILED;
	}
	if (found == NOT_FOUND && sealed_cursor_done(it->cursor) &&
	    tell_set_aside(it, it->reverse ? info->first_seq - 1 : info->last_seq + 1, err)) {
		return FAILED;
	}
	if (found == FOUND) {
		*record = it->ahead;
	}
	it->ahead.seq = 0;
	return found;
}

/* FOUND or FAILED from a sealed file; NOT_FOUND with *end: the budget is used up. */
static enum found next_sealed(struct file_iter *it, struct record *record, bool *end,
			      struct err *err)
{
	*end = false;
	for (;;) {
		uint64_t at = it->reverse ? it->next : it->walk.seq;
		enum found found;

		if (it->cursor == NULL) {
			const struct sealed_info *info;

			/* In the middle of a segment it goes on there, sealed or not. */
			bool inside = it->reverse ? it->places_n > 0 : it->walk.offset != 0;

			it->part = inside ? NULL : parts_find(it->journal, at);
			if (it->part == NULL) {
				return NOT_FOUND;
			}
			*end = it->walk.reader.loaded >= it->budget;
			if (*end) {
				part_unref(&it->part);
				return NOT_FOUND;
			}
			info = it->part->info;
			if (!part_may_match(it)) {
				go_to(it, it->reverse ? info->first_seq - 1 : info->last_seq + 1);
				part_unref(&it->part);
				continue;
			}
			if (enter_part(it, at, err) == FAILED) {
				return FAILED;
			}
		}
		found = next_of_part(it, record, err);
		if (found != NOT_FOUND) {
			return found;
		}
		at = sealed_cursor_at(it->cursor);
		*end = !left_part(it);
		if (*end) {
			return NOT_FOUND;
		}
		go_to(it, at);
	}
}

static enum found next_forward(struct file_iter *it, struct record *record, struct err *err)
{
	const char *p;
	size_t size;
	uint64_t from;
	enum found found;

	if (it->walk.reader.loaded >= it->budget &&
	    !reader_has(&it->walk.reader, it->walk.offset, RECORD_HEAD_BYTES)) {
		return NOT_FOUND;
	}
	from = it->walk.seq;
	found = walk_next(&it->walk, true, &p, &size, err);
	if (found == FOUND) {
		record_decode(p, record);
	}
	it->expected = found == FAILED && loss_expected(it->journal, from, it->walk.seq);
	return found;
}

static struct place *add_place(struct file_iter *it, uint64_t seq, const char *p, size_t size,
			       const struct err *damage)
{
	struct place *place;

	if (it->places_n == it->places_cap) {
		it->places_cap = it->places_cap == 0 ? 256 : it->places_cap * 2;
		it->places = mem_resize(it->places, it->places_cap, sizeof(*it->places));
	}
	if (it->group_cap - it->group_n < size) {
		it->group_cap = (it->group_n + size) * 2;
		it->group = mem_resize(it->group, it->group_cap, 1);
	}
	place = &it->places[it->places_n++];
	*place = (struct place) { .seq = seq, .at = it->group_n };
	if (damage != NULL) {
		place->damage = mem_alloc(1, sizeof(*damage));
		*place->damage = *damage;
	} else {
		memcpy(it->group + it->group_n, p, size);
		it->group_n += size;
	}
	return place;
}

/* The number at which the group of seq begins. */
static uint64_t group_start(struct file_iter *it, uint64_t seq)
{
	struct segment *segment = segments_find(it->journal, seq);
	struct segment_mark mark;
	uint64_t last;

	if (segment == NULL) {
		uint64_t before, after;

		/* Lost with a sealed file, all in one report. */
		parts_around(it->journal, seq, &before, &after);
		return before != 0 && before < seq ? before : seq;
	}
	last = atomic_load_explicit(&segment->last_seq, memory_order_acquire);
	if (seq > last) { /* lost with the end of its segment, all in one report */
		seq = last + 1;
	} else {
		seq = segment_find(segment, seq, &mark) ? mark.seq : segment->first_seq;
	}
	segment_unref(&segment);
	return seq;
}

/* Load the group that ends with it->next. False with ERR_IO, nothing loaded then. */
static bool load_group(struct file_iter *it, struct err *err)
{
	places_clear(it);
	walk_seek(&it->walk, group_start(it, it->next));
	while (it->walk.seq <= it->next) {
		uint64_t seq = it->walk.seq;
		const char *p;
		size_t size;
		enum found found = walk_next(&it->walk, true, &p, &size, err);

		if (found == FOUND) {
			/* A purged start of the log makes the walk begin later. */
			if (record_seq(p) <= it->next) {
				add_place(it, record_seq(p), p, size, NULL);
			}
		} else if (found == NOT_FOUND) {
			break;
		} else if (err->kind == ERR_CORRUPT) {
			add_place(it, seq, NULL, 0, err)->expected = loss_expected(it->journal, seq,
										   it->walk.seq);
		} else {
			places_clear(it);
			return false;
		}
	}
	return true;
}

static enum found next_reverse(struct file_iter *it, struct record *record, struct err *err)
{
	const struct place *place;

	if (it->next == 0) {
		return NOT_FOUND;
	}
	if (it->places_n == 0) {
		if (it->walk.reader.loaded >= it->budget) {
			return NOT_FOUND;
		}
		if (!load_group(it, err)) {
			return FAILED;
		}
		if (it->places_n == 0) { /* before the first record, or sealed meanwhile */
			it->next = it->walk.sealed ? it->next : 0;
			return NOT_FOUND;
		}
	}
	place = &it->places[--it->places_n];
	it->next = place->seq - 1;
	if (it->next + 1 == journal_first(&it->journal->base)) {
		it->next = 0;
	}
	if (place->damage != NULL) {
		it->expected = place->expected;
		*err = *place->damage;
		free(place->damage);
		return FAILED;
	}
	record_decode(it->group + place->at, record);
	return FOUND;
}

static bool matches(const struct journal_filter *f, const struct record *record)
{
	return (!f->one_project ||
		(record->org.v == f->org.v && record->project.v == f->project.v)) &&
	       record->received_at_us >= f->from_us &&
	       (f->to_us == 0 || record->received_at_us < f->to_us) &&
	       (f->severities == 0 || (f->severities >> record->severity & 1) != 0) &&
	       (f->kinds == 0 || (f->kinds >> record->kind & 1) != 0) &&
	       journal_type_matches(f->type, record->type);
}

/* Whether it is an event that is to be seen, or none. */
static bool kept(const struct file_iter *it, const struct record *record)
{
	if (record->kind != RECORD_EVENT || !it->filter.one_project) {
		return journal_kept(&it->journal->base, record);
	}
	return record->seq >= it->floor.seq && record->received_at_us >= it->floor.from_us;
}

/* A record of a segment: whether it is given; sees the end of what can match. */
static bool given(struct file_iter *it, const struct record *record)
{
	const struct journal_filter *f = &it->filter;

	it->past = it->reverse ? record->received_at_us < f->from_us
			       : f->to_us != 0 && record->received_at_us >= f->to_us;
	return !it->past && matches(f, record);
}

static enum found next_any(struct file_iter *it, struct record *record, bool *raw, struct err *err)
{
	enum found found;

	it->expected = false;
	do {
		*raw = false;
		bool end = false;

		found = next_sealed(it, record, &end, err);
		if (found != NOT_FOUND || end) {
			return found;
		}
		*raw = true;
		found = it->reverse ? next_reverse(it, record, err) : next_forward(it, record, err);
	} while (found == NOT_FOUND && it->walk.sealed);
	return found;
}

static enum found iter_next(struct journal_iter *iter, struct record *record, struct err *err)
{
	struct file_iter *it = file_iter(iter);

	while (!it->past) {
		bool raw;
		enum found found;

		if (it->reverse && it->next < it->first_seq) {
			it->past = true;
			break;
		}
		found = next_any(it, record, &raw, err);
		if (found != FOUND || !it->filtered ||
		    ((!raw || given(it, record)) && kept(it, record))) {
			return found;
		}
	}
	return NOT_FOUND;
}

static uint64_t iter_at(const struct journal_iter *iter)
{
	const struct file_iter *it = CONTAINER_OF(iter, const struct file_iter, base);

	if (it->cursor != NULL) {
		uint64_t at = it->ahead.seq != 0 ? it->ahead.seq : sealed_cursor_at(it->cursor);

		return it->reverse ? reverse_at(it, at) : at;
	}
	return it->reverse ? it->past ? 0 : it->next : it->walk.seq;
}

static bool iter_set_aside(const struct journal_iter *iter)
{
	return CONTAINER_OF(iter, const struct file_iter, base)->expected;
}

static void iter_set_budget(struct journal_iter *iter, size_t bytes)
{
	struct file_iter *it = file_iter(iter);

	it->budget = it->walk.reader.loaded + bytes;
	if (it->cursor != NULL) {
		sealed_cursor_set_budget(it->cursor, bytes);
	}
}

static const struct journal_iter_driver iter_driver = {
	.free = iter_free,
	.next = iter_next,
	.at = iter_at,
	.set_aside = iter_set_aside,
	.set_budget = iter_set_budget,
};

/* A project's events below its floor are passed over by the index, where only events are wanted. */
static void take_floor(struct file_iter *it)
{
	struct journal_filter *f = &it->filter;

	if (!f->one_project) {
		return;
	}
	journal_floor_of(&it->journal->base, f->org, f->project, &it->floor);
	if (f->kinds == UINT32_C(1) << RECORD_EVENT) {
		it->first_seq = it->floor.seq;
		f->from_us = f->from_us > it->floor.from_us ? f->from_us : it->floor.from_us;
	}
}

struct journal_iter *file_iter_new(struct journal *journal, uint64_t from_seq, bool reverse,
				   const struct journal_filter *filter)
{
	struct file_iter *it = mem_alloc(1, sizeof(*it));
	uint64_t flushed = journal_flushed(journal);

	it->base.driver = &iter_driver;
	it->journal = file_journal(journal);
	it->budget = UINT64_MAX;
	it->filtered = filter != NULL;
	if (filter != NULL) {
		it->filter = *filter;
		take_floor(it);
	}
	it->reverse = reverse;
	walk_init(&it->walk, it->journal, reverse ? REVERSE_CHUNK : FORWARD_CHUNK);
	if (reverse) {
		it->next = from_seq == 0 || from_seq > flushed ? flushed : from_seq;
		if (it->next < journal_first(journal)) {
			it->next = 0;
		}
	} else {
		uint64_t first = journal_first(journal);

		first = first < it->first_seq ? it->first_seq : first;
		walk_seek(&it->walk, from_seq < first ? first : from_seq);
	}
	return &it->base;
}

/* A number that a sealed file does not have: FAILED when it was lost to damage. */
static enum found set_aside(const struct file_journal *j, uint64_t seq, struct err *err)
{
	if (!damages_cover(journal_known(j), seq, seq)) {
		return NOT_FOUND;
	}
	err_set(err, ERR_CORRUPT, "record %llu was lost to damage, and set aside",
		(unsigned long long)seq);
	return FAILED;
}

enum found file_read(struct journal *journal, uint64_t seq, struct arena *req,
		     struct record *record, struct err *err)
{
	struct file_journal *j = file_journal(journal);
	struct walk walk;
	const char *p;
	size_t size;
	enum found found;

	if (seq < journal_first(journal)) {
		return NOT_FOUND;
	}
	walk_init(&walk, j, READ_CHUNK);
	do {
		struct part *part = parts_find(j, seq);

		if (part != NULL) {
			found = sealed_read(part->sealed, seq, req, record, err);
			part_unref(&part);
			if (found == NOT_FOUND) {
				found = set_aside(j, seq, err);
			}
			goto out;
		}
		walk_seek(&walk, seq);
		found = walk_next(&walk, true, &p, &size, err);
	} while (found == NOT_FOUND && walk.sealed);
	if (found == FOUND) {
		record_decode(p, record);
		record->idempotency_key = arena_dup(req, record->idempotency_key);
		record->type = arena_dup(req, record->type);
		record->body = arena_dup(req, record->body);
		/* The walk steps over a hole at the start of the log; that is not this record. */
		found = record->seq == seq ? FOUND : NOT_FOUND;
	}
out:
	walk_release(&walk);
	return found;
}
