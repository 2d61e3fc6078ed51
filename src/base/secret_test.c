/* SPDX-License-Identifier: Apache-2.0 */
/* A secret is its own copy, compares whole, and leaves nothing behind. */
#include "base/secret.h"

#include "test/t.h"

TEST(a_secret_is_a_copy)
{
	char original[] = "hunter2";
	struct secret s;

	secret_init(&s, slice_of(original));
	secret_wipe(original, sizeof(original));
	T_INT(original[0], 0);
	T_INT(original[6], 0);
	T_SLICE(secret_reveal(&s), "hunter2");
	secret_release(&s);
	T_TRUE(s.bytes == NULL && s.n == 0);
	secret_release(&s);
}

TEST(secrets_compare_whole)
{
	struct secret s;

	secret_init(&s, S("abc"));
	T_TRUE(secret_equal(&s, S("abc")));
	T_FALSE(secret_equal(&s, S("abd")));
	T_FALSE(secret_equal(&s, S("ab")));
	T_FALSE(secret_equal(&s, S("abcd")));
	T_FALSE(secret_equal(&s, S("")));
	secret_release(&s);
	secret_init(&s, S(""));
	T_TRUE(secret_equal(&s, S("")));
	T_INT(secret_reveal(&s).n, 0);
	secret_release(&s);
}

T_MAIN(T(a_secret_is_a_copy), T(secrets_compare_whole))
