/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-1 is what the apps know; in HMAC it is not broken. Everything that apps ignore when it is in
 * the URI (other digests, eight digits, a minute) is left alone for that reason.
 */
#include "auth/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/rand.h"
#include "base/secret.h"

#define SHA1_BYTES 20
#define MODULUS 1000000 /* ten to the TOTP_DIGITS */

void totp_secret_make(unsigned char secret[TOTP_SECRET_BYTES])
{
	rand_bytes(secret, TOTP_SECRET_BYTES);
}

void totp_secret_text(const unsigned char secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_CHARS])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint64_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < TOTP_SECRET_BYTES; i++) {
		bits = bits << 8 | secret[i];
		for (have += 8; have >= 5; have -= 5) {
			*out++ = digits[bits >> (have - 5) & 31];
		}
	}
}

void totp_code(const unsigned char *secret, size_t n, uint64_t counter, char out[TOTP_DIGITS])
{
	unsigned char message[8], hash[SHA1_BYTES];
	unsigned at;
	uint32_t v;

	for (size_t i = 0; i < sizeof(message); i++) {
		message[i] = (unsigned char)(counter >> (56 - 8 * i));
	}
	ensure(HMAC(EVP_sha1(), secret, (int)n, message, sizeof(message), hash, NULL) != NULL);
	at = hash[SHA1_BYTES - 1] & 15;
	v = ((uint32_t)hash[at] << 24 | (uint32_t)hash[at + 1] << 16 | (uint32_t)hash[at + 2] << 8 |
	     hash[at + 3]) &
	    0x7fffffff;
	v %= MODULUS;
	for (size_t i = TOTP_DIGITS; i > 0; i--) {
		out[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	secret_wipe(hash, sizeof(hash));
}

bool totp_verify(const unsigned char secret[TOTP_SECRET_BYTES], struct slice code, int64_t now_us,
		 int64_t last_step, int64_t *step)
{
	int64_t now = now_us / US_PER_S / TOTP_STEP_S;
	int64_t good = 0;

	if (code.n != TOTP_DIGITS) {
		return false;
	}
	/* All three, so that the time does not tell which one it was. */
	for (int64_t s = now - 1; s <= now + 1; s++) {
		char want[TOTP_DIGITS];
		bool same;

		totp_code(secret, TOTP_SECRET_BYTES, (uint64_t)s, want);
		same = equal_const_time(want, code.p, TOTP_DIGITS);
		good = same && s > last_step && good == 0 ? s : good;
		secret_wipe(want, sizeof(want));
	}
	*step = good;
	return good != 0;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~@", c) != NULL);
}

static void put_name(struct buf *out, struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i] == ':' ? ' ' : name.p[i];

		if (is_plain(c)) {
			buf_putc(out, c);
		} else {
			buf_printf(out, "%%%02X", (unsigned char)c);
		}
	}
}

struct slice totp_uri(const unsigned char secret[TOTP_SECRET_BYTES], struct slice issuer,
		      struct slice account, struct arena *req)
{
	char text[TOTP_SECRET_CHARS];
	struct slice uri;
	struct buf out;

	ensure(issuer.n > 0 && issuer.n <= TOTP_NAME_BYTES_MAX && account.n > 0 &&
	       account.n <= TOTP_NAME_BYTES_MAX);
	totp_secret_text(secret, text);
	buf_init(&out, 200 + 9 * TOTP_NAME_BYTES_MAX);
	buf_puts(&out, S("otpauth://totp/"));
	put_name(&out, issuer);
	buf_putc(&out, ':');
	put_name(&out, account);
	buf_printf(&out, "?secret=%.*s&issuer=", TOTP_SECRET_CHARS, text);
	put_name(&out, issuer);
	buf_printf(&out, "&algorithm=SHA1&digits=%d&period=%d", TOTP_DIGITS, TOTP_STEP_S);
	ensure(!out.overflow);
	uri = arena_dup(req, buf_slice(&out));
	secret_wipe(out.p, out.n);
	secret_wipe(text, sizeof(text));
	buf_release(&out);
	return uri;
}
