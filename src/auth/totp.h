/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_TOTP_H
#define AUTH_TOTP_H

#include "base/arena.h"

/*
 * One-time codes of authenticator apps: TOTP (RFC 6238) with what all of them can do, HMAC-SHA-1,
 * six digits, 30 seconds. A code is good for its own step and the ones beside it, and only once:
 * the caller stores the step of the last code with the secret, in the same transaction that uses
 * it. Pure; any thread. Guessing is limited by whoever calls: a code has a million values, and
 * three are good at a time.
 */
#define TOTP_SECRET_BYTES 20 /* of the hash, RFC 4226 section 4 */
#define TOTP_SECRET_CHARS 32 /* in base 32 */
#define TOTP_DIGITS 6
#define TOTP_STEP_S 30
#define TOTP_NAME_BYTES_MAX 255 /* of issuer and account */

/* A new secret; seal it, and wipe it after use. */
void totp_secret_make(unsigned char secret[TOTP_SECRET_BYTES]);
/* Base 32 of RFC 4648, for those who type it. out gets TOTP_SECRET_CHARS and no terminator. */
void totp_secret_text(const unsigned char secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_CHARS]);
/*
 * "otpauth://totp/ISSUER:ACCOUNT?secret=...&issuer=ISSUER&algorithm=SHA1&digits=6&period=30", for a
 * picture that an app can read. It is secret itself. The names have 1 to TOTP_NAME_BYTES_MAX bytes;
 * what a URI cannot hold is escaped, and a colon becomes a space (the format has no other way).
 */
struct slice totp_uri(const unsigned char secret[TOTP_SECRET_BYTES], struct slice issuer,
		      struct slice account, struct arena *req);
/*
 * Whether code, exactly six digits, is good at now_us and of a step behind last_step (0: none was
 * used yet). *step is then what to store as the next last_step. Takes as long for any six digits.
 */
NODISCARD bool totp_verify(const unsigned char secret[TOTP_SECRET_BYTES], struct slice code,
			   int64_t now_us, int64_t last_step, int64_t *step);
/* The code of a counter (RFC 4226 section 5.3), as TOTP_DIGITS digits without a terminator. */
void totp_code(const unsigned char *secret, size_t n, uint64_t counter, char out[TOTP_DIGITS]);

#endif
