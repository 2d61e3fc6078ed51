/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys become OpenSSL's when they are read, so that what is wrong with one is found then, and a
 * signature is checked by exactly what the key is for.
 */
#include "auth/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>

#include "base/hex.h"

#define RSA_BYTES_MAX (JWK_RSA_BITS_MAX / 8)
#define EXPONENT_BYTES_MAX 4 /* 65537 has three; a large one only costs time */
#define P256_BYTES 32
#define ES256_BYTES (2 * P256_BYTES)
#define ES256_DER_MAX 72
#define DEPTH_MAX 8

struct jwk {
	enum jws_alg alg;
	char kid[JWS_NAME_BYTES_MAX];
	size_t kid_n; /* 0: it has none */
	EVP_PKEY *key;
};

struct jwk_set {
	struct jwk keys[JWK_KEYS_MAX];
	size_t n;
};

/* Reading one. */

static struct slice text_of(const struct json *jwk, const char *name)
{
	const struct json *v = json_get(jwk, name);

	return v != NULL && v->type == JSON_STRING ? v->text : (struct slice) { 0 };
}

/* Base64url of at most n bytes. */
static bool bytes_of(const struct json *jwk, const char *name, unsigned char *out, size_t *n)
{
	struct slice text = text_of(jwk, name);

	return text.n > 0 && base64url_decode(text, out, n) && *n > 0;
}

