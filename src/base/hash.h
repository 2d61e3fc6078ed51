/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

/* Checksums and hashes. Pure; any thread. */

#define SHA256_BYTES 32
#define HASH_KEY_BYTES 16

/* A key for the keyed hashes below. Random per install or per process: never a constant. */
struct hash_key {
	unsigned char v[HASH_KEY_BYTES];
};
struct hash128 {
	uint64_t lo, hi;
};

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). Start with crc 0; feed parts by passing the last. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* SipHash-2-4 and its 128-bit form. For tables and for telling bodies apart, not for secrets. */
uint64_t hash_sip64(const struct hash_key *key, struct slice s);
struct hash128 hash_sip128(const struct hash_key *key, struct slice s);
/* FIPS 180-4. */
void sha256(struct slice s, unsigned char out[SHA256_BYTES]);
/* The same as lower case digits, without a terminator. */
#define SHA256_HEX_CHARS ((size_t)2 * SHA256_BYTES)
void sha256_hex(struct slice s, char out[SHA256_HEX_CHARS]);
/* RFC 2104 with SHA-256; any key length. */
void hmac_sha256(struct slice key, struct slice s, unsigned char out[SHA256_BYTES]);
/* Compares in a time that depends on n alone. */
bool equal_const_time(const void *a, const void *b, size_t n);

#endif
