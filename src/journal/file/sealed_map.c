/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk lists its blocks, then has one byte per number (two when there are many blocks) that
 * says which of the list; packed, that comes to less than a byte per record.
 */
#include "journal/file/sealed_map.h"

#include <stdlib.h>

#include "journal/file/pack.h"
#include "journal/file/sealed_format.h"

static int compare_blocks(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x == y ? 0 : x < y ? -1 : 1;
}

/* The blocks of the spots, sorted, each once. */
static size_t list_blocks(const struct sealed_spot *spots, size_t n, uint32_t *list)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		list[i] = spots[i].block;
	}
	qsort(list, n, sizeof(*list), compare_blocks);
	for (size_t i = 0; i < n; i++) {
		if (out == 0 || list[out - 1] != list[i]) {
			list[out++] = list[i];
		}
	}
	return out;
}

static size_t place_of(const uint32_t *list, size_t n, uint32_t block)
{
	const uint32_t *at = bsearch(&block, list, n, sizeof(*list), compare_blocks);

	return (size_t)(at - list) + 1;
}

void sealed_chunk_put(struct buf *out, const struct sealed_spot *spots, size_t n)
{
	uint32_t *list = mem_alloc(n, sizeof(*list));
	unsigned char *places = mem_alloc(SEALED_CHUNK_SEQS, 2);
	size_t list_n = list_blocks(spots, n, list);
	size_t width = list_n < 256 ? 1 : 2;
	uint32_t block = 0;
	struct buf raw;

	buf_init(&raw, SIZE_MAX / 2);
	pack_u64(&raw, list_n);
	for (size_t i = 0; i < list_n; block = list[i++]) {
		pack_u64(&raw, list[i] - block);
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = spots[i].seq % SEALED_CHUNK_SEQS;
		size_t place = place_of(list, list_n, spots[i].block);

		places[at] = (unsigned char)place;
		if (width == 2) {
			places[SEALED_CHUNK_SEQS + at] = (unsigned char)(place >> 8);
		}
	}
	buf_put(&raw, places, SEALED_CHUNK_SEQS * width);
	sealed_frame_put(out, buf_slice(&raw), spots[0].seq / SEALED_CHUNK_SEQS);
	buf_release(&raw);
	free(places);
	free(list);
}

static bool unpack_chunk(struct unpack *u, size_t blocks_n, uint32_t *list, uint32_t *out)
{
	size_t n = (size_t)unpack_max(u, SEALED_CHUNK_SEQS);
	size_t width = n < 256 ? 1 : 2;
	uint64_t block = 0;
	const unsigned char *places;

	for (size_t i = 0; i < n; i++) {
		block += unpack_max(u, UINT32_MAX);
		if (block >= blocks_n) {
			return false;
		}
		list[i] = (uint32_t)block;
	}
	places = unpack_bytes(u, SEALED_CHUNK_SEQS * width);
	if (places == NULL || u->n != 0) {
		return false;
	}
	for (size_t i = 0; i < SEALED_CHUNK_SEQS; i++) {
		size_t place = places[i];

		place += width == 2 ? (size_t)places[SEALED_CHUNK_SEQS + i] << 8 : 0;
		if (place > n) {
			return false;
		}
		out[i] = place == 0 ? 0 : list[place - 1] + 1;
	}
	return true;
}

bool sealed_chunk_get(const char *p, size_t n, uint64_t number, size_t blocks_n, uint32_t *out)
{
	uint32_t *list;
	char *raw;
	size_t raw_n;
	bool ok;

	if (!sealed_frame_intact(p, n, number, SEALED_CHUNK_BYTES_MAX, &raw_n)) {
		return false;
	}
	raw = mem_resize(NULL, raw_n, 1);
	list = mem_alloc(SEALED_CHUNK_SEQS, sizeof(*list));
	ok = sealed_frame_unpack(p, n, raw, raw_n);
	if (ok) {
		struct unpack u = { .p = (const unsigned char *)raw, .n = raw_n };

		ok = unpack_chunk(&u, blocks_n, list, out);
	}
	free(list);
	free(raw);
	return ok;
}
