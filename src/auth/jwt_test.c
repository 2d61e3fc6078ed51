/* SPDX-License-Identifier: Apache-2.0 */
/* Our tokens are believed as long as they should be, and nobody else can make one. */
#include "auth/jwt.h"

#include "auth/claims.h"
#include "base/clock.h"
#include "base/hex.h"
#include "test/t.h"

#define NOW_S INT64_C(1800000000)
#define ISS "https://tocsin.example"

static struct arena arena;

static const unsigned char seed_a[JWT_SEED_BYTES] = { 1 }, seed_b[JWT_SEED_BYTES] = { 2 };

static struct jwt_keys keys_of(const unsigned char *first, const unsigned char *second)
{
	struct jwt_keys keys = { 0 };

	if (second != NULL) {
		jwt_keys_add(&keys, second);
	}
	jwt_keys_add(&keys, first);
	return keys;
}

static struct slice issue(const struct jwt_keys *keys)
{
	struct jwt_claims claims = { .iss = S(ISS),
				     .sub = S("usr_1"),
				     .sid = S("ses_2"),
				     .iat_s = NOW_S,
				     .exp_s = NOW_S + 900 };

	return jwt_issue(keys, &claims, &arena);
}

static bool verify_at(const struct jwt_keys *keys, struct slice token, int64_t now_us,
		      struct jwt_claims *out, struct err *err)
{
	struct jwt_want want = { .iss = S(ISS), .now_us = now_us, .leeway_us = 5 * US_PER_S };
	bool ok = jwt_verify(keys, token, &want, &arena, out, err);

	T_TRUE(ok || err->kind == ERR_UNAUTHORIZED);
	return ok;
}

static bool verify(const struct jwt_keys *keys, struct slice token, struct err *err)
{
	struct jwt_claims out;

	return verify_at(keys, token, NOW_S * US_PER_S, &out, err);
}

/* Signed with the first key, whatever it says. */
static struct slice forge(const struct jwt_keys *keys, const char *header, const char *payload)
{
	struct slice kid = { keys->v[0].kid, JWT_KID_CHARS };
	struct slice head =
		header != NULL
			? slice_of(header)
			: arena_printf(&arena,
				       "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%.*s\"}",
				       SARG(kid));

	return jws_sign_ed25519(head, slice_of(payload), keys->v[0].secret, &arena);
}

TEST(a_token_says_what_was_put_in)
{
	struct jwt_keys keys = keys_of(seed_a, NULL);
	struct slice token = issue(&keys);
	struct jwt_claims out;
	struct err err;

	T_OK(verify_at(&keys, token, NOW_S * US_PER_S, &out, &err));
	T_SLICE(out.iss, ISS);
	T_SLICE(out.sub, "usr_1");
	T_SLICE(out.sid, "ses_2");
	T_INT(out.iat_s, NOW_S);
	T_INT(out.exp_s, NOW_S + 900);
	T_TRUE(slice_eq(issue(&keys), token));
}

/* RFC 8037 appendix A.2 and A.3. */
TEST(keys_are_shown_and_named_as_published)
{
	struct jwt_keys keys = { 0 };
	unsigned char seed[JWT_SEED_BYTES];
	struct buf out;
	struct json_w w;

	T_TRUE(hex_decode(S("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
			  seed, sizeof(seed)));
	jwt_keys_add(&keys, seed);
	buf_init(&out, 4096);
	json_w_init(&w, &out);
	jwt_keys_write(&keys, &w);
	T_SLICE(buf_slice(&out), "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
				 "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\","
				 "\"kid\":\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\","
				 "\"alg\":\"EdDSA\",\"use\":\"sig\"}]}");
	buf_release(&out);
	jwt_keys_clear(&keys);
	T_INT(keys.n, 0);
}

TEST(a_token_is_believed_from_its_first_second_to_its_last)
{
	static const struct {
		int64_t after_us;
		const char *complaint;
	} rows[] = {
		{ -5 * US_PER_S, NULL },
		{ -5 * US_PER_S - 1, "the token was issued in the future" },
		{ 0, NULL },
		{ 900 * US_PER_S, NULL },
		{ 905 * US_PER_S - 1, NULL },
		{ 905 * US_PER_S, "the token has expired" },
		{ 100000 * US_PER_S, "the token has expired" },
	};
	struct jwt_keys keys = keys_of(seed_a, NULL);
	struct slice token = issue(&keys);
	struct jwt_claims out;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok = verify_at(&keys, token, NOW_S * US_PER_S + rows[i].after_us, &out, &err);

		T_INT(ok, rows[i].complaint == NULL);
		if (!ok) {
			T_STR(err.text, rows[i].complaint);
		}
	}
}

TEST(keys_rotate)
{
	struct jwt_keys before = keys_of(seed_a, NULL), both = keys_of(seed_b, seed_a);
	struct jwt_keys after = keys_of(seed_b, NULL), none = { 0 };
	struct slice old = issue(&before), new = issue(&both);
	struct err err;

	T_OK(verify(&both, old, &err));
	T_OK(verify(&both, new, &err));
	T_OK(verify(&after, new, &err));
	T_FALSE(verify(&after, old, &err));
	T_STR(err.text, "the token is signed with a key that is not in use");
	T_FALSE(verify(&before, new, &err));
	T_FALSE(verify(&none, new, &err));
}

