/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XChaCha20-Poly1305 and not secretbox, because it takes bytes that are authenticated and not
 * stored: the context. Nonces are random, 24 bytes: no counter has to survive a restart. A key's id
 * is a hash of it, so that no list of names has to be kept beside the keys.
 */
#include "base/seal.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/hex.h"

#define PREFIX "s1."
#define PREFIX_N (sizeof(PREFIX) - 1)
#define HEAD_N (PREFIX_N + SEAL_KEY_ID_CHARS + 1)
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define BOX_BYTES_MAX (NONCE_BYTES + SEAL_BYTES_MAX + TAG_BYTES)

static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "keys fit");

struct key {
	char id[SEAL_KEY_ID_CHARS];
	unsigned char v[SEAL_KEY_BYTES];
};

struct seal {
	struct key keys[SEAL_KEYS_MAX];
	size_t n;
};

struct seal *seal_new(void)
{
	return mem_alloc(1, sizeof(struct seal));
}

void seal_free(struct seal **seal)
{
	if (*seal != NULL) {
		secret_wipe(*seal, sizeof(**seal));
		free(*seal);
		*seal = NULL;
	}
}

size_t seal_keys(const struct seal *seal)
{
	return seal->n;
}

static void id_of(const unsigned char key[SEAL_KEY_BYTES], char out[SEAL_KEY_ID_CHARS])
{
	unsigned char hash[SHA256_BYTES];

	hmac_sha256((struct slice) { (const char *)key, SEAL_KEY_BYTES }, S("tocsin seal key id"),
		    hash);
	hex_encode(hash, SEAL_KEY_ID_CHARS / 2, out);
}

static const struct key *find(const struct seal *seal, struct slice id)
{
	for (size_t i = 0; i < seal->n; i++) {
		if (slice_eq((struct slice) { seal->keys[i].id, SEAL_KEY_ID_CHARS }, id)) {
			return &seal->keys[i];
		}
	}
	return NULL;
}

bool seal_add(struct seal *seal, const unsigned char key[SEAL_KEY_BYTES])
{
	char id[SEAL_KEY_ID_CHARS];

	id_of(key, id);
	if (find(seal, (struct slice) { id, sizeof(id) }) != NULL) {
		return true;
	}
	if (seal->n == SEAL_KEYS_MAX) {
		return false;
	}
	memcpy(seal->keys[seal->n].id, id, sizeof(id));
	memcpy(seal->keys[seal->n].v, key, SEAL_KEY_BYTES);
	seal->n++;
	return true;
}

static bool is_between(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

static bool add_word(struct seal *seal, struct slice word, struct err *err)
{
	unsigned char key[SEAL_KEY_BYTES];
	size_t n = sizeof(key);
	bool ok = base64_decode(word, key, &n) && n == sizeof(key);

	if (!ok) {
		err_set(err, ERR_INVALID, "each key must be the base64 of %d bytes",
			SEAL_KEY_BYTES);
	} else if (!seal_add(seal, key)) {
		ok = err_set(err, ERR_INVALID, "there are more than %d keys", SEAL_KEYS_MAX);
	}
	secret_wipe(key, sizeof(key));
	return ok;
}

bool seal_add_text(struct seal *seal, struct slice text, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < text.n;) {
		size_t from = i;

		while (i < text.n && !is_between(text.p[i])) {
			i++;
		}
		if (i > from && !add_word(seal, (struct slice) { text.p + from, i - from }, err)) {
			return false;
		}
		any = any || i > from;
		i += i < text.n;
	}
	return any || err_set(err, ERR_INVALID, "there is no key");
}

/* What is authenticated: the head has a fixed length, so no two pairs of both run together. */
static size_t bind(const char head[HEAD_N], struct slice context, unsigned char *out)
{
	ensure(context.n > 0 && context.n <= SEAL_CONTEXT_BYTES_MAX);
	memcpy(out, head, HEAD_N);
	memcpy(out + HEAD_N, context.p, context.n);
	return HEAD_N + context.n;
}

