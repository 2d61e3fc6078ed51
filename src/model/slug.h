/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SLUG_H
#define MODEL_SLUG_H

#include "base/arena.h"

/*
 * Names for addresses: small letters, digits and single dashes between them. Pure; any thread.
 */
#define SLUG_BYTES_MAX 48 /* short enough to type, and for a label of a host name with a suffix */

/* What is left of a name, or `none` when nothing is. */
struct slice slug_of(struct slice name, struct slice none, struct arena *req);
/*
 * The n-th try where the slug itself (n = 0) is taken: with a number, and from SLUG_TRIES_NUMBERED
 * on with random digits.
 */
#define SLUG_TRIES_NUMBERED 9
struct slice slug_try(struct slice slug, unsigned n, uint64_t random, struct arena *req);

#endif
