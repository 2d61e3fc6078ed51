/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From records in order to blocks by project. Each project gathers until it fills a block. When
 * all together hold too much, the largest goes out; when even that one is small, all go, several
 * projects to a block: each project whole in one of them, so that a scan of it stays short.
 */
#include <stdlib.h>

#include "journal/file/format.h"
#include "journal/file/sealed_write.h"

#define BLOCK_BYTES_DEFAULT ((size_t)128 << 10)
#define BLOCK_BYTES_MAX ((size_t)1 << 20)
#define OPEN_BYTES_DEFAULT ((size_t)16 << 20)
#define LEVEL_DEFAULT 4

/* The open block of a project; the first two members are its key in the map. */
struct stream {
	struct org_id org;
	struct project_id project;
	struct buf bytes; /* records as in an unsealed segment */
	size_t n;
};

static struct slice key_of(const struct stream *p)
{
	return (struct slice) { .p = (const char *)p,
				.n = sizeof(struct org_id) + sizeof(struct project_id) };
}

/* A block of its own from an eighth of the usual size on. */
static bool small(const struct sealed_writer *w, const struct stream *s)
{
	return s->bytes.n < w->block_bytes / 8;
}

struct sealed_writer *sealed_writer_new(const struct sealed_options *o, struct err *err)
{
	struct sealed_writer *w = mem_alloc(1, sizeof(*w));
	size_t page_bytes = o->page_bytes == 0 ? SEALED_PAGE_BYTES : o->page_bytes;

	ensure(page_bytes >= SEALED_PAGE_BYTES_MIN && page_bytes <= SEALED_PAGE_BYTES &&
	       (page_bytes & (page_bytes - 1)) == 0 && o->block_bytes <= BLOCK_BYTES_MAX);
	w->footer.info = (struct sealed_info) {
		.id = o->id,
		.epoch = o->epoch,
		.created_at_us = o->created_at_us,
		.first_seq = o->first_seq,
		.last_seq = o->last_seq,
	};
	w->hash = o->hash;
	w->block_bytes = o->block_bytes == 0 ? BLOCK_BYTES_DEFAULT : o->block_bytes;
	w->open_bytes_max = o->open_bytes_max == 0 ? OPEN_BYTES_DEFAULT : o->open_bytes_max;
	block_packer_init(&w->packer, o->level == 0 ? LEVEL_DEFAULT : o->level, &o->hash);
	index_builder_init(&w->index);
	map_init(&w->streams);
	buf_init(&w->packed, SIZE_MAX / 2);
	if (!sealed_out_init(&w->out, &o->files, o->dir, o->epoch, page_bytes, err)) {
		sealed_writer_free(&w);
	}
	return w;
}

static void stream_free(struct sealed_writer *w, struct stream *s)
{
	map_del(&w->streams, key_of(s));
	w->open_bytes -= s->bytes.n;
	buf_release(&s->bytes);
	free(s);
}

void sealed_writer_free(struct sealed_writer **writer)
{
	struct sealed_writer *w = *writer;
	struct stream *s;
	size_t at = 0;

	if (w == NULL) {
		return;
	}
	while ((s = map_next(&w->streams, &at)) != NULL) {
		stream_free(w, s);
	}
	map_release(&w->streams);
	sealed_out_release(&w->out);
	block_packer_release(&w->packer);
	index_builder_release(&w->index);
	buf_release(&w->packed);
	free(w->spots);
	free(w->keys);
	free(w);
	*writer = NULL;
}

static void note_key(struct sealed_writer *w, const struct record *record)
{
	if (record->idempotency_key.n == 0) {
		return;
	}
	if (w->keys_n == w->keys_cap) {
		w->keys_cap = w->keys_cap * 2 + 256;
		w->keys = mem_resize(w->keys, w->keys_cap, sizeof(*w->keys));
	}
	w->keys[w->keys_n++] = (struct key_entry) {
		record_key_hash(&w->hash, record->org, record->idempotency_key), record->seq
	};
}

static void note(struct sealed_writer *w, const struct record *record, uint32_t block)
{
	struct sealed_info *info = &w->footer.info;

	if (w->spots_n == w->spots_cap) {
		w->spots_cap = w->spots_cap * 2 + 1024;
		w->spots = mem_resize(w->spots, w->spots_cap, sizeof(*w->spots));
	}
	w->spots[w->spots_n++] = (struct sealed_spot) { record->seq, block };
	if (info->records == 0 || record->received_at_us < info->first_us) {
		info->first_us = record->received_at_us;
	}
	if (info->records == 0 || record->received_at_us > info->last_us) {
		info->last_us = record->received_at_us;
	}
	info->records++;
	info->raw_bytes += record_size(record);
	info->body_bytes += record->body.n;
	note_key(w, record);
}

bool sealed_writer_put(struct sealed_writer *w, struct slice stored, uint32_t raw_bytes,
		       const struct record *records, size_t n, struct err *err)
{
	struct sealed_place place = { sealed_out_at(&w->out), stored.n };
	uint32_t number = index_builder_add(&w->index, records, n, &place, raw_bytes);

	for (size_t i = 0; i < n; i++) {
		note(w, &records[i], number);
	}
	w->footer.info.blocks++;
	return sealed_out_put(&w->out, stored.p, stored.n, err);
}

