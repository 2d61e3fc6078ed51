/* SPDX-License-Identifier: Apache-2.0 */
/* What is sealed opens where it belongs, under a key that is there, unchanged; and nowhere else. */
#include "base/seal.h"

#include "base/hex.h"
#include "test/t.h"

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "//////////////////////////////////////////8="

static struct seal *seal_of(const char *keys)
{
	struct seal *seal = seal_new();
	struct err err;

	T_OK(seal_add_text(seal, slice_of(keys), &err));
	return seal;
}

TEST(a_secret_comes_back)
{
	static char big[SEAL_BYTES_MAX];
	const struct slice plain[] = { S("hunter2"), S(""), { big, sizeof(big) } };
	struct seal *seal = seal_of(KEY_A);
	struct arena arena;
	struct secret out;
	struct err err;

	arena_init(&arena, 0);
	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		struct slice text = seal_wrap(seal, S("totp:user:17"), plain[i], &arena);

		T_OK(seal_unwrap(seal, S("totp:user:17"), text, &out, &err));
		T_TRUE(secret_equal(&out, plain[i]));
		secret_release(&out);
	}
	seal_free(&seal);
	T_TRUE(seal == NULL);
	seal_free(&seal);
	arena_release(&arena);
}

/* Written once and kept: what is stored today opens with every later version. */
TEST(what_was_sealed_before_still_opens)
{
	struct seal *seal = seal_of(KEY_A);
	struct secret out;
	struct err err;

	T_OK(seal_unwrap(seal, S("test:1"),
			 S("s1.c773e9b7d7f91740."
			   "87ah78L7HfH9o4h1dZ3R9jiBw9W1lnN_skIc0ZE5CGJFW2KQTPlD3E6LIq4U"
			   "a-rlTp-KVFQQnw78AhaPeado6I8-Eh6m"),
			 &out, &err));
	T_SLICE(secret_reveal(&out), "a secret of the first version");
	secret_release(&out);
	seal_free(&seal);
}

TEST(no_two_sealed_texts_are_alike)
{
	struct seal *seal = seal_of(KEY_A);
	struct arena arena;

	arena_init(&arena, 0);
	T_FALSE(slice_eq(seal_wrap(seal, S("a"), S("same"), &arena),
			 seal_wrap(seal, S("a"), S("same"), &arena)));
	seal_free(&seal);
	arena_release(&arena);
}

TEST(a_sealed_text_opens_only_where_it_belongs)
{
	static const char *const others[] = { "totp:user:1",   "totp:user:170", "totp:user:18",
					      "totp:user:17 ", "key:user:17",	"TOTP:user:17" };
	struct seal *seal = seal_of(KEY_A);
	struct secret out = { .n = 99 };
	struct arena arena;
	struct slice text;
	struct err err;

	arena_init(&arena, 0);
	text = seal_wrap(seal, S("totp:user:17"), S("JBSWY3DP"), &arena);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		T_FAIL(seal_unwrap(seal, slice_of(others[i]), text, &out, &err), ERR_CORRUPT);
		T_STR(err.text, "the sealed text was changed, or belongs somewhere else");
		T_TRUE(out.bytes == NULL && out.n == 0);
	}
	seal_free(&seal);
	arena_release(&arena);
}

TEST(a_changed_text_does_not_open)
{
	struct seal *seal = seal_of(KEY_A);
	struct secret out;
	struct arena arena;
	struct slice text;
	struct err err;
	char *p;

	arena_init(&arena, 0);
	text = seal_wrap(seal, S("a"), S("secret"), &arena);
	p = (char *)text.p;
	for (size_t i = 0; i < text.n; i++) {
		char was = p[i];

		p[i] = was == 'A' ? 'B' : 'A';
		T_FAIL(seal_unwrap(seal, S("a"), text, &out, &err), ERR_CORRUPT);
		p[i] = was;
		T_FAIL(seal_unwrap(seal, S("a"), (struct slice) { p, i }, &out, &err), ERR_CORRUPT);
	}
	T_OK(seal_unwrap(seal, S("a"), text, &out, &err));
	secret_release(&out);
	seal_free(&seal);
	arena_release(&arena);
}

