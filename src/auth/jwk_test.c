/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of others are the published ones; a key is good for its own algorithm and token. */
#include "auth/jwk.h"

#include "test/t.h"

/* RFC 7515 appendix A.2. */
#define RSA_N \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt" \
	"0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSX" \
	"ndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5" \
	"IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define PAYLOAD \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"
#define RS256_SIGNATURE \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W" \
	"2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS" \
	"jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv" \
	"Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RS256_TOKEN "eyJhbGciOiJSUzI1NiJ9." PAYLOAD "." RS256_SIGNATURE
#define RSA_KEY "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
/* RFC 7515 appendix A.3. */
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ES256_TOKEN \
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD \
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define EC_KEY "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"

static struct arena arena;

static struct jwk_set *set_of(const char *keys)
{
	struct slice text = arena_printf(&arena, "{\"keys\":[%s]}", keys);
	struct jwk_set *set = NULL;
	struct err err;

	T_OK(jwk_set_new(text, &set, &err));
	return set;
}

static bool checks(const char *keys, const char *token)
{
	struct jwk_set *set = set_of(keys);
	struct jws jws;
	struct err err;
	bool ok;

	T_OK(jws_read(slice_of(token), JWS_BYTES_MAX, JWS_RS256 | JWS_ES256, &arena, &jws, &err));
	ok = jwk_set_check(set, &jws, &err);
	T_TRUE(ok || err.kind == ERR_UNAUTHORIZED);
	T_TRUE(!ok || jwk_set_has(set, &jws));
	jwk_set_free(&set);
	return ok;
}

TEST(signatures_are_the_published_ones)
{
	T_TRUE(checks(RSA_KEY, RS256_TOKEN));
	T_TRUE(checks(EC_KEY, ES256_TOKEN));
	T_TRUE(checks(EC_KEY "," RSA_KEY, RS256_TOKEN));
	T_TRUE(checks(EC_KEY "," RSA_KEY, ES256_TOKEN));
}

TEST(what_was_signed_is_what_counts)
{
	struct jws jws;
	struct jwk_set *set = set_of(RSA_KEY "," EC_KEY);
	static const char *const tokens[] = { RS256_TOKEN, ES256_TOKEN };
	struct err err;

	for (size_t t = 0; t < ARRAY_LEN(tokens); t++) {
		T_OK(jws_read(slice_of(tokens[t]), JWS_BYTES_MAX, JWS_RS256 | JWS_ES256, &arena,
			      &jws, &err));
		for (size_t i = 0; i < jws.signature_n; i += 7) {
			jws.signature[i] ^= 4;
			T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
			jws.signature[i] ^= 4;
		}
		jws.input.n--;
		T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
		jws.input.n++;
		jws.signature_n--;
		T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
		jws.signature_n += 2;
		T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
		jws.signature_n--;
		T_OK(jwk_set_check(set, &jws, &err));
	}
	jwk_set_free(&set);
}

/* CVE-2022-21449: zeroes are a signature of everything for those who do not look. */
TEST(zeroes_sign_nothing)
{
	struct jwk_set *set = set_of(EC_KEY);
	struct jws jws;
	struct err err;

	T_OK(jws_read(S(ES256_TOKEN), JWS_BYTES_MAX, JWS_ES256, &arena, &jws, &err));
	memset(jws.signature, 0, sizeof(jws.signature));
	T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
	memset(jws.signature, 0, 32);
	jws.signature[31] = 1;
	T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
	memset(jws.signature, 0xff, 64);
	T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
	jwk_set_free(&set);
}

TEST(a_key_is_found_by_its_name)
{
	static const char named[] = "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"" RSA_N
				    "\",\"e\":\"AQAB\"}";
	struct jwk_set *set = set_of(named);
	struct jws jws;
	struct err err;

	/* The token names none, and there is one. */
	T_TRUE(checks(named, RS256_TOKEN));
	T_FALSE(checks(RSA_KEY "," RSA_KEY, RS256_TOKEN));
	T_OK(jws_read(S(RS256_TOKEN), JWS_BYTES_MAX, JWS_RS256, &arena, &jws, &err));
	jws.kid = S("a");
	T_TRUE(jwk_set_has(set, &jws));
	T_OK(jwk_set_check(set, &jws, &err));
	jws.kid = S("b");
	T_FALSE(jwk_set_has(set, &jws));
	T_FAIL(jwk_set_check(set, &jws, &err), ERR_UNAUTHORIZED);
	T_STR(err.text, "the token is signed with a key that its issuer does not show");
	jws.kid = S("a");
	jws.alg = JWS_ES256;
	T_FALSE(jwk_set_has(set, &jws));
	jws.alg = JWS_EDDSA;
	T_FALSE(jwk_set_has(set, &jws));
	jwk_set_free(&set);
}

TEST(keys_that_are_of_no_use_are_passed_over)
{
	static const char *const bad[] = {
		"1",
		"{}",
		"{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIa"
		"aPcHURo\"}",
		"{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"use\":1,\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"alg\":\"RS512\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"alg\":\"HS256\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AA\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAAAAE\"}",
		"{\"kty\":\"RSA\",\"n\":\"" EC_X "\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "==\",\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"alg\":\"ES384\",\"crv\":\"P-256\",\"x\":\"" EC_X
		"\",\"y\":\"" EC_Y "\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct slice alone = arena_printf(&arena, "{\"keys\":[%s]}", bad[i]);
		struct slice among = arena_printf(&arena, "{\"keys\":[%s," EC_KEY "]}", bad[i]);
		struct jwk_set *set;
		struct err err;

		if (jwk_set_new(alone, &set, &err)) {
			fail_msg("took %s", bad[i]);
		}
		T_TRUE(set == NULL);
		T_INT(err.kind, ERR_UPSTREAM);
		T_OK(jwk_set_new(among, &set, &err));
		T_INT(jwk_set_keys(set), 1);
		jwk_set_free(&set);
	}
}

TEST(other_text_is_no_set)
{
	static const char *const bad[] = { "",
					   "x",
					   "[]",
					   "{}",
					   "{\"keys\":{}}",
					   "{\"keys\":[]}",
					   RSA_KEY,
					   "{\"keys\":[" EC_KEY "],\"keys\":[]}" };
	struct jwk_set *set;
	struct buf many;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		T_FAIL(jwk_set_new(slice_of(bad[i]), &set, &err), ERR_UPSTREAM);
		T_TRUE(set == NULL);
	}
	buf_init(&many, 1 << 20);
	buf_puts(&many, S("{\"keys\":[" EC_KEY));
	for (size_t i = 0; i < JWK_KEYS_MAX; i++) {
		buf_puts(&many, S(",{}"));
	}
	buf_puts(&many, S("]}"));
	T_FAIL(jwk_set_new(buf_slice(&many), &set, &err), ERR_UPSTREAM);
	while (many.n <= JWK_SET_BYTES_MAX) {
		buf_putc(&many, ' ');
	}
	T_FAIL(jwk_set_new(buf_slice(&many), &set, &err), ERR_UPSTREAM);
	buf_release(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(signatures_are_the_published_ones),
		T(what_was_signed_is_what_counts),
		T(zeroes_sign_nothing),
		T(a_key_is_found_by_its_name),
		T(keys_that_are_of_no_use_are_passed_over),
		T(other_text_is_no_set),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	return failed;
}
