/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a sealed file or as a part of one. The first byte says as which: whole files mostly
 * fail at the first checksum, so parts get theirs put right and are read behind it, alone or inside
 * a file that is otherwise sound.
 */
#include <stdlib.h>

#include "journal/file/pack.h"
#include "journal/file/sealed_file.h"
#include "journal/file/sealed_map.h"
#include "journal/file/sealed_out.h"
#include "journal/file/sim_test.h"
#include "test/fuzz/fuzz.h"

#define NAME "0000000000000001.sealed"
#define RECORDS 40
#define INPUT_BYTES_MAX ((size_t)1 << 16)

static struct sealed_options options = {
	.files = { .ops = &sim_ops },
	.dir = "d",
	.id = { { 7 } },
	.epoch = 1,
	.block_bytes = 600,
	.open_bytes_max = 2000,
	.page_bytes = 512,
};

static void write_sound(struct sim *sim)
{
	struct err err;
	struct sealed_writer *writer;

	options.files.arg = sim;
	writer = sealed_writer_new(&options, &err);
	ensure(writer != NULL);
	for (uint64_t i = 1; i <= RECORDS; i++) {
		struct record record = {
			.kind = i % 9 == 0 ? RECORD_TICK : RECORD_EVENT,
			.seq = i * 2,
			.received_at_us = (int64_t)i * 1000,
			.org = { 1 },
			.project = { i % 4 },
			.severity = (uint8_t)(i % 7),
			.type = i % 3 == 0 ? S("a.b") : S("a.c"),
			.idempotency_key = i % 2 == 0 ? S("key") : S(""),
			.body = S("{\"type\":\"a.b\",\"payload\":{\"some\":\"text\"}}"),
		};

		ensure(sealed_writer_add(writer, &record, &err));
	}
	ensure(sealed_writer_commit(writer, NULL, &err));
	sealed_writer_free(&writer);
}

static uint64_t walk(struct sealed *sealed, const struct sealed_filter *filter, bool reverse)
{
	struct err err = { 0 };
	struct sealed_cursor *cursor = sealed_cursor_new(sealed, filter, reverse, &err);
	struct record record;
	uint64_t n = 0;
	enum found found;

	if (cursor == NULL) {
		ensure(err.kind == ERR_CORRUPT);
		return 0;
	}
	while ((found = sealed_cursor_next(cursor, &record, &err)) != NOT_FOUND) {
		ensure(found == FOUND || err.kind == ERR_CORRUPT);
		/* Read what is given, so that a sanitizer sees where it lies. */
		n += found == FOUND ? 1 + (hash_sip64(&options.hash, record.body) & 0) : 0;
	}
	sealed_cursor_free(&cursor);
	return n;
}

static void use(struct sealed *sealed)
{
	struct sealed_filter all = { .hashes = true };
	struct sealed_filter some = { .one_project = true, .org = { 1 }, .type = S("a.*") };
	struct sealed_rewrite rewrite = { .accept_loss = true, .force = true };
	struct sealed_report report;
	struct record record;
	struct err err = { 0 };
	struct arena req;
	uint64_t seqs[3];
	size_t n;

	ensure(walk(sealed, &all, false) == walk(sealed, &all, true));
	ensure(walk(sealed, &some, false) == walk(sealed, &some, true));
	arena_init(&req, 0);
	for (uint64_t seq = 0; seq < 8; seq++) {
		ensure(sealed_read(sealed, seq, &req, &record, &err) != FAILED ||
		       err.kind == ERR_CORRUPT);
	}
	arena_release(&req);
	for (uint64_t i = 0; i < 8; i++) {
		ensure(sealed_find_key(sealed, i << 61 | 12345, seqs, 3, &n, &err) ||
		       err.kind == ERR_CORRUPT || err.kind == ERR_IO);
	}
	(void)!sealed_verify(sealed, true, NULL, NULL, &report, &err);
	(void)!sealed_copy(sealed, &rewrite, NULL, &err);
	(void)!sealed_repair(sealed, NULL, &err);
}

static void open_and_use(struct sim *sim)
{
	struct err err = { 0 };
	struct sealed *sealed;

	options.files.arg = sim;
	sealed = sealed_open(&options, &err);
	if (sealed != NULL) {
		use(sealed);
		sealed_close(&sealed);
	}
}

static void as_file(const char *p, size_t n)
{
	struct sim *sim = sim_new(1);

	sim_put(sim, NAME, p, n);
	open_and_use(sim);
	sim_free(&sim);
}

/* A sound file with some bytes changed: two for the place, one for the value. */
static void as_edits(const char *p, size_t n)
{
	struct sim *sim = sim_new(1);
	struct sim_file *file;

	write_sound(sim);
	file = sim_find(sim, NAME);
	for (size_t i = 0; i + 3 <= n; i += 3) {
		size_t at = (unsigned char)p[i] | (size_t)(unsigned char)p[i + 1] << 8;

		file->cache[at % file->size] = p[i + 2];
	}
	open_and_use(sim);
	sim_free(&sim);
}

