/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/slice.h"

/*
 * Bytes that must not outlive their use: keys, passwords, tokens, credentials. They are wiped when
 * released. There is no macro that logs or prints one, and what reads the bytes is named so that it
 * can be searched for. One thread at a time.
 */
struct secret {
	char *bytes; /* NULL when empty; use secret_reveal */
	size_t n;
};

/* Copy bytes, which may be empty. The caller wipes the original if it can (secret_wipe). */
void secret_init(struct secret *s, struct slice bytes);
/* Wipe and free; s is then empty. An empty or zeroed secret is fine. */
void secret_release(struct secret *s);
/* The bytes, borrowed until the release. Never for a log, an error text or a reply. */
struct slice secret_reveal(const struct secret *s);
/* Whether it holds these bytes, in a time that depends on their number alone. */
bool secret_equal(const struct secret *s, struct slice bytes);
/* Overwrite memory of any origin in a way that the compiler does not leave out. */
void secret_wipe(void *p, size_t n);

#endif
