/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_H
#define JOURNAL_FILE_SEALED_H

#include "journal/file/file_ops.h"
#include "journal/journal.h"

/*
 * A sealed segment: the records of a closed segment, rewritten once as "EPOCH.sealed", compressed
 * by project, with an index, and never changed again. It is seen as pages with checksums, and one
 * page of each group of up to SEALED_GROUP_PAGES can be computed from the others: a flipped bit, a
 * bad sector or a short burst anywhere in the file loses nothing. doc/journal-format.md has the
 * bytes.
 *
 * Numbers may have gaps, where records were damaged before sealing or purged since; readers step
 * over them. An open file may be read by any number of threads at once; a cursor or writer belongs
 * to one thread at a time. Everything here may block on the disk. What is read may be hostile.
 */
#define SEALED_NAME_BYTES 24
#define SEALED_GROUP_PAGES 32

/* "0000000000000001.sealed", and the ".tmp" it is written under; leftovers of those may go. */
void sealed_name(uint64_t epoch, char out[SEALED_NAME_BYTES]);
void sealed_tmp_name(uint64_t epoch, char out[SEALED_NAME_BYTES]);
/* The epoch in the name of a sealed file, or false when it is not one. */
NODISCARD bool sealed_epoch(const char *name, uint64_t *epoch);

/* What a file says of itself in its footer: always in memory. */
struct sealed_info {
	struct journal_id id;
	uint64_t epoch;
	int64_t created_at_us;
	uint64_t first_seq; /* the numbers it stands for, gaps at both ends included */
	uint64_t last_seq;
	uint64_t records;
	int64_t first_us; /* times of its records; 0 when there are none */
	int64_t last_us;
	uint64_t raw_bytes;  /* what its records take in an unsealed segment */
	uint64_t body_bytes; /* bodies alone */
	uint64_t blocks;
	uint64_t projects; /* pairs of org and project */
	uint64_t keys;	   /* idempotency keys */
	uint64_t file_bytes;
};

/* Which file, and how. Borrowed only while a function runs. Zero takes the default. */
struct sealed_options {
	struct files files;
	const char *dir;
	struct journal_id id;
	struct hash_key hash; /* the journal's: record.hash and idempotency keys */
	uint64_t epoch;
	/* Writing only. */
	uint64_t first_seq; /* default: those of the records given */
	uint64_t last_seq;
	int64_t created_at_us;
	int level;	       /* of zstd; default 4 */
	size_t block_bytes;    /* raw, about; default 128 KiB, at most 1 MiB */
	size_t open_bytes_max; /* records waiting for their block to fill; default 16 MiB */
	size_t page_bytes;     /* a power of two from 512 to the default, 64 KiB; for tests */
};

/*
 * Writing. One writer (or copy, or repair) of an epoch at a time: they share the temporary name.
 * Records come in the order of their numbers, as an iterator gives them, and their slices
 * are needed during the call alone. Memory: open_bytes_max, and about 24 bytes per record, 16 per
 * idempotency key and 100 per project.
 */
struct sealed_writer;
/* Begin the temporary file. NULL with ERR_IO or ERR_DISK_FULL. */
struct sealed_writer *sealed_writer_new(const struct sealed_options *options, struct err *err);
NODISCARD bool sealed_writer_add(struct sealed_writer *writer, const struct record *record,
				 struct err *err);
/*
 * Write the rest, read everything back once, flush, give the file its name (in place of an older
 * one) and flush the directory. From true on the raw segment may go. info may be NULL.
 */
NODISCARD bool sealed_writer_commit(struct sealed_writer *writer, struct sealed_info *info,
				    struct err *err);
/* Without a commit that succeeded the temporary file is removed. NULL ok. */
void sealed_writer_free(struct sealed_writer **writer);

/*
 * Reading. Open reads the footer and the filter of projects, nothing else: a few milliseconds for
 * a thousand files. One intact footer of two is enough. NULL with ERR_NOT_FOUND (no such file),
 * ERR_IO, or ERR_CORRUPT: no intact footer of this journal and epoch.
 */
