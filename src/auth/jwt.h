/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "auth/jws.h"

/*
 * Our own access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), and nothing else. A token
 * says who (user) and which session, and when; what that session may do is looked up per request.
 *
 * Keys change: the first of a set signs, all of them verify, until the tokens of the oldest are
 * gone. The id of a key is its thumbprint (RFC 7638), so it never has to be chosen or stored.
 *
 * Functions are pure; any thread may use a set that nobody changes.
 */
#define JWT_BYTES_MAX ((size_t)2048) /* ours have about 400 */
#define JWT_KEYS_MAX 4		     /* the one in use, those whose tokens are not over yet */
#define JWT_SEED_BYTES 32
#define JWT_KID_CHARS 43
#define JWT_LIFE_S_MAX INT64_C(86400) /* no token of ours lives longer, whoever signed it */

struct jwt_key {
	char kid[JWT_KID_CHARS];
	unsigned char public_key[JWS_PUBLIC_BYTES];
	unsigned char secret[JWS_SECRET_BYTES];
};

/* Zeroed is empty: nothing verifies. */
struct jwt_keys {
	struct jwt_key v[JWT_KEYS_MAX];
	size_t n;
};

/* A new seed, from which all of a key follows: that is what is kept, sealed. Wipe it after use. */
void jwt_seed_make(unsigned char seed[JWT_SEED_BYTES]);
/* Put the key of this seed in front: it signs from now on. The last of JWT_KEYS_MAX falls out. */
void jwt_keys_add(struct jwt_keys *keys, const unsigned char seed[JWT_SEED_BYTES]);
/* Wipe all keys. An empty set is fine. */
void jwt_keys_clear(struct jwt_keys *keys);
/* The public keys as a JWK set (RFC 7517 section 5): one object. */
void jwt_keys_write(const struct jwt_keys *keys, struct json_w *w);

struct jwt_claims {
	struct slice iss; /* each 1 to 255 bytes */
	struct slice sub;
	struct slice sid;
	int64_t iat_s; /* seconds since the epoch; exp_s is behind it, by JWT_LIFE_S_MAX at most */
	int64_t exp_s;
};

struct jwt_want {
	struct slice iss;
	int64_t now_us;
	int64_t leeway_us; /* what clocks may be apart: 0 to a minute */
};

/* A token signed by the first key; there must be one. The claims are ours and within bounds. */
struct slice jwt_issue(const struct jwt_keys *keys, const struct jwt_claims *claims,
		       struct arena *req);
/*
 * Believe a token or refuse it, ERR_UNAUTHORIZED, in an order that costs little first: length,
 * form, "alg" is EdDSA, header of "alg", "typ" (JWT) and "kid" alone, a key of ours, signature,
 * claims, issuer, times. Other claims are passed over. One signature takes some 80 us. Claims are
 * in req. out->sid is left alone unless the signature was right.
 */
NODISCARD bool jwt_verify(const struct jwt_keys *keys, struct slice token,
			  const struct jwt_want *want, struct arena *req, struct jwt_claims *out,
			  struct err *err);

#endif
