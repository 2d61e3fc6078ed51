/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One algorithm, one type, one way to name a key: everything that a JWT library has to choose is
 * decided here, so a token cannot choose it.
 */
#include "auth/jwt.h"

#include <sodium.h>

#include "auth/claims.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "base/rand.h"
#include "base/secret.h"

#define TYPE "JWT"
#define X_CHARS BASE64URL_LEN(JWS_PUBLIC_BYTES)

static_assert(JWT_KID_CHARS == BASE64URL_LEN(SHA256_BYTES), "a thumbprint fits");

static bool refuse(struct err *err, const char *what)
{
	return err_set(err, ERR_UNAUTHORIZED, "the token %s", what);
}

/* Keys. */

void jwt_seed_make(unsigned char seed[JWT_SEED_BYTES])
{
	rand_bytes(seed, JWT_SEED_BYTES);
}

static struct slice encode_x(const struct jwt_key *key, char out[X_CHARS])
{
	base64url_encode(key->public_key, sizeof(key->public_key), out);
	return (struct slice) { out, X_CHARS };
}

/* RFC 8037 appendix A.3: the members that matter, sorted, without white space. */
static void make_kid(struct jwt_key *key)
{
	static const char head[] = "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"", tail[] = "\"}";
	char text[sizeof(head) + X_CHARS + sizeof(tail)];
	unsigned char hash[SHA256_BYTES];
	size_t n = sizeof(head) - 1;

	memcpy(text, head, n);
	n += encode_x(key, text + n).n;
	memcpy(text + n, tail, sizeof(tail) - 1);
	n += sizeof(tail) - 1;
	sha256((struct slice) { text, n }, hash);
	base64url_encode(hash, sizeof(hash), key->kid);
}

void jwt_keys_add(struct jwt_keys *keys, const unsigned char seed[JWT_SEED_BYTES])
{
	size_t keep = keys->n < JWT_KEYS_MAX ? keys->n : JWT_KEYS_MAX - 1;

	memmove(&keys->v[1], &keys->v[0], keep * sizeof(keys->v[0]));
	keys->n = keep + 1;
	crypto_sign_ed25519_seed_keypair(keys->v[0].public_key, keys->v[0].secret, seed);
	make_kid(&keys->v[0]);
}

void jwt_keys_clear(struct jwt_keys *keys)
{
	secret_wipe(keys, sizeof(*keys));
}

static struct slice kid_of(const struct jwt_key *key)
{
	return (struct slice) { key->kid, sizeof(key->kid) };
}

static const struct jwt_key *find(const struct jwt_keys *keys, struct slice kid)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (slice_eq(kid_of(&keys->v[i]), kid)) {
			return &keys->v[i];
		}
	}
	return NULL;
}

static void write_key(const struct jwt_key *key, struct json_w *w)
{
	char x[X_CHARS];

	json_w_object(w);
	json_put_str(w, "kty", S("OKP"));
	json_put_str(w, "crv", S("Ed25519"));
	json_put_str(w, "x", encode_x(key, x));
	json_put_str(w, "kid", kid_of(key));
	json_put_str(w, "alg", S("EdDSA"));
	json_put_str(w, "use", S("sig"));
	json_w_end(w);
}

void jwt_keys_write(const struct jwt_keys *keys, struct json_w *w)
{
	json_w_object(w);
	json_w_key(w, "keys");
	json_w_array(w);
	for (size_t i = 0; i < keys->n; i++) {
		write_key(&keys->v[i], w);
	}
	json_w_end(w);
	json_w_end(w);
}

/* Issue. */

static bool is_claim(struct slice s)
{
	return s.n > 0 && s.n <= CLAIM_BYTES_MAX;
}

static void ensure_sound(const struct jwt_claims *c)
{
	ensure(is_claim(c->iss) && is_claim(c->sub) && is_claim(c->sid));
	ensure(c->iat_s >= 0 && c->exp_s > c->iat_s && c->exp_s <= CLAIM_SECONDS_MAX &&
	       c->exp_s - c->iat_s <= JWT_LIFE_S_MAX);
}

static void write_claims(const struct jwt_claims *c, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	json_put_str(&w, "iss", c->iss);
	json_put_str(&w, "sub", c->sub);
	json_put_str(&w, "sid", c->sid);
	json_put_int(&w, "iat", c->iat_s);
	json_put_int(&w, "exp", c->exp_s);
	json_w_end(&w);
}

struct slice jwt_issue(const struct jwt_keys *keys, const struct jwt_claims *claims,
		       struct arena *req)
{
	const struct jwt_key *key = &keys->v[0];
	struct slice header, token;
	struct buf payload;

	ensure(keys->n > 0);
	ensure_sound(claims);
	header = arena_printf(req, "{\"alg\":\"EdDSA\",\"typ\":\"" TYPE "\",\"kid\":\"%.*s\"}",
			      SARG(kid_of(key)));
	buf_init(&payload, JWT_BYTES_MAX);
	write_claims(claims, &payload);
	token = jws_sign_ed25519(header, buf_slice(&payload), key->secret, req);
	ensure(!payload.overflow && token.n <= JWT_BYTES_MAX);
	buf_release(&payload);
	return token;
}

/* Verify. */

/* What we did not write, we do not understand. */
static bool check_header(const struct jws *jws, struct err *err)
{
	json_each(member, jws->header)
	{
		if (!slice_eq(member->key, S("alg")) && !slice_eq(member->key, S("typ")) &&
		    !slice_eq(member->key, S("kid"))) {
			return refuse(err, "has more in its header than it should");
		}
	}
	return slice_eq(jws->typ, S(TYPE)) || refuse(err, "is not of the type " TYPE);
}

static bool check_signature(const struct jwt_keys *keys, const struct jws *jws, struct err *err)
{
	const struct jwt_key *key = find(keys, jws->kid);

	if (key == NULL) {
		return refuse(err, "is signed with a key that is not in use");
	}
	return jws_is_by_ed25519(jws, key->public_key) || refuse(err, "has a wrong signature");
}

static bool read_claims(const struct jws *jws, const struct jwt_want *want, struct arena *req,
			struct jwt_claims *out, struct err *err)
{
	const struct json *claims;

	if (!jws_claims(jws, req, &claims, err) || !claim_text(claims, "iss", &out->iss, err) ||
	    !claim_text(claims, "sub", &out->sub, err) ||
	    !claim_text(claims, "sid", &out->sid, err)) {
		return false;
	}
	if (!slice_eq(out->iss, want->iss)) {
		return refuse(err, "is of another issuer");
	}
	return claims_in_time(claims, want->now_us, want->leeway_us, &out->iat_s, &out->exp_s,
			      err) &&
	       (out->exp_s - out->iat_s <= JWT_LIFE_S_MAX || refuse(err, "lives too long"));
}

bool jwt_verify(const struct jwt_keys *keys, struct slice token, const struct jwt_want *want,
		struct arena *req, struct jwt_claims *out, struct err *err)
{
	struct jws jws;

	return jws_read(token, JWT_BYTES_MAX, JWS_EDDSA, req, &jws, err) &&
	       check_header(&jws, err) && check_signature(keys, &jws, err) &&
	       read_claims(&jws, want, req, out, err);
}
