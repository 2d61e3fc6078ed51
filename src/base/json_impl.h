/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_IMPL_H
#define BASE_JSON_IMPL_H

#include "base/json.h"

/* What the json_*.c files share and nobody else needs. */

/*
 * Read the escape that s starts with, both halves of a surrogate pair at once, into one code
 * point. Returns the bytes it takes, 0 when there is no valid escape.
 */
size_t json_unescape_one(struct slice s, uint32_t *out);

#endif
