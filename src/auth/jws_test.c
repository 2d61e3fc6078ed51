/* SPDX-License-Identifier: Apache-2.0 */
/* A token is taken apart as RFC 7515 says, or refused before anything of it is believed. */
#include "auth/jws.h"

#include <sodium.h>

#include "base/hex.h"
#include "test/t.h"

#define RFC8037_TOKEN \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." \
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static struct arena arena;

/* A token with this header and a signature of 64 zero bytes. */
static struct slice token_of(const char *header)
{
	static const unsigned char signature[JWS_ED25519_BYTES];
	struct slice parts[] = { slice_of(header),
				 S("{\"a\":1}"),
				 { (const char *)signature, sizeof(signature) } };
	struct buf out;
	struct slice token;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char *room;

		if (i > 0) {
			buf_putc(&out, '.');
		}
		room = buf_room(&out, BASE64URL_LEN(parts[i].n) + 1);
		base64url_encode(parts[i].p, parts[i].n, room);
		out.n += BASE64URL_LEN(parts[i].n);
	}
	token = arena_dup(&arena, buf_slice(&out));
	buf_release(&out);
	return token;
}

static bool reads(struct slice token, unsigned algs, struct jws *jws, struct err *err)
{
	bool ok = jws_read(token, JWS_BYTES_MAX, algs, &arena, jws, err);

	T_TRUE(ok || err->kind == ERR_UNAUTHORIZED);
	return ok;
}

static bool takes(const char *header, unsigned algs)
{
	struct jws jws;
	struct err err;

	return reads(token_of(header), algs, &jws, &err);
}

/* RFC 8037 appendix A: the key, the token, its signature. */
TEST(ed25519_is_the_published_one)
{
	unsigned char seed[32], public_key[JWS_PUBLIC_BYTES], secret[JWS_SECRET_BYTES];
	struct slice made;
	struct jws jws;
	struct err err;

	T_TRUE(hex_decode(S("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
			  seed, sizeof(seed)));
	crypto_sign_ed25519_seed_keypair(public_key, secret, seed);
	made = jws_sign_ed25519(S("{\"alg\":\"EdDSA\"}"), S("Example of Ed25519 signing"), secret,
				&arena);
	T_SLICE(made, RFC8037_TOKEN);
	T_OK(reads(S(RFC8037_TOKEN), JWS_EDDSA, &jws, &err));
	T_INT(jws.alg, JWS_EDDSA);
	T_SLICE(jws.payload, "Example of Ed25519 signing");
	T_TRUE(jws_is_by_ed25519(&jws, public_key));
	jws.signature[0] ^= 1;
	T_FALSE(jws_is_by_ed25519(&jws, public_key));
	jws.signature[0] ^= 1;
	public_key[0] ^= 1;
	T_FALSE(jws_is_by_ed25519(&jws, public_key));
}

/*
 * RFC 8032 section 5.1.7: S is below the order of the group. Who adds the order to it has another
 * text that fits the same equation, and two texts of one token are one too many.
 */
TEST(a_signature_has_one_text)
{
	static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a,	     0x63,
						 0x12, 0x58, 0xd6, 0x9c, 0xf7,	     0xa2,
						 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	unsigned char public_key[JWS_PUBLIC_BYTES], secret[JWS_SECRET_BYTES];
	unsigned carry = 0;
	struct jws jws;
	struct err err;

	crypto_sign_ed25519_seed_keypair(public_key, secret, order);
	T_OK(reads(jws_sign_ed25519(S("{\"alg\":\"EdDSA\"}"), S("{}"), secret, &arena), JWS_EDDSA,
		   &jws, &err));
	T_TRUE(jws_is_by_ed25519(&jws, public_key));
	for (size_t i = 0; i < sizeof(order); i++) {
		carry += jws.signature[32 + i] + order[i];
		jws.signature[32 + i] = (unsigned char)carry;
		carry >>= 8;
	}
	T_INT(carry, 0);
	T_FALSE(jws_is_by_ed25519(&jws, public_key));
}

/* Keys of which every signature, or one of zeroes, would be right. */
TEST(points_of_small_order_are_no_keys)
{
	static const unsigned char keys[][JWS_PUBLIC_BYTES] = {
		{ 1 }, /* the neutral element, */
		{ 0 }, /* one of order four, one of two, and the first written otherwise */
		{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
		{ 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	};
	struct jws jws;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		T_OK(reads(token_of("{\"alg\":\"EdDSA\"}"), JWS_EDDSA, &jws, &err));
		T_FALSE(jws_is_by_ed25519(&jws, keys[i]));
		jws.signature[0] = 1;
		T_FALSE(jws_is_by_ed25519(&jws, keys[i]));
	}
}

/* RFC 7515 appendix A.1 and A.5: right, and never right here. */
TEST(published_tokens_of_other_kinds_are_refused)
{
#define CLAIMS \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt" \
	"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	static const char *const tokens[] = {
		"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		"eyJhbGciOiJub25lIn0." CLAIMS ".",
	};
	struct jws jws;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		T_FALSE(reads(slice_of(tokens[i]), JWS_EDDSA | JWS_RS256 | JWS_ES256, &jws, &err));
	}
}

