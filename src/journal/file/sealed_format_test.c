/* SPDX-License-Identifier: Apache-2.0 */
/* The layout that doc/journal-format.md promises: a byte in another place breaks old files. */
#include "journal/file/sealed_format.h"

#include "base/hex.h"
#include "journal/file/block.h"
#include "journal/file/bloom.h"
#include "test/t.h"

static void check_hex(const void *p, size_t n, const char *want)
{
	char got[1024];

	ensure(2 * n < sizeof(got));
	hex_encode(p, n, got);
	got[2 * n] = '\0';
	T_STR(got, want);
}

static struct sealed_footer example(void)
{
	struct sealed_layout layout;
	struct sealed_footer footer = {
		.info = { .id = { { 1, 2, 3 } },
			  .epoch = 4,
			  .created_at_us = 5,
			  .first_seq = 6,
			  .last_seq = 7,
			  .records = 8,
			  .first_us = 9,
			  .last_us = 10,
			  .raw_bytes = 11,
			  .body_bytes = 12,
			  .blocks = 13,
			  .projects = 14,
			  .keys = 15 },
		.content_bytes = 1000,
		.page_bytes = 512,
		.table_sum = 16,
		.map = { 4096, 17 },
		.keys = { 4097, 18 },
		.filter = { 4098, 19 },
		.index = { 4099, 20 },
	};

	sealed_layout_init(&layout, 1000, 512);
	footer.info.file_bytes = layout.file_bytes;
	return footer;
}

TEST(a_footer_is_laid_out_as_documented)
{
	static char bytes[SEALED_FOOTER_BYTES];
	struct sealed_footer footer = example();
	struct sealed_footer back = { 0 };

	sealed_footer_encode(&footer, bytes);
	check_hex(bytes, 12, "746f6373696e0a5a01000000");
	check_hex(bytes + 16, 208,
		  "01020300000000000000000000000000"
		  "0400000000000000"
		  "0500000000000000"
		  "0600000000000000"
		  "0700000000000000"
		  "0800000000000000"
		  "0900000000000000"
		  "0a00000000000000"
		  "0b00000000000000"
		  "0c00000000000000"
		  "0d00000000000000"
		  "0e00000000000000"
		  "0f00000000000000"
		  "0026000000000000"
		  "e803000000000000"
		  "00020000"
		  "10000000"
		  "00100000000000001100000000000000"
		  "01100000000000001200000000000000"
		  "02100000000000001300000000000000"
		  "03100000000000001400000000000000"
		  "0000000000000000");
	T_TRUE(sealed_footer_decode(bytes, &back));
	assert_memory_equal(&back, &footer, sizeof(footer));
	for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
		bytes[i / 8] ^= (char)(1 << i % 8);
		T_FALSE(sealed_footer_decode(bytes, &back));
		bytes[i / 8] ^= (char)(1 << i % 8);
	}
}

TEST(a_footer_with_places_outside_is_refused)
{
	static char bytes[SEALED_FOOTER_BYTES];
	struct sealed_footer footers[5];
	struct sealed_footer back;

	for (size_t i = 0; i < ARRAY_LEN(footers); i++) {
		footers[i] = example();
	}
	footers[0].map.offset = 4095;
	footers[1].index.bytes = 1000;
	footers[2].keys.bytes = UINT64_MAX - 100;
	footers[3].info.file_bytes++;
	footers[4].page_bytes = 513;
	for (size_t i = 0; i < ARRAY_LEN(footers); i++) {
		sealed_footer_encode(&footers[i], bytes);
		T_FALSE(sealed_footer_decode(bytes, &back));
	}
}

