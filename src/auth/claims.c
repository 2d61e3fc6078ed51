/* SPDX-License-Identifier: Apache-2.0 */
/* What our tokens and those of issuers have in common: texts and times, strictly typed. */
#include "auth/claims.h"

#include "base/clock.h"

bool claim_text(const struct json *claims, const char *name, struct slice *out, struct err *err)
{
	const struct json *v = json_get(claims, name);

	if (v == NULL || v->type != JSON_STRING || v->text.n == 0 || v->text.n > CLAIM_BYTES_MAX) {
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token must have a \"%s\" of 1 to %d bytes", name,
			       CLAIM_BYTES_MAX);
	}
	*out = v->text;
	return true;
}

bool claim_seconds(const struct json *claims, const char *name, int64_t *out, struct err *err)
{
	const struct json *v = json_get(claims, name);

	return (v != NULL && v->type == JSON_NUMBER && json_number_int(v->text, out) && *out >= 0 &&
		*out <= CLAIM_SECONDS_MAX) ||
	       err_set(err, ERR_UNAUTHORIZED, "the token must have a \"%s\" in seconds since 1970",
		       name);
}

static bool begun(const struct json *claims, int64_t now_us, int64_t leeway_us, struct err *err)
{
	int64_t nbf_s = 0;

	if (json_get(claims, "nbf") != NULL && !claim_seconds(claims, "nbf", &nbf_s, err)) {
		return false;
	}
	return nbf_s * US_PER_S <= now_us + leeway_us ||
	       err_set(err, ERR_UNAUTHORIZED, "the token is not valid yet");
}

bool claims_in_time(const struct json *claims, int64_t now_us, int64_t leeway_us, int64_t *iat_s,
		    int64_t *exp_s, struct err *err)
{
	ensure(leeway_us >= 0 && leeway_us <= CLAIM_LEEWAY_US_MAX);
	if (!claim_seconds(claims, "iat", iat_s, err) ||
	    !claim_seconds(claims, "exp", exp_s, err) || !begun(claims, now_us, leeway_us, err)) {
		return false;
	}
	if (*iat_s > *exp_s || *iat_s * US_PER_S > now_us + leeway_us) {
		return err_set(err, ERR_UNAUTHORIZED, "the token was issued in the future");
	}
	return *exp_s * US_PER_S > now_us - leeway_us ||
	       err_set(err, ERR_UNAUTHORIZED, "the token has expired");
}
