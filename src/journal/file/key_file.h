/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_KEY_FILE_H
#define JOURNAL_FILE_KEY_FILE_H

#include "journal/file/file_ops.h"
#include "journal/file/key_table.h"
#include "journal/journal.h"

/*
 * Key tables of neighbouring sealed files as one, in a file of its own, so that a look-up asks few
 * tables instead of many. It holds nothing that the sealed files do not: it may be removed, and is
 * made again when it is damaged. "FIRST-LAST.keys", the numbers it stands for, in hex.
 */
#define KEY_FILE_NAME_BYTES 48

/* What a table stands for: all keys of the sealed files from first_seq to last_seq. */
struct key_range {
	struct journal_id id;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t epoch; /* of the last of those files, which ends at last_seq */
	int64_t first_us;
	int64_t last_us;
};

void key_file_name(const struct key_range *range, char out[KEY_FILE_NAME_BYTES]);
/* Whether this is such a name, or that of one that was never finished. */
bool key_file_is(const char *name);
bool key_file_is_unfinished(const char *name);

struct key_file {
	struct files files;
	int fd;
	char name[KEY_FILE_NAME_BYTES];
	struct key_range range;
	struct key_table table;
};
/* NULL with ERR_NOT_FOUND, ERR_CORRUPT (also when it is of another journal) or ERR_IO. */
struct key_file *key_file_open(const struct files *files, const char *dir, const char *name,
			       const struct journal_id *id, struct err *err);
/* NULL ok. */
void key_file_close(struct key_file **file);

/*
 * Merging tables into a file: under a temporary name until all of it is flushed. Memory: a bucket
 * of each table, 16 bytes per 256 keys, a quarter of a megabyte. One thread at a time.
 */
#define KEY_MERGE_MAX 16
struct key_plan {
	const struct key_table *tables[KEY_MERGE_MAX]; /* must live as long as the merge */
	size_t n;
	struct key_range range;
	/* Numbers whose keys are left out: bit i is number gone_first + i. NULL: none. Borrowed. */
	const unsigned char *gone;
	uint64_t gone_first;
	uint64_t gone_n;
	uint64_t entries_max; /* about so many stay; 0: all */
};
struct key_merge;
/* Begin the temporary file. dir is borrowed. NULL with ERR_IO or ERR_DISK_FULL. */
struct key_merge *key_merge_new(const struct files *files, const char *dir,
				const struct key_plan *plan, struct err *err);
/*
 * So many entries on. FOUND: there is more to do. NOT_FOUND: the file is there, flushed, under its
 * name. FAILED: give it up.
 */
enum found key_merge_step(struct key_merge *merge, uint64_t entries, struct err *err);
/* After FAILED: which of the tables could not be read; n of them: it was not that. */
size_t key_merge_culprit(const struct key_merge *merge);
/* What is not finished is removed. NULL ok. */
void key_merge_free(struct key_merge **merge);

#endif
