/* SPDX-License-Identifier: Apache-2.0 */
/* Folding joins what is one letter, and keeps every byte in its place. */
#include "base/fold.h"

#include "base/utf8.h"
#include "test/t.h"

static struct slice folded(const char *text, char *out)
{
	struct slice s = slice_of(text);

	fold_text(s, out);
	return (struct slice) { out, s.n };
}

static void same(const char *a, const char *b)
{
	char x[64], y[64];

	T_TRUE(slice_eq(folded(a, x), folded(b, y)));
}

TEST(both_cases_of_a_letter_are_one)
{
	same("ABCXYZ[@`{", "abcxyz[@`{");
	same("ÀÉÎÕÜÞ", "àéîõüþ");
	same("ĀĞŁŇŸŽ", "āğłňÿž");
	same("ΑΒΓΔΣΩΆΈΉΊΌΎΏ", "αβγδσωάέήίόύώ");
	same("ς", "σ");
	same("АБВЯЁЂҐӢ", "абвяёђґӣ");
	same("ԱՖ", "աֆ");
	same("ẠỆ", "ạệ");
}

TEST(other_characters_stay_what_they_are)
{
	char out[64];

	T_SLICE(folded("×÷ßıİſ\xe2\x84\xaa漢字😀", out), "×÷ßıİſ\xe2\x84\xaa漢字😀");
	T_SLICE(folded("\xff\xc3(", out), "\xff\xc3(");
}

TEST(every_character_keeps_its_length_and_folds_once)
{
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		char text[4], once[4], twice[4];
		struct slice s = { text, 0 };

		if (c >= 0xd800 && c <= 0xdfff) {
			continue;
		}
		s.n = utf8_put(c, text);
		assert_int_equal(fold_char(s, once), s.n);
		assert_int_equal(fold_char((struct slice) { once, s.n }, twice), s.n);
		assert_memory_equal(once, twice, s.n);
		if (memcmp(once, text, s.n) != 0) {
			assert_true(fold_has_case(s));
			assert_true(fold_has_case((struct slice) { once, s.n }));
		}
	}
}

T_MAIN(T(both_cases_of_a_letter_are_one), T(other_characters_stay_what_they_are),
       T(every_character_keeps_its_length_and_folds_once))
