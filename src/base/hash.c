/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes, all but CRC-32C from libsodium. The CRC uses the processor's instruction where there is
 * one, because every byte of the log passes through it twice.
 */
#include "base/hash.h"

#include "base/hex.h"

#include <sodium.h>

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const void *p,
							       size_t n)
{
	const unsigned char *in = p;
	uint64_t c = ~crc;

	for (; n >= 8; n -= 8, in += 8) {
		uint64_t word;

		memcpy(&word, in, 8);
		c = _mm_crc32_u64(c, word);
	}
	for (; n > 0; n--) {
		c = _mm_crc32_u8((uint32_t)c, *in++);
	}
	return ~(uint32_t)c;
}
#endif

static uint32_t crc_portable(uint32_t crc, const void *p, size_t n)
{
	const unsigned char *in = p;
	uint32_t c = ~crc;

	for (size_t i = 0; i < n; i++) {
		c ^= in[i];
		for (int bit = 0; bit < 8; bit++) {
			c = c >> 1 ^ (0x82f63b78U & (~(c & 1) + 1));
		}
	}
	return ~c;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2")) {
		return crc_hardware(crc, p, n);
	}
#endif
	return crc_portable(crc, p, n);
}

static const unsigned char *bytes_of(struct slice s)
{
	return (const unsigned char *)(s.n == 0 ? "" : s.p);
}

uint64_t hash_sip64(const struct hash_key *key, struct slice s)
{
	uint64_t v;

	crypto_shorthash_siphash24((unsigned char *)&v, bytes_of(s), s.n, key->v);
	return v;
}

struct hash128 hash_sip128(const struct hash_key *key, struct slice s)
{
	struct hash128 v;

	crypto_shorthash_siphashx24((unsigned char *)&v, bytes_of(s), s.n, key->v);
	return v;
}

void sha256(struct slice s, unsigned char out[SHA256_BYTES])
{
	crypto_hash_sha256(out, bytes_of(s), s.n);
}

void sha256_hex(struct slice s, char out[SHA256_HEX_CHARS])
{
	unsigned char sum[SHA256_BYTES];

	sha256(s, sum);
	hex_encode(sum, sizeof(sum), out);
}

void hmac_sha256(struct slice key, struct slice s, unsigned char out[SHA256_BYTES])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, bytes_of(key), key.n);
	crypto_auth_hmacsha256_update(&state, bytes_of(s), s.n);
	crypto_auth_hmacsha256_final(&state, out);
}

bool equal_const_time(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}