TEST(pages_and_parity_are_where_they_should_be)
{
	struct sealed_layout layout;

	/* 65 pages, the last of 10 bytes: three groups. */
	sealed_layout_init(&layout, (uint64_t)64 * 512 + 10, 512);
	T_INT(layout.pages, 65);
	T_INT(layout.groups, 3);
	T_INT(layout.table_bytes, 68 * 4);
	T_INT(sealed_page(&layout, 0).offset, 4096);
	T_INT(sealed_page(&layout, 64).offset, 4096 + 64 * 512);
	T_INT(sealed_page(&layout, 64).bytes, 10);
	T_INT(layout.tables[0], 4096 + 64 * 512 + 10);
	T_INT(sealed_page(&layout, 65).offset, layout.tables[0] + 68 * 4);
	T_INT(sealed_page(&layout, 67).offset, layout.tables[0] + 68 * 4 + 2 * 512);
	T_INT(layout.tables[1], layout.tables[0] + 68 * 4 + 3 * 512);
	T_INT(layout.file_bytes, layout.tables[1] + 68 * 4 + 4096);
	/* One short page: its parity is as short. */
	sealed_layout_init(&layout, 10, 512);
	T_INT(layout.groups, 1);
	T_INT(sealed_page(&layout, 1).bytes, 10);
}

TEST(a_block_is_laid_out_as_documented)
{
	struct record records[2] = {
		{ .kind = RECORD_EVENT,
		  .seq = 300,
		  .received_at_us = 5,
		  .org = { 1 },
		  .project = { 2 },
		  .key = { 3 },
		  .severity = 6,
		  .type = S("ab"),
		  .idempotency_key = S("k"),
		  .body = S("{\"type\":\"ab\"}") },
		{ .kind = RECORD_TICK, .seq = 303, .received_at_us = 9, .hash = { 0x11, 0x22 } },
	};
	struct hash_key key = { { 9 } };
	struct block_packer packer;
	struct block_head head;
	struct buf out;

	records[0].hash = hash_sip128(&key, records[0].body);
	block_packer_init(&packer, 3, &key);
	buf_init(&out, 4096);
	block_pack(&packer, records, 2, &out);
	check_hex(out.p, 4, "7bc57cb1");
	check_hex(out.p + 8, out.n - 8,
		  "35000000350000000200000000000000"
		  "2c01000000000000"
		  "0201020000" /* two projects: 1 2, 0 0 */
		  "0001"       /* whose */
		  "0806"       /* flags */
		  "0003"       /* numbers */
		  "0a08"       /* times */
		  "0600"       /* severities */
		  "0605"       /* API keys: 3, then -3 */
		  "0200"       /* types */
		  "0100"       /* idempotency keys */
		  "0d00"       /* bodies */
		  "11000000000000002200000000000000"
		  "6b"
		  "7b2274797065223a226162227d");
	T_TRUE(block_head_decode(out.p, &head));
	T_TRUE(block_intact(out.p, &head));
	buf_release(&out);
	block_packer_release(&packer);
}

TEST(a_line_of_a_filter_is_laid_out_as_documented)
{
	unsigned char line[BLOOM_LINE_BYTES] = { 0 };

	bloom_add(line, UINT64_C(0x0123456789000000));
	bloom_seal(line, 7);
	T_TRUE(bloom_intact(line, 7));
	T_FALSE(bloom_intact(line, 8));
	T_TRUE(bloom_has(line, UINT64_C(0x0123456789000000)));
	check_hex(line, sizeof(line),
		  "00000000000000000001000000000000"
		  "00000000080002000000200000000000"
		  "00000000000000000000100000000000"
		  "0000000000000000000000003ef0fbde");
	T_INT(bloom_line(UINT64_MAX, 100), 99);
	T_INT(bloom_line(UINT64_C(1) << 63, 100), 50);
	T_INT(bloom_lines(48), 1);
	T_INT(bloom_lines(49), 2);
}

T_MAIN(T(a_footer_is_laid_out_as_documented), T(a_footer_with_places_outside_is_refused),
       T(pages_and_parity_are_where_they_should_be), T(a_block_is_laid_out_as_documented),
       T(a_line_of_a_filter_is_laid_out_as_documented))
