/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the Bloom filter, buckets of packed entries, a directory of the buckets, a tail. Lines
 * and buckets are chosen by the high bits of the hash, so that sorted entries fill both from the
 * first to the last, and a look-up computes where to read instead of searching.
 */
#include "journal/file/key_table.h"

#include <stdlib.h>

#include "base/hash.h"
#include "journal/file/bloom.h"
#include "journal/file/pack.h"

#define MAGIC "tocsin\nK"
#define VERSION 1
#define HASH_LOW_BITS 24
#define BUCKET_ENTRIES 256
#define PLACE_BYTES 16 /* of a bucket: offset, bytes, checksum */
#define ENTRY_BYTES_MIN 2
#define TABLE_BYTES_MAX (UINT64_C(1) << 40)

static uint64_t kept(uint64_t hash)
{
	return hash >> HASH_LOW_BITS << HASH_LOW_BITS;
}

static uint64_t bucket_of(uint64_t hash, uint64_t buckets)
{
	return (uint64_t)((unsigned __int128)hash * buckets >> 64);
}

/* The number of the bucket is in its checksum, so that one cannot pass for another. */
static uint32_t bucket_sum(uint64_t bucket, const void *p, size_t n)
{
	char number[8];

	le_put64(number, bucket);
	return crc32c(crc32c(0, number, sizeof(number)), p, n);
}

struct table_writer {
	const struct key_feed *feed;
	const struct key_sink *sink;
	uint64_t put;
	uint64_t lines;
	uint64_t buckets;
	uint64_t entries;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t packed_bytes;
	struct buf bucket;
	struct buf directory;
};

static bool put(struct table_writer *w, const void *p, size_t n, struct err *err)
{
	w->put += n;
	return n == 0 || w->sink->put(w->sink->arg, p, n, err);
}

/* Lines fill in order: put those that no later entry can touch. */
static bool put_lines(struct table_writer *w, uint64_t *at, uint64_t until, unsigned char *line,
		      struct err *err)
{
	for (; *at < until; ++*at) {
		bloom_seal(line, *at);
		if (!put(w, line, BLOOM_LINE_BYTES, err)) {
			return false;
		}
		memset(line, 0, BLOOM_LINE_BYTES);
	}
	return true;
}

static bool write_filter(struct table_writer *w, struct err *err)
{
	unsigned char line[BLOOM_LINE_BYTES] = { 0 };
	struct key_entry entry;
	uint64_t at = 0;
	enum found found;

	if (!w->feed->rewind(w->feed->arg, err)) {
		return false;
	}
	while ((found = w->feed->next(w->feed->arg, &entry, err)) == FOUND) {
		uint64_t hash = kept(entry.hash);

		if (!put_lines(w, &at, bloom_line(hash, w->lines), line, err)) {
			return false;
		}
		bloom_add(line, hash);
	}
	return found == NOT_FOUND && put_lines(w, &at, w->lines, line, err);
}

static bool put_buckets(struct table_writer *w, uint64_t *at, uint64_t until, struct err *err)
{
	for (; *at < until; ++*at) {
		char place[PLACE_BYTES];

		le_put64(place, w->packed_bytes);
		le_put32(place + 8, (uint32_t)w->bucket.n);
		le_put32(place + 12, bucket_sum(*at, w->bucket.p, w->bucket.n));
		buf_put(&w->directory, place, sizeof(place));
		w->packed_bytes += w->bucket.n;
		if (!put(w, w->bucket.p, w->bucket.n, err)) {
			return false;
		}
		buf_cut(&w->bucket, 0);
	}
	return true;
}

static bool write_buckets(struct table_writer *w, struct err *err)
{
	struct key_entry entry;
	uint64_t at = 0, last = 0;
	enum found found;

	if (!w->feed->rewind(w->feed->arg, err)) {
		return false;
	}
	while ((found = w->feed->next(w->feed->arg, &entry, err)) == FOUND) {
		uint64_t hash = kept(entry.hash);

		if (!put_buckets(w, &at, bucket_of(hash, w->buckets), err)) {
			return false;
		}
		last = w->bucket.n == 0 ? 0 : last;
		ensure(hash >= last && entry.seq >= w->first_seq);
		pack_u64(&w->bucket, (hash - last) >> HASH_LOW_BITS);
		pack_u64(&w->bucket, entry.seq - w->first_seq);
		last = hash;
		w->entries++;
		w->last_seq = entry.seq > w->last_seq ? entry.seq : w->last_seq;
	}
	return found == NOT_FOUND && put_buckets(w, &at, w->buckets, err);
}

