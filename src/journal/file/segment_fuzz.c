/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a segment file: opening refuses them or reads them, walks end in both directions
 * and agree, and the journal goes on. The first byte says whether checksums are put right before,
 * without which nearly no input would get past them.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "journal/file/format.h"
#include "journal/file/sim_test.h"
#include "journal/journal.h"
#include "test/fuzz/fuzz.h"

#define SEGMENT_BYTES ((size_t)16384) /* the least; small is fast */

static const struct journal_id id = { { 7 } };

static void put32(char *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Checksums of the batch at p; returns its length, header included, or 0. */
static size_t repair_batch(char *p, size_t n)
{
	struct batch_head head = { .id = id, .epoch = 1 };
	size_t at = BATCH_HEAD_BYTES;

	if (n < BATCH_HEAD_BYTES) {
		return 0;
	}
	memcpy(&head.first_seq, p + 32, 8);
	memcpy(&head.flushed_seq, p + 40, 8);
	memcpy(&head.count, p + 48, 4);
	memcpy(&head.length, p + 52, 4);
	for (uint32_t i = 0; i < head.count && n - at >= RECORD_HEAD_BYTES; i++) {
		size_t size = record_claims(p + at);

		if (size == 0 || size > n - at) {
			break;
		}
		put32(p + at, crc32c(0, p + at + 4, size - 4));
		head.chain = crc32c(head.chain, p + at, 4);
		at += size;
	}
	batch_head_encode(&head, p);
	return head.length > n - BATCH_HEAD_BYTES ? 0 : BATCH_HEAD_BYTES + head.length;
}

static void repair(char *p, size_t n)
{
	while (n > 0) {
		size_t took = repair_batch(p, n);

		if (took == 0) {
			return;
		}
		p += took;
		n -= took;
	}
}

static uint64_t walk(struct journal *journal, bool reverse)
{
	struct journal_iter *iter = journal_iter_new(journal, 0, reverse);
	uint64_t n = 0;
	struct record record;
	struct err err;
	enum found found;

	while ((found = journal_iter_next(iter, &record, &err)) != NOT_FOUND) {
		ensure(found == FOUND || err.kind == ERR_CORRUPT);
		n += found == FOUND;
	}
	journal_iter_free(&iter);
	return n;
}

static void nothing(struct journal_batch *batch UNUSED, const struct err *err)
{
	ensure(err == NULL);
}

static void use(struct journal *journal)
{
	struct record item = { .kind = RECORD_EVENT, .idempotency_key = S("k"), .body = S("{}") };
	struct journal_result result;
	struct journal_batch batch = {
		.items = &item, .n = 1, .results = &result, .done = nothing
	};
	struct err err;

	ensure(walk(journal, false) == walk(journal, true));
	ensure(journal_append(journal, &batch, 1, 1, &err));
	journal_turn(journal);
	ensure(!journal_failed(journal));
}

static void open_both_ways(struct sim *sim)
{
	struct journal_options options = {
		.dir = "d",
		.segment_bytes = SEGMENT_BYTES,
		.turn_bytes_max = SEGMENT_BYTES,
		.files = &sim_ops,
		.files_arg = sim,
	};
	struct journal *journal;
	struct err err = { 0 };

	if (!journal_open(&journal, &options, &err)) {
		ensure(err.kind == ERR_CORRUPT);
		options.accept_damage = true;
	}
	/* Numbers that start again are refused in any case. */
	if (journal != NULL || journal_open(&journal, &options, &err)) {
		use(journal);
		journal_close(&journal);
		ensure(journal_open(&journal, &options, &err));
		journal_close(&journal);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct journal_meta meta = { .id = id };
	struct segment_head head = { .id = id, .epoch = 1, .bytes = SEGMENT_BYTES };
	unsigned char *bytes;
	struct sim *sim;

	if (n == 0 || n > SEGMENT_BYTES - SEGMENT_HEAD_BYTES) {
		return 0;
	}
	log_setup(LOG_ERROR, LOG_TEXT, -1);
	sim = sim_new(1);
	bytes = mem_alloc(SEGMENT_BYTES, 1);
	meta_encode(&meta, bytes);
	sim_put(sim, "meta", bytes, META_BYTES);
	memset(bytes, 0, META_BYTES);
	segment_head_encode(&head, bytes);
	memcpy(bytes + SEGMENT_HEAD_BYTES, p + 1, n - 1);
	if (p[0] % 2 == 1) {
		repair((char *)bytes + SEGMENT_HEAD_BYTES, n - 1);
	}
	sim_put(sim, "0000000000000001.seg", bytes, SEGMENT_BYTES);
	free(bytes);
	open_both_ways(sim);
	sim_free(&sim);
	return 0;
}
