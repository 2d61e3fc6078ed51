/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking apart is one function for our tokens and those of issuers, so that both are equally
 * strict. base64url has one text a value here, and JSON no name twice: there is nothing in a token
 * that two readers could understand differently.
 */
#include "auth/jws.h"

#include <sodium.h>

#include "base/hex.h"

static_assert(JWS_PUBLIC_BYTES == crypto_sign_ed25519_PUBLICKEYBYTES, "public keys fit");
static_assert(JWS_SECRET_BYTES == crypto_sign_ed25519_SECRETKEYBYTES, "secret keys fit");
static_assert(JWS_ED25519_BYTES == crypto_sign_ed25519_BYTES, "signatures fit");

static const struct {
	const char *name;
	enum jws_alg alg;
} algs_known[] = {
	{ "EdDSA", JWS_EDDSA },
	{ "RS256", JWS_RS256 },
	{ "ES256", JWS_ES256 },
};

/* In a header they change what is signed, or bring a key along. */
static const char *const refused[] = { "crit", "b64", "jwk", "jku", "x5c", "x5u" };

static bool refuse(struct err *err, const char *what)
{
	return err_set(err, ERR_UNAUTHORIZED, "the token %s", what);
}

/* Exactly three parts, none of which is empty. */
static bool split(struct slice token, struct slice part[3])
{
	struct slice rest = token;
	size_t n = 0;

	while (n < 3 && slice_split(&rest, '.', &part[n])) {
		n++;
	}
	return n == 3 && part[2].p + part[2].n == token.p + token.n && part[0].n > 0 &&
	       part[1].n > 0 && part[2].n > 0;
}

static bool decode(struct slice text, struct arena *req, struct slice *out)
{
	size_t n = text.n;
	char *to = arena_alloc(req, n);

	if (!base64url_decode(text, to, &n)) {
		return false;
	}
	*out = (struct slice) { to, n };
	return true;
}

static bool parse_object(struct slice text, struct arena *req, const struct json **out)
{
	struct err ignored;

	return json_parse(req, text, JWS_DEPTH_MAX, out, &ignored) && (*out)->type == JSON_OBJECT;
}

static bool read_alg(const struct json *header, unsigned algs, enum jws_alg *out)
{
	const struct json *alg = json_get(header, "alg");

	for (size_t i = 0; i < ARRAY_LEN(algs_known); i++) {
		if (alg != NULL && alg->type == JSON_STRING && (algs & algs_known[i].alg) != 0 &&
		    slice_eq(alg->text, slice_of(algs_known[i].name))) {
			*out = algs_known[i].alg;
			return true;
		}
	}
	return false;
}

static bool read_name(const struct json *header, const char *name, struct slice *out)
{
	const struct json *v = json_get(header, name);

	*out = v == NULL ? (struct slice) { 0 } : v->text;
	return v == NULL ||
	       (v->type == JSON_STRING && v->text.n > 0 && v->text.n <= JWS_NAME_BYTES_MAX);
}

static bool read_header(struct slice text, unsigned algs, struct arena *req, struct jws *out,
			struct err *err)
{
	struct slice bytes;

	if (!decode(text, req, &bytes) || !parse_object(bytes, req, &out->header)) {
		return refuse(err, "has no header that can be read");
	}
	if (!read_alg(out->header, algs, &out->alg)) {
		return refuse(err, "is not signed in a way that is accepted here");
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (json_get(out->header, refused[i]) != NULL) {
			return err_set(err, ERR_UNAUTHORIZED, "the token has \"%s\" in its header",
				       refused[i]);
		}
	}
	return (read_name(out->header, "kid", &out->kid) &&
		read_name(out->header, "typ", &out->typ)) ||
	       refuse(err, "names its key or its type in no known way");
}

bool jws_read(struct slice token, size_t bytes_max, unsigned algs, struct arena *req,
	      struct jws *out, struct err *err)
{
	struct slice part[3];

	ensure(bytes_max <= JWS_BYTES_MAX);
	*out = (struct jws) { 0 };
	if (token.n > bytes_max) {
		return refuse(err, "is too long");
	}
	if (!split(token, part)) {
		return refuse(err, "does not consist of three parts");
	}
	if (!read_header(part[0], algs, req, out, err)) {
		return false;
	}
	out->input = (struct slice) { token.p, part[0].n + 1 + part[1].n };
	out->signature_n = sizeof(out->signature);
	return (decode(part[1], req, &out->payload) &&
		base64url_decode(part[2], out->signature, &out->signature_n)) ||
	       refuse(err, "has parts that are not base64url");
}

bool jws_is_by_ed25519(const struct jws *jws, const unsigned char public_key[JWS_PUBLIC_BYTES])
{
	return jws->alg == JWS_EDDSA && jws->signature_n == JWS_ED25519_BYTES &&
	       crypto_sign_ed25519_verify_detached(jws->signature,
						   (const unsigned char *)jws->input.p,
						   jws->input.n, public_key) == 0;
}

bool jws_claims(const struct jws *jws, struct arena *req, const struct json **out, struct err *err)
{
	return parse_object(jws->payload, req, out) ||
	       refuse(err, "has no claims that can be read");
}

struct slice jws_sign_ed25519(struct slice header, struct slice payload,
			      const unsigned char secret[JWS_SECRET_BYTES], struct arena *req)
{
	size_t header_n = BASE64URL_LEN(header.n),
	       input_n = header_n + 1 + BASE64URL_LEN(payload.n);
	size_t n = input_n + 1 + BASE64URL_LEN(JWS_ED25519_BYTES);
	unsigned char signature[JWS_ED25519_BYTES];
	char *text = arena_alloc(req, n);

	base64url_encode(header.p, header.n, text);
	text[header_n] = '.';
	base64url_encode(payload.p, payload.n, text + header_n + 1);
	crypto_sign_ed25519_detached(signature, NULL, (const unsigned char *)text, input_n, secret);
	text[input_n] = '.';
	base64url_encode(signature, sizeof(signature), text + input_n + 1);
	return (struct slice) { text, n };
}
