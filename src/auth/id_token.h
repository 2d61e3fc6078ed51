/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_ID_TOKEN_H
#define AUTH_ID_TOKEN_H

#include "auth/jwk.h"

/*
 * Tokens by which another issuer says who logged in there: OpenID Connect Core 1.0 section 3.1.3.7.
 * RS256 and ES256, with the issuer's own keys. Pure; any thread but the loop (some 100 us).
 */
struct id_token_want {
	struct slice iss;	/* of the discovery document, byte for byte */
	struct slice client_id; /* ours, there */
	struct slice nonce;	/* of the login that this ends; never empty */
	int64_t now_us;
	int64_t leeway_us; /* what clocks may be apart: 0 to a minute */
};

/*
 * Believe a token or refuse it, ERR_UNAUTHORIZED: its form and algorithm (jws_read), the signature,
 * "iss", "aud" (a name, or a list with ours in it; with several "azp" must be ours as well), "exp",
 * "iat", "nbf", "nonce", and a "sub" of 1 to 255 bytes. *claims is all that it says, in req or
 * borrowed from token. What else is in there (mail, groups) is for the caller to judge:
 * "email" counts only with "email_verified": true.
 */
NODISCARD bool id_token_verify(const struct jwk_set *keys, struct slice token,
			       const struct id_token_want *want, struct arena *req,
			       const struct json **claims, struct err *err);

#endif