static bool write_tail(struct table_writer *w, struct err *err)
{
	char tail[KEY_TABLE_TAIL_BYTES];

	memcpy(tail, MAGIC, 8);
	le_put32(tail + 8, VERSION);
	le_put64(tail + 16, w->entries);
	le_put64(tail + 24, w->lines);
	le_put64(tail + 32, w->buckets);
	le_put64(tail + 40, w->packed_bytes);
	le_put64(tail + 48, w->first_seq);
	le_put64(tail + 56, w->last_seq);
	le_put32(tail + 12, crc32c(0, tail + 16, sizeof(tail) - 16));
	return put(w, tail, sizeof(tail), err);
}

bool key_table_write(const struct key_feed *feed, uint64_t entries_max, uint64_t first_seq,
		     const struct key_sink *sink, uint64_t *bytes, struct err *err)
{
	struct table_writer w = {
		.feed = feed,
		.sink = sink,
		.lines = bloom_lines(entries_max),
		.buckets = entries_max / BUCKET_ENTRIES + 1,
		.first_seq = first_seq,
		.last_seq = first_seq,
	};
	bool ok;

	buf_init(&w.bucket, SIZE_MAX / 2);
	buf_init(&w.directory, SIZE_MAX / 2);
	ok = write_filter(&w, err) && write_buckets(&w, err) &&
	     put(&w, w.directory.p, w.directory.n, err) && write_tail(&w, err);
	*bytes = w.put;
	buf_release(&w.bucket);
	buf_release(&w.directory);
	return ok;
}

static bool corrupt(const struct key_table *table, const char *what, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "%s: the %s of the key table is damaged",
		       table->source.name, what);
}

/* The sizes are bounded by those of the table, which really is that large. */
static bool tail_decode(const unsigned char *p, struct key_table *table)
{
	if (memcmp(p, MAGIC, 8) != 0 || le_get32(p + 8) != VERSION ||
	    le_get32(p + 12) != crc32c(0, p + 16, KEY_TABLE_TAIL_BYTES - 16)) {
		return false;
	}
	table->entries = le_get64(p + 16);
	table->lines = le_get64(p + 24);
	table->buckets = le_get64(p + 32);
	table->packed_bytes = le_get64(p + 40);
	table->first_seq = le_get64(p + 48);
	table->last_seq = le_get64(p + 56);
	return table->lines > 0 && table->lines <= table->bytes / BLOOM_LINE_BYTES &&
	       table->buckets > 0 && table->buckets <= table->bytes / PLACE_BYTES &&
	       table->packed_bytes <= table->bytes &&
	       table->entries <= table->packed_bytes / ENTRY_BYTES_MIN &&
	       table->bytes == table->lines * BLOOM_LINE_BYTES + table->packed_bytes +
				       table->buckets * PLACE_BYTES + KEY_TABLE_TAIL_BYTES;
}

bool key_table_open(const struct key_source *source, uint64_t bytes, struct key_table *table,
		    struct err *err)
{
	unsigned char tail[KEY_TABLE_TAIL_BYTES];

	*table = (struct key_table) { .source = *source, .bytes = bytes };
	if (bytes < sizeof(tail) || bytes > TABLE_BYTES_MAX) {
		return corrupt(table, "size", err);
	}
	for (int mend = 0; mend < 2; mend++) {
		if (source->read(source->arg, bytes - sizeof(tail), tail, sizeof(tail), mend == 1,
				 err)) {
			if (tail_decode(tail, table)) {
				return true;
			}
			corrupt(table, "tail", err);
		}
	}
	return false;
}

static bool read_line(const struct key_table *table, uint64_t at, unsigned char *line,
		      struct err *err)
{
	const struct key_source *source = &table->source;

	for (int mend = 0; mend < 2; mend++) {
		if (source->read(source->arg, at * BLOOM_LINE_BYTES, line, BLOOM_LINE_BYTES,
				 mend == 1, err)) {
			if (bloom_intact(line, at)) {
				return true;
			}
			corrupt(table, "filter", err);
		}
	}
	return false;
}