TEST(the_oldest_key_falls_out)
{
	unsigned char seed[JWT_SEED_BYTES] = { 0 };
	struct jwt_keys keys = { 0 };
	struct slice tokens[JWT_KEYS_MAX + 1];
	struct err err;

	for (size_t i = 0; i <= JWT_KEYS_MAX; i++) {
		seed[0] = (unsigned char)i;
		jwt_keys_add(&keys, seed);
		tokens[i] = issue(&keys);
	}
	T_INT(keys.n, JWT_KEYS_MAX);
	for (size_t i = 0; i <= JWT_KEYS_MAX; i++) {
		T_INT(verify(&keys, tokens[i], &err), i > 0);
	}
}

TEST(no_bit_of_a_token_may_change)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	struct jwt_keys keys = keys_of(seed_a, NULL);
	struct slice token = issue(&keys);
	char *p = (char *)token.p;
	struct err err;

	for (size_t i = 0; i < token.n; i++) {
		char was = p[i];

		p[i] = alphabet[((size_t)(strchr(alphabet, was) - alphabet) + 1 + i % 60) % 65];
		T_TRUE(p[i] != was);
		T_FALSE(verify(&keys, token, &err));
		p[i] = was;
		T_FALSE(verify(&keys, (struct slice) { p, i }, &err));
	}
	T_OK(verify(&keys, token, &err));
}

/* A signature of our own key is not enough: what it signs has to be one of our tokens. */
TEST(a_header_is_ours_or_refused)
{
	static const char *const bad[] = {
		"{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"1\"}",
		"{\"alg\":\"EdDSA\",\"kid\":\"%s\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\",\"cty\":\"JWT\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\",\"zip\":\"DEF\"}",
		"{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"%s\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
		"{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	};
	static const char payload[] = "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\","
				      "\"iat\":1800000000,\"exp\":1800000900}";
	struct jwt_keys keys = keys_of(seed_a, NULL);
	struct err err;

	T_OK(verify(&keys, forge(&keys, NULL, payload), &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *at = strstr(bad[i], "%s");
		const char *header = bad[i];

		if (at != NULL) {
			header = arena_printf(&arena, "%.*s%.*s%s", (int)(at - bad[i]), bad[i],
					      JWT_KID_CHARS, keys.v[0].kid, at + 2)
					 .p;
		}
		if (verify(&keys, forge(&keys, header, payload), &err)) {
			fail_msg("took %s", header);
		}
	}
}

TEST(claims_are_ours_or_refused)
{
	static const struct {
		const char *payload, *complaint;
	} rows[] = {
		{ "{}", "\"iss\"" },
		{ "[]", "claims" },
		{ "x", "claims" },
		{ "{\"iss\":\"x\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1800000900}",
		  "issuer" },
		{ "{\"iss\":[\"" ISS "\"],\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1800000900}",
		  "\"iss\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"iat\":1800000000,\"exp\":1800000900}",
		  "\"sid\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1800000900}",
		  "\"sub\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":7,\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1800000900}",
		  "\"sub\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sub\":\"a\",\"sid\":\"b\","
		  "\"iat\":1800000000,\"exp\":1800000900}",
		  "claims" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000}",
		  "\"exp\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"exp\":1800000900}",
		  "\"iat\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":\"1800000900\"}",
		  "\"exp\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1e300}",
		  "\"exp\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":-1,"
		  "\"exp\":1800000900}",
		  "\"iat\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1800000900,\"nbf\":1800000006}",
		  "not valid yet" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000000,"
		  "\"exp\":1800000900,\"nbf\":null}",
		  "\"nbf\"" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1799999999,"
		  "\"exp\":1800086400}",
		  "lives too long" },
		{ "{\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\",\"iat\":1800000003,"
		  "\"exp\":1800000002}",
		  "issued in the future" },
	};
	struct jwt_keys keys = keys_of(seed_a, NULL);
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (verify(&keys, forge(&keys, NULL, rows[i].payload), &err)) {
			fail_msg("took %s", rows[i].payload);
		}
		if (strstr(err.text, rows[i].complaint) == NULL) {
			fail_msg("%s: %s", rows[i].payload, err.text);
		}
	}
	T_OK(verify(&keys,
		    forge(&keys, NULL,
			  "{\"later\":{},\"iss\":\"" ISS "\",\"sub\":\"a\",\"sid\":\"b\","
			  "\"iat\":1800000000,\"exp\":1800086400}"),
		    &err));
}

TEST(a_token_of_the_longest_names_is_within_the_bound)
{
	char name[CLAIM_BYTES_MAX];
	struct slice most = { name, sizeof(name) };
	struct jwt_claims claims = { .iss = S(ISS),
				     .sub = most,
				     .sid = most,
				     .iat_s = NOW_S,
				     .exp_s = NOW_S + JWT_LIFE_S_MAX };
	struct jwt_keys keys = keys_of(seed_a, NULL);
	struct err err;

	memset(name, 'n', sizeof(name));
	T_OK(verify(&keys, jwt_issue(&keys, &claims, &arena), &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_token_says_what_was_put_in),
		T(keys_are_shown_and_named_as_published),
		T(a_token_is_believed_from_its_first_second_to_its_last),
		T(keys_rotate),
		T(the_oldest_key_falls_out),
		T(no_bit_of_a_token_may_change),
		T(a_header_is_ours_or_refused),
		T(claims_are_ours_or_refused),
		T(a_token_of_the_longest_names_is_within_the_bound),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	return failed;
}
