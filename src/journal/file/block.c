/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns: what is alike stands side by side, which packs far better than record by record. What
 * follows from the body is not stored again: the type that it begins with, and its hash.
 */
#include "journal/file/block.h"

#include <stdlib.h>
#include <zstd.h>

#include "journal/file/pack.h"

#define MAGIC 0xb17cc57bU
#define KIND_BITS 0x03U	   /* kind - 1 */
#define HASH_STORED 0x04U  /* 16 bytes, as it does not follow from the body */
#define TYPE_IN_BODY 0x08U /* the body begins with {"type":"..." */
#define FLAG_BITS 0x0fU
#define TYPE_AT 9	 /* bytes of {"type":" */
#define ITEM_BYTES_MIN 8 /* a byte in each column */

enum codec { CODEC_NONE, CODEC_ZSTD };

void block_packer_init(struct block_packer *packer, int level, const struct hash_key *hash)
{
	*packer = (struct block_packer) { .level = level, .hash = *hash };
	packer->zstd = ZSTD_createCCtx();
	ensure(packer->zstd != NULL);
	buf_init(&packer->raw, SIZE_MAX / 2);
}

void block_packer_release(struct block_packer *packer)
{
	ZSTD_freeCCtx(packer->zstd);
	buf_release(&packer->raw);
	packer->zstd = NULL;
}

static bool type_in_body(const struct record *record)
{
	struct slice body = record->body;

	return slice_starts(body, S("{\"type\":\"")) && body.n > TYPE_AT + record->type.n &&
	       body.p[TYPE_AT + record->type.n] == '"' && record->type.n > 0 &&
	       memcmp(body.p + TYPE_AT, record->type.p, record->type.n) == 0;
}

static bool same_project(const struct record *a, const struct record *b)
{
	return a->org.v == b->org.v && a->project.v == b->project.v;
}

/* The projects in the order of their first record, and for each record which one it is. */
static void pack_projects(struct buf *raw, const struct record *records, size_t n)
{
	uint32_t *which = mem_alloc(n, sizeof(*which));
	const struct record **firsts = mem_alloc(n, sizeof(*firsts));
	size_t firsts_n = 0;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && same_project(&records[i], &records[i - 1])) {
			which[i] = which[i - 1];
			continue;
		}
		for (which[i] = 0; which[i] < firsts_n; which[i]++) {
			if (same_project(&records[i], firsts[which[i]])) {
				break;
			}
		}
		if (which[i] == firsts_n) {
			firsts[firsts_n++] = &records[i];
		}
	}
	pack_u64(raw, firsts_n);
	for (size_t i = 0; i < firsts_n; i++) {
		pack_u64(raw, firsts[i]->org.v);
		pack_u64(raw, firsts[i]->project.v);
	}
	for (size_t i = 0; firsts_n > 1 && i < n; i++) {
		pack_u64(raw, which[i]);
	}
	free(firsts);
	free(which);
}

static bool same_hash(struct hash128 a, struct hash128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static unsigned flags_of(const struct block_packer *packer, const struct record *record)
{
	bool follows = same_hash(record->hash, hash_sip128(&packer->hash, record->body));

	return (unsigned)(record->kind - RECORD_EVENT) | (follows ? 0 : HASH_STORED) |
	       (type_in_body(record) ? TYPE_IN_BODY : 0);
}

static void pack_numbers(struct buf *raw, const struct record *records, size_t n)
{
	uint64_t seq = records[0].seq, key = 0;
	uint64_t at_us = 0;

	for (size_t i = 0; i < n; seq = records[i++].seq) {
		pack_u64(raw, records[i].seq - seq);
	}
	for (size_t i = 0; i < n; at_us = (uint64_t)records[i++].received_at_us) {
		pack_step(raw, at_us, (uint64_t)records[i].received_at_us);
	}
	for (size_t i = 0; i < n; i++) {
		buf_putc(raw, (char)records[i].severity);
	}
	for (size_t i = 0; i < n; key = records[i++].key.v) {
		pack_step(raw, key, records[i].key.v);
	}
	for (size_t i = 0; i < n; i++) {
		pack_u64(raw, records[i].type.n);
	}
	for (size_t i = 0; i < n; i++) {
		pack_u64(raw, records[i].idempotency_key.n);
	}
	for (size_t i = 0; i < n; i++) {
		pack_u64(raw, records[i].body.n);
	}
}

/* flags points to those of the first record, which are in raw already; raw may move. */
static void pack_bytes(struct buf *raw, size_t flags_at, const struct record *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((raw->p[flags_at + i] & (char)HASH_STORED) != 0) {
			char hash[16];

			le_put64(hash, records[i].hash.lo);
			le_put64(hash + 8, records[i].hash.hi);
			buf_put(raw, hash, sizeof(hash));
		}
	}
	for (size_t i = 0; i < n; i++) {
		if ((raw->p[flags_at + i] & (char)TYPE_IN_BODY) == 0) {
			buf_puts(raw, records[i].type);
		}
	}
	for (size_t i = 0; i < n; i++) {
		buf_puts(raw, records[i].idempotency_key);
	}
	for (size_t i = 0; i < n; i++) {
		buf_puts(raw, records[i].body);
	}
}

