/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies come out as they went in, or are refused before they cost memory. */
#include "net/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include "test/t.h"

#define PLAIN_BYTES ((size_t)200000)

static char plain[PLAIN_BYTES];

/* Text that compresses about 4 to 1. */
static void fill_plain(void)
{
	uint32_t v = 1;

	for (size_t i = 0; i < PLAIN_BYTES; i++) {
		v = v * 1664525 + 1013904223;
		plain[i] = i % 3 == 0 ? (char)('a' + (v >> 24) % 16) : 'e';
	}
}

static struct slice deflated(enum inflate_kind kind, const void *p, size_t n, void *to, size_t room)
{
	z_stream z = { 0 };

	if (kind == INFLATE_ZSTD) {
		size_t got = ZSTD_compress(to, room, p, n, 3);

		assert_false(ZSTD_isError(got));
		return (struct slice) { to, got };
	}
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, kind == INFLATE_GZIP ? 31 : 15, 8,
				      Z_DEFAULT_STRATEGY),
			 Z_OK);
	z.next_in = (z_const Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = to;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return (struct slice) { to, room - z.avail_out };
}

/* Feed in steps; ERR_NONE when all is well. */
static enum err_kind decode(enum inflate_kind kind, struct slice in, size_t by, struct buf *out)
{
	struct inflate *z = inflate_new(kind);
	struct err err = { 0 };
	bool ok = true;

	while (ok && in.n > 0) {
		struct slice part = { in.p, in.n < by ? in.n : by };

		ok = inflate_feed(z, part, out, &err);
		in = slice_from(in, by);
	}
	ok = ok && inflate_end(z, &err);
	inflate_free(&z);
	assert_null(z);
	return ok ? ERR_NONE : err.kind;
}

TEST(bodies_come_out_as_they_went_in)
{
	static char packed[2 * PLAIN_BYTES];
	static const size_t steps[] = { 1, 7, 4096, 1 << 20 };

	fill_plain();
	for (int kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct slice in = deflated((enum inflate_kind)kind, plain, PLAIN_BYTES, packed,
					   sizeof(packed));

		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			struct buf out;

			buf_init(&out, PLAIN_BYTES);
			T_INT(decode((enum inflate_kind)kind, in, steps[i], &out), ERR_NONE);
			T_INT(out.n, PLAIN_BYTES);
			T_TRUE(memcmp(out.p, plain, PLAIN_BYTES) == 0);
			buf_release(&out);
		}
	}
}

TEST(one_byte_over_the_limit_is_too_large)
{
	static char packed[2 * PLAIN_BYTES];

	fill_plain();
	for (int kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct slice in = deflated((enum inflate_kind)kind, plain, PLAIN_BYTES, packed,
					   sizeof(packed));
		struct buf out;

		buf_init(&out, PLAIN_BYTES - 1);
		T_INT(decode((enum inflate_kind)kind, in, 1 << 20, &out), ERR_TOO_LARGE);
		T_TRUE(out.n <= PLAIN_BYTES - 1);
		buf_release(&out);
	}
}

TEST(bombs_cost_no_memory)
{
	static char packed[1 << 20];
	size_t zeros_n = (size_t)64 << 20;
	char *zeros = mem_alloc(zeros_n, 1);

	for (int kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct slice in = deflated((enum inflate_kind)kind, zeros, zeros_n, packed,
					   sizeof(packed));
		struct buf out;

		buf_init(&out, zeros_n);
		T_INT(decode((enum inflate_kind)kind, in, 1 << 20, &out), ERR_TOO_LARGE);
		T_TRUE(out.n < in.n * INFLATE_RATIO_MAX + INFLATE_RATIO_FREE_BYTES + 65536);
		buf_release(&out);
	}
	free(zeros);
}

TEST(small_bodies_may_repeat_themselves)
{
	static char packed[4096], same[60000];

	memset(same, 'x', sizeof(same));
	for (int kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct buf out;

		buf_init(&out, sizeof(same));
		T_INT(decode((enum inflate_kind)kind,
			     deflated((enum inflate_kind)kind, same, sizeof(same), packed,
				      sizeof(packed)),
			     1 << 20, &out),
		      ERR_NONE);
		T_INT(out.n, sizeof(same));
		buf_release(&out);
	}
}

TEST(damage_and_cuts_are_malformed)
{
	char packed[256], bad[256];

	for (int kind = INFLATE_GZIP; kind <= INFLATE_ZSTD; kind++) {
		struct slice in = deflated((enum inflate_kind)kind, "hello hello hello", 17, packed,
					   sizeof(packed));

		for (size_t n = 0; n < in.n; n++) {
			struct buf out;

			buf_init(&out, 100);
			T_INT(decode((enum inflate_kind)kind, (struct slice) { in.p, n }, 3, &out),
			      ERR_MALFORMED);
			buf_release(&out);
		}
		for (size_t tail = 1; tail < 4; tail++) {
			struct buf out;

			memcpy(bad, in.p, in.n);
			memset(bad + in.n, 'x', tail * 8);
			buf_init(&out, 100);
			T_INT(decode((enum inflate_kind)kind,
				     (struct slice) { bad, in.n + tail * 8 }, 5, &out),
			      ERR_MALFORMED);
			buf_release(&out);
		}
	}
}

TEST(members_follow_each_other_in_gzip_and_zstd)
{
	static const enum inflate_kind kinds[] = { INFLATE_GZIP, INFLATE_ZSTD };
	char two[256];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct slice a = deflated(kinds[i], "one", 3, two, sizeof(two));
		struct slice b = deflated(kinds[i], "two", 3, two + a.n, sizeof(two) - a.n);

		for (size_t by = 1; by < 100; by += 98) {
			struct buf out;

			buf_init(&out, 6);
			T_INT(decode(kinds[i], (struct slice) { two, a.n + b.n }, by, &out),
			      ERR_NONE);
			T_SLICE(buf_slice(&out), "onetwo");
			buf_release(&out);
		}
	}
}

TEST(a_window_of_a_gigabyte_is_refused)
{
	/*
	 * A frame header that asks for windowLog 30 (RFC 8878 section 3.1.1.1.2), and an empty
	 * block.
	 */
	static const char frame[] = "\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00";
	struct buf out;

	buf_init(&out, 100);
	T_INT(decode(INFLATE_ZSTD, (struct slice) { frame, 9 }, 9, &out), ERR_MALFORMED);
	buf_release(&out);
}

TEST(codings_are_known_by_name)
{
	enum inflate_kind kind;

	T_TRUE(inflate_kind_of(S("GZip"), &kind));
	T_INT(kind, INFLATE_GZIP);
	T_TRUE(inflate_kind_of(S("zstd"), &kind));
	T_INT(kind, INFLATE_ZSTD);
	T_FALSE(inflate_kind_of(S("br"), &kind));
	T_FALSE(inflate_kind_of(S("gzip, gzip"), &kind));
}

T_MAIN(T(bodies_come_out_as_they_went_in), T(one_byte_over_the_limit_is_too_large),
       T(bombs_cost_no_memory), T(small_bodies_may_repeat_themselves),
       T(damage_and_cuts_are_malformed), T(members_follow_each_other_in_gzip_and_zstd),
       T(a_window_of_a_gigabyte_is_refused), T(codings_are_known_by_name))
