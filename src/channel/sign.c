/* SPDX-License-Identifier: Apache-2.0 */
/* The signed text is put together once; each key only adds a hash over it. */
#include "channel/sign.h"

#include "base/hash.h"
#include "base/hex.h"

#define SIGNATURE_BYTES (3 + BASE64_LEN(SHA256_BYTES)) /* "v1," */

static bool parse_key(struct slice text, unsigned char *v, size_t *n)
{
	unsigned char bytes[SIGN_KEY_BYTES_MAX + 8];
	struct slice base64 = slice_from(text, 6);

	*n = sizeof(bytes);
	if (!slice_starts(text, S("whsec_")) || base64.n > BASE64_LEN(SIGN_KEY_BYTES_MAX) ||
	    !base64_decode(base64, bytes, n) || *n < SIGN_KEY_BYTES_MIN ||
	    *n > SIGN_KEY_BYTES_MAX) {
		return false;
	}
	memcpy(v, bytes, *n);
	return true;
}

bool sign_keys_parse(struct slice text, struct sign_keys *out, struct err *err)
{
	struct slice part;

	*out = (struct sign_keys) { 0 };
	while (slice_split(&text, ' ', &part)) {
		if (out->n == SIGN_KEYS_MAX) {
			return err_set(err, ERR_INVALID, "holds more than %d secrets",
				       SIGN_KEYS_MAX);
		}
		if (!parse_key(part, out->keys[out->n].v, &out->keys[out->n].n)) {
			return err_set(err, ERR_INVALID,
				       "must be \"whsec_\" and base64 of %d to %d bytes",
				       SIGN_KEY_BYTES_MIN, SIGN_KEY_BYTES_MAX);
		}
		out->n++;
	}
	if (out->n == 0) {
		return err_set(err, ERR_INVALID, "is empty");
	}
	return true;
}

struct slice sign_message(const struct sign_keys *keys, struct slice id, int64_t timestamp_s,
			  struct slice body, struct arena *tick)
{
	struct slice head = arena_printf(tick, "%.*s.%lld.", SARG(id), (long long)timestamp_s);
	char *text = arena_alloc(tick, head.n + body.n);
	char *out = arena_alloc(tick, keys->n * (SIGNATURE_BYTES + 1) + 1);
	size_t n = 0;

	memcpy(text, head.p, head.n);
	if (body.n > 0) {
		memcpy(text + head.n, body.p, body.n);
	}
	for (size_t i = 0; i < keys->n; i++) {
		struct slice key = { .p = (const char *)keys->keys[i].v, .n = keys->keys[i].n };
		unsigned char mac[SHA256_BYTES];
		hmac_sha256(key, (struct slice) { .p = text, .n = head.n + body.n }, mac);
		if (n > 0) {
			out[n++] = ' ';
		}
		memcpy(out + n, "v1,", 3);
		base64_encode(mac, sizeof(mac), out + n + 3);
		n += SIGNATURE_BYTES;
	}
	return (struct slice) { .p = out, .n = n };
}
