/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes: a key set of an issuer is refused, or holds keys that are of use, of which none signed
 * what nobody signed.
 */
#include "auth/jwk.h"

#include "test/fuzz/fuzz.h"

static void try_alg(const struct jwk_set *set, enum jws_alg alg, size_t signature_n)
{
	struct jws jws = { .alg = alg, .input = S("a.b"), .signature_n = signature_n };
	struct err err = { 0 };

	memset(jws.signature, 1, signature_n);
	ensure(!jwk_set_check(set, &jws, &err) && err.kind == ERR_UNAUTHORIZED);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p, n };
	struct jwk_set *set = NULL;
	struct err err = { 0 };

	if (jwk_set_new(in, &set, &err)) {
		ensure(jwk_set_keys(set) > 0 && jwk_set_keys(set) <= JWK_KEYS_MAX);
		try_alg(set, JWS_RS256, JWK_RSA_BITS_MIN / 8);
		try_alg(set, JWS_ES256, 64);
		try_alg(set, JWS_EDDSA, JWS_ED25519_BYTES);
	} else {
		ensure(set == NULL && err.kind == ERR_UPSTREAM);
	}
	jwk_set_free(&set);
	return 0;
}
