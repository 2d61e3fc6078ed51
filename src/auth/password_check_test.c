/* SPDX-License-Identifier: Apache-2.0 */
/* What everybody tries first is refused; what only looks simple is not. */
#include "auth/password.h"

#include "test/t.h"

static bool takes(const char *password, const char *mail)
{
	struct err err = { 0 };
	bool ok = password_check(slice_of(password), slice_of(mail), &err);

	if (!ok) {
		T_INT(err.kind, ERR_INVALID);
		T_STR(err.field, "password");
		/* The name of the field is the one password that may stand there. */
		T_TRUE(password[0] == '\0' || strcmp(password, "password") == 0 ||
		       strstr(err.text, password) == NULL);
	}
	return ok;
}

TEST(length_is_bounded)
{
	static char long_one[PASSWORD_BYTES_MAX + 2];

	T_FALSE(takes("", ""));
	T_FALSE(takes("xK4$v.7", ""));
	T_TRUE(takes("xK4$v.7q", ""));
	for (size_t i = 0; i <= PASSWORD_BYTES_MAX; i++) {
		long_one[i] = (char)('a' + i * 7 % 26);
	}
	T_FALSE(takes(long_one, ""));
	long_one[PASSWORD_BYTES_MAX] = '\0';
	T_TRUE(takes(long_one, ""));
}

TEST(the_mail_is_no_password)
{
	T_FALSE(takes("anna.meier@example.org", "anna.meier@example.org"));
	T_FALSE(takes("Anna.Meier@Example.Org", "anna.meier@example.org"));
	T_FALSE(takes("anna.meier", "anna.meier@example.org"));
	T_TRUE(takes("anna.meier", "ben@example.org"));
	T_TRUE(takes("anna.meier", ""));
}

TEST(runs_are_no_passwords)
{
	static const char *const bad[] = { "aaaaaaaa",	 "........",
					   "12345678",	 "1234567890",
					   "87654321",	 "abcdefgh",
					   "ABCDEFGHIJ", "zyxwvuts",
					   "        ",	 "\xff\xff\xff\xff\xff\xff\xff\xff" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (takes(bad[i], "")) {
			fail_msg("took %s", bad[i]);
		}
	}
	T_TRUE(takes("aaaaaaab", ""));
	T_TRUE(takes("13579bdf", ""));
}

TEST(common_words_are_no_passwords)
{
	static const char *const bad[] = {
		"password",   "Password1",   "PASSWORD123!", "letmein!!",   "iloveyou",
		"Summer2024", "welcome2024", "1qwertyuiop",  "Tocsin2026!", "changeme",
		"hunter22",   "admin123",    "123password",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (takes(bad[i], "")) {
			fail_msg("took %s", bad[i]);
		}
	}
	T_TRUE(takes("passwords are not words", ""));
	T_TRUE(takes("password91827364", ""));
	T_TRUE(takes("grünkohl", ""));
	T_TRUE(takes("xpasswordx", ""));
}

T_MAIN(T(length_is_bounded), T(the_mail_is_no_password), T(runs_are_no_passwords),
       T(common_words_are_no_passwords))
