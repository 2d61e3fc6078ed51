/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_RECOVERY_H
#define AUTH_RECOVERY_H

#include "base/slice.h"

/*
 * Recovery codes: what opens an account whose authenticator is lost, each once. They are shown once
 * and stored as hashes. A code has 50 random bits, which is too few for a fast hash to hide, so the
 * hash is argon2id with little memory (about 4 ms): who steals the table needs years for a code.
 * The salt is the account, so that one hash finds a code among all of that account.
 *
 * A code is written in groups of five, from digits and letters that are not mistaken for each
 * other (Crockford's base 32); entered ones may be in either case, with or without hyphens and
 * spaces, with O for 0, I and L for 1. Any thread but the loop.
 */
#define RECOVERY_CODES 10
#define RECOVERY_CHARS 10
#define RECOVERY_TEXT_CHARS (RECOVERY_CHARS + 1) /* with the hyphen */
#define RECOVERY_HASH_BYTES 32

/* A set of new codes, "7ZK4M-9QWX2", each terminated. Wipe them after use. */
void recovery_make(char out[RECOVERY_CODES][RECOVERY_TEXT_CHARS + 1]);
/*
 * The hash to store, or to look for, of a code as somebody entered it. account is what the code
 * belongs to, 1 to 200 bytes, the same each time. False when it is no such code, or when there is
 * no memory.
 */
NODISCARD bool recovery_hash(struct slice code, struct slice account,
			     unsigned char out[RECOVERY_HASH_BYTES]);

#endif
