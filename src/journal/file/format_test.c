/* SPDX-License-Identifier: Apache-2.0 */
/* The layout that doc/journal-format.md promises: a byte in another place breaks old journals. */
#include "journal/file/format.h"

#include "base/hex.h"
#include "test/t.h"

static const struct journal_id id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static void check_hex(const void *p, size_t n, const char *want)
{
	char got[512];

	hex_encode(p, n, got);
	got[2 * n] = '\0';
	T_STR(got, want);
}

TEST(a_record_is_laid_out_as_documented)
{
	struct record record = {
		.kind = RECORD_CONTROL,
		.seq = 0x0102,
		.received_at_us = 0x0304,
		.org = { 0x05 },
		.project = { 0x06 },
		.key = { 0x07 },
		.severity = 6,
		.hash = { 0x08, 0x09 },
		.idempotency_key = S("k"),
		.type = S("ty"),
		.body = S("{}"),
	};
	struct record back;
	char bytes[128];

	T_INT(record_size(&record), 88);
	record_encode(&record, bytes);
	check_hex(bytes + 4, 84,
		  "58000000"
		  "0201000000000000"
		  "0403000000000000"
		  "0500000000000000"
		  "0600000000000000"
		  "0700000000000000"
		  "0800000000000000"
		  "0900000000000000"
		  "0200"
		  "0200"
		  "0100"
		  "5000"
		  "02000000"
		  "06000000"
		  "74796b7b7d000000");
	T_INT(record_claims(bytes), 88);
	T_TRUE(record_intact(bytes, 88));
	record_decode(bytes, &back);
	T_SLICE(back.type, "ty");
	T_SLICE(back.idempotency_key, "k");
	T_SLICE(back.body, "{}");
	T_INT(back.severity, 6);
	for (size_t i = 0; i < 88 * 8; i++) {
		bytes[i / 8] ^= (char)(1 << i % 8);
		T_FALSE(record_claims(bytes) == 88 && record_intact(bytes, 88));
		bytes[i / 8] ^= (char)(1 << i % 8);
	}
}

TEST(a_batch_header_is_laid_out_as_documented)
{
	struct batch_head head = { id, 2, 3, 4, 5, 48, 7 };
	struct batch_head back;
	struct journal_id other = { { 0 } };
	char bytes[BATCH_HEAD_BYTES];

	batch_head_encode(&head, bytes);
	check_hex(bytes, 4, "014a7cb4");
	check_hex(bytes + 8, 56,
		  "0102030405060708090a0b0c0d0e0f10"
		  "0200000000000000"
		  "0300000000000000"
		  "0400000000000000"
		  "05000000"
		  "30000000"
		  "07000000"
		  "00000000");
	T_TRUE(batch_head_decode(bytes, &id, 2, &back));
	T_TRUE(back.first_seq == 3 && back.flushed_seq == 4 && back.count == 5 &&
	       back.length == 48 && back.chain == 7);
	T_FALSE(batch_head_decode(bytes, &id, 3, &back));
	T_FALSE(batch_head_decode(bytes, &other, 2, &back));
	for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
		bytes[i / 8] ^= (char)(1 << i % 8);
		T_FALSE(batch_head_decode(bytes, &id, 2, &back));
		bytes[i / 8] ^= (char)(1 << i % 8);
	}
}

TEST(meta_and_segment_heads_come_back_or_are_refused)
{
	struct journal_meta meta = { id, { { 17 } }, { { 18 } }, 19 };
	struct journal_meta back;
	struct segment_head head = { id, 20, 65536, 21 };
	struct segment_head head_back;
	static unsigned char bytes[SEGMENT_HEAD_BYTES];
	struct err err;

	meta_encode(&meta, bytes);
	T_OK(meta_decode(bytes, &back, &err));
	assert_memory_equal(&meta, &back, sizeof(meta));
	bytes[70] ^= 1;
	T_FAIL(meta_decode(bytes, &back, &err), ERR_CORRUPT);
	bytes[70] ^= 1;
	bytes[8] = 2;
	T_FAIL(meta_decode(bytes, &back, &err), ERR_CONFLICT);
	bytes[0] = 'x';
	T_FAIL(meta_decode(bytes, &back, &err), ERR_CORRUPT);
	segment_head_encode(&head, bytes);
	T_TRUE(segment_head_decode(bytes, &head_back));
	T_TRUE(head_back.epoch == 20 && head_back.bytes == 65536 && head_back.created_at_us == 21);
	bytes[4095] ^= 1;
	T_FALSE(segment_head_decode(bytes, &head_back));
}

/* One wrong byte anywhere but in the version, which may say that another program wrote it. */
TEST(meta_mends_one_wrong_byte)
{
	struct journal_meta meta = { .id = id, .created_at_us = 77 }, back;
	unsigned char good[META_BYTES], bytes[META_BYTES];
	struct err err;

	memset(&meta.hash, 3, sizeof(meta.hash));
	memset(&meta.cipher, 4, sizeof(meta.cipher));
	meta_encode(&meta, good);
	memcpy(bytes, good, sizeof(bytes));
	T_FALSE(meta_repair(bytes));
	for (size_t i = 0; i < META_BYTES; i++) {
		bytes[i] ^= (unsigned char)(1 + i * 7 % 255);
		T_FALSE(meta_decode(bytes, &back, &err));
		T_TRUE(meta_repair(bytes) == (i < 8 || i >= 12));
		if (i < 8 || i >= 12) {
			T_TRUE(memcmp(bytes, good, sizeof(bytes)) == 0);
		} else {
			T_INT(err.kind, ERR_CONFLICT);
		}
		memcpy(bytes, good, sizeof(bytes));
	}
	bytes[20] ^= 1;
	bytes[90] ^= 1;
	T_FALSE(meta_repair(bytes));
}

T_MAIN(T(meta_mends_one_wrong_byte), T(a_record_is_laid_out_as_documented),
       T(a_batch_header_is_laid_out_as_documented),
       T(meta_and_segment_heads_come_back_or_are_refused))