/* The bytes of a bucket, of the caller, or NULL. A place that is damaged shows in the checksum. */
static char *try_bucket(const struct key_table *table, uint64_t bucket, bool mend, size_t *n,
			struct err *err)
{
	const struct key_source *source = &table->source;
	uint64_t base = table->lines * BLOOM_LINE_BYTES;
	char place[PLACE_BYTES];
	uint64_t offset;
	char *p;

	if (!source->read(source->arg, base + table->packed_bytes + bucket * PLACE_BYTES, place,
			  sizeof(place), mend, err)) {
		return NULL;
	}
	offset = le_get64(place);
	*n = le_get32(place + 8);
	if (offset > table->packed_bytes || *n > table->packed_bytes - offset) {
		corrupt(table, "directory", err);
		return NULL;
	}
	p = mem_resize(NULL, *n, 1);
	if (source->read(source->arg, base + offset, p, *n, mend, err)) {
		if (bucket_sum(bucket, p, *n) == le_get32(place + 12)) {
			return p;
		}
		corrupt(table, "bucket", err);
	}
	free(p);
	return NULL;
}

/* Entries of a bucket, of the caller; NULL on failure. */
static struct key_entry *read_bucket(const struct key_table *table, uint64_t bucket, size_t *n,
				     struct err *err)
{
	size_t bytes = 0;
	char *p = try_bucket(table, bucket, false, &bytes, err);
	struct key_entry *entries;
	struct unpack u;
	uint64_t hash = 0;

	if (p == NULL) {
		p = try_bucket(table, bucket, true, &bytes, err);
	}
	if (p == NULL) {
		return NULL;
	}
	entries = mem_alloc(bytes / ENTRY_BYTES_MIN + 1, sizeof(*entries));
	u = (struct unpack) { .p = (const unsigned char *)p, .n = bytes };
	for (*n = 0; u.n > 0 && !u.bad; ++*n) {
		hash += unpack_u64(&u) << HASH_LOW_BITS;
		entries[*n].hash = hash;
		entries[*n].seq = table->first_seq + unpack_u64(&u);
	}
	free(p);
	if (u.bad) {
		free(entries);
		corrupt(table, "bucket", err);
		return NULL;
	}
	return entries;
}

bool key_table_find(const struct key_table *table, uint64_t hash, uint64_t *seqs, size_t seqs_max,
		    size_t *n, struct err *err)
{
	unsigned char line[BLOOM_LINE_BYTES];
	struct key_entry *entries;
	size_t entries_n = 0, first;

	ensure(seqs_max > 0);
	hash = kept(hash);
	*n = 0;
	if (!read_line(table, bloom_line(hash, table->lines), line, err)) {
		return false;
	}
	if (!bloom_has(line, hash)) {
		return true;
	}
	entries = read_bucket(table, bucket_of(hash, table->buckets), &entries_n, err);
	if (entries == NULL) {
		return false;
	}
	for (first = 0; first < entries_n && entries[first].hash < hash; first++) {
	}
	for (size_t i = first; i < entries_n && entries[i].hash == hash; i++) {
		if (*n == seqs_max) {
			memmove(seqs, seqs + 1, (seqs_max - 1) * sizeof(*seqs));
			--*n;
		}
		seqs[(*n)++] = entries[i].seq;
	}
	free(entries);
	return true;
}

void key_walk_init(struct key_walk *walk, const struct key_table *table)
{
	*walk = (struct key_walk) { .table = table };
}

void key_walk_release(struct key_walk *walk)
{
	free(walk->entries);
	walk->entries = NULL;
}

enum found key_walk_next(struct key_walk *walk, struct key_entry *entry, struct err *err)
{
	while (walk->at == walk->n) {
		if (walk->bucket == walk->table->buckets) {
			return NOT_FOUND;
		}
		key_walk_release(walk);
		walk->at = walk->n = 0;
		walk->entries = read_bucket(walk->table, walk->bucket, &walk->n, err);
		if (walk->entries == NULL) {
			walk->n = 0;
			return FAILED;
		}
		walk->bucket++;
	}
	*entry = walk->entries[walk->at++];
	return FOUND;
}
