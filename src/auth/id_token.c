/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of section 3.1.3.7, in its order where that matters: nothing is read before it is
 * signed.
 */
#include "auth/id_token.h"

#include "auth/claims.h"
#include "base/hash.h"

static bool refuse(struct err *err, const char *what)
{
	return err_set(err, ERR_UNAUTHORIZED, "the token %s", what);
}

static bool is_text(const struct json *v, struct slice want)
{
	return v != NULL && v->type == JSON_STRING && slice_eq(v->text, want);
}

static bool is_listed(const struct json *list, struct slice want)
{
	json_each(item, list)
	{
		if (is_text(item, want)) {
			return true;
		}
	}
	return false;
}

/* For us, and where it is for others too, asked for by us. */
static bool is_for(const struct json *claims, struct slice client_id)
{
	const struct json *aud = json_get(claims, "aud"), *azp = json_get(claims, "azp");

	if (aud == NULL || (azp != NULL && !is_text(azp, client_id))) {
		return false;
	}
	if (aud->type == JSON_ARRAY) {
		return is_listed(aud, client_id) && (aud->count == 1 || azp != NULL);
	}
	return is_text(aud, client_id);
}

static bool is_nonce(const struct json *claims, struct slice want)
{
	const struct json *nonce = json_get(claims, "nonce");

	return nonce != NULL && nonce->type == JSON_STRING && nonce->text.n == want.n &&
	       equal_const_time(nonce->text.p, want.p, want.n);
}

static bool check_claims(const struct json *claims, const struct id_token_want *want,
			 struct err *err)
{
	int64_t iat_s, exp_s;
	struct slice sub;

	if (!is_text(json_get(claims, "iss"), want->iss)) {
		return refuse(err, "is of another issuer");
	}
	if (!is_for(claims, want->client_id)) {
		return refuse(err, "is not for this server");
	}
	if (!is_nonce(claims, want->nonce)) {
		return refuse(err, "does not belong to this login");
	}
	return claims_in_time(claims, want->now_us, want->leeway_us, &iat_s, &exp_s, err) &&
	       claim_text(claims, "sub", &sub, err);
}

bool id_token_verify(const struct jwk_set *keys, struct slice token,
		     const struct id_token_want *want, struct arena *req,
		     const struct json **claims, struct err *err)
{
	struct jws jws;

	ensure(want->iss.n > 0 && want->client_id.n > 0 && want->nonce.n > 0);
	return jws_read(token, JWS_BYTES_MAX, JWS_RS256 | JWS_ES256, req, &jws, err) &&
	       jwk_set_check(keys, &jws, err) && jws_claims(&jws, req, claims, err) &&
	       check_claims(*claims, want, err);
}
