/* SPDX-License-Identifier: Apache-2.0 */
/* A finder finds exactly what is there, and says "not here" of JSON only when that is certain. */
#include "base/find.h"

#include "base/fold.h"
#include "base/json.h"
#include "test/t.h"

static bool in(const char *what, struct slice text)
{
	struct arena boot;
	struct finder f;
	bool found;

	arena_init(&boot, 0);
	finder_init(&f, slice_of(what), &boot);
	found = finder_in(&f, text);
	arena_release(&boot);
	return found;
}

static bool may(const char *what, struct slice json)
{
	struct arena boot;
	struct finder f;
	bool found;

	arena_init(&boot, 0);
	finder_init(&f, slice_of(what), &boot);
	found = finder_may_be_in(&f, json);
	arena_release(&boot);
	return found;
}

TEST(text_is_found_in_any_case)
{
	T_TRUE(in("TimeOut", S("connect: timeout after 5 s")));
	T_TRUE(in("timeout", S("TIMEOUT")));
	T_TRUE(in("e", S("E")));
	T_TRUE(in("zürich", S("In ZÜRICH, today")));
	T_TRUE(in("ошибка", S("Внутренняя ОШИБКА сервера")));
	T_TRUE(in("字", S("漢字")));
	T_TRUE(in("a b", S("xa by")));
	T_FALSE(in("timeouts", S("timeout")));
	T_FALSE(in("timeout", S("time out")));
	T_FALSE(in("x", S("")));
	T_FALSE(in("zurich", S("zürich")));
	T_FALSE(in("@", S("`")));
	T_FALSE(in("[", S("{")));
}

TEST(the_ends_of_a_text_belong_to_it)
{
	T_TRUE(in("ab", S("ab")));
	T_TRUE(in("ab", S("aab")));
	T_TRUE(in("aab", S("aaab")));
	T_TRUE(in("É", S("é")));
	T_FALSE(in("ab", S("a")));
	T_FALSE(in("é", S("\xc3")));
	T_FALSE(in("é", S("\xa9")));
}

TEST(json_is_passed_over_only_when_it_cannot_be_there)
{
	T_TRUE(may("Timeout", S("{\"a\":\"timeout\"}")));
	T_FALSE(may("timeout", S("{\"a\":\"other\"}")));
	T_FALSE(may("timeout", (struct slice) { 0 }));
	T_FALSE(may("timeout", S("\\")));
	T_FALSE(may("timeout", S("a\\\\u")));
	T_TRUE(may("timeout", S("\\u0054")));
	T_TRUE(may("timeout", S("{\"a\":\"\\u0074imeout\"}")));
	T_TRUE(may("a/b", S("{\"a\":\"a\\/b\"}")));
	T_TRUE(may("say \"hi\"", S("{\"a\":\"say \\\"hi\\\"\"}")));
	T_TRUE(may("c:\\temp", S("{\"a\":\"c:\\\\temp\"}")));
	T_FALSE(may("c:\\temp", S("{\"a\":\"c:\\\\other\"}")));
	T_TRUE(may("é", S("{\"a\":\"\\u00e9\"}")));
	T_TRUE(may("É", S("{\"a\":\"é\"}")));
	T_TRUE(may("\"", S("{}")));
	T_FALSE(may("字", S("{\"a\":\"漢\"}")));
	T_TRUE(may("ОШИБКА", S("{\"abcdefgh\":\"ошибка\"}")));
	T_FALSE(may("ошибка", S("{\"abcdefgh\":\"ошибки\"}")));
}

/* The same by trying every place, character by character. */
static bool slow(struct slice what, struct slice text)
{
	char a[64], b[64];

	fold_text(what, a);
	fold_text(text, b);
	for (size_t i = 0; i + what.n <= text.n; i++) {
		if (memcmp(a, b + i, what.n) == 0) {
			return true;
		}
	}
	return false;
}

static uint64_t seed;

/* The same numbers in every run (Knuth's constants). */
static uint64_t dice(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 33;
}

static size_t make(char *out, size_t pieces)
{
	static const char *const alphabet[] = { "a",  "A", "b",	 "é", "É", "д",	 "Д",
						"字", " ", "\"", "/", "z", "\\", "ệ" };
	size_t n = 0;

	for (size_t i = 0; i < pieces; i++) {
		struct slice s = slice_of(alphabet[(size_t)dice() % ARRAY_LEN(alphabet)]);

		memcpy(out + n, s.p, s.n);
		n += s.n;
	}
	return n;
}

TEST(it_agrees_with_trying_every_place)
{
	struct arena tick;
	struct buf json;
	size_t found = 0;

	seed = 7;
	arena_init(&tick, 0);
	buf_init(&json, 1024);
	for (int i = 0; i < 200000; i++) {
		char text[64], what[64];
		struct slice t = { text, make(text, (size_t)dice() % 12) };
		struct slice w = { what, make(what, 1 + (size_t)dice() % 3) };
		struct finder f;
		bool want = slow(w, t);

		arena_clear(&tick);
		finder_init(&f, w, &tick);
		assert_int_equal(finder_in(&f, t), want);
		buf_cut(&json, 0);
		json_quote(&json, t);
		assert_true(!want || finder_may_be_in(&f, buf_slice(&json)));
		found += want;
	}
	T_TRUE(found > 1000);
	buf_release(&json);
	arena_release(&tick);
}

T_MAIN(T(text_is_found_in_any_case), T(the_ends_of_a_text_belong_to_it),
       T(json_is_passed_over_only_when_it_cannot_be_there), T(it_agrees_with_trying_every_place))
