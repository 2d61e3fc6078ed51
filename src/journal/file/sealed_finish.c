/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands behind the blocks: the map of numbers, the keys, the filter of projects, the index.
 */
#include <stdlib.h>

#include "journal/file/bloom.h"
#include "journal/file/sealed_write.h"

#define FILTER_LINES_MAX 1024 /* 49,152 projects; more of them make it less sharp */

static bool begin(struct sealed_writer *w, struct sealed_place *place)
{
	place->offset = sealed_out_at(&w->out);
	return true;
}

static bool end(struct sealed_writer *w, struct sealed_place *place)
{
	place->bytes = sealed_out_at(&w->out) - place->offset;
	return true;
}

static int compare_spots(const void *a, const void *b)
{
	const struct sealed_spot *x = a, *y = b;

	return x->seq == y->seq ? 0 : x->seq < y->seq ? -1 : 1;
}

/* *chunks is of the caller. */
static bool put_map(struct sealed_writer *w, struct sealed_chunk **chunks, size_t *chunks_n,
		    struct err *err)
{
	size_t cap = 0;

	if (w->spots_n > 0) {
		qsort(w->spots, w->spots_n, sizeof(*w->spots), compare_spots);
	}
	for (size_t at = 0, next; at < w->spots_n; at = next) {
		uint64_t number = w->spots[at].seq / SEALED_CHUNK_SEQS;

		for (next = at;
		     next < w->spots_n && w->spots[next].seq / SEALED_CHUNK_SEQS == number;
		     next++) {
		}
		buf_cut(&w->packed, 0);
		sealed_chunk_put(&w->packed, w->spots + at, next - at);
		if (*chunks_n == cap) {
			cap = cap * 2 + 64;
			*chunks = mem_resize(*chunks, cap, sizeof(**chunks));
		}
		(*chunks)[(*chunks_n)++] = (struct sealed_chunk) { .number = number,
								   .bytes = (uint32_t)w->packed.n };
		if (!sealed_out_put(&w->out, w->packed.p, w->packed.n, err)) {
			return false;
		}
	}
	return true;
}

static int compare_keys(const void *a, const void *b)
{
	const struct key_entry *x = a, *y = b;

	if (x->hash != y->hash) {
		return x->hash < y->hash ? -1 : 1;
	}
	return x->seq == y->seq ? 0 : x->seq < y->seq ? -1 : 1;
}

struct feed {
	const struct sealed_writer *w;
	size_t at;
};

static bool feed_rewind(void *arg, struct err *err UNUSED)
{
	struct feed *feed = arg;

	feed->at = 0;
	return true;
}

static enum found feed_next(void *arg, struct key_entry *entry, struct err *err UNUSED)
{
	struct feed *feed = arg;

	if (feed->at == feed->w->keys_n) {
		return NOT_FOUND;
	}
	*entry = feed->w->keys[feed->at++];
	return FOUND;
}

static bool sink_put(void *arg, const void *p, size_t n, struct err *err)
{
	struct sealed_writer *w = arg;

	return sealed_out_put(&w->out, p, n, err);
}

static bool put_keys(struct sealed_writer *w, struct err *err)
{
	struct feed feed = { .w = w };
	struct key_feed from = { feed_rewind, feed_next, &feed };
	struct key_sink to = { sink_put, w };
	uint64_t bytes;

	if (w->keys_n > 0) {
		qsort(w->keys, w->keys_n, sizeof(*w->keys), compare_keys);
	}
	w->footer.info.keys = w->keys_n;
	return key_table_write(&from, w->keys_n, w->footer.info.first_seq, &to, &bytes, err);
}

static bool put_filter(struct sealed_writer *w, struct err *err)
{
	size_t n = index_builder_projects(&w->index);
	uint64_t lines = bloom_lines(n);
	uint64_t *hashes;
	unsigned char *bytes;
	bool ok;

	lines = lines > FILTER_LINES_MAX ? FILTER_LINES_MAX : lines;
	hashes = index_builder_hashes(&w->index, &w->hash);
	bytes = mem_alloc((size_t)lines, BLOOM_LINE_BYTES);
	for (size_t i = 0; i < n; i++) {
		bloom_add(bytes + bloom_line(hashes[i], lines) * BLOOM_LINE_BYTES, hashes[i]);
	}
	for (uint64_t i = 0; i < lines; i++) {
		bloom_seal(bytes + i * BLOOM_LINE_BYTES, i);
	}
	ok = sealed_out_put(&w->out, bytes, (size_t)lines * BLOOM_LINE_BYTES, err);
	free(hashes);
	free(bytes);
	return ok;
}

static bool put_index(struct sealed_writer *w, const struct sealed_chunk *chunks, size_t chunks_n,
		      struct err *err)
{
	struct buf raw;
	bool ok;

	buf_init(&raw, SIZE_MAX / 2);
	index_builder_pack(&w->index, chunks, chunks_n, &raw);
	if (raw.n > SEALED_INDEX_BYTES_MAX) {
		ok = err_set(err, ERR_TOO_LARGE, "the index of \"%s\" would be too large",
			     w->out.name);
	} else {
		buf_cut(&w->packed, 0);
		sealed_frame_put(&w->packed, buf_slice(&raw), w->footer.info.epoch);
		ok = sealed_out_put(&w->out, w->packed.p, w->packed.n, err);
	}
	buf_release(&raw);
	return ok;
}

bool sealed_writer_end(struct sealed_writer *w, struct sealed_info *info, struct err *err)
{
	struct sealed_footer *f = &w->footer;
	struct sealed_chunk *chunks = NULL;
	size_t chunks_n = 0;
	bool ok;

	f->info.projects = index_builder_projects(&w->index);
	ok = begin(w, &f->map) && put_map(w, &chunks, &chunks_n, err) && end(w, &f->map);
	if (w->spots_n > 0) { /* sorted now */
		f->info.first_seq = f->info.first_seq == 0 ? w->spots[0].seq : f->info.first_seq;
		f->info.last_seq = f->info.last_seq == 0 ? w->spots[w->spots_n - 1].seq
							 : f->info.last_seq;
	}
	ensure(f->info.first_seq > 0);
	ok = ok && begin(w, &f->keys) && put_keys(w, err) && end(w, &f->keys) &&
	     begin(w, &f->filter) && put_filter(w, err) && end(w, &f->filter) &&
	     begin(w, &f->index) && put_index(w, chunks, chunks_n, err) && end(w, &f->index) &&
	     sealed_out_commit(&w->out, f, err);
	free(chunks);
	if (ok && info != NULL) {
		*info = f->info;
	}
	return ok;
}
