/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes come back from their text forms, and text that is not exactly such a form is refused. */
#include "base/hex.h"

#include "test/t.h"

TEST(hex_comes_back)
{
	unsigned char all[256], back[256];
	char text[512];

	for (size_t i = 0; i < 256; i++) {
		all[i] = (unsigned char)i;
	}
	hex_encode(all, 256, text);
	T_TRUE(hex_decode((struct slice) { text, 512 }, back, 256));
	T_INT(memcmp(all, back, 256), 0);
	T_TRUE(hex_decode(S("aBcD"), back, 2));
	T_INT(back[0], 0xab);
	T_INT(back[1], 0xcd);
	T_TRUE(hex_decode(S(""), back, 0));
	T_FALSE(hex_decode(S("abc"), back, 2));
	T_FALSE(hex_decode(S("abcd"), back, 1));
	T_FALSE(hex_decode(S("ag"), back, 1));
	T_FALSE(hex_decode(S("a "), back, 1));
}

/* RFC 4648 section 10. */
TEST(base64_is_the_published_one)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct slice in = slice_of(pairs[i][0]);
		char text[16] = "", back[16] = "";
		size_t n = in.n;

		base64_encode(in.p, in.n, text);
		T_STR(text, pairs[i][1]);
		T_INT(strlen(text), BASE64_LEN(in.n));
		T_TRUE(base64_decode(slice_of(text), back, &n));
		T_INT(n, in.n);
		T_STR(back, pairs[i][0]);
		if (in.n > 0) {
			n = in.n - 1;
			T_FALSE(base64_decode(slice_of(text), back, &n));
		}
	}
}

TEST(base64_has_one_text_a_value)
{
	static const char *const bad[] = { "Z",	       "Zg",   "Zg=",	"Zg===", "====",
					   "=Zg=",     "Zh==", "Zm9=",	"Zm 8",	 "Z-8=",
					   "Zg==Zg==", "Zg=a", "Zm8=\n" };
	char out[32];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t n = sizeof(out);

		if (base64_decode(slice_of(bad[i]), out, &n)) {
			fail_msg("took %s", bad[i]);
		}
	}
}

/* RFC 4648 section 10 without padding, and RFC 7515 appendix C. */
TEST(base64url_is_the_published_one)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg" },
		{ "fo", "Zm8" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" },
		{ "\x03\xec\xff\xe0\xc1", "A-z_4ME" },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct slice in = slice_of(pairs[i][0]);
		char text[16] = "", back[16] = "";
		size_t n = in.n;

		base64url_encode(in.p, in.n, text);
		T_STR(text, pairs[i][1]);
		T_INT(strlen(text), BASE64URL_LEN(in.n));
		T_TRUE(base64url_decode(slice_of(text), back, &n));
		T_INT(n, in.n);
		T_STR(back, pairs[i][0]);
		if (in.n > 0) {
			n = in.n - 1;
			T_FALSE(base64url_decode(slice_of(text), back, &n));
		}
	}
}

TEST(base64url_has_one_text_a_value)
{
	static const char *const bad[] = { "Z",	   "Zg==",  "Zm8=", "Zh",      "Zm9", "Zm9vZ",
					   "Zm 8", "Zm8\n", "A+z/", "Zm9\xc3", "=",   "Zm9v." };
	char out[32];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t n = sizeof(out);

		if (base64url_decode(slice_of(bad[i]), out, &n)) {
			fail_msg("took %s", bad[i]);
		}
	}
	T_FALSE(base64url_decode((struct slice) { "Zm9v\0", 5 }, out, &(size_t) { 32 }));
}

TEST(base32_comes_back)
{
	static const unsigned __int128 values[] = {
		0, 1, 31, 32, UINT64_MAX, ~(unsigned __int128)0
	};
	unsigned __int128 v;
	char text[26];

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		base32_encode(values[i], 26, text);
		T_TRUE(base32_decode((struct slice) { text, 26 }, &v));
		T_TRUE(v == values[i]);
	}
	base32_encode(1234567890, 7, text);
	T_SLICE(((struct slice) { text, 7 }), "14SC0PJ");
	T_TRUE(base32_decode(S("i4scopJ"), &v));
	T_TRUE(v == 1234567890);
	T_TRUE(base32_decode(S("L"), &v));
	T_TRUE(v == 1);
	T_FALSE(base32_decode(S(""), &v));
	T_FALSE(base32_decode(S("U"), &v));
	T_FALSE(base32_decode(S("1-2"), &v));
	T_TRUE(base32_decode(S("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), &v));
	T_FALSE(base32_decode(S("80000000000000000000000000"), &v));
}

T_MAIN(T(hex_comes_back), T(base64_is_the_published_one), T(base64_has_one_text_a_value),
       T(base64url_is_the_published_one), T(base64url_has_one_text_a_value), T(base32_comes_back))
