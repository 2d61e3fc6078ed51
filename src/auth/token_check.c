/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our tokens from the outside, so that a library of others can be set against them:
 *
 *	token_check keys SEED...                        the JWK set, the first seed signs
 *	token_check issue SEED ISS SUB SID IAT EXP      a token
 *	token_check verify SEED ISS NOW                 one from standard input: "SUB SID IAT EXP"
 *	token_check id-token JWKS ISS CLIENT NONCE NOW  likewise one of an issuer: its claims
 *
 * Seeds are 64 hex digits, times are seconds. Exit 0, or 1 with what is wrong.
 */
#include <stdio.h>

#include "auth/id_token.h"
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/hex.h"

#define IN_BYTES_MAX 65536

static struct arena boot;

static int fail(const char *text)
{
	printf("%s\n", text);
	return 1;
}

static int64_t number(const char *text)
{
	int64_t v = 0;

	ensure(slice_i64(slice_of(text), &v));
	return v;
}

static struct slice read_in(void)
{
	char *text = arena_alloc(&boot, IN_BYTES_MAX);

	return (struct slice) { text, fread(text, 1, IN_BYTES_MAX, stdin) };
}

static void add_seeds(struct jwt_keys *keys, char **seeds, int n)
{
	unsigned char seed[JWT_SEED_BYTES];

	while (n > 0) {
		ensure(hex_decode(slice_of(seeds[--n]), seed, sizeof(seed)));
		jwt_keys_add(keys, seed);
	}
}

static int show_keys(char **arg, int n)
{
	struct jwt_keys keys = { 0 };
	struct buf out;
	struct json_w w;

	add_seeds(&keys, arg, n);
	buf_init(&out, 1 << 16);
	json_w_init(&w, &out);
	jwt_keys_write(&keys, &w);
	printf("%.*s\n", SARG(buf_slice(&out)));
	buf_release(&out);
	return 0;
}

static int issue(char **arg, int n)
{
	struct jwt_keys keys = { 0 };
	struct jwt_claims claims;

	ensure(n == 6);
	add_seeds(&keys, arg, 1);
	claims = (struct jwt_claims) { .iss = slice_of(arg[1]),
				       .sub = slice_of(arg[2]),
				       .sid = slice_of(arg[3]),
				       .iat_s = number(arg[4]),
				       .exp_s = number(arg[5]) };
	printf("%.*s\n", SARG(jwt_issue(&keys, &claims, &boot)));
	return 0;
}

static int verify(char **arg, int n)
{
	struct jwt_keys keys = { 0 };
	struct jwt_claims out;
	struct jwt_want want;
	struct err err;

	ensure(n == 3);
	add_seeds(&keys, arg, 1);
	want = (struct jwt_want) { .iss = slice_of(arg[1]), .now_us = number(arg[2]) * US_PER_S };
	if (!jwt_verify(&keys, read_in(), &want, &boot, &out, &err)) {
		return fail(err.text);
	}
	printf("%.*s %.*s %lld %lld\n", SARG(out.sub), SARG(out.sid), (long long)out.iat_s,
	       (long long)out.exp_s);
	return 0;
}

static int id_token(char **arg, int n)
{
	struct jwk_set *set = NULL;
	const struct json *claims;
	struct id_token_want want;
	struct err err;
	bool ok;

	ensure(n == 5);
	want = (struct id_token_want) { .iss = slice_of(arg[1]),
					.client_id = slice_of(arg[2]),
					.nonce = slice_of(arg[3]),
					.now_us = number(arg[4]) * US_PER_S };
	ok = jwk_set_new(slice_of(arg[0]), &set, &err) &&
	     id_token_verify(set, read_in(), &want, &boot, &claims, &err);
	jwk_set_free(&set);
	if (!ok) {
		return fail(err.text);
	}
	printf("%.*s\n", SARG(claims->raw));
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **arg, int n);
} verbs[] = {
	{ "keys", show_keys },
	{ "issue", issue },
	{ "verify", verify },
	{ "id-token", id_token },
};

int main(int argc, char **argv)
{
	int code = 2;

	arena_init(&boot, 0);
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			code = verbs[i].run(argv + 2, argc - 2);
		}
	}
	arena_release(&boot);
	return code;
}
