/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No bytes make a snapshot crash the reader, and what it takes it can write and take again. The
 * checksums are put right first, because otherwise nothing would come past them: the input is a
 * snapshot whose first byte of each checksum does not matter.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "rule/snapshot.h"
#include "test/fuzz/fuzz.h"

#define HEADER_BYTES 28
#define SECTION_HEAD_BYTES 12

static const struct hash_key seed = { .v = "snapshot fuzz" };
static const struct window_limits limits = { .keys_max = 64, .stamps_max = 200000 };

static void put_crc(unsigned char *at, uint32_t crc)
{
	for (int i = 0; i < 4; i++) {
		at[i] = (unsigned char)(crc >> (8 * i));
	}
}

static void mend(unsigned char *p, size_t n)
{
	size_t at = HEADER_BYTES;

	if (n < HEADER_BYTES) {
		return;
	}
	put_crc(p + HEADER_BYTES - 4, crc32c(0, p, HEADER_BYTES - 4));
	while (n - at >= SECTION_HEAD_BYTES) {
		uint64_t length = 0;

		for (int i = 0; i < 8; i++) {
			length |= (uint64_t)p[at + 4 + (size_t)i] << (8 * i);
		}
		if (length > n - at - SECTION_HEAD_BYTES) {
			return;
		}
		put_crc(p + at, crc32c(0, p + at + 4, 8 + (size_t)length));
		at += SECTION_HEAD_BYTES + (size_t)length;
	}
}

static bool append(void *arg, struct slice part, struct err *err UNUSED)
{
	buf_puts(arg, part);
	return true;
}

static void apply_some(struct rule_set *set, struct arena *tick)
{
	struct rule_input input = {
		.seq = UINT64_MAX,
		.received_at_us = INT64_MAX / 2,
		.org = { 1 },
		.project = { 2 },
		.type = S("a"),
		.body = S("{\"type\":\"a\"}"),
	};
	struct firings out;
	struct err err;

	ensure(rule_apply(set, &input, tick, &out, &err));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	unsigned char *copy = mem_alloc(1, n + 1);
	struct rule_set *set, *again;
	struct arena tick;
	struct buf saved;
	struct err err;

	if (n > 0) {
		memcpy(copy, data, n);
	}
	mend(copy, n);
	set = rule_set_load(&seed, limits, (struct slice) { (char *)copy, n }, &err);
	free(copy);
	if (set == NULL) {
		ensure(err.kind == ERR_CORRUPT || err.kind == ERR_VERSION);
		return 0;
	}
	buf_init(&saved, (size_t)64 << 20);
	ensure(rule_set_save(set, append, &saved, &err));
	again = rule_set_load(&seed, limits, buf_slice(&saved), &err);
	ensure(again != NULL && rule_set_count(again) == rule_set_count(set));
	arena_init(&tick, 0);
	apply_some(again, &tick);
	arena_release(&tick);
	rule_set_free(&again);
	rule_set_free(&set);
	buf_release(&saved);
	return 0;
}
