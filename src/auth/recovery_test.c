/* SPDX-License-Identifier: Apache-2.0 */
/* A recovery code is found however it is typed, for its own account alone. */
#include "auth/recovery.h"

#include "base/hex.h"
#include "test/t.h"

static bool same(const char *one, const char *two, const char *account)
{
	unsigned char a[RECOVERY_HASH_BYTES], b[RECOVERY_HASH_BYTES];

	T_TRUE(recovery_hash(slice_of(one), S("usr_1"), a));
	T_TRUE(recovery_hash(slice_of(two), slice_of(account), b));
	return memcmp(a, b, sizeof(a)) == 0;
}

TEST(codes_are_readable_and_differ)
{
	char codes[RECOVERY_CODES][RECOVERY_TEXT_CHARS + 1];

	recovery_make(codes);
	for (size_t i = 0; i < RECOVERY_CODES; i++) {
		T_INT(strlen(codes[i]), RECOVERY_TEXT_CHARS);
		T_INT(strspn(codes[i], "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 5);
		T_INT(codes[i][5], '-');
		T_INT(strspn(codes[i] + 6, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 5);
		for (size_t k = 0; k < i; k++) {
			T_TRUE(strcmp(codes[i], codes[k]) != 0);
		}
	}
}

TEST(it_does_not_matter_how_a_code_is_typed)
{
	T_TRUE(same("7ZK4M-9QWX2", "7ZK4M-9QWX2", "usr_1"));
	T_TRUE(same("7ZK4M-9QWX2", "7zk4m9qwx2", "usr_1"));
	T_TRUE(same("7ZK4M-9QWX2", " 7ZK4 M9QW X2 ", "usr_1"));
	T_TRUE(same("01104-00111", "OIlo4-OOLiI", "usr_1"));
	T_FALSE(same("7ZK4M-9QWX2", "7ZK4M-9QWX3", "usr_1"));
	T_FALSE(same("7ZK4M-9QWX2", "7ZK4M-9QWX2", "usr_2"));
}

/* The argon2 command says so as well. What is stored today has to be found by later versions. */
TEST(a_hash_stays_the_same)
{
	unsigned char hash[RECOVERY_HASH_BYTES];
	char text[2 * RECOVERY_HASH_BYTES + 1] = "";

	T_TRUE(recovery_hash(S("7ZK4M-9QWX2"), S("usr_1"), hash));
	hex_encode(hash, sizeof(hash), text);
	T_STR(text, "4355cefbecff44efefe5aa77479a45006ff89eed5f307a9310a5ec5bb4c017f1");
}

TEST(other_text_is_no_code)
{
	static const char *const bad[] = {
		"",	      "7ZK4M", "7ZK4M-9QWX", "7ZK4M-9QWX22", "7ZK4M-9QWXU", "7ZK4M_9QWX2",
		"----------", "123456"
	};
	unsigned char hash[RECOVERY_HASH_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FALSE(recovery_hash(slice_of(bad[i]), S("usr_1"), hash));
	}
	T_FALSE(recovery_hash((struct slice) { "7ZK4M\0QWX2", 10 }, S("usr_1"), hash));
}

T_MAIN(T(codes_are_readable_and_differ), T(it_does_not_matter_how_a_code_is_typed),
       T(a_hash_stays_the_same), T(other_text_is_no_code))
