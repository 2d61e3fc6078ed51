/* SPDX-License-Identifier: Apache-2.0 */
/* A token of another issuer is believed when it is for us, of now, and of this login. */
#include "auth/id_token.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "base/clock.h"
#include "base/hex.h"
#include "test/t.h"

#define NOW_S INT64_C(1800000000)

static struct arena arena;
static EVP_PKEY *key;
static struct jwk_set *keys;

static struct slice base64url(const void *p, size_t n)
{
	char *text = arena_alloc(&arena, BASE64URL_LEN(n) + 1);

	base64url_encode(p, n, text);
	return (struct slice) { text, BASE64URL_LEN(n) };
}

/* As an issuer does it. */
static struct slice sign(const char *header, const char *payload)
{
	struct slice head = base64url(header, strlen(header));
	struct slice body = base64url(payload, strlen(payload));
	struct slice input = arena_printf(&arena, "%.*s.%.*s", SARG(head), SARG(body));
	unsigned char der[80], raw[64];
	const unsigned char *from = der;
	size_t n = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ECDSA_SIG *sig;

	ensure(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
	ensure(EVP_DigestSign(ctx, der, &n, (const unsigned char *)input.p, input.n) == 1);
	EVP_MD_CTX_free(ctx);
	sig = d2i_ECDSA_SIG(NULL, &from, (long)n);
	ensure(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32) == 32);
	ensure(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32) == 32);
	ECDSA_SIG_free(sig);
	return arena_printf(&arena, "%.*s.%.*s", SARG(input), SARG(base64url(raw, sizeof(raw))));
}

static bool verify(struct slice token, const struct json **claims, struct err *err)
{
	struct id_token_want want = { .iss = S("https://id.example"),
				      .client_id = S("tocsin"),
				      .nonce = S("n-0S6_WzA2Mj"),
				      .now_us = NOW_S * US_PER_S,
				      .leeway_us = 30 * US_PER_S };
	bool ok = id_token_verify(keys, token, &want, &arena, claims, err);

	T_TRUE(ok || err->kind == ERR_UNAUTHORIZED);
	return ok;
}

#define HEAD "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\",\"x5t\":\"abc\"}"
#define TIMES "\"iat\":1799999990,\"exp\":1800003600,"
#define MINE "\"iss\":\"https://id.example\",\"sub\":\"248289761001\","
#define NONCE "\"nonce\":\"n-0S6_WzA2Mj\""

TEST(a_token_for_us_is_believed)
{
	static const char *const good[] = {
		"{" MINE TIMES "\"aud\":\"tocsin\"," NONCE ",\"email\":\"anna@example.org\"}",
		"{" MINE TIMES "\"aud\":[\"tocsin\"]," NONCE ",\"email\":\"anna@example.org\"}",
		"{" MINE TIMES "\"aud\":[\"x\",\"tocsin\"],\"azp\":\"tocsin\"," NONCE
		",\"email\":\"anna@example.org\"}",
		"{" MINE TIMES "\"nbf\":1800000030,\"aud\":\"tocsin\",\"azp\":\"tocsin\"," NONCE
		",\"email\":\"anna@example.org\",\"realm_access\":{\"roles\":[\"a\"]}}",
	};
	const struct json *claims;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		T_OK(verify(sign(HEAD, good[i]), &claims, &err));
		T_SLICE(json_get(claims, "sub")->text, "248289761001");
		T_SLICE(json_get(claims, "email")->text, "anna@example.org");
	}
}