TEST(the_caller_says_how_a_token_is_signed)
{
	static const char *const never_taken[] = {
		"{\"alg\":\"none\"}",	 "{\"alg\":\"None\"}",	"{\"alg\":\"\"}",
		"{\"alg\":\"HS256\"}",	 "{\"alg\":\"eddsa\"}", "{\"alg\":\"EdDSA \"}",
		"{\"alg\":\"ES256K\"}",	 "{\"alg\":\"PS256\"}", "{\"alg\":null}",
		"{\"alg\":[\"EdDSA\"]}", "{\"alg\":1}",		"{}",
		"{\"typ\":\"JWT\"}",	 "{\"ALG\":\"EdDSA\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(never_taken); i++) {
		if (takes(never_taken[i], JWS_EDDSA | JWS_RS256 | JWS_ES256)) {
			fail_msg("took %s", never_taken[i]);
		}
	}
	T_TRUE(takes("{\"alg\":\"EdDSA\"}", JWS_EDDSA));
	T_FALSE(takes("{\"alg\":\"EdDSA\"}", JWS_RS256 | JWS_ES256));
	T_TRUE(takes("{\"alg\":\"RS256\"}", JWS_RS256 | JWS_ES256));
	T_FALSE(takes("{\"alg\":\"RS256\"}", JWS_ES256));
	T_TRUE(takes("{\"alg\":\"ES256\"}", JWS_ES256));
}

TEST(the_algorithm_is_looked_at_first)
{
	struct jws jws;
	struct err err;

	T_FALSE(reads(token_of("{\"crit\":[\"b64\"],\"b64\":false,\"alg\":\"none\"}"), JWS_EDDSA,
		      &jws, &err));
	T_STR(err.text, "the token is not signed in a way that is accepted here");
}

TEST(no_token_brings_its_key_or_its_rules)
{
	static const char *const bad[] = {
		"{\"alg\":\"EdDSA\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"EdDSA\",\"crit\":[]}",
		"{\"alg\":\"EdDSA\",\"b64\":true}",
		"{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"A\"}}",
		"{\"alg\":\"EdDSA\",\"jku\":\"https://example.org/keys\"}",
		"{\"alg\":\"EdDSA\",\"x5u\":\"https://example.org/cert\"}",
		"{\"alg\":\"EdDSA\",\"x5c\":[\"MII\"]}",
		"{\"alg\":\"EdDSA\",\"kid\":1}",
		"{\"alg\":\"EdDSA\",\"kid\":\"\"}",
		"{\"alg\":\"EdDSA\",\"typ\":null}",
		"{\"alg\":\"EdDSA\",\"\\u0063rit\":[\"exp\"]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (takes(bad[i], JWS_EDDSA)) {
			fail_msg("took %s", bad[i]);
		}
	}
	T_TRUE(takes("{\"alg\":\"EdDSA\",\"x5t\":\"abc\",\"kid\":\"1\",\"typ\":\"JWT\"}",
		     JWS_EDDSA));
}

