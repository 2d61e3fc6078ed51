/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_KEYS_H
#define API_KEYS_H

#include "api/call.h"
#include "api/shape.h"

/* The calls of API keys, which several rows share. */
#define KEY_BODY_BYTES_MAX ((size_t)16 << 10)
#define KEYS_FIRST \
	"The first key of an installation is made without one: from the machine itself, or with the " \
	"setup token as X-Setup-Token. A key can give no scope that it does not have."

/* Make a key; the first one without a key. Loop thread; owes the reply. */
void keys_post(struct call *c);
/* Revoke the key that the path names. On a worker; may block. */
NODISCARD bool keys_revoke(struct call *c, struct err *err);
/* The keys of the caller's project that work, as elements of the open array. On a worker. */
NODISCARD bool keys_write_live(struct call *c, struct json_w *w, struct err *err);

extern const struct shape shape_key;
extern const struct shape shape_key_made;
extern const struct shape shape_open_key_in; /* a key to be made, and whatever else */

#endif