static EVP_PKEY *build(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
		key = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

/* RFC 7518 section 6.3.1. An even exponent, or 1, would be no RSA. */
static bool rsa_is_sane(const BIGNUM *n, const BIGNUM *e)
{
	int bits = BN_num_bits(n);

	return bits >= JWK_RSA_BITS_MIN && bits <= JWK_RSA_BITS_MAX && BN_is_odd(n) &&
	       BN_is_odd(e) && !BN_is_one(e);
}

static EVP_PKEY *rsa_key(const struct json *jwk)
{
	unsigned char n_bytes[RSA_BYTES_MAX], e_bytes[EXPONENT_BYTES_MAX];
	size_t n_n = sizeof(n_bytes), e_n = sizeof(e_bytes);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *e = NULL;
	EVP_PKEY *key = NULL;

	if (bytes_of(jwk, "n", n_bytes, &n_n) && bytes_of(jwk, "e", e_bytes, &e_n)) {
		n = BN_bin2bn(n_bytes, (int)n_n, NULL);
		e = BN_bin2bn(e_bytes, (int)e_n, NULL);
	}
	if (bld != NULL && n != NULL && e != NULL && rsa_is_sane(n, e) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
		key = build("RSA", bld);
	}
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

/* A point that is not on the curve is a key to nothing, and a way to attack those who use it. */
static bool is_on_curve(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool ok = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* RFC 7518 section 6.2.1: both coordinates have all their bytes. */
static EVP_PKEY *p256_key(const struct json *jwk)
{
	unsigned char point[1 + 2 * P256_BYTES] = { 4 }; /* not compressed */
	size_t x_n = P256_BYTES, y_n = P256_BYTES;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (bld != NULL && slice_eq(text_of(jwk, "crv"), S("P-256")) &&
	    bytes_of(jwk, "x", point + 1, &x_n) && x_n == P256_BYTES &&
	    bytes_of(jwk, "y", point + 1 + P256_BYTES, &y_n) && y_n == P256_BYTES &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) ==
		    1) {
		key = build("EC", bld);
	}
	OSSL_PARAM_BLD_free(bld);
	if (key != NULL && !is_on_curve(key)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static const struct {
	const char *kty, *alg;
	enum jws_alg bit;
	EVP_PKEY *(*read)(const struct json *jwk);
} kinds[] = {
	{ "RSA", "RS256", JWS_RS256, rsa_key },
	{ "EC", "ES256", JWS_ES256, p256_key },
};

/* Absent, or this. */
static bool may_be(const struct json *jwk, const char *name, struct slice want)
{
	return json_get(jwk, name) == NULL || slice_eq(text_of(jwk, name), want);
}

static bool read_key(const struct json *jwk, struct jwk *out)
{
	struct slice kid = text_of(jwk, "kid");

	if (jwk->type != JSON_OBJECT || kid.n > sizeof(out->kid) || !may_be(jwk, "use", S("sig"))) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (slice_eq(text_of(jwk, "kty"), slice_of(kinds[i].kty)) &&
		    may_be(jwk, "alg", slice_of(kinds[i].alg))) {
			out->alg = kinds[i].bit;
			out->key = kinds[i].read(jwk);
		}
	}
	if (out->key != NULL && kid.n > 0) {
		memcpy(out->kid, kid.p, kid.n);
		out->kid_n = kid.n;
	}
	return out->key != NULL;
}

/* Reading all. */

static bool no_set(struct err *err)
{
	return err_set(err, ERR_UPSTREAM, "the keys of the issuer are no JWK set");
}

static bool read_keys(const struct json *root, struct jwk_set *set, struct err *err)
{
	const struct json *keys = json_get(root, "keys");

	if (keys == NULL || keys->type != JSON_ARRAY || keys->count > JWK_KEYS_MAX) {
		return no_set(err);
	}
	json_each(jwk, keys)
	{
		struct jwk key = { 0 };

		if (read_key(jwk, &key)) {
			set->keys[set->n++] = key;
		}
	}
	return set->n > 0 || err_set(err, ERR_UPSTREAM,
				     "the issuer has no key for RS256 or ES256 in its JWK set");
}

bool jwk_set_new(struct slice text, struct jwk_set **out, struct err *err)
{
	struct jwk_set *set = mem_alloc(1, sizeof(*set));
	const struct json *root;
	struct arena arena;
	struct err why;
	bool ok;

	arena_init(&arena, 0);
	ok = (text.n <= JWK_SET_BYTES_MAX && json_parse(&arena, text, DEPTH_MAX, &root, &why)) ||
	     no_set(err);
	ok = ok && read_keys(root, set, err);
	arena_release(&arena);
	if (!ok) {
		jwk_set_free(&set);
	}
	*out = set;
	return ok;
}

void jwk_set_free(struct jwk_set **set)
{
	if (*set != NULL) {
		for (size_t i = 0; i < (*set)->n; i++) {
			EVP_PKEY_free((*set)->keys[i].key);
		}
		free(*set);
		*set = NULL;
	}
}

size_t jwk_set_keys(const struct jwk_set *set)
{
	return set->n;
}

/* Checking. */

/* With a name the first of that name and kind; without one the only one of that kind. */
static const struct jwk *find(const struct jwk_set *set, const struct jws *jws)
{
	const struct jwk *only = NULL;

	for (size_t i = 0; i < set->n; i++) {
		const struct jwk *key = &set->keys[i];

		if (key->alg != jws->alg) {
			continue;
		}
		if (jws->kid.n > 0) {
			if (slice_eq(jws->kid, (struct slice) { key->kid, key->kid_n })) {
				return key;
			}
		} else if (only != NULL) {
			return NULL;
		} else {
			only = key;
		}
	}
	return only;
}

bool jwk_set_has(const struct jwk_set *set, const struct jws *jws)
{
	return find(set, jws) != NULL;
}

/* The two numbers side by side (RFC 7518 section 3.4) as OpenSSL wants them. Bytes, or 0. */
static size_t es256_der(const struct jws *jws, unsigned char out[ES256_DER_MAX])
{
	BIGNUM *r = BN_bin2bn(jws->signature, P256_BYTES, NULL);
	BIGNUM *s = BN_bin2bn(jws->signature + P256_BYTES, P256_BYTES, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *to = out;
	int n = 0;

	if (r == NULL || s == NULL || sig == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else if ((n = i2d_ECDSA_SIG(sig, NULL)) > 0 && n <= ES256_DER_MAX) {
		n = i2d_ECDSA_SIG(sig, &to);
	} else {
		n = 0;
	}
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

static bool verify(EVP_PKEY *key, struct slice input, const unsigned char *signature, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature, n, (const unsigned char *)input.p, input.n) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool is_by(const struct jwk *key, const struct jws *jws)
{
	unsigned char der[ES256_DER_MAX];
	size_t n;

	switch (jws->alg) {
	case JWS_RS256:
		return jws->signature_n == (size_t)EVP_PKEY_get_size(key->key) &&
		       verify(key->key, jws->input, jws->signature, jws->signature_n);
	case JWS_ES256:
		n = jws->signature_n == ES256_BYTES ? es256_der(jws, der) : 0;
		return n > 0 && verify(key->key, jws->input, der, n);
	case JWS_EDDSA:
		return false;
	}
	never("no such algorithm");
}

bool jwk_set_check(const struct jwk_set *set, const struct jws *jws, struct err *err)
{
	const struct jwk *key = find(set, jws);

	if (key == NULL) {
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token is signed with a key that its issuer does not show");
	}
	return is_by(key, jws) || err_set(err, ERR_UNAUTHORIZED, "the token has a wrong signature");
}