TEST(any_other_token_is_refused)
{
	static const struct {
		const char *payload, *complaint;
	} rows[] = {
		{ "{" TIMES "\"sub\":\"a\",\"aud\":\"tocsin\"," NONCE "}", "issuer" },
		{ "{\"iss\":\"https://id.example/\",\"sub\":\"a\"," TIMES
		  "\"aud\":\"tocsin\"," NONCE "}",
		  "issuer" },
		{ "{" MINE TIMES NONCE "}", "not for this server" },
		{ "{" MINE TIMES "\"aud\":\"other\"," NONCE "}", "not for this server" },
		{ "{" MINE TIMES "\"aud\":[]," NONCE "}", "not for this server" },
		{ "{" MINE TIMES "\"aud\":{\"a\":\"tocsin\"}," NONCE "}", "not for this server" },
		{ "{" MINE TIMES "\"aud\":[\"tocsin\",\"other\"]," NONCE "}",
		  "not for this server" },
		{ "{" MINE TIMES "\"aud\":\"tocsin\",\"azp\":\"other\"," NONCE "}",
		  "not for this server" },
		{ "{" MINE TIMES "\"aud\":\"tocsin\"}", "this login" },
		{ "{" MINE TIMES "\"aud\":\"tocsin\",\"nonce\":\"n-0S6_WzA2Mk\"}", "this login" },
		{ "{" MINE TIMES "\"aud\":\"tocsin\",\"nonce\":\"\"}", "this login" },
		{ "{" MINE "\"iat\":1,\"exp\":1799999970,\"aud\":\"tocsin\"," NONCE "}",
		  "expired" },
		{ "{" MINE "\"iat\":1800000031,\"exp\":1800003600,\"aud\":\"tocsin\"," NONCE "}",
		  "future" },
		{ "{" MINE "\"exp\":1800003600,\"aud\":\"tocsin\"," NONCE "}", "\"iat\"" },
		{ "{" MINE "\"iat\":1799999990,\"aud\":\"tocsin\"," NONCE "}", "\"exp\"" },
		{ "{" MINE TIMES "\"nbf\":1800000031,\"aud\":\"tocsin\"," NONCE "}",
		  "not valid yet" },
		{ "{\"iss\":\"https://id.example\"," TIMES "\"aud\":\"tocsin\"," NONCE "}",
		  "\"sub\"" },
		{ "[]", "claims" },
	};
	const struct json *claims;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (verify(sign(HEAD, rows[i].payload), &claims, &err)) {
			fail_msg("took %s", rows[i].payload);
		}
		if (strstr(err.text, rows[i].complaint) == NULL) {
			fail_msg("%s: %s", rows[i].payload, err.text);
		}
	}
}

TEST(only_the_keys_of_the_issuer_sign)
{
	static const char payload[] = "{" MINE TIMES "\"aud\":\"tocsin\"," NONCE "}";
	EVP_PKEY *own = key;
	const struct json *claims;
	struct err err;

	T_FALSE(verify(sign("{\"alg\":\"ES256\",\"kid\":\"k2\"}", payload), &claims, &err));
	T_FALSE(verify(sign("{\"alg\":\"RS256\",\"kid\":\"k1\"}", payload), &claims, &err));
	T_FALSE(verify(sign("{\"alg\":\"EdDSA\",\"kid\":\"k1\"}", payload), &claims, &err));
	T_FALSE(verify(sign("{\"alg\":\"none\"}", payload), &claims, &err));
	T_OK(verify(sign("{\"alg\":\"ES256\"}", payload), &claims, &err));
	key = EVP_EC_gen("P-256");
	T_FALSE(verify(sign(HEAD, payload), &claims, &err));
	T_STR(err.text, "the token has a wrong signature");
	EVP_PKEY_free(key);
	key = own;
}

static struct jwk_set *shown(void)
{
	unsigned char point[65];
	size_t n = 0;
	struct jwk_set *set;
	struct err err;

	ensure(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
					       &n) == 1 &&
	       n == sizeof(point));
	ensure(jwk_set_new(
		arena_printf(&arena,
			     "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k1\","
			     "\"use\":\"sig\",\"x\":\"%.*s\",\"y\":\"%.*s\"}]}",
			     SARG(base64url(point + 1, 32)), SARG(base64url(point + 33, 32))),
		&set, &err));
	return set;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_token_for_us_is_believed),
		T(any_other_token_is_refused),
		T(only_the_keys_of_the_issuer_sign),
	};
	int failed;

	arena_init(&arena, 0);
	key = EVP_EC_gen("P-256");
	keys = shown();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	jwk_set_free(&keys);
	EVP_PKEY_free(key);
	arena_release(&arena);
	return failed;
}
