/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_KEY_TABLE_H
#define JOURNAL_FILE_KEY_TABLE_H

#include "base/buf.h"
#include "journal/file/file_ops.h"

/*
 * Which record numbers may hold an idempotency key: entries of (hash, number), sorted and packed,
 * behind a Bloom filter. A run of bytes that stands in a sealed segment or is a file of its own;
 * several are merged into a bigger one without holding any in memory. It keeps 40 bits of a hash
 * and proposes candidates: whoever asks compares with the record. A table that was opened may be
 * asked by any number of threads.
 */
#define KEY_TABLE_TAIL_BYTES 64

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
	size_t n;
	size_t at;
};
void key_walk_init(struct key_walk *walk, const struct key_table *table);
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
 * Write a table in two passes over the feed, which gives at most entries_max. first_seq: no number
 * is lower. Memory: 16 bytes per 256 entries. *bytes is what was put.
 */
NODISCARD bool key_table_write(const struct key_feed *feed, uint64_t entries_max,
			       uint64_t first_seq, const struct key_sink *sink, uint64_t *bytes,
			       struct err *err);
/* One table of all entries with numbers from floor_seq on. n at most KEY_TABLE_MERGE_MAX. */
#define KEY_TABLE_MERGE_MAX 64
NODISCARD bool key_table_merge(const struct key_table *const *tables, size_t n, uint64_t floor_seq,
			       const struct key_sink *sink, uint64_t *bytes, struct err *err);

/* A table as a file of its own. */
struct key_file {
	struct files files;
	int fd;
	char *name;
	struct key_table table;
};
/* Merge into dir/name, by way of dir/name.tmp: flushed and named, or not there at all. */
NODISCARD bool key_file_merge(const struct files *files, const char *dir, const char *name,
			      const struct key_table *const *tables, size_t n, uint64_t floor_seq,
			      struct err *err);
/* NULL with ERR_NOT_FOUND, ERR_CORRUPT or ERR_IO. */
struct key_file *key_file_open(const struct files *files, const char *dir, const char *name,
			       struct err *err);
/* NULL ok. */
void key_file_close(struct key_file **file);

#endif
