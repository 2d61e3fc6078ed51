/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_JWS_H
#define AUTH_JWS_H

#include "base/json.h"

/*
 * Signed tokens in the compact form (RFC 7515 section 3.1), taken apart. Which algorithm may have
 * signed is said by whoever asks, never by the token: "alg" must be that one, and is looked at
 * before anything else in the header. Keys never come out of a token.
 *
 * All is hostile until a signature has been checked, so the payload is read in a second step. Pure;
 * any thread. Every refusal is ERR_UNAUTHORIZED, and its text has no byte of the token.
 */
#define JWS_BYTES_MAX \
	((size_t)16 << 10)	     /* what fits a header; id tokens with all groups are large */
#define JWS_SIGNATURE_BYTES_MAX 1024 /* RSA of 8192 bits */
#define JWS_NAME_BYTES_MAX 255	     /* "kid", "typ" */
#define JWS_DEPTH_MAX 16	     /* of JSON in a token */

#define JWS_PUBLIC_BYTES 32 /* Ed25519 */
#define JWS_SECRET_BYTES 64 /* the seed, then the public key */
#define JWS_ED25519_BYTES 64

/* Bits of a set. There are no others, and so no "none" and no HMAC. */
enum jws_alg { JWS_EDDSA = 1, JWS_RS256 = 2, JWS_ES256 = 4 };

struct jws {
	enum jws_alg alg;
	struct slice input;	   /* what was signed: header, dot, payload as they came */
	const struct json *header; /* an object */
	struct slice kid;	   /* n 0: there is none */
	struct slice typ;	   /* likewise */
	struct slice payload;	   /* decoded bytes, of any kind */
	unsigned char signature[JWS_SIGNATURE_BYTES_MAX];
	size_t signature_n;
};

/*
 * Take apart a token of at most bytes_max (<= JWS_BYTES_MAX) bytes. algs are the bits that are
 * accepted. Refused are: another form than three parts of strict base64url; a header that is no
 * object of I-JSON (a name twice); another "alg"; "crit" and "b64" (nothing of that is understood
 * here); "jwk", "jku", "x5c" and "x5u" (they would bring their own key). What is borrowed is in
 * token or req.
 */
NODISCARD bool jws_read(struct slice token, size_t bytes_max, unsigned algs, struct arena *req,
			struct jws *out, struct err *err);
/* Whether Ed25519 says so (RFC 8037 section 3.1). */
NODISCARD bool jws_is_by_ed25519(const struct jws *jws,
				 const unsigned char public_key[JWS_PUBLIC_BYTES]);
/* The payload, whose signature was checked, as an object of I-JSON. */
NODISCARD bool jws_claims(const struct jws *jws, struct arena *req, const struct json **out,
			  struct err *err);

/* A token. header is JSON and must say what the key is; the caller bounds both. */
struct slice jws_sign_ed25519(struct slice header, struct slice payload,
			      const unsigned char secret[JWS_SECRET_BYTES], struct arena *req);

#endif
