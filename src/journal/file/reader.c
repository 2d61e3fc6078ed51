/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading goes through pread in large pieces, so that a damaged or missing block is an error that
 * can be told, not a signal as with mapped memory.
 */
#include "journal/file/reader.h"

#include <stdlib.h>

#include "journal/file/unread.h"

void reader_init(struct reader *reader, size_t chunk)
{
	*reader = (struct reader) { .chunk = chunk };
}

void reader_release(struct reader *reader)
{
	segment_unref(&reader->segment);
	free(reader->p);
	*reader = (struct reader) { 0 };
}

void reader_turn_to(struct reader *reader, struct segment *segment)
{
	struct segment *old = reader->segment;

	reader->segment = segment == NULL ? NULL : segment_ref(segment);
	segment_unref(&old);
	reader->n = 0;
}

bool reader_has(const struct reader *reader, uint64_t offset, size_t n)
{
	return offset >= reader->offset && offset + n <= reader->offset + reader->n;
}

static struct unread_place place_of(const struct segment *segment)
{
	return (struct unread_place) { segment->id, segment->epoch };
}

static void fill_hole(void *arg, uint64_t offset, char *p, size_t n)
{
	struct unread_place place = place_of(arg);

	unread_fill(&place, offset, p, n);
}

static bool load(struct reader *reader, size_t n, uint64_t offset, struct err *err)
{
	struct segment *s = reader->segment;

	return files_read(&s->files, s->fd, reader->p, n, offset, s->name, err) ||
	       files_read_around(&s->files, s->fd, reader->p, n, offset, s->name, fill_hole, s,
				 err);
}

const char *reader_bytes(struct reader *reader, uint64_t offset, size_t n, uint64_t limit,
			 struct err *err)
{
	size_t want = n > reader->chunk ? n : reader->chunk;

	if (reader_has(reader, offset, n)) {
		return reader->p + (offset - reader->offset);
	}
	ensure(offset + n <= limit);
	if (want > limit - offset) {
		want = (size_t)(limit - offset);
	}
	if (want > reader->cap) {
		reader->p = mem_resize(reader->p, want, 1);
		reader->cap = want;
	}
	reader->n = 0;
	if (!load(reader, want, offset, err)) {
		return NULL;
	}
	reader->offset = offset;
	reader->n = want;
	reader->loaded += want;
	return reader->p;
}

bool reader_crc(struct reader *reader, uint64_t offset, uint64_t end, uint32_t *crc,
		struct err *err)
{
	*crc = 0;
	while (offset < end) {
		size_t n = end - offset < reader->chunk ? (size_t)(end - offset) : reader->chunk;
		const char *p = reader_bytes(reader, offset, n, end, err);

		if (p == NULL) {
			return false;
		}
		*crc = crc32c(*crc, p, n);
		offset += n;
	}
	return true;
}

enum found reader_batch(struct reader *reader, uint64_t offset, uint64_t limit,
			struct batch_head *head, struct err *err)
{
	const struct segment *segment = reader->segment;
	const char *p;

	if (offset + BATCH_HEAD_BYTES > limit) {
		return NOT_FOUND;
	}
	p = reader_bytes(reader, offset, BATCH_HEAD_BYTES, limit, err);
	if (p == NULL) {
		return FAILED;
	}
	if (!batch_head_decode(p, &segment->id, segment->epoch, head) ||
	    head->length > limit - offset - BATCH_HEAD_BYTES) {
		return NOT_FOUND;
	}
	return FOUND;
}

enum found reader_record(struct reader *reader, uint64_t offset, uint64_t limit, const char **p,
			 size_t *size, struct err *err)
{
	if (offset + RECORD_HEAD_BYTES > limit) {
		return NOT_FOUND;
	}
	*p = reader_bytes(reader, offset, RECORD_HEAD_BYTES, limit, err);
	if (*p == NULL) {
		return FAILED;
	}
	*size = record_claims(*p);
	if (*size == 0 || *size > limit - offset) {
		return NOT_FOUND;
	}
	*p = reader_bytes(reader, offset, *size, limit, err);
	if (*p == NULL) {
		return FAILED;
	}
	return record_intact(*p, *size) ? FOUND : NOT_FOUND;
}

static bool note_unread(struct reader *reader, uint64_t offset, uint64_t limit, struct err *err)
{
	struct unread_place place = place_of(reader->segment);
	const char *p;

	if (offset % UNREAD_SECTOR_BYTES != 0 || offset + UNREAD_MARK_BYTES > limit) {
		return true;
	}
	p = reader_bytes(reader, offset, UNREAD_MARK_BYTES, limit, err);
	reader->met_unread = reader->met_unread || (p != NULL && unread_is(&place, offset, p));
	return p != NULL;
}

static enum found resync_here(struct reader *reader, uint64_t offset, uint64_t limit,
			      uint64_t seq_min, uint64_t seq_max, bool records, struct resync *at,
			      struct err *err)
{
	struct batch_head head;
	const char *p = NULL;
	size_t size;
	enum found found = reader_batch(reader, offset, limit, &head, err);

	if (found == FOUND && head.first_seq >= seq_min) {
		*at = (struct resync) { offset, true, head.first_seq };
		return FOUND;
	}
	if (found == FAILED || !records || offset + RECORD_HEAD_BYTES > limit) {
		return found == FAILED ? FAILED : NOT_FOUND;
	}
	p = reader_bytes(reader, offset, RECORD_HEAD_BYTES, limit, err);
	if (p == NULL) {
		return FAILED;
	}
	if (record_seq(p) < seq_min || record_seq(p) > seq_max) {
		return NOT_FOUND;
	}
	found = reader_record(reader, offset, limit, &p, &size, err);
	if (found == FOUND) {
		*at = (struct resync) { offset, false, record_seq(p) };
	}
	return found;
}

enum found reader_resync(struct reader *reader, uint64_t offset, uint64_t limit, uint64_t seq_min,
			 uint64_t seq_max, bool records, struct resync *at, struct err *err)
{
	for (offset = (offset + 7) & ~(uint64_t)7; offset + BATCH_HEAD_BYTES <= limit;
	     offset += 8) {
		enum found found;
		const char *p = reader_bytes(reader, offset, 8, limit, err);
		uint64_t word;

		if (p == NULL) {
			return FAILED;
		}
		memcpy(&word, p, 8);
		if (word == 0) { /* most of a segment's tail; nothing valid begins so */
			continue;
		}
		if (unread_may_be(word) && !note_unread(reader, offset, limit, err)) {
			return FAILED;
		}
		found = resync_here(reader, offset, limit, seq_min, seq_max, records, at, err);
		if (found != NOT_FOUND) {
			return found;
		}
	}
	return NOT_FOUND;
}
