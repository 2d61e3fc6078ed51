/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_JWK_H
#define AUTH_JWK_H

#include "auth/jws.h"

/*
 * The public keys of somebody who issues tokens, as a JWK set (RFC 7517 section 5): RSA of 2048 to
 * 8192 bits for RS256, P-256 for ES256. A key is good for one algorithm: that of its kind, which is
 * how a token cannot use an RSA key as the secret of an HMAC. Made from hostile bytes, then never
 * changed: any thread.
 */
#define JWK_SET_BYTES_MAX ((size_t)64 << 10) /* some twenty keys with their certificates */
#define JWK_KEYS_MAX 64
#define JWK_RSA_BITS_MIN 2048
#define JWK_RSA_BITS_MAX 8192

struct jwk_set;

/*
 * Read the text of a set. Keys of other kinds, for other uses or other algorithms, too small ones
 * and broken ones are passed over, as RFC 7517 asks. ERR_UPSTREAM: this is no set, it is too long,
 * or it has no key of use.
 */
NODISCARD bool jwk_set_new(struct slice text, struct jwk_set **out, struct err *err);
void jwk_set_free(struct jwk_set **set);
/* Keys that are of use. */
size_t jwk_set_keys(const struct jwk_set *set);
/*
 * Whether there is a key for this token: the one with its "kid", or, where it names none, the only
 * one of its kind. If not, it is time to fetch the set again (not too often).
 */
bool jwk_set_has(const struct jwk_set *set, const struct jws *jws);
/* Whether the key for this token says that it signed it. ERR_UNAUTHORIZED. */
NODISCARD bool jwk_set_check(const struct jwk_set *set, const struct jws *jws, struct err *err);

#endif
