/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks stand for themselves, one directly behind the other. Where one is damaged, the next is
 * found by what its head looks like, and believed by its checksum.
 */
#include "journal/file/sealed_scan.h"

#include <stdlib.h>

#include "journal/file/pack.h"
#include "journal/file/sealed_map.h"

#define WINDOW_BYTES ((size_t)64 << 10)

struct scan {
	struct sealed *sealed;
	const uint32_t *sums; /* NULL: no help from parity */
	uint64_t end;	      /* of the content */
	struct index_builder builder;
	struct block_room room;
	uint64_t *chunks; /* the chunk of each record, with repeats of neighbours left out */
	size_t chunks_n;
	size_t chunks_cap;
};

static bool bytes(const struct scan *scan, uint64_t offset, char *p, size_t n, bool mend)
{
	const struct sealed *s = scan->sealed;
	struct err err = { 0 };

	if (mend) {
		return scan->sums != NULL &&
		       sealed_pages_bytes(&s->pages, scan->sums, offset, p, n, &err);
	}
	return files_read(&s->files, s->fd, p, n, offset, s->name, &err);
}

/* What the disk does not give is zero, which is no head of a block. */
static bool most_bytes(const struct scan *scan, uint64_t offset, char *p, size_t n)
{
	const struct sealed *s = scan->sealed;
	struct err err = { 0 };

	return bytes(scan, offset, p, n, false) ||
	       files_read_around(&s->files, s->fd, p, n, offset, s->name, NULL, NULL, &err);
}

static void note_chunk(struct scan *scan, uint64_t number)
{
	if (scan->chunks_n > 0 && scan->chunks[scan->chunks_n - 1] == number) {
		return;
	}
	if (scan->chunks_n == scan->chunks_cap) {
		scan->chunks_cap = scan->chunks_cap * 2 + 64;
		scan->chunks = mem_resize(scan->chunks, scan->chunks_cap, sizeof(*scan->chunks));
	}
	scan->chunks[scan->chunks_n++] = number;
}

static void note_block(struct scan *scan, const struct block *block, uint64_t offset,
		       const struct block_head *head)
{
	struct record *records = mem_alloc(block->n, sizeof(*records));
	struct sealed_place place = { offset, BLOCK_HEAD_BYTES + (uint64_t)head->stored_bytes };

	for (size_t i = 0; i < block->n; i++) {
		block_record(block, i, NULL, &records[i]);
		note_chunk(scan, records[i].seq / SEALED_CHUNK_SEQS);
	}
	index_builder_add(&scan->builder, records, block->n, &place, head->raw_bytes);
	free(records);
}

/* The bytes that an intact block at offset takes; 0 when there is none. */
static uint64_t try_block(struct scan *scan, uint64_t offset, bool mend)
{
	char start[BLOCK_HEAD_BYTES];
	struct block block = { 0 };
	struct block_head head;
	size_t n;

	if (scan->end - offset < sizeof(start) ||
	    !bytes(scan, offset, start, sizeof(start), mend) || !block_head_decode(start, &head)) {
		return 0;
	}
	n = BLOCK_HEAD_BYTES + (size_t)head.stored_bytes;
	if (n > scan->end - offset) {
		return 0;
	}
	if (scan->room.cap < n) {
		scan->room.cap = n;
		scan->room.stored = mem_resize(scan->room.stored, n, 1);
	}
	if (!bytes(scan, offset, scan->room.stored, n, mend) ||
	    !block_head_decode(scan->room.stored, &head) ||
	    n != BLOCK_HEAD_BYTES + (size_t)head.stored_bytes ||
	    !block_intact(scan->room.stored, &head) ||
	    !block_unpack(scan->room.zstd, scan->room.stored, &head, &block)) {
		return 0;
	}
	note_block(scan, &block, offset, &head);
	block_release(&block);
	return n;
}

/* The first place from offset on that may be the head of a block, or the end. */
static uint64_t search(const struct scan *scan, uint64_t offset)
{
	char *window = mem_resize(NULL, WINDOW_BYTES, 1);
	uint64_t found = scan->end;

	while (found == scan->end && scan->end - offset >= BLOCK_HEAD_BYTES) {
		size_t n = scan->end - offset < WINDOW_BYTES ? (size_t)(scan->end - offset)
							     : WINDOW_BYTES;

		if (most_bytes(scan, offset, window, n)) {
			for (size_t i = 0; i + BLOCK_HEAD_BYTES <= n; i++) {
				struct block_head head;

				if (block_head_decode(window + i, &head)) {
					found = offset + i;
					break;
				}
			}
		}
		offset += n < WINDOW_BYTES ? n : n - BLOCK_HEAD_BYTES + 1;
	}
	free(window);
	return found;
}

static void scan_blocks(struct scan *scan)
{
	uint64_t offset = SEALED_FOOTER_BYTES;

	while (offset < scan->end) {
		uint64_t n = try_block(scan, offset, false);

		if (n == 0) {
			n = try_block(scan, offset, true);
		}
		offset = n > 0 ? offset + n : search(scan, offset + 1);
	}
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x == y ? 0 : x < y ? -1 : 1;
}

/* Every chunk once, without bytes: it is made from the blocks whenever it is needed. */
static struct sealed_chunk *list_chunks(struct scan *scan, size_t *n)
{
	struct sealed_chunk *chunks = mem_alloc(scan->chunks_n, sizeof(*chunks));

	*n = 0;
	if (scan->chunks_n > 0) {
		qsort(scan->chunks, scan->chunks_n, sizeof(*scan->chunks), compare_numbers);
	}
	for (size_t i = 0; i < scan->chunks_n; i++) {
		if (*n == 0 || chunks[*n - 1].number != scan->chunks[i]) {
			chunks[(*n)++].number = scan->chunks[i];
		}
	}
	return chunks;
}

static struct sealed_index *make_index(struct scan *scan)
{
	size_t chunks_n;
	struct sealed_chunk *chunks = list_chunks(scan, &chunks_n);
	struct sealed_index *index;
	uint64_t found = 0;
	struct buf raw;

	buf_init(&raw, SIZE_MAX / 2);
	index_builder_pack(&scan->builder, chunks, chunks_n, &raw);
	free(chunks);
	/* What was packed goes with the index. */
	index = sealed_index_unpack(raw.p, raw.n, &scan->sealed->footer);
	for (size_t i = 0; index != NULL && i < index->blocks_n; i++) {
		found += index->blocks[i].count;
	}
	if (index != NULL && found < scan->sealed->footer.info.records) {
		index->missing = scan->sealed->footer.info.records - found;
	}
	return index;
}

struct sealed_index *sealed_scan(struct sealed *sealed, struct err *err)
{
	struct err why = { 0 };
	uint32_t *sums = sealed_pages_sums(&sealed->pages, &why);
	struct scan scan = {
		.sealed = sealed,
		.sums = sums,
		.end = SEALED_FOOTER_BYTES + sealed->footer.content_bytes,
	};
	struct sealed_index *index = NULL;

	index_builder_init(&scan.builder);
	block_room_init(&scan.room);
	scan_blocks(&scan);
	if (scan.builder.blocks_n > 0) {
		index = make_index(&scan);
	}
	if (index == NULL) {
		err_set(err, ERR_CORRUPT, "\"%s\": neither index nor blocks can be read",
			sealed->name);
	}
	index_builder_release(&scan.builder);
	block_room_release(&scan.room);
	free(scan.chunks);
	free(sums);
	return index;
}
