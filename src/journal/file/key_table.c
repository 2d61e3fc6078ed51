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

#define ENTRY_BYTES_MIN 2
#define TABLE_BYTES_MAX (UINT64_C(1) << 40)
#define BUCKET_BYTES 4096 /* most buckets, without asking for memory */

uint64_t key_bucket_of(uint64_t hash, uint64_t buckets)
{
	return (uint64_t)((unsigned __int128)hash * buckets >> 64);
}

/* The number of the bucket is in its checksum, so that one cannot pass for another. */
uint32_t key_bucket_sum(uint64_t bucket, const void *p, size_t n)
{
	char number[8];

	le_put64(number, bucket);
	return crc32c(crc32c(0, number, sizeof(number)), p, n);
}

static bool corrupt(const struct key_table *table, const char *what, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "%s: the %s of the key table is damaged",
		       table->source.name, what);
}

/* The sizes are bounded by those of the table, which really is that large. */
static bool tail_decode(const unsigned char *p, struct key_table *table)
{
	if (memcmp(p, KEY_TABLE_MAGIC, 8) != 0 || le_get32(p + 8) != KEY_TABLE_VERSION ||
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
	       table->buckets > 0 && table->buckets <= table->bytes / KEY_TABLE_PLACE_BYTES &&
	       table->packed_bytes <= table->bytes &&
	       table->entries <= table->packed_bytes / ENTRY_BYTES_MIN &&
	       table->bytes == table->lines * BLOOM_LINE_BYTES + table->packed_bytes +
				       table->buckets * KEY_TABLE_PLACE_BYTES +
				       KEY_TABLE_TAIL_BYTES;
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

static uint64_t directory_at(const struct key_table *table)
{
	return table->lines * BLOOM_LINE_BYTES + table->packed_bytes;
}

/* Where a bucket is, what it takes, its checksum. */
struct place {
	uint64_t offset; /* in the buckets */
	size_t n;
	uint32_t sum;
};

static bool find_place(const struct key_table *table, uint64_t bucket, bool mend,
		       struct place *place, struct err *err)
{
	const struct key_source *source = &table->source;
	uint64_t at = bucket * KEY_TABLE_PLACE_BYTES;
	char bytes[KEY_TABLE_PLACE_BYTES];

	if (!source->read(source->arg, directory_at(table) + at, bytes, sizeof(bytes), mend, err)) {
		return false;
	}
	*place = (struct place) { le_get64(bytes), le_get32(bytes + 8), le_get32(bytes + 12) };
	return (place->offset <= table->packed_bytes &&
		place->n <= table->packed_bytes - place->offset) ||
	       corrupt(table, "directory", err);
}

/* The bytes of a bucket: in local when they fit, else of the caller. */
static char *try_bucket(const struct key_table *table, uint64_t bucket, bool mend, char *local,
			size_t *n, struct err *err)
{
	const struct key_source *source = &table->source;
	struct place place;
	char *p = local;

	if (!find_place(table, bucket, mend, &place, err)) {
		return NULL;
	}
	*n = place.n;
	if (place.n > BUCKET_BYTES) {
		p = mem_resize(NULL, place.n, 1);
	}
	if (source->read(source->arg, table->lines * BLOOM_LINE_BYTES + place.offset, p, place.n,
			 mend, err)) {
		if (key_bucket_sum(bucket, p, place.n) == place.sum) {
			return p;
		}
		corrupt(table, "bucket", err);
	}
	if (p != local) {
		free(p);
	}
	return NULL;
}

static char *read_bucket(const struct key_table *table, uint64_t bucket, char *local, size_t *n,
			 struct err *err)
{
	char *p = try_bucket(table, bucket, false, local, n, err);

	return p != NULL ? p : try_bucket(table, bucket, true, local, n, err);
}

static void unpack_entry(const struct key_table *table, struct unpack *u, struct key_entry *entry)
{
	entry->hash += unpack_u64(u) << KEY_TABLE_HASH_LOW_BITS;
	entry->seq = table->first_seq + unpack_u64(u);
}

static bool find_in_bucket(const struct key_table *table, struct unpack u, uint64_t hash,
			   uint64_t *seqs, size_t seqs_max, size_t *n, struct err *err)
{
	struct key_entry entry = { 0 };

	while (u.n > 0) {
		unpack_entry(table, &u, &entry);
		if (u.bad) {
			return corrupt(table, "bucket", err);
		}
		if (entry.hash > hash) {
			return true;
		}
		if (entry.hash < hash) {
			continue;
		}
		if (*n == seqs_max) {
			memmove(seqs, seqs + 1, (seqs_max - 1) * sizeof(*seqs));
			--*n;
		}
		seqs[(*n)++] = entry.seq;
	}
	return true;
}

bool key_table_find(const struct key_table *table, uint64_t hash, uint64_t *seqs, size_t seqs_max,
		    size_t *n, struct err *err)
{
	unsigned char line[BLOOM_LINE_BYTES];
	char local[BUCKET_BYTES];
	size_t bytes = 0;
	char *p;
	bool ok;

	ensure(seqs_max > 0);
	hash = key_kept(hash);
	*n = 0;
	if (!read_line(table, bloom_line(hash, table->lines), line, err)) {
		return false;
	}
	if (!bloom_has(line, hash)) {
		return true;
	}
	p = read_bucket(table, key_bucket_of(hash, table->buckets), local, &bytes, err);
	if (p == NULL) {
		return false;
	}
	ok = find_in_bucket(table, (struct unpack) { .p = (const unsigned char *)p, .n = bytes },
			    hash, seqs, seqs_max, n, err);
	if (p != local) {
		free(p);
	}
	return ok;
}

void key_walk_init(struct key_walk *walk, const struct key_table *table)
{
	*walk = (struct key_walk) { .table = table };
}

void key_walk_seek(struct key_walk *walk, uint64_t hash)
{
	walk->bucket = key_bucket_of(hash, walk->table->buckets);
	walk->at = walk->n = 0;
}

void key_walk_release(struct key_walk *walk)
{
	free(walk->entries);
	walk->entries = NULL;
	walk->cap = 0;
}

/* The entries of the next bucket. */
static bool walk_on(struct key_walk *walk, struct err *err)
{
	char local[BUCKET_BYTES];
	size_t bytes = 0;
	char *p = read_bucket(walk->table, walk->bucket, local, &bytes, err);
	struct unpack u = { .p = (const unsigned char *)p, .n = bytes };
	struct key_entry entry = { 0 };

	if (p == NULL) {
		return false;
	}
	walk->bucket++;
	if (bytes / ENTRY_BYTES_MIN + 1 > walk->cap) {
		walk->cap = bytes / ENTRY_BYTES_MIN + 1;
		walk->entries = mem_resize(walk->entries, walk->cap, sizeof(*walk->entries));
	}
	while (u.n > 0 && !u.bad) {
		unpack_entry(walk->table, &u, &entry);
		walk->entries[walk->n++] = entry;
	}
	if (p != local) {
		free(p);
	}
	return !u.bad || corrupt(walk->table, "bucket", err);
}

enum found key_walk_next(struct key_walk *walk, struct key_entry *entry, struct err *err)
{
	while (walk->at == walk->n) {
		if (walk->bucket == walk->table->buckets) {
			return NOT_FOUND;
		}
		walk->at = walk->n = 0;
		if (!walk_on(walk, err)) {
			walk->n = 0;
			return FAILED;
		}
	}
	*entry = walk->entries[walk->at++];
	return FOUND;
}
