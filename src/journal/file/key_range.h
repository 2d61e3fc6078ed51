/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_KEY_RANGE_H
#define JOURNAL_FILE_KEY_RANGE_H

#include "journal/file/key_file.h"

/* The end of a key file, as doc/journal-format.md lays it out. Pure. */
#define KEY_RANGE_BYTES 96

void key_range_encode(const struct key_range *range, char out[KEY_RANGE_BYTES]);
/* False when it is not intact. */
NODISCARD bool key_range_decode(const char *p, struct key_range *range);

#endif
