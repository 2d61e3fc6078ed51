/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes: a token is believed only when it is one that we have signed. Input that names itself a
 * header and claims (a 0 byte between them) is signed with our key first, so that what lies behind
 * the signature is reached; the same bytes are taken for a token of an issuer, too.
 */
#include "auth/jwt.h"

#include "base/clock.h"
#include "test/fuzz/fuzz.h"

#define ISS "https://tocsin.example"

static void try_token(const struct jwt_keys *keys, struct slice token, bool ours,
		      struct arena *arena)
{
	struct jwt_want want = { .iss = S(ISS), .now_us = INT64_C(1800000000) * US_PER_S };
	struct jwt_claims claims;
	struct err err = { 0 };
	struct jws jws;

	if (jwt_verify(keys, token, &want, arena, &claims, &err)) {
		ensure(ours && token.n <= JWT_BYTES_MAX);
		ensure(slice_eq(claims.iss, want.iss) && claims.sub.n > 0 && claims.sid.n > 0);
		ensure(claims.exp_s - claims.iat_s <= JWT_LIFE_S_MAX);
	} else {
		ensure(err.kind == ERR_UNAUTHORIZED && err.text[0] != '\0');
	}
	if (jws_read(token, JWS_BYTES_MAX, JWS_RS256 | JWS_ES256, arena, &jws, &err)) {
		ensure(jws.alg != JWS_EDDSA && jws.signature_n <= JWS_SIGNATURE_BYTES_MAX);
		ensure(jws.input.n < token.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const unsigned char seed[JWT_SEED_BYTES] = { 1 };
	struct slice in = { (const char *)p, n };
	size_t cut = slice_find(in, '\0');
	struct jwt_keys keys = { 0 };
	struct arena arena;

	arena_init(&arena, 0);
	jwt_keys_add(&keys, seed);
	try_token(&keys, in, false, &arena);
	if (cut < n && n < JWS_BYTES_MAX / 2) {
		struct slice head = { in.p, cut };

		if (head.n == 0) {
			head = arena_printf(&arena,
					    "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%.*s\"}",
					    JWT_KID_CHARS, keys.v[0].kid);
		}
		try_token(&keys,
			  jws_sign_ed25519(head, slice_from(in, cut + 1), keys.v[0].secret, &arena),
			  true, &arena);
	}
	arena_release(&arena);
	return 0;
}