/* Sound blocks under an index of hostile bytes, all checksums right. */
static void as_index(const char *p, size_t n)
{
	struct sim *sim = sim_new(1);
	struct sealed_footer footer;
	struct sealed_out out;
	struct buf frame;
	struct err err;
	char *content;
	size_t content_n;

	write_sound(sim);
	ensure(sealed_footer_decode(sim_find(sim, NAME)->cache, &footer));
	content_n = (size_t)(footer.index.offset - SEALED_FOOTER_BYTES);
	content = mem_resize(NULL, content_n, 1);
	memcpy(content, sim_find(sim, NAME)->cache + SEALED_FOOTER_BYTES, content_n);
	buf_init(&frame, SIZE_MAX / 2);
	sealed_frame_put(&frame, (struct slice) { .p = p, .n = n }, 1);
	ensure(sealed_out_init(&out, &options.files, "d", 1, 512, &err) &&
	       sealed_out_put(&out, content, content_n, &err) &&
	       sealed_out_put(&out, frame.p, frame.n, &err));
	footer.index.bytes = frame.n;
	ensure(sealed_out_commit(&out, &footer, &err));
	sealed_out_release(&out);
	buf_release(&frame);
	free(content);
	open_and_use(sim);
	sim_free(&sim);
}

/* The first byte is the count of records, less one. */
static void as_block(const char *p, size_t n)
{
	struct ZSTD_DCtx_s *zstd;
	struct block_head head = { .first_seq = 1 };
	struct block block = { 0 };
	char *bytes;

	if (n <= 8) {
		return;
	}
	head.count = (unsigned char)p[0] % ((uint32_t)n / 8) + 1;
	head.raw_bytes = head.stored_bytes = (uint32_t)--n;
	bytes = mem_resize(NULL, BLOCK_HEAD_BYTES + n, 1);
	memcpy(bytes + BLOCK_HEAD_BYTES, p + 1, n);
	zstd = block_unpacker_new();
	if (block_unpack(zstd, bytes, &head, &block)) {
		for (size_t i = 0; i < block.n; i++) {
			struct record record;

			block_record(&block, i, &options.hash, &record);
			ensure(block_find(&block, record.seq) == i);
		}
		block_release(&block);
	}
	free(bytes);
	block_unpacker_free(&zstd);
}

static void as_chunk(const char *p, size_t n)
{
	uint32_t *blocks = mem_alloc(SEALED_CHUNK_SEQS, sizeof(*blocks));
	struct buf frame;

	buf_init(&frame, SIZE_MAX / 2);
	sealed_frame_put(&frame, (struct slice) { .p = p, .n = n }, 3);
	if (sealed_chunk_get(frame.p, frame.n, 3, 100, blocks)) {
		for (size_t i = 0; i < SEALED_CHUNK_SEQS; i++) {
			ensure(blocks[i] <= 100);
		}
	}
	buf_release(&frame);
	free(blocks);
}

static bool table_read(void *arg, uint64_t offset, void *p, size_t n, bool mend UNUSED,
		       struct err *err UNUSED)
{
	const struct buf *b = arg;

	ensure(offset <= b->n && n <= b->n - offset);
	memcpy(p, b->p + offset, n);
	return true;
}

/* The last 64 bytes as a tail, its magic and checksum put right. */
static void as_table(const char *p, size_t n)
{
	struct buf bytes;
	struct key_source source = { table_read, &bytes, "table" };
	struct key_table table;
	struct key_walk walk;
	struct key_entry entry;
	struct err err;
	uint64_t seqs[3];
	size_t found;

	if (n < KEY_TABLE_TAIL_BYTES) {
		return;
	}
	buf_init(&bytes, SIZE_MAX / 2);
	buf_put(&bytes, p, n);
	p = bytes.p + n - KEY_TABLE_TAIL_BYTES;
	memcpy(bytes.p + n - KEY_TABLE_TAIL_BYTES, "tocsin\nK\1\0\0\0", 12);
	le_put32(bytes.p + n - KEY_TABLE_TAIL_BYTES + 12,
		 crc32c(0, p + 16, KEY_TABLE_TAIL_BYTES - 16));
	if (key_table_open(&source, n, &table, &err)) {
		for (uint64_t i = 0; i < 16; i++) {
			(void)!key_table_find(&table, i << 60, seqs, 3, &found, &err);
		}
		key_walk_init(&walk, &table);
		while (key_walk_next(&walk, &entry, &err) == FOUND) {
		}
		key_walk_release(&walk);
	}
	buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static void (*const as[])(const char *p, size_t n) = {
		as_file, as_edits, as_index, as_block, as_chunk, as_table,
	};

	if (n == 0 || n > INPUT_BYTES_MAX) {
		return 0;
	}
	log_setup(LOG_ERROR, LOG_TEXT, -1);
	as[p[0] % ARRAY_LEN(as)]((const char *)p + 1, n - 1);
	return 0;
}
