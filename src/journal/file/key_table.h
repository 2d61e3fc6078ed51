/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_KEY_TABLE_H
#define JOURNAL_FILE_KEY_TABLE_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Which record numbers may hold an idempotency key: entries of (hash, number), sorted and packed,
 * behind a Bloom filter. A run of bytes that stands in a sealed segment or in a file of its own. It
 * keeps 40 bits of a hash and proposes candidates: whoever asks compares with the record. A table
 * that was opened may be asked by any number of threads.
 */
#define KEY_TABLE_TAIL_BYTES 64
#define KEY_TABLE_HASH_LOW_BITS 24 /* not kept */
#define KEY_TABLE_BUCKET_ENTRIES 256
#define KEY_TABLE_PLACE_BYTES 16 /* of a bucket: offset, bytes, checksum */
#define KEY_TABLE_MAGIC "tocsin\nK"
#define KEY_TABLE_VERSION 1

struct key_entry {
	uint64_t hash; /* record_key_hash; the low 24 bits are not kept */
	uint64_t seq;
};

/* Where bytes of a table come from. offset counts from its first byte. */
struct key_source {
	/* mend: what you gave before does not match its checksum, give better if you can. */
	bool (*read)(void *arg, uint64_t offset, void *p, size_t n, bool mend, struct err *err);
	void *arg;
	const char *name; /* for errors; lives as long as the table */
};

struct key_table {
	struct key_source source;
	uint64_t bytes; /* all of it */
	uint64_t entries;
	uint64_t lines;
	uint64_t buckets;
	uint64_t packed_bytes; /* of the entries */
	uint64_t first_seq;    /* of any entry */
	uint64_t last_seq;
};
/* Read the tail of a table of this many bytes. ERR_CORRUPT, ERR_IO. */
NODISCARD bool key_table_open(const struct key_source *source, uint64_t bytes,
			      struct key_table *table, struct err *err);

/* As sealed_find_key says. A hash that is not there costs one read of 64 bytes, mostly. */
NODISCARD bool key_table_find(const struct key_table *table, uint64_t hash, uint64_t *seqs,
			      size_t seqs_max, size_t *n, struct err *err);

/* A walk over all entries in the order of (hash, number). */
struct key_walk {
	const struct key_table *table;
	uint64_t bucket; /* the next to read */
	struct key_entry *entries;
	size_t cap;
	size_t n;
	size_t at;
};
void key_walk_init(struct key_walk *walk, const struct key_table *table);
/* Go to the first entry of this hash or a higher one, or a little before. */
void key_walk_seek(struct key_walk *walk, uint64_t hash);
void key_walk_release(struct key_walk *walk);
enum found key_walk_next(struct key_walk *walk, struct key_entry *entry, struct err *err);

/* Entries in the order of (hash, number), and where the bytes of a table go, from first to last. */
struct key_feed {
	bool (*rewind)(void *arg, struct err *err); /* to the first; called before each pass */
	enum found (*next)(void *arg, struct key_entry *entry, struct err *err);
	void *arg;
};
struct key_sink {
	bool (*put)(void *arg, const void *p, size_t n, struct err *err);
	void *arg;
};
/*
 * Write a table in two passes over the feed, which gives about entries_max, a little at a time.
 * first_seq: no number is lower. Memory: 16 bytes per 256 entries.
 */
struct key_writer;
struct key_writer *key_writer_new(const struct key_feed *feed, const struct key_sink *sink,
				  uint64_t entries_max, uint64_t first_seq);
/*
 * At most this many entries further. FOUND: there is more to do. NOT_FOUND: all is put. FAILED: as
 * feed or sink say; there is no going on then.
 */
enum found key_writer_step(struct key_writer *writer, uint64_t entries, struct err *err);
/* Bytes that were put. */
uint64_t key_writer_bytes(const struct key_writer *writer);
/* NULL ok. */
void key_writer_free(struct key_writer **writer);
/* All of it at once. *bytes is what was put. */
NODISCARD bool key_table_write(const struct key_feed *feed, uint64_t entries_max,
			       uint64_t first_seq, const struct key_sink *sink, uint64_t *bytes,
			       struct err *err);
/* What the directory holds of a bucket. */
uint32_t key_bucket_sum(uint64_t bucket, const void *p, size_t n);
/* The bucket of a hash. */
uint64_t key_bucket_of(uint64_t hash, uint64_t buckets);
/* Of a hash what tables keep. */
static inline uint64_t key_kept(uint64_t hash)
{
	return hash >> KEY_TABLE_HASH_LOW_BITS << KEY_TABLE_HASH_LOW_BITS;
}

#endif
