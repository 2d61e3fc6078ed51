/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a table of keys: one pass over sorted entries for the filter, one for the buckets. Both
 * fill from the first to the last, so nothing but the directory is held in memory, and the work
 * can stop anywhere and go on later.
 */
#include "journal/file/key_table.h"

#include <stdlib.h>

#include "base/hash.h"
#include "journal/file/bloom.h"
#include "journal/file/pack.h"

enum phase { FILTER, BUCKETS };

struct key_writer {
	struct key_feed feed;
	struct key_sink sink;
	enum phase phase;
	bool begun; /* this phase */
	uint64_t put;
	uint64_t lines;
	uint64_t buckets;
	uint64_t at; /* the line or bucket being filled */
	unsigned char line[BLOOM_LINE_BYTES];
	uint64_t last; /* hash in the bucket */
	uint64_t entries;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t packed_bytes;
	struct buf bucket;
	struct buf directory;
};

struct key_writer *key_writer_new(const struct key_feed *feed, const struct key_sink *sink,
				  uint64_t entries_max, uint64_t first_seq)
{
	struct key_writer *w = mem_alloc(1, sizeof(*w));

	w->feed = *feed;
	w->sink = *sink;
	w->lines = bloom_lines(entries_max);
	w->buckets = entries_max / KEY_TABLE_BUCKET_ENTRIES + 1;
	w->first_seq = w->last_seq = first_seq;
	buf_init(&w->bucket, SIZE_MAX / 2);
	buf_init(&w->directory, SIZE_MAX / 2);
	return w;
}

void key_writer_free(struct key_writer **writer)
{
	struct key_writer *w = *writer;

	*writer = NULL;
	if (w != NULL) {
		buf_release(&w->bucket);
		buf_release(&w->directory);
		free(w);
	}
}

uint64_t key_writer_bytes(const struct key_writer *w)
{
	return w->put;
}

static bool put(struct key_writer *w, const void *p, size_t n, struct err *err)
{
	w->put += n;
	return n == 0 || w->sink.put(w->sink.arg, p, n, err);
}

/* Lines fill in order: put those that no later entry can touch. */
static bool put_lines(struct key_writer *w, uint64_t until, struct err *err)
{
	for (; w->at < until; w->at++) {
		bloom_seal(w->line, w->at);
		if (!put(w, w->line, BLOOM_LINE_BYTES, err)) {
			return false;
		}
		memset(w->line, 0, BLOOM_LINE_BYTES);
	}
	return true;
}

static bool put_buckets(struct key_writer *w, uint64_t until, struct err *err)
{
	for (; w->at < until; w->at++) {
		char place[KEY_TABLE_PLACE_BYTES];

		le_put64(place, w->packed_bytes);
		le_put32(place + 8, (uint32_t)w->bucket.n);
		le_put32(place + 12, key_bucket_sum(w->at, w->bucket.p, w->bucket.n));
		buf_put(&w->directory, place, sizeof(place));
		w->packed_bytes += w->bucket.n;
		if (!put(w, w->bucket.p, w->bucket.n, err)) {
			return false;
		}
		buf_cut(&w->bucket, 0);
	}
	return true;
}

static bool add_to_filter(struct key_writer *w, uint64_t hash, struct err *err)
{
	if (!put_lines(w, bloom_line(hash, w->lines), err)) {
		return false;
	}
	bloom_add(w->line, hash);
	return true;
}

static bool add_to_bucket(struct key_writer *w, uint64_t hash, uint64_t seq, struct err *err)
{
	if (!put_buckets(w, key_bucket_of(hash, w->buckets), err)) {
		return false;
	}
	w->last = w->bucket.n == 0 ? 0 : w->last;
	ensure(hash >= w->last && seq >= w->first_seq);
	pack_u64(&w->bucket, (hash - w->last) >> KEY_TABLE_HASH_LOW_BITS);
	pack_u64(&w->bucket, seq - w->first_seq);
	w->last = hash;
	w->entries++;
	w->last_seq = seq > w->last_seq ? seq : w->last_seq;
	return true;
}

static bool put_tail(struct key_writer *w, struct err *err)
{
	char tail[KEY_TABLE_TAIL_BYTES];

	memcpy(tail, KEY_TABLE_MAGIC, 8);
	le_put32(tail + 8, KEY_TABLE_VERSION);
	le_put64(tail + 16, w->entries);
	le_put64(tail + 24, w->lines);
	le_put64(tail + 32, w->buckets);
	le_put64(tail + 40, w->packed_bytes);
	le_put64(tail + 48, w->first_seq);
	le_put64(tail + 56, w->last_seq);
	le_put32(tail + 12, crc32c(0, tail + 16, sizeof(tail) - 16));
	return put(w, tail, sizeof(tail), err);
}

/* The feed is at its end. */
static enum found end_phase(struct key_writer *w, struct err *err)
{
	if (w->phase == BUCKETS) {
		return put_buckets(w, w->buckets, err) &&
				       put(w, w->directory.p, w->directory.n, err) &&
				       put_tail(w, err)
			       ? NOT_FOUND
			       : FAILED;
	}
	if (!put_lines(w, w->lines, err)) {
		return FAILED;
	}
	w->phase = BUCKETS;
	w->begun = false;
	w->at = 0;
	return FOUND;
}

enum found key_writer_step(struct key_writer *w, uint64_t entries, struct err *err)
{
	struct key_entry entry = { 0 };

	if (!w->begun && !w->feed.rewind(w->feed.arg, err)) {
		return FAILED;
	}
	w->begun = true;
	for (uint64_t i = 0; i < entries; i++) {
		enum found found = w->feed.next(w->feed.arg, &entry, err);
		uint64_t hash = key_kept(entry.hash);

		if (found != FOUND) {
			return found == FAILED ? FAILED : end_phase(w, err);
		}
		if (w->phase == FILTER ? !add_to_filter(w, hash, err)
				       : !add_to_bucket(w, hash, entry.seq, err)) {
			return FAILED;
		}
	}
	return FOUND;
}

bool key_table_write(const struct key_feed *feed, uint64_t entries_max, uint64_t first_seq,
		     const struct key_sink *sink, uint64_t *bytes, struct err *err)
{
	struct key_writer *w = key_writer_new(feed, sink, entries_max, first_seq);
	enum found found;

	do {
		found = key_writer_step(w, UINT64_MAX, err);
	} while (found == FOUND);
	*bytes = w->put;
	key_writer_free(&w);
	return found == NOT_FOUND;
}
