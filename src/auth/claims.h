/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_CLAIMS_H
#define AUTH_CLAIMS_H

#include "base/json.h"

/*
 * Claims of a token (RFC 7519 section 4.1) whose signature was checked. Pure; any thread. Refusals
 * are ERR_UNAUTHORIZED and name the claim, never its value.
 */
#define CLAIM_BYTES_MAX 255			    /* "sub" of OpenID Connect; ids are shorter */
#define CLAIM_LEEWAY_US_MAX (INT64_C(60) * 1000000) /* what clocks may be apart */
#define CLAIM_SECONDS_MAX INT64_C(253402300799)	    /* the last second of the year 9999 */

/* A string of 1 to CLAIM_BYTES_MAX bytes that must be there. */
NODISCARD bool claim_text(const struct json *claims, const char *name, struct slice *out,
			  struct err *err);
/* A whole number of seconds since the epoch that must be there, between 0 and CLAIM_SECONDS_MAX. */
NODISCARD bool claim_seconds(const struct json *claims, const char *name, int64_t *out,
			     struct err *err);
/*
 * "exp" is not over, "iat" is not to come and not behind "exp"; "nbf" is not to come where there is
 * one. leeway_us is between 0 and CLAIM_LEEWAY_US_MAX.
 */
NODISCARD bool claims_in_time(const struct json *claims, int64_t now_us, int64_t leeway_us,
			      int64_t *iat_s, int64_t *exp_s, struct err *err);

#endif