TEST(a_header_has_one_meaning)
{
	static const char *const bad[] = {
		"{\"alg\":\"EdDSA\",\"alg\":\"none\"}",
		"{\"alg\":\"EdDSA\",\"\\u0061lg\":\"EdDSA\"}",
		"{\"alg\":\"EdDSA\",\"kid\":\"1\",\"kid\":\"2\"}",
		"{\"alg\":\"EdDSA\",\"a\":{\"b\":1,\"b\":2}}",
		"{\"alg\":\"EdDSA\"} x",
		"{\"alg\":\"EdDSA\",}",
		"{'alg':'EdDSA'}",
		"[\"EdDSA\"]",
		"\"EdDSA\"",
		"null",
		"\xff{\"alg\":\"EdDSA\"}",
		"{\"alg\":\"EdDSA\",\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (takes(bad[i], JWS_EDDSA)) {
			fail_msg("took %s", bad[i]);
		}
	}
}

TEST(the_form_is_three_parts_and_nothing_else)
{
	struct slice good = token_of("{\"alg\":\"EdDSA\"}");
	const char *bad[] = {
		"",
		".",
		"..",
		"...",
		"a.b",
		"a.b.c",
		arena_printf(&arena, "%.*s.", SARG(good)).p,
		arena_printf(&arena, ".%.*s", SARG(good)).p,
		arena_printf(&arena, "%.*s.AAAA", SARG(good)).p,
		arena_printf(&arena, "%.*s=", SARG(good)).p,
		arena_printf(&arena, "%.*s ", SARG(good)).p,
		arena_printf(&arena, " %.*s", SARG(good)).p,
		arena_printf(&arena, "%.*s\n", SARG(good)).p,
		arena_printf(&arena, "%.*s", (int)good.n - 87, good.p).p,
		/* The last character of 64 bytes has four bits that mean nothing. */
		arena_printf(&arena, "%.*sB", (int)good.n - 1, good.p).p,
		"eyJhbGciOiJFZERTQSJ9..AAAA",
		"eyJhbGciOiJFZERTQSJ9.e30.",
		"eyJhbGciOiJFZERTQSJ9.e+0.AAAA",
		"eyJhbGciOiJFZERTQSJ9.e30=.AAAA",
	};
	struct jws jws;
	struct err err;

	T_OK(reads(good, JWS_EDDSA, &jws, &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (reads(slice_of(bad[i]), JWS_EDDSA, &jws, &err)) {
			fail_msg("took \"%s\"", bad[i]);
		}
	}
}

TEST(length_is_bounded_before_anything_is_read)
{
	struct slice good = token_of("{\"alg\":\"EdDSA\"}");
	struct jws jws;
	struct err err;

	T_OK(jws_read(good, good.n, JWS_EDDSA, &arena, &jws, &err));
	T_FAIL(jws_read(good, good.n - 1, JWS_EDDSA, &arena, &jws, &err), ERR_UNAUTHORIZED);
	T_STR(err.text, "the token is too long");
}

TEST(claims_are_an_object)
{
	static const char *const bad[] = { "", "[]", "1", "{\"a\":1,\"a\":1}", "{\"a\":1}x" };
	const struct json *claims;
	struct jws jws = { 0 };
	struct err err;

	jws.payload = S("{\"sub\":\"x\"}");
	T_OK(jws_claims(&jws, &arena, &claims, &err));
	T_SLICE(json_get(claims, "sub")->text, "x");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		jws.payload = slice_of(bad[i]);
		T_FAIL(jws_claims(&jws, &arena, &claims, &err), ERR_UNAUTHORIZED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ed25519_is_the_published_one),
		T(a_signature_has_one_text),
		T(points_of_small_order_are_no_keys),
		T(published_tokens_of_other_kinds_are_refused),
		T(the_caller_says_how_a_token_is_signed),
		T(the_algorithm_is_looked_at_first),
		T(no_token_brings_its_key_or_its_rules),
		T(a_header_has_one_meaning),
		T(the_form_is_three_parts_and_nothing_else),
		T(length_is_bounded_before_anything_is_read),
		T(claims_are_an_object),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	return failed;
}