struct slice seal_wrap(const struct seal *seal, struct slice context, struct slice plain,
		       struct arena *req)
{
	size_t box_n = NONCE_BYTES + plain.n + TAG_BYTES;
	size_t text_n = HEAD_N + BASE64URL_LEN(box_n);
	unsigned char bound[HEAD_N + SEAL_CONTEXT_BYTES_MAX];
	const struct key *key = &seal->keys[0];
	unsigned char *box;
	size_t bound_n;
	char *text;

	ensure(seal->n > 0 && plain.n <= SEAL_BYTES_MAX);
	box = arena_alloc(req, box_n);
	text = arena_alloc(req, text_n);
	memcpy(text, PREFIX, PREFIX_N);
	memcpy(text + PREFIX_N, key->id, SEAL_KEY_ID_CHARS);
	text[HEAD_N - 1] = '.';
	bound_n = bind(text, context, bound);
	randombytes_buf(box, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, NULL,
						   (const unsigned char *)plain.p, plain.n, bound,
						   bound_n, NULL, box, key->v);
	base64url_encode(box, box_n, text + HEAD_N);
	return (struct slice) { text, text_n };
}

struct slice seal_key_of(struct slice text)
{
	struct slice id = { 0 };

	if (slice_starts(text, S(PREFIX)) && text.n > HEAD_N && text.p[HEAD_N - 1] == '.') {
		id = (struct slice) { text.p + PREFIX_N, SEAL_KEY_ID_CHARS };
	}
	for (size_t i = 0; i < id.n; i++) {
		if (strchr("0123456789abcdef", id.p[i]) == NULL || id.p[i] == '\0') {
			return (struct slice) { 0 };
		}
	}
	return id;
}

bool seal_knows(const struct seal *seal, struct slice text)
{
	struct slice id = seal_key_of(text);

	return id.n > 0 && find(seal, id) != NULL;
}

bool seal_is_old(const struct seal *seal, struct slice text)
{
	return seal->n > 0 && find(seal, seal_key_of(text)) != &seal->keys[0];
}

static bool open_box(const struct key *key, struct slice context, struct slice text,
		     unsigned char *box, size_t box_n, struct secret *out)
{
	unsigned char bound[HEAD_N + SEAL_CONTEXT_BYTES_MAX];
	size_t bound_n = bind(text.p, context, bound);
	size_t plain_n = box_n - NONCE_BYTES - TAG_BYTES;
	unsigned char *sealed = box + NONCE_BYTES;

	/* In place: the plain text is over the sealed one, and wiped by the caller. */
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, NULL, NULL, sealed,
						       plain_n + TAG_BYTES, bound, bound_n, box,
						       key->v) != 0) {
		return false;
	}
	secret_init(out, (struct slice) { (const char *)sealed, plain_n });
	return true;
}

bool seal_unwrap(const struct seal *seal, struct slice context, struct slice text,
		 struct secret *out, struct err *err)
{
	struct slice id = seal_key_of(text);
	const struct key *key = find(seal, id);
	size_t box_n = text.n, room = text.n;
	unsigned char *box;
	bool ok;

	*out = (struct secret) { 0 };
	if (id.n == 0 || text.n > HEAD_N + BASE64URL_LEN(BOX_BYTES_MAX)) {
		return err_set(err, ERR_CORRUPT, "this is no sealed text");
	}
	if (key == NULL) {
		return err_set(err, ERR_CORRUPT,
			       "it is sealed under the key %.*s, which is not among the %zu of "
			       "this installation",
			       SARG(id), seal->n);
	}
	box = mem_alloc(room, 1);
	ok = base64url_decode(slice_from(text, HEAD_N), box, &box_n) &&
	     box_n >= NONCE_BYTES + TAG_BYTES && open_box(key, context, text, box, box_n, out);
	secret_wipe(box, room);
	free(box);
	return ok ||
	       err_set(err, ERR_CORRUPT, "the sealed text was changed, or belongs somewhere else");
}
