/* SPDX-License-Identifier: Apache-2.0 */
/* Codes are hashed in one canonical form, so that it does not matter how they were typed. */
#include "auth/recovery.h"

#include <sodium.h>

#include "base/hex.h"
#include "base/rand.h"
#include "base/secret.h"

#define PASSES 1
#define MEMORY_BYTES ((size_t)4 << 20)
#define ACCOUNT_BYTES_MAX 200
#define GROUP (RECOVERY_CHARS / 2)

static void write_code(uint64_t value, char out[RECOVERY_TEXT_CHARS + 1])
{
	char digits[RECOVERY_CHARS];

	base32_encode(value, RECOVERY_CHARS, digits);
	memcpy(out, digits, GROUP);
	out[GROUP] = '-';
	memcpy(out + GROUP + 1, digits + GROUP, GROUP);
	out[RECOVERY_TEXT_CHARS] = '\0';
	secret_wipe(digits, sizeof(digits));
}

void recovery_make(char out[RECOVERY_CODES][RECOVERY_TEXT_CHARS + 1])
{
	for (size_t i = 0; i < RECOVERY_CODES; i++) {
		write_code(rand_below(UINT64_C(1) << (5 * RECOVERY_CHARS)), out[i]);
	}
}

/* The digits alone, as they were made. */
static bool canonical(struct slice code, char out[RECOVERY_CHARS])
{
	unsigned __int128 value;
	char text[RECOVERY_CHARS];
	size_t n = 0;

	for (size_t i = 0; i < code.n; i++) {
		if (code.p[i] == '-' || code.p[i] == ' ') {
			continue;
		}
		if (n == sizeof(text)) {
			return false;
		}
		text[n++] = code.p[i];
	}
	if (n != sizeof(text) || !base32_decode((struct slice) { text, n }, &value)) {
		return false;
	}
	base32_encode(value, RECOVERY_CHARS, out);
	secret_wipe(text, sizeof(text));
	return true;
}

bool recovery_hash(struct slice code, struct slice account, unsigned char out[RECOVERY_HASH_BYTES])
{
	unsigned char salt[crypto_pwhash_SALTBYTES];
	char text[RECOVERY_CHARS];
	bool ok;

	ensure(account.n > 0 && account.n <= ACCOUNT_BYTES_MAX);
	if (!canonical(code, text)) {
		return false;
	}
	crypto_generichash(salt, sizeof(salt), (const unsigned char *)account.p, account.n, NULL,
			   0);
	ok = crypto_pwhash(out, RECOVERY_HASH_BYTES, text, sizeof(text), salt, PASSES, MEMORY_BYTES,
			   crypto_pwhash_ALG_ARGON2ID13) == 0;
	secret_wipe(text, sizeof(text));
	return ok;
}