struct sealed;
struct sealed *sealed_open(const struct sealed_options *options, struct err *err);
/* Cursors must be freed before. NULL ok. */
void sealed_close(struct sealed **sealed);
const struct sealed_info *sealed_info(const struct sealed *sealed);
/* False: the project has no record here, certainly. Never blocks. */
bool sealed_may_have(const struct sealed *sealed, struct org_id org, struct project_id project);
/* Let go of the index; the next use loads it again. What cursors have of it stays with them. */
void sealed_trim(struct sealed *sealed);

struct sealed_stat {
	uint64_t index_bytes; /* in memory now; 0 when it is not loaded */
	uint64_t blocks_read;
	uint64_t mended; /* reads that were right only with the help of parity: repair soon */
	uint64_t lost;	 /* reads that failed for damage */
};
/* Counted since open. */
void sealed_stat(struct sealed *sealed, struct sealed_stat *stat);
/* mended and lost together: reason to look at the whole file. Never blocks. */
uint64_t sealed_trouble(const struct sealed *sealed);

/*
 * One record by number, with slices in the arena. NOT_FOUND: not here. FAILED with ERR_CORRUPT (it
 * names file and block) or ERR_IO. Reads the index if it is not loaded, and one block.
 */
enum found sealed_read(struct sealed *sealed, uint64_t seq, struct arena *req,
		       struct record *record, struct err *err);

/*
 * Numbers of records that may hold the key of this hash (record_key_hash), ascending, the newest
 * seqs_max of them; *n is 0 when there is none. The caller compares with the records. Needs one
 * read of 64 bytes for most keys that are not here.
 */
NODISCARD bool sealed_find_key(struct sealed *sealed, uint64_t hash, uint64_t *seqs,
			       size_t seqs_max, size_t *n, struct err *err);

/*
 * The table of keys, for merging; lives as long as the file is open. NULL with ERR_CORRUPT, ERR_IO.
 */
struct key_table;
const struct key_table *sealed_keys(struct sealed *sealed, struct err *err);

/*
 * Which records; all that is zero matches everything. Borrowed slices: until the cursor is freed.
 */
struct sealed_filter {
	bool one_project; /* these two alone; else all projects */
	struct org_id org;
	struct project_id project;
	uint64_t first_seq; /* both ends included */
	uint64_t last_seq;
	int64_t from_us;     /* received at or after */
	int64_t to_us;	     /* and before */
	uint32_t severities; /* 1 << severity, together */
	uint32_t kinds;	     /* 1 << kind, together */
	struct slice type;   /* exactly, or "prefix.*": what begins with "prefix." */
	bool hashes;	     /* fill record.hash: costs a pass over the bodies */
};

/*
 * A walk in the order of numbers, or against it. With one project it reads that project's blocks;
 * else it holds a block per project under way, SEALED_CURSOR_BYTES_MAX of them.
 */
#define SEALED_CURSOR_BYTES_MAX ((size_t)48 << 20)
struct sealed_cursor;
/* Reads the index if it is not loaded. NULL with ERR_CORRUPT or ERR_IO. */
struct sealed_cursor *sealed_cursor_new(struct sealed *sealed, const struct sealed_filter *filter,
					bool reverse, struct err *err);
/*
 * FOUND: *record, borrowed until the next call; hash is zero unless asked for. NOT_FOUND: the end,
 * or the budget is used up (sealed_cursor_done tells). FAILED: ERR_CORRUPT names file, block and
 * numbers that are lost, once per block, and the next call goes on behind it; ERR_IO stays where
 * it is.
 */
enum found sealed_cursor_next(struct sealed_cursor *cursor, struct record *record, struct err *err);
/* Read at most about this many bytes more (as stored), then say NOT_FOUND. Default: no limit. */
void sealed_cursor_set_budget(struct sealed_cursor *cursor, size_t bytes);
/* Whether the end was reached. */
bool sealed_cursor_done(const struct sealed_cursor *cursor);
/*
 * The number to go on from: all matching records before it (in reverse: behind it) were given. A
 * new cursor with this as first_seq (last_seq) goes on exactly there. At the end it is the number
 * behind the range of the file (in reverse the one before it).
 */
