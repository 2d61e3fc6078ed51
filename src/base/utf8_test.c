/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 is accepted exactly as RFC 3629 has it, and never cut inside a code point. */
#include "base/utf8.h"

#include "test/t.h"

TEST(every_code_point_comes_back)
{
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char p[4];
		size_t n;

		if (c >= 0xd800 && c <= 0xdfff) {
			continue;
		}
		n = utf8_put(c, p);
		T_INT(utf8_seq((struct slice) { p, n }), n);
		/* A sequence without its last byte is none. */
		T_INT(utf8_seq((struct slice) { p, n - 1 }), 0);
	}
}

TEST(ill_formed_bytes_are_refused)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x9f\xbf",
		"\xe0\x80\x80",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xe2\x82",
		"\xe2\x41\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xf0\x9f\x92",
		"a\xfe",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FALSE(utf8_valid(slice_of(bad[i])));
	}
	T_TRUE(utf8_valid(S("")));
	T_TRUE(utf8_valid(S("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x94")));
}

TEST(cuts_fall_between_code_points)
{
	struct slice s = S("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x94z"); /* 1, 2, 3, 4 and 1 bytes */
	static const size_t ends[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		T_INT(utf8_cut(s, i).n, ends[i]);
	}
	T_INT(utf8_len(s), 5);
	T_INT(utf8_head(s, 0).n, 0);
	T_INT(utf8_head(s, 3).n, 6);
	T_INT(utf8_head(s, 9).n, 11);
	T_INT(utf8_len(S("\xff\xff")), 2);
}

T_MAIN(T(every_code_point_comes_back), T(ill_formed_bytes_are_refused),
       T(cuts_fall_between_code_points))
