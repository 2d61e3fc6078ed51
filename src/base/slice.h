/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <string.h>

#include "base/base.h"

/*
 * A borrowed run of bytes: the owner is somebody else, and outlives the slice. Not terminated.
 * An empty slice may have p == NULL. All functions are pure and may run on any thread.
 */
struct slice {
	const char *p;
	size_t n;
};

/* A slice of a string literal, and the two arguments of a "%.*s". */
#define S(lit) ((struct slice) { .p = "" lit, .n = sizeof(lit) - 1 })
#define SARG(s) (int)(s).n, (s).n == 0 ? "" : (s).p

/* The bytes of a terminated string, without the terminator. NULL gives the empty slice. */
struct slice slice_of(const char *cstr);

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII letters compare without case. */
bool slice_eq_nocase(struct slice a, struct slice b);
/* <0, 0, >0 by bytes, a prefix before what it starts. */
int slice_cmp(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* The index of the first byte c, or s.n. */
size_t slice_find(struct slice s, char c);
/* s without its first n bytes (all of them if it has fewer). */
struct slice slice_from(struct slice s, size_t n);
/* Without spaces and tabs at both ends. */
struct slice slice_trim(struct slice s);
/*
 * Take the part up to the next sep off *rest into *part; false when *rest is used up. "a,,b" has
 * three parts, "a," one; the empty slice has none.
 */
bool slice_split(struct slice *rest, char sep, struct slice *part);
/* Decimal digits only, no sign (u64) or an optional '-' (i64), no overflow; else false. */
NODISCARD bool slice_u64(struct slice s, uint64_t *out);
NODISCARD bool slice_i64(struct slice s, int64_t *out);

#endif
