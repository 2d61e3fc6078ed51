/* SPDX-License-Identifier: Apache-2.0 */
/* Every scope survives the way to text and back, and no unknown word slips in. */
#include "model/scope.h"

#include "test/t.h"

TEST(every_scope_round_trips)
{
	struct buf out;
	uint32_t set;

	buf_init(&out, 1024);
	for (uint32_t i = 0; i < SCOPES_COUNT; i++) {
		buf_cut(&out, 0);
		scopes_write(UINT32_C(1) << i, &out);
		T_TRUE(slice_eq(buf_slice(&out), slice_of(scope_name((enum scope)(1U << i)))));
		T_TRUE(scopes_parse(buf_slice(&out), &set));
		T_INT(set, UINT32_C(1) << i);
	}
	buf_cut(&out, 0);
	scopes_write(SCOPES_ALL, &out);
	T_TRUE(scopes_parse(buf_slice(&out), &set));
	T_INT(set, SCOPES_ALL);
	buf_release(&out);
}

TEST(older_words_are_understood_and_unknown_ones_refused)
{
	uint32_t set;

	T_INT(scope_parse(S("api-keys:write")), SCOPE_KEYS_WRITE);
	T_INT(scope_parse(S("owner")), 0);
	T_TRUE(scopes_parse(S(""), &set));
	T_INT(set, 0);
	T_FALSE(scopes_parse(S("events:read  rules:read"), &set));
	T_FALSE(scopes_parse(S("events:read,rules:read"), &set));
}

T_MAIN(T(every_scope_round_trips), T(older_words_are_understood_and_unknown_ones_refused))
