/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include "base/slice.h"

/* Bytes as text: hex, base64, base64url, Crockford base 32. Pure; any thread. */

/* out gets 2 * n lower case digits and no terminator. */
void hex_encode(const void *p, size_t n, char *out);
/* text of exactly 2 * n digits, either case. */
NODISCARD bool hex_decode(struct slice text, void *out, size_t n);

/* Bytes that base64 of n bytes takes, with padding. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)
/* out gets BASE64_LEN(n) bytes and no terminator. RFC 4648 section 4, padded. */
void base64_encode(const void *p, size_t n, char *out);
/* Padded standard alphabet, strict. *n holds the room of out before, the bytes written after. */
NODISCARD bool base64_decode(struct slice text, void *out, size_t *n);

/* Bytes that base64url of n bytes takes; it has no padding. */
#define BASE64URL_LEN(n) (((n)*4 + 2) / 3)
/* out gets BASE64URL_LEN(n) bytes and no terminator. RFC 4648 section 5, RFC 7515 section 2. */
void base64url_encode(const void *p, size_t n, char *out);
/*
 * Strict, so that a value has one text: no padding, no white space, no bits beyond the last byte.
 * *n holds the room of out before, the bytes written after.
 */
NODISCARD bool base64url_decode(struct slice text, void *out, size_t *n);

/* value as digits Crockford base-32 characters, most significant first, upper case. */
void base32_encode(unsigned __int128 value, size_t digits, char *out);
/* Either case; I, L read as 1, O as 0. False on another character or more bits than 128. */
NODISCARD bool base32_decode(struct slice text, unsigned __int128 *out);

#endif
