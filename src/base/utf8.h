/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/slice.h"

/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Text is
 * counted in code points and cut between them. Pure; any thread.
 */

/* Bytes of the valid sequence that s starts with: 1 to 4, or 0 when it starts with none. */
size_t utf8_seq(struct slice s);
bool utf8_valid(struct slice s);
/* Code points in s; a byte that belongs to no valid sequence counts as one. */
size_t utf8_len(struct slice s);
/* The longest start of s that has at most bytes_max bytes and splits no code point. */
struct slice utf8_cut(struct slice s, size_t bytes_max);
/* The first len_max code points of s, or all of it. */
struct slice utf8_head(struct slice s, size_t len_max);
/* Write code point c, which is no surrogate and at most 0x10ffff. Returns the bytes written. */
size_t utf8_put(uint32_t c, char out[4]);

#endif
