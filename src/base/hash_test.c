/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes are the published ones, byte for byte, in one piece and in parts. */
#include "base/hash.h"

#include "base/hex.h"
#include "test/t.h"

static void is_hex(const void *p, size_t n, const char *want)
{
	char text[128];

	hex_encode(p, n, text);
	text[2 * n] = '\0';
	T_STR(text, want);
}

/* RFC 3720 appendix B.4, and the usual check value. */
TEST(crc32c_is_the_published_one)
{
	unsigned char bytes[32] = { 0 };

	T_INT(crc32c(0, NULL, 0), 0);
	T_INT(crc32c(0, "123456789", 9), 0xe3069283);
	T_INT(crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	T_INT(crc32c(0, bytes, 32), 0x62a8ab43);
	for (size_t i = 0; i < 32; i++) {
		bytes[i] = (unsigned char)i;
	}
	T_INT(crc32c(0, bytes, 32), 0x46dd794e);
	for (size_t i = 0; i < 32; i++) {
		T_INT(crc32c(crc32c(0, bytes, i), bytes + i, 32 - i), 0x46dd794e);
	}
}

/* The vectors of the reference implementation: key 00..0f, message 00.. of growing length. */
TEST(siphash_is_the_published_one)
{
	static const char *const want64[] = {
		"310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d",
		"2d7efbd796666785", "b7877127e09427cf", "8da699cd64557618",
		"cee3fe586e46c9cb", "37d1018bf50002ab", "6224939a79f5f593",
	};
	struct hash_key key;
	struct hash128 h;
	char message[16];
	uint64_t v;

	for (size_t i = 0; i < 16; i++) {
		key.v[i] = (unsigned char)i;
		message[i] = (char)i;
	}
	for (size_t n = 0; n < ARRAY_LEN(want64); n++) {
		v = hash_sip64(&key, (struct slice) { message, n });
		is_hex(&v, sizeof(v), want64[n]);
	}
	h = hash_sip128(&key, (struct slice) { 0 });
	is_hex(&h, sizeof(h), "a3817f04ba25a8e66df67214c7550293");
	h = hash_sip128(&key, (struct slice) { message, 1 });
	is_hex(&h, sizeof(h), "da87c1d86b99af44347659119b22fc45");
}

/* FIPS 180-4 examples. */
TEST(sha256_is_the_published_one)
{
	unsigned char out[SHA256_BYTES];

	sha256(S(""), out);
	is_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256(S("abc"), out);
	is_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256(S("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
	is_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void hmac_is(struct slice key, struct slice data, const char *want)
{
	unsigned char out[SHA256_BYTES];

	hmac_sha256(key, data, out);
	is_hex(out, 32, want);
}

static struct slice fill(char *p, int c, size_t n)
{
	memset(p, c, n);
	return (struct slice) { .p = p, .n = n };
}

/* RFC 4231 section 4. */
TEST(hmac_is_the_published_one)
{
	char key[131], data[50], counted[25];

	for (size_t i = 0; i < sizeof(counted); i++) {
		counted[i] = (char)(i + 1);
	}
	hmac_is((struct slice) { counted, sizeof(counted) }, fill(data, 0xcd, 50),
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
	/* The published one is cut to 16 bytes; the rest is by another implementation. */
	hmac_is(fill(key, 0x0c, 20), S("Test With Truncation"),
		"a3b6167473100ee06e0c796c2955552bfa6f7c0a6a8aef8b93f860aab0cd20c5");
	hmac_is(fill(key, 0x0b, 20), S("Hi There"),
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_is(S("Jefe"), S("what do ya want for nothing?"),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	hmac_is(fill(key, 0xaa, 20), fill(data, 0xdd, 50),
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	hmac_is(fill(key, 0xaa, 131), S("Test Using Larger Than Block-Size Key - Hash Key First"),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	hmac_is(fill(key, 0xaa, 131),
		S("This is a test using a larger than block-size key and a larger than block-size "
		  "data. The key needs to be hashed before being used by the HMAC algorithm."),
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(equality_looks_at_every_byte)
{
	char a[40], b[40];

	for (size_t i = 0; i < sizeof(a); i++) {
		memset(a, 'x', sizeof(a));
		memset(b, 'x', sizeof(b));
		T_TRUE(equal_const_time(a, b, sizeof(a)));
		b[i] = 'y';
		T_FALSE(equal_const_time(a, b, sizeof(a)));
		T_TRUE(equal_const_time(a, b, i));
	}
}

TEST(sha256_is_text_where_it_is_wanted)
{
	char text[SHA256_HEX_CHARS];

	sha256_hex(S("abc"), text);
	T_SLICE(((struct slice) { text, sizeof(text) }),
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

T_MAIN(T(sha256_is_text_where_it_is_wanted), T(crc32c_is_the_published_one),
       T(siphash_is_the_published_one), T(sha256_is_the_published_one),
       T(hmac_is_the_published_one), T(equality_looks_at_every_byte))
