/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * Secrets that have to be read again, at rest: XChaCha20-Poly1305 (libsodium) under a key of the
 * installation. What a secret belongs to, its context, is part of the seal: a sealed text that is
 * moved to another row does not open there. A sealed text names its key, so keys can be changed:
 * the first one of a seal is the one that wraps, all of them unwrap.
 *
 * Made at the start, then never changed: any thread may wrap and unwrap.
 */
#define SEAL_KEY_BYTES 32
#define SEAL_KEYS_MAX 8 /* who changes a key monthly has half a year to wrap anew */
#define SEAL_BYTES_MAX ((size_t)64 << 10) /* in one text: the credentials of a channel at most */
#define SEAL_CONTEXT_BYTES_MAX 200	  /* "channel:<id>:credentials" and the like */
#define SEAL_KEY_ID_CHARS 16

struct seal;

/* Without keys. */
struct seal *seal_new(void);
/* Wipes the keys. */
void seal_free(struct seal **seal);
/*
 * Add a key behind those that are there; one that is there already changes nothing. The caller
 * wipes his copy. False when there are SEAL_KEYS_MAX.
 */
NODISCARD bool seal_add(struct seal *seal, const unsigned char key[SEAL_KEY_BYTES]);
/*
 * Add each of the keys in text: padded base64 of 32 bytes, with white space or commas between, the
 * one that wraps first. INVALID, and never a word of the text in err.
 */
NODISCARD bool seal_add_text(struct seal *seal, struct slice text, struct err *err);
/* Keys that it has. */
size_t seal_keys(const struct seal *seal);

/*
 * Wrap what may be empty and has at most SEAL_BYTES_MAX bytes. context says what it belongs to and
 * where it stands, "totp:user:17": 1 to SEAL_CONTEXT_BYTES_MAX bytes, the same when unwrapped, and
 * no two places share one. The text is ASCII: "s1.<key id>.<base64url>". There must be a key.
 */
struct slice seal_wrap(const struct seal *seal, struct slice context, struct slice plain,
		       struct arena *req);
/*
 * out is an initialised secret of its own; release it. ERR_CORRUPT: the text is none of ours, was
 * changed, belongs to another context, or is under a key that is not here; the error says which of
 * the first three or the last, and nothing else.
 */
NODISCARD bool seal_unwrap(const struct seal *seal, struct slice context, struct slice text,
			   struct secret *out, struct err *err);

/* The id of the key that text is under, borrowed from it; empty when it is no sealed text. */
struct slice seal_key_of(struct slice text);
/* Whether the key of text is here: a look at all sealed rows says which keys are still needed. */
bool seal_knows(const struct seal *seal, struct slice text);
/* Whether text is under another key than the one that wraps, so that it should be wrapped anew. */
bool seal_is_old(const struct seal *seal, struct slice text);

#endif
