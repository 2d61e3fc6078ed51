/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SECRET_KEY_H
#define CMD_SECRET_KEY_H

#include "base/seal.h"
#include "cmd/settings.h"

/*
 * The keys that this installation seals its secrets with (base/seal.h): those of the setting
 * secret-key, then those of the file "secret.key" in the data directory. The first one wraps, so a
 * setting takes over from a file without a secret being lost. Each line of the file is the base64
 * of 32 bytes; a new key goes in front of the old ones. Blocks on the disk.
 */
#define SECRET_KEY_NAME "secret.key"

/*
 * NOT_FOUND: there is neither a setting nor a file. FAILED: ERR_IO when the file cannot be read,
 * ERR_INVALID when what is in it, or in the setting, is no list of keys. Never a part of a key in
 * err. With FOUND the caller frees *out.
 */
NODISCARD enum found secret_key_find(const struct settings *settings, struct arena *boot,
				     struct seal **out, struct err *err);
/*
 * The same; where there is neither, a new key is made first, in a file that is its owner's alone
 * and whole from the moment that it is there. *made says so. The caller holds the lock of the data
 * directory, and frees *out.
 */
NODISCARD bool secret_key_open(const struct settings *settings, struct arena *boot,
			       struct seal **out, bool *made, struct err *err);

#endif