/* The stored bytes of raw behind the head; what does not shrink is stored as it is. */
static enum codec squeeze(struct block_packer *packer, struct buf *out)
{
	const struct buf *raw = &packer->raw;
	char *room = buf_room(out, ZSTD_compressBound(raw->n));
	size_t n;

	ensure(room != NULL);
	n = ZSTD_compressCCtx(packer->zstd, room, ZSTD_compressBound(raw->n), raw->p, raw->n,
			      packer->level);
	if (!ZSTD_isError(n) && n < raw->n) {
		out->n += n;
		return CODEC_ZSTD;
	}
	buf_put(out, raw->p, raw->n);
	return CODEC_NONE;
}

void block_pack(struct block_packer *packer, const struct record *records, size_t n,
		struct buf *out)
{
	struct buf *raw = &packer->raw;
	char head[BLOCK_HEAD_BYTES] = { 0 };
	size_t head_at = out->n;
	size_t flags_at;
	char *p;

	buf_cut(raw, 0);
	pack_projects(raw, records, n);
	flags_at = raw->n;
	for (size_t i = 0; i < n; i++) {
		buf_putc(raw, (char)flags_of(packer, &records[i]));
	}
	pack_numbers(raw, records, n);
	pack_bytes(raw, flags_at, records, n);
	ensure(raw->n <= BLOCK_RAW_BYTES_MAX);

	buf_put(out, head, sizeof(head));
	le_put32(head + 20, squeeze(packer, out));
	p = out->p + head_at;
	memcpy(p, head, sizeof(head));
	le_put32(p, MAGIC);
	le_put32(p + 8, (uint32_t)(out->n - head_at - BLOCK_HEAD_BYTES));
	le_put32(p + 12, (uint32_t)raw->n);
	le_put32(p + 16, (uint32_t)n);
	le_put64(p + 24, records[0].seq);
	le_put32(p + 4, crc32c(0, p + 8, out->n - head_at - 8));
}

bool block_head_decode(const char *p, struct block_head *head)
{
	uint32_t codec = le_get32(p + 20);

	head->stored_bytes = le_get32(p + 8);
	head->raw_bytes = le_get32(p + 12);
	head->count = le_get32(p + 16);
	head->packed = codec == CODEC_ZSTD;
	head->first_seq = le_get64(p + 24);
	return le_get32(p) == MAGIC && codec <= CODEC_ZSTD &&
	       head->raw_bytes <= BLOCK_RAW_BYTES_MAX && head->stored_bytes <= head->raw_bytes &&
	       (head->packed || head->stored_bytes == head->raw_bytes) && head->count > 0 &&
	       head->count <= head->raw_bytes / ITEM_BYTES_MIN;
}

bool block_intact(const char *p, const struct block_head *head)
{
	return le_get32(p + 4) ==
	       crc32c(0, p + 8, BLOCK_HEAD_BYTES - 8 + (size_t)head->stored_bytes);
}

struct ZSTD_DCtx_s *block_unpacker_new(void)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();

	ensure(zstd != NULL);
	return zstd;
}

void block_unpacker_free(struct ZSTD_DCtx_s **zstd)
{
	ZSTD_freeDCtx(*zstd);
	*zstd = NULL;
}

static void unpack_projects(struct unpack *u, struct block *block)
{
	block->projects_n = (size_t)unpack_max(u, block->n);
	block->projects = mem_alloc(block->projects_n, sizeof(*block->projects));
	for (size_t i = 0; i < block->projects_n; i++) {
		block->projects[i].org.v = unpack_u64(u);
		block->projects[i].project.v = unpack_u64(u);
	}
	for (size_t i = 0; block->projects_n > 1 && i < block->n; i++) {
		block->items[i].project = (uint32_t)unpack_max(u, block->projects_n - 1);
	}
	u->bad = u->bad || block->projects_n == 0;
}

