/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FOLD_H
#define BASE_FOLD_H

#include "base/slice.h"

/*
 * Upper and lower case as one, for looking things up: letters of the Latin, Greek, Cyrillic and
 * Armenian scripts fold to their small form, everything else to itself. Only pairs of the same
 * length in UTF-8 are in it, so folded text has its characters where they were; what would change
 * its length (the Kelvin sign, the long s, the dotted capital I) folds to itself. Nothing is
 * decomposed: "e" with a combining accent is not "é". Pure; any thread.
 */

/*
 * The folded form of the character that s, which is not empty, starts with. Returns its bytes, the
 * same number as it has in s; a byte that begins no character is copied.
 */
size_t fold_char(struct slice s, char out[4]);
/* out gets s.n bytes. */
void fold_text(struct slice s, char *out);
/* False: the character c has no other one that folds as it does, certainly. */
bool fold_has_case(struct slice c);

#endif
