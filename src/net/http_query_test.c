/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes are data: decoding happens after splitting, and never changes where a part ends. */
#include "net/http_query.h"

#include "test/t.h"

TEST(the_first_value_of_a_name_is_found)
{
	struct arena req;
	struct slice q = S("a=1&b=x%26y+z&b=2&c&&=e&d%3D=%41"), value;

	arena_init(&req, 0);
	T_TRUE(http_query_get(q, "a", &req, &value));
	T_SLICE(value, "1");
	T_TRUE(http_query_get(q, "b", &req, &value));
	T_SLICE(value, "x&y z");
	T_TRUE(http_query_get(q, "c", &req, &value));
	T_SLICE(value, "");
	T_TRUE(http_query_get(q, "d=", &req, &value));
	T_SLICE(value, "A");
	T_FALSE(http_query_get(q, "e", &req, &value));
	T_FALSE(http_query_get(S(""), "a", &req, &value));
	arena_release(&req);
}

TEST(all_pairs_are_walked_in_order)
{
	struct arena req;
	struct slice rest = S("&a=1&&b=2=3&a="), name, value;

	arena_init(&req, 0);
	T_TRUE(http_query_next(&rest, &req, &name, &value));
	T_SLICE(name, "a");
	T_SLICE(value, "1");
	T_TRUE(http_query_next(&rest, &req, &name, &value));
	T_SLICE(name, "b");
	T_SLICE(value, "2=3");
	T_TRUE(http_query_next(&rest, &req, &name, &value));
	T_SLICE(name, "a");
	T_SLICE(value, "");
	T_FALSE(http_query_next(&rest, &req, &name, &value));
	arena_release(&req);
}

TEST(parts_of_a_path_decode_by_themselves)
{
	struct arena req;
	struct slice plain = S("a+b");

	arena_init(&req, 0);
	T_TRUE(http_path_decode(plain, &req).p == plain.p);
	T_SLICE(http_path_decode(S("%2f%2F..%C3%A9"), &req), "//..\xc3\xa9");
	arena_release(&req);
}

TEST(what_is_encoded_comes_back)
{
	struct slice value, rest, name;
	struct arena arena;

	arena_init(&arena, 0);
	T_SLICE(http_query_encode(S("/a b?x=1&y=%2F+\xc3\xa9~-._"), &arena),
		"%2Fa%20b%3Fx%3D1%26y%3D%252F%2B%C3%A9~-._");
	T_SLICE(http_query_encode(S(""), &arena), "");
	rest = arena_printf(&arena, "v=%.*s", SARG(http_query_encode(S("a&b=c%20d+\x01"), &arena)));
	T_TRUE(http_query_next(&rest, &arena, &name, &value));
	T_SLICE(value, "a&b=c%20d+\x01");
	arena_release(&arena);
}

T_MAIN(T(what_is_encoded_comes_back), T(the_first_value_of_a_name_is_found),
       T(all_pairs_are_walked_in_order), T(parts_of_a_path_decode_by_themselves))