bool sealed_writer_pack(struct sealed_writer *w, const struct record *records, size_t n,
			struct err *err)
{
	buf_cut(&w->packed, 0);
	block_pack(&w->packer, records, n, &w->packed);
	return sealed_writer_put(w, buf_slice(&w->packed), (uint32_t)w->packer.raw.n, records, n,
				 err);
}

static size_t decode_all(const struct stream *s, struct record *out)
{
	size_t n = 0;

	for (size_t at = 0; at < s->bytes.n; at += record_size(&out[n++])) {
		record_decode(s->bytes.p + at, &out[n]);
	}
	return n;
}

static int compare_seqs(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->seq < y->seq ? -1 : 1;
}

/* One block of all records of these streams, which then are gone. */
static bool put_streams(struct sealed_writer *w, struct stream **streams, size_t n, struct err *err)
{
	struct record *records;
	size_t records_n = 0;
	bool ok;

	for (size_t i = 0; i < n; i++) {
		records_n += streams[i]->n;
	}
	records = mem_alloc(records_n, sizeof(*records));
	records_n = 0;
	for (size_t i = 0; i < n; i++) {
		records_n += decode_all(streams[i], records + records_n);
	}
	if (n > 1) {
		qsort(records, records_n, sizeof(*records), compare_seqs);
	}
	ok = sealed_writer_pack(w, records, records_n, err);
	free(records);
	for (size_t i = 0; i < n; i++) {
		stream_free(w, streams[i]);
	}
	return ok;
}

static int compare_streams(const void *a, const void *b)
{
	const struct stream *x = *(struct stream *const *)a, *y = *(struct stream *const *)b;

	if (x->org.v != y->org.v) {
		return x->org.v < y->org.v ? -1 : 1;
	}
	return x->project.v < y->project.v ? -1 : 1;
}

/* All open streams, sorted, so that the same records always make the same file. */
static struct stream **sorted_streams(const struct sealed_writer *w, size_t *n)
{
	struct stream **sorted = mem_alloc(w->streams.n, sizeof(struct stream *));
	struct stream *s;
	size_t at = 0;

	*n = 0;
	while ((s = map_next(&w->streams, &at)) != NULL) {
		sorted[(*n)++] = s;
	}
	qsort(sorted, *n, sizeof(struct stream *), compare_streams);
	return sorted;
}

/* Everything goes out: a block each for those that fill one, the others together. */
static bool put_all(struct sealed_writer *w, struct err *err)
{
	size_t n, gathered = 0, bytes = 0;
	struct stream **streams = sorted_streams(w, &n);
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		if (!small(w, streams[i])) {
			ok = put_streams(w, &streams[i], 1, err);
			continue;
		}
		bytes += streams[i]->bytes.n;
		streams[gathered++] = streams[i];
		if (bytes >= w->block_bytes) {
			ok = put_streams(w, streams, gathered, err);
			gathered = bytes = 0;
		}
	}
	ok = ok && (gathered == 0 || put_streams(w, streams, gathered, err));
	free(streams);
	return ok;
}

static bool make_room(struct sealed_writer *w, struct err *err)
{
	struct stream *largest = NULL;
	struct stream *s;
	size_t at = 0;

	while ((s = map_next(&w->streams, &at)) != NULL) {
		if (largest == NULL || s->bytes.n > largest->bytes.n ||
		    (s->bytes.n == largest->bytes.n && compare_streams(&s, &largest) < 0)) {
			largest = s;
		}
	}
	if (largest == NULL) {
		return true;
	}
	return small(w, largest) ? put_all(w, err) : put_streams(w, &largest, 1, err);
}

static struct stream *stream_of(struct sealed_writer *w, const struct record *record)
{
	struct stream probe = { .org = record->org, .project = record->project };
	struct stream *s = map_get(&w->streams, key_of(&probe));

	if (s == NULL) {
		s = mem_alloc(1, sizeof(*s));
		*s = probe;
		buf_init(&s->bytes, BLOCK_RAW_BYTES_MAX);
		map_put(&w->streams, key_of(s), s);
	}
	return s;
}

bool sealed_writer_add(struct sealed_writer *w, const struct record *record, struct err *err)
{
	struct stream *s = stream_of(w, record);
	size_t size = record_size(record);
	struct sealed_info *info = &w->footer.info;

	ensure(record->seq > w->last_seq && record->seq >= info->first_seq &&
	       (info->last_seq == 0 || record->seq <= info->last_seq));
	w->last_seq = record->seq;
	/* What is larger than a block gets its own, or the others would be slow to reach. */
	if (size > w->block_bytes && s->n > 0) {
		if (!put_streams(w, &s, 1, err)) {
			return false;
		}
		s = stream_of(w, record);
	}
	record_encode(record, buf_room(&s->bytes, size));
	s->bytes.n += size;
	s->n++;
	w->open_bytes += size;
	if (s->bytes.n >= w->block_bytes && !put_streams(w, &s, 1, err)) {
		return false;
	}
	while (w->open_bytes > w->open_bytes_max) {
		if (!make_room(w, err)) {
			return false;
		}
	}
	return true;
}

bool sealed_writer_commit(struct sealed_writer *w, struct sealed_info *info, struct err *err)
{
	return put_all(w, err) && sealed_writer_end(w, info, err);
}