/* Numbers ascend and stay below 2^62, as in records. */
static void unpack_numbers(struct unpack *u, struct block *block, uint64_t seq)
{
	uint64_t at_us = 0, key = 0;

	for (size_t i = 0; i < block->n; i++) {
		uint64_t step = unpack_max(u, UINT64_C(1) << 62);

		seq += step;
		u->bad = u->bad || seq == 0 || seq >> 62 != 0 || (step == 0) != (i == 0);
		block->items[i].seq = seq;
	}
	for (size_t i = 0; i < block->n; i++) {
		at_us = unpack_step(u, at_us);
		block->items[i].received_at_us = (int64_t)at_us;
	}
	for (size_t i = 0; i < block->n; i++) {
		block->items[i].severity = unpack_byte(u);
	}
	for (size_t i = 0; i < block->n; i++) {
		key = unpack_step(u, key);
		block->items[i].key = key;
	}
	for (size_t i = 0; i < block->n; i++) {
		block->items[i].type_n = (uint16_t)unpack_max(u, RECORD_TYPE_BYTES_MAX);
	}
	for (size_t i = 0; i < block->n; i++) {
		block->items[i].key_n = (uint16_t)unpack_max(u, RECORD_KEY_BYTES_MAX);
	}
	for (size_t i = 0; i < block->n; i++) {
		block->items[i].body_n = (uint32_t)unpack_max(u, RECORD_BODY_BYTES_MAX);
	}
}

static uint32_t take(struct unpack *u, const struct block *block, size_t n)
{
	const unsigned char *p = unpack_bytes(u, n);

	return p == NULL ? 0 : (uint32_t)(p - (const unsigned char *)block->raw);
}

static void unpack_places(struct unpack *u, struct block *block, const unsigned char *flags)
{
	for (size_t i = 0; i < block->n; i++) {
		if ((flags[i] & HASH_STORED) != 0) {
			block->items[i].hash_at = take(u, block, 16);
		}
	}
	for (size_t i = 0; i < block->n; i++) {
		if ((flags[i] & TYPE_IN_BODY) == 0) {
			block->items[i].type_at = take(u, block, block->items[i].type_n);
		}
	}
	for (size_t i = 0; i < block->n; i++) {
		block->items[i].key_at = take(u, block, block->items[i].key_n);
	}
	for (size_t i = 0; i < block->n; i++) {
		struct block_item *item = &block->items[i];

		item->body_at = take(u, block, item->body_n);
		item->kind = (uint8_t)((flags[i] & KIND_BITS) + RECORD_EVENT);
		if ((flags[i] & TYPE_IN_BODY) != 0) {
			item->type_at = item->body_at + TYPE_AT;
			u->bad = u->bad || item->body_n <= TYPE_AT + (size_t)item->type_n;
		}
		u->bad = u->bad || (flags[i] & ~FLAG_BITS) != 0;
	}
}

static bool unpack_items(struct block *block, uint64_t first_seq)
{
	struct unpack u = { .p = (const unsigned char *)block->raw, .n = block->raw_n };
	const unsigned char *flags;

	unpack_projects(&u, block);
	flags = unpack_bytes(&u, block->n);
	unpack_numbers(&u, block, first_seq);
	if (u.bad || flags == NULL) {
		return false;
	}
	unpack_places(&u, block, flags);
	return !u.bad && u.n == 0;
}

bool block_unpack(struct ZSTD_DCtx_s *zstd, const char *p, const struct block_head *head,
		  struct block *block)
{
	const char *stored = p + BLOCK_HEAD_BYTES;

	block->raw_n = head->raw_bytes;
	block->raw = mem_resize(NULL, block->raw_n, 1);
	if (!head->packed) {
		memcpy(block->raw, stored, block->raw_n);
	} else if (ZSTD_decompressDCtx(zstd, block->raw, block->raw_n, stored,
				       head->stored_bytes) != block->raw_n) {
		block_release(block);
		return false;
	}
	block->n = head->count;
	block->items = mem_alloc(block->n, sizeof(*block->items));
	if (!unpack_items(block, head->first_seq)) {
		block_release(block);
		return false;
	}
	return true;
}

void block_release(struct block *block)
{
	free(block->raw);
	free(block->items);
	free(block->projects);
	*block = (struct block) { 0 };
}

size_t block_bytes(const struct block *block)
{
	return block->raw_n + block->n * sizeof(*block->items) +
	       block->projects_n * sizeof(*block->projects);
}

size_t block_find(const struct block *block, uint64_t seq)
{
	size_t lo = 0;
	size_t hi = block->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (block->items[mid].seq < seq) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

void block_record(const struct block *block, size_t i, const struct hash_key *hash,
		  struct record *record)
{
	const struct block_item *item = &block->items[i];
	const struct block_project *project = &block->projects[item->project];

	*record = (struct record) {
		.kind = (enum record_kind)item->kind,
		.seq = item->seq,
		.received_at_us = item->received_at_us,
		.org = project->org,
		.project = project->project,
		.key = { item->key },
		.severity = item->severity,
		.type = { .p = block->raw + item->type_at, .n = item->type_n },
		.idempotency_key = { .p = block->raw + item->key_at, .n = item->key_n },
		.body = { .p = block->raw + item->body_at, .n = item->body_n },
	};
	if (hash != NULL && item->hash_at != 0) {
		record->hash.lo = le_get64(block->raw + item->hash_at);
		record->hash.hi = le_get64(block->raw + item->hash_at + 8);
	} else if (hash != NULL) {
		record->hash = hash_sip128(hash, record->body);
	}
}
