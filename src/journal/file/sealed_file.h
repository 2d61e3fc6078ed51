/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_FILE_H
#define JOURNAL_FILE_SEALED_FILE_H

#include <pthread.h>

#include "journal/file/key_table.h"
#include "journal/file/sealed_index.h"
#include "journal/file/sealed_parity.h"

/*
 * The inside of an open sealed file. Everything is read through sealed_piece: as it is on the
 * disk, and when its checksum says no, as parity gives it.
 */
struct sealed {
	/* Set at open, then constant. */
	struct files files;
	int fd;
	char *dir;
	char name[SEALED_NAME_BYTES];
	struct hash_key hash;
	struct sealed_footer footer;
	struct sealed_pages pages;
	unsigned char *filter;
	uint64_t filter_lines;

	_Atomic uint64_t blocks_read;
	_Atomic uint64_t mended;
	_Atomic uint64_t lost;

	/* Under lock. */
	pthread_mutex_t lock;
	struct sealed_index *index; /* NULL: not loaded */
	bool keys_open;
	struct key_table keys;
};

/* Whether the n bytes at p are what they should be. */
typedef bool sealed_piece_check(void *arg, const char *p, size_t n);
/*
 * n bytes of the content at offset that satisfy check, mended when they do not at first. what names
 * them in errors. ERR_CORRUPT or ERR_IO.
 */
NODISCARD bool sealed_piece(struct sealed *sealed, uint64_t offset, char *p, size_t n,
			    sealed_piece_check *check, void *arg, const char *what,
			    struct err *err);

/*
 * Open a file that has lost both footers, as sealed_open would: to write it anew, with the numbers
 * that the options or else its blocks say. NULL with ERR_IO, or ERR_CORRUPT: it has a footer, or
 * nothing of it is understood.
 */
struct sealed *sealed_open_blind(const struct sealed_options *options, struct err *err);

/* Whether something of this block may go by this purge, its project aside. */
bool sealed_purge_may_hit(const struct sealed_purge *purge, const struct sealed_block *block);

/* The index, loaded when it is not; give it back with unref. NULL with ERR_CORRUPT or ERR_IO. */
struct sealed_index *sealed_index_ref(struct sealed *sealed, struct err *err);
void sealed_index_unref(struct sealed *sealed, struct sealed_index **index);

/*
 * Read a block's bytes into *stored (resized, *cap long) and unpack them into *block, which is
 * empty. ERR_CORRUPT names file, block and numbers.
 */
struct block_room {
	char *stored;
	size_t cap;
	struct ZSTD_DCtx_s *zstd;
};
void block_room_init(struct block_room *room);
void block_room_release(struct block_room *room);
NODISCARD bool sealed_block_read(struct sealed *sealed, const struct sealed_index *index,
				 size_t number, struct block_room *room, struct block *block,
				 struct err *err);
/* Fill err: records are lost that no block of the index has. */
bool sealed_missing(const struct sealed *sealed, const struct sealed_index *index, struct err *err);
/*
 * Blocks plus 1 of the SEALED_CHUNK_SEQS numbers of a chunk, 0 where there is no record. A damaged
 * chunk is made anew from the blocks that can be read; a number that is in none of them counts to
 * a lost block that may have had it. ERR_IO.
 */
NODISCARD bool sealed_chunk_read(struct sealed *sealed, const struct sealed_index *index,
				 uint64_t number, uint32_t *out, struct err *err);

#endif