/* The first key wraps, all unwrap; a text under a key that is gone says which one it was. */
TEST(keys_rotate)
{
	struct seal *old = seal_of(KEY_A), *both = seal_of(KEY_B "\n" KEY_A "\n");
	struct seal *fresh = seal_of(KEY_B);
	struct slice before, after;
	struct secret out;
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	before = seal_wrap(old, S("a"), S("secret"), &arena);
	after = seal_wrap(both, S("a"), S("secret"), &arena);
	T_INT(seal_keys(both), 2);
	T_OK(seal_unwrap(both, S("a"), before, &out, &err));
	secret_release(&out);
	T_TRUE(seal_is_old(both, before));
	T_FALSE(seal_is_old(both, after));
	T_OK(seal_unwrap(fresh, S("a"), after, &out, &err));
	secret_release(&out);
	T_TRUE(seal_knows(both, before));
	T_FALSE(seal_knows(fresh, before));
	T_FAIL(seal_unwrap(fresh, S("a"), before, &out, &err), ERR_CORRUPT);
	T_TRUE(strstr(err.text, "which is not among the 1 of this installation") != NULL);
	T_TRUE(memmem(err.text, sizeof(err.text), seal_key_of(before).p, SEAL_KEY_ID_CHARS) !=
	       NULL);
	seal_free(&old);
	seal_free(&both);
	seal_free(&fresh);
	arena_release(&arena);
}

TEST(what_is_no_sealed_text_is_told)
{
	static const char *const bad[] = { "",
					   "hunter2",
					   "s1.",
					   "s1.0123456789abcdef",
					   "s1.0123456789abcdef.",
					   "s1.0123456789ABCDEF.AAAA",
					   "s2.0123456789abcdef.AAAA" };
	struct seal *seal = seal_of(KEY_A);
	struct secret out;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_INT(seal_key_of(slice_of(bad[i])).n, 0);
		T_FALSE(seal_knows(seal, slice_of(bad[i])));
		T_FAIL(seal_unwrap(seal, S("a"), slice_of(bad[i]), &out, &err), ERR_CORRUPT);
		T_STR(err.text, "this is no sealed text");
	}
	seal_free(&seal);
}

TEST(keys_are_read_strictly_and_never_told)
{
	static const char *const bad[] = {
		"",
		" \n",
		"AAEC",
		KEY_A "x",
		KEY_A "AAAA",
		"hunter2",
		KEY_A ";" KEY_B,
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
	};
	struct seal *seal = seal_new();
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FAIL(seal_add_text(seal, slice_of(bad[i]), &err), ERR_INVALID);
		T_TRUE(strstr(err.text, "hunter2") == NULL && strstr(err.text, "AAEC") == NULL);
	}
	T_INT(seal_keys(seal), 0);
	T_OK(seal_add_text(seal, S(" " KEY_A ", " KEY_B "\r\n"), &err));
	T_INT(seal_keys(seal), 2);
	T_OK(seal_add_text(seal, S(KEY_B), &err));
	T_INT(seal_keys(seal), 2);
	seal_free(&seal);
}

TEST(keys_are_bounded)
{
	struct seal *seal = seal_new();
	unsigned char key[SEAL_KEY_BYTES] = { 0 };

	for (size_t i = 0; i < SEAL_KEYS_MAX; i++) {
		key[0] = (unsigned char)i;
		T_TRUE(seal_add(seal, key));
	}
	T_TRUE(seal_add(seal, key));
	key[0] = 99;
	T_FALSE(seal_add(seal, key));
	seal_free(&seal);
}

T_MAIN(T(a_secret_comes_back), T(what_was_sealed_before_still_opens),
       T(no_two_sealed_texts_are_alike), T(a_sealed_text_opens_only_where_it_belongs),
       T(a_changed_text_does_not_open), T(keys_rotate), T(what_is_no_sealed_text_is_told),
       T(keys_are_read_strictly_and_never_told), T(keys_are_bounded))