uint64_t sealed_cursor_at(const struct sealed_cursor *cursor);
/* NULL ok. */
void sealed_cursor_free(struct sealed_cursor **cursor);

/* What a check found. */
enum sealed_part { SEALED_PAGE, SEALED_TABLE, SEALED_FOOTER, SEALED_SIZE, SEALED_BLOCK };
struct sealed_damage {
	enum sealed_part part;
	bool mendable;
	uint64_t offset; /* in the file */
	uint64_t bytes;
	/* SEALED_BLOCK, which is never mendable: */
	uint64_t block;
	uint64_t records;
	uint64_t first_seq;
	uint64_t last_seq;
	struct org_id org; /* 0: of several */
	struct project_id project;
};
typedef void sealed_damage_visit(void *arg, const struct sealed_damage *damage);
struct sealed_report {
	uint64_t bytes_read;
	uint64_t damaged;  /* parts, mendable or not */
	uint64_t unmended; /* of them lost for good */
	uint64_t lost_blocks;
	uint64_t lost_records;
};
/*
 * Read and check every byte, from the disk if the kernel lets go of what it remembers; with deep
 * also unpack every block. visit (may be NULL) hears of each damage. True also when there is
 * damage: see report. False with ERR_IO when the file cannot be read at all, ERR_CORRUPT when the
 * index is lost.
 */
NODISCARD bool sealed_verify(struct sealed *sealed, bool deep, sealed_damage_visit *visit,
			     void *arg, struct sealed_report *report, struct err *err);
/*
 * The same a little at a time, for who must not be in the way of others. The file has to be open
 * until it is freed.
 */
struct sealed_verifier;
struct sealed_verifier *sealed_verifier_new(struct sealed *sealed, bool deep,
					    sealed_damage_visit *visit, void *arg);
/*
 * FOUND: about so many bytes more were checked, at least a page. NOT_FOUND: that was all, the
 * report is whole. FAILED: as sealed_verify.
 */
enum found sealed_verifier_step(struct sealed_verifier *verifier, uint64_t bytes, struct err *err);
const struct sealed_report *sealed_verifier_report(const struct sealed_verifier *verifier);
/* NULL ok. */
void sealed_verifier_free(struct sealed_verifier **verifier);
/*
 * Runs of numbers that were in a block, ascending: for naming what is lost. When the map is lost
 * too, numbers that were in no block may be among them.
 */
typedef void sealed_run_visit(void *arg, uint64_t first_seq, uint64_t last_seq);
NODISCARD bool sealed_block_numbers(struct sealed *sealed, uint64_t block, sealed_run_visit *visit,
				    void *arg, struct err *err);

/* Records of this project (or of all, when org and project are 0) below floor_seq go. */
struct sealed_purge {
	struct org_id org;
	struct project_id project;
	uint64_t floor_seq;
	uint32_t kinds;	   /* 1 << kind, together; 0: of every kind */
	int64_t before_us; /* received before; 0: whenever */
};
/*
 * Write the file anew without some records, through the temporary file, under the same name; who
 * has the old one open reads on there. Blocks that stay whole are copied compressed. A block that
 * is lost for good fails it with ERR_CORRUPT, unless all of it would go in any case, or
 * accept_loss: then its records become a gap. If no record stays, a file with none takes its place,
 * which still stands for its numbers; see info. When there is nothing to do and force is not set,
 * true, and the file stays as it is.
 */
struct sealed_rewrite {
	const struct sealed_purge *purges;
	size_t purges_n;
	bool accept_loss;
	bool force;
	int level; /* for the blocks that are packed anew; 0: the default */
	int64_t created_at_us;
};
NODISCARD bool sealed_copy(struct sealed *sealed, const struct sealed_rewrite *rewrite,
			   struct sealed_info *info, struct err *err);
/*
 * Write the file anew with all that parity gives back; nothing may be lost for good, else
 * ERR_CORRUPT, and sealed_copy with force keeps what can be read. Page for page, so that it also
 * works when nothing of the index is understood.
 */
NODISCARD bool sealed_repair(struct sealed *sealed, struct sealed_info *info, struct err *err);

#endif
