/* SPDX-License-Identifier: Apache-2.0 */
/* Slices compare, split and read numbers without ever touching a byte behind their end. */
#include "base/slice.h"

#include "test/t.h"

TEST(numbers_are_whole_or_refused)
{
	uint64_t u;
	int64_t i;

	T_TRUE(slice_u64(S("18446744073709551615"), &u));
	T_TRUE(u == UINT64_MAX);
	T_FALSE(slice_u64(S("18446744073709551616"), &u));
	T_FALSE(slice_u64(S(""), &u));
	T_FALSE(slice_u64(S("12a"), &u));
	T_FALSE(slice_u64(S("+1"), &u));
	T_TRUE(slice_i64(S("-9223372036854775808"), &i));
	T_TRUE(i == INT64_MIN);
	T_FALSE(slice_i64(S("-9223372036854775809"), &i));
	T_FALSE(slice_i64(S("-"), &i));
}

TEST(split_yields_each_part_once)
{
	struct slice rest = S("a,,b"), part;

	T_TRUE(slice_split(&rest, ',', &part));
	T_SLICE(part, "a");
	T_TRUE(slice_split(&rest, ',', &part));
	T_SLICE(part, "");
	T_TRUE(slice_split(&rest, ',', &part));
	T_SLICE(part, "b");
	T_FALSE(slice_split(&rest, ',', &part));
}

TEST(comparison_is_by_bytes)
{
	T_TRUE(slice_eq(S(""), (struct slice) { 0 }));
	T_TRUE(slice_eq_nocase(S("Content-Type"), S("content-type")));
	T_FALSE(slice_eq_nocase(S("a"), S("ab")));
	T_TRUE(slice_cmp(S("a"), S("ab")) < 0);
	T_TRUE(slice_cmp(S("\xff"), S("a")) > 0);
	T_TRUE(slice_starts(S("checkout.failed"), S("checkout.")));
	T_TRUE(slice_ends(S("a.c"), S(".c")));
	T_SLICE(slice_trim(S(" \t x y\t")), "x y");
}

T_MAIN(T(numbers_are_whole_or_refused), T(split_yields_each_part_once), T(comparison_is_by_bytes))
