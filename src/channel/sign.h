/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SIGN_H
#define CHANNEL_SIGN_H

#include "base/arena.h"
#include "base/err.h"

/*
 * Signatures of outgoing messages after the Standard Webhooks specification 1.0: HMAC-SHA256 over
 * "id.timestamp.body", one signature per key, so that a receiver can change from an old key to a
 * new one while both are in use. Pure; any thread.
 */
#define SIGN_KEYS_MAX 4 /* an old and a new one, and as many again for those who forget */
#define SIGN_KEY_BYTES_MIN 24
#define SIGN_KEY_BYTES_MAX 64

struct sign_keys {
	struct {
		unsigned char v[SIGN_KEY_BYTES_MAX];
		size_t n;
	} keys[SIGN_KEYS_MAX];
	size_t n;
};

/*
 * One or more of "whsec_" and padded base64 of 24 to 64 bytes, with single spaces between. INVALID;
 * the text never repeats a secret.
 */
NODISCARD bool sign_keys_parse(struct slice text, struct sign_keys *out, struct err *err);
/* The value of the header webhook-signature: "v1,<base64>" per key, spaces between. */
struct slice sign_message(const struct sign_keys *keys, struct slice id, int64_t timestamp_s,
			  struct slice body, struct arena *tick);

#endif
