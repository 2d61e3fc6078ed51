/* SPDX-License-Identifier: Apache-2.0 */
/* The right password opens, at a cost that is bounded; hashes of earlier systems open as well. */
#include "auth/password.h"

#include <time.h>

#include "test/t.h"

#define ARGON2_OF_OTHERS \
	"$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlIHNsdA$" \
	"3NUR1wc80Fwn19hK7Wtnc1HdgDmSJ459ssQ3P0TBYOo"

static enum found verify(const char *password, const char *hash)
{
	struct password_gate gate = { 0 };
	struct err err;
	enum found found = password_verify(&gate, slice_of(password), slice_of(hash), &err);

	T_INT(gate.inside, 0);
	return found;
}

TEST(the_right_password_opens_and_no_other)
{
	struct password_gate gate = { 0 };
	struct password_hash one, two;
	struct err err;

	T_OK(password_hash(&gate, S("correct horse"), &one, &err));
	T_OK(password_hash(&gate, S("correct horse"), &two, &err));
	T_TRUE(strcmp(one.text, two.text) != 0);
	T_TRUE(strncmp(one.text, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0);
	T_INT(verify("correct horse", one.text), FOUND);
	T_INT(verify("correct horse", two.text), FOUND);
	T_INT(verify("correct hors", one.text), NOT_FOUND);
	T_INT(verify("Correct horse", one.text), NOT_FOUND);
	T_INT(verify("", one.text), NOT_FOUND);
	T_FALSE(password_is_old(slice_of(one.text)));
}

TEST(every_byte_of_a_long_password_counts)
{
	static char longest[PASSWORD_BYTES_MAX + 1];
	struct slice most = { longest, PASSWORD_BYTES_MAX };
	struct password_gate gate = { 0 };
	struct password_hash hash;
	struct err err;

	memset(longest, 'x', sizeof(longest));
	longest[100] = '\0';
	T_OK(password_hash(&gate, most, &hash, &err));
	T_INT(password_verify(&gate, most, slice_of(hash.text), &err), FOUND);
	longest[PASSWORD_BYTES_MAX - 1] = 'y';
	T_INT(password_verify(&gate, most, slice_of(hash.text), &err), NOT_FOUND);
	most.n++;
	T_INT(password_verify(&gate, most, slice_of(hash.text), &err), NOT_FOUND);
}

/*
 * Made by the argon2 command of the reference implementation, with the costs that OWASP asks for.
 */
TEST(argon2_is_the_one_of_others)
{
	T_INT(verify("hunter22", ARGON2_OF_OTHERS), FOUND);
	T_INT(verify("hunter23", ARGON2_OF_OTHERS), NOT_FOUND);
	T_FALSE(password_is_old(S(ARGON2_OF_OTHERS)));
}

/* Of crypt_blowfish, by its author; and the same hashes under the other names of the form. */
TEST(bcrypt_of_earlier_systems_opens)
{
	static const struct {
		const char *password, *hash;
	} rows[] = {
		{ "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
		{ "U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK" },
		{ "U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a" },
		{ "", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy" },
		{ "U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
		{ "U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_INT(verify(rows[i].password, rows[i].hash), FOUND);
		T_INT(verify("U*V", rows[i].hash), NOT_FOUND);
		T_TRUE(password_is_old(slice_of(rows[i].hash)));
		T_TRUE(password_hash_is_known(slice_of(rows[i].hash)));
	}
}

/* bcrypt ends at a 0 byte: what is behind it would count for nothing. */
TEST(a_password_with_a_zero_byte_is_not_its_start)
{
	struct password_gate gate = { 0 };
	struct err err;

	T_INT(password_verify(&gate, (struct slice) { "U*U\0x", 5 },
			      S("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
			      &err),
	      NOT_FOUND);
}

TEST(hashes_that_are_none_of_ours_are_refused)
{
	static const char *const bad[] = {
		"x",
		"hunter22",
		"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
		"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$0x$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
		"$2a$05$C!CCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$AAAA",
		"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzYWx0$AAAA",
		"$argon2id$v=19$m=19456,t=100,p=1$c29tZXNhbHRzYWx0$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=4$c29tZXNhbHRzYWx0$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0",
		"$argon2id$v=19$m=19456",
	};
	struct password_gate gate = { 0 };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (password_verify(&gate, S("hunter22"), slice_of(bad[i]), &err) != FAILED) {
			fail_msg("used %s", bad[i]);
		}
		T_INT(err.kind, ERR_CORRUPT);
		T_TRUE(strstr(err.text, "hunter22") == NULL);
		T_TRUE(password_is_old(slice_of(bad[i])));
	}
	T_INT(gate.inside, 0);
}

TEST(older_costs_want_a_new_hash)
{
	T_TRUE(password_hash_is_known(S("$argon2id$v=19$m=8192,t=3,p=1$c29tZXNhbHRzYWx0$"
					"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
	T_TRUE(password_is_old(S("$argon2id$v=19$m=8192,t=3,p=1$c29tZXNhbHRzYWx0$"
				 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
}

/* The least of some runs, of the processor's time: other programs are not counted. */
static clock_t cost_of(const char *hash)
{
	clock_t least = 0;

	for (int i = 0; i < 3; i++) {
		clock_t start = clock(), took;

		T_INT(verify("hunter22!", hash), NOT_FOUND);
		took = clock() - start;
		least = i == 0 || took < least ? took : least;
	}
	return least;
}

TEST(nobody_costs_what_somebody_costs)
{
	clock_t nobody = cost_of(""), somebody = cost_of(ARGON2_OF_OTHERS);

	T_TRUE(nobody * 2 > somebody && somebody * 2 > nobody);
	T_INT(verify("", ""), NOT_FOUND);
}

TEST(the_third_at_a_time_is_refused)
{
	struct password_gate gate = { .inside = PASSWORD_AT_ONCE_MAX };
	struct password_hash hash;
	struct err err;

	T_FAIL(password_hash(&gate, S("correct horse"), &hash, &err), ERR_OVERLOADED);
	T_INT(password_verify(&gate, S("correct horse"), S(""), &err), FAILED);
	T_INT(err.kind, ERR_OVERLOADED);
	T_INT(gate.inside, PASSWORD_AT_ONCE_MAX);
	gate.inside--;
	T_OK(password_hash(&gate, S("correct horse"), &hash, &err));
	T_INT(gate.inside, PASSWORD_AT_ONCE_MAX - 1);
}

T_MAIN(T(the_right_password_opens_and_no_other), T(every_byte_of_a_long_password_counts),
       T(argon2_is_the_one_of_others), T(bcrypt_of_earlier_systems_opens),
       T(a_password_with_a_zero_byte_is_not_its_start), T(hashes_that_are_none_of_ours_are_refused),
       T(older_costs_want_a_new_hash), T(nobody_costs_what_somebody_costs),
       T(the_third_at_a_time_is_refused))
