/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_WRITE_H
#define JOURNAL_FILE_SEALED_WRITE_H

#include "journal/file/key_table.h"
#include "journal/file/sealed_index.h"
#include "journal/file/sealed_map.h"
#include "journal/file/sealed_out.h"

/*
 * The inside of a writer, shared by writing and copying: blocks are put one by one, and what the
 * sections behind them need is gathered meanwhile.
 */
struct sealed_writer {
	struct sealed_out out;
	struct sealed_footer footer;
	struct block_packer packer;
	struct index_builder index;
	struct hash_key hash;
	struct buf packed;
	struct sealed_spot *spots;
	size_t spots_n;
	size_t spots_cap;
	struct key_entry *keys;
	size_t keys_n;
	size_t keys_cap;
	/* Records that wait for their block to fill. */
	struct map streams;
	size_t open_bytes;
	size_t open_bytes_max;
	size_t block_bytes;
	uint64_t last_seq; /* of the last record added */
};

/* Pack these records as a block and put it. Numbers ascend; n is at least 1. */
NODISCARD bool sealed_writer_pack(struct sealed_writer *w, const struct record *records, size_t n,
				  struct err *err);
/* Put a block that is packed already: all of its bytes, and what is in it. */
NODISCARD bool sealed_writer_put(struct sealed_writer *w, struct slice stored, uint32_t raw_bytes,
				 const struct record *records, size_t n, struct err *err);
/* Put map, keys, filter and index, and give the file its name. */
NODISCARD bool sealed_writer_end(struct sealed_writer *w, struct sealed_info *info,
				 struct err *err);

#endif
