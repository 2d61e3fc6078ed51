/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_CHUNK_H
#define NET_CHUNK_H

#include "base/slice.h"

/*
 * A run of bytes shared by counting: a frame is encoded once and queued on many connections.
 * Whoever makes it fills it before sharing it; from then on nobody writes. Counting is atomic, so
 * any thread may make, share and drop chunks.
 */
struct chunk {
	uint32_t refs;
	size_t n;   /* bytes filled */
	size_t cap; /* bytes there are */
	char p[];
};

/*
 * Room for cap bytes, none filled (n is 0), held once by the caller. cap is bounded by the caller.
 */
struct chunk *chunk_new(size_t cap);
/* The same, filled with a copy of s. */
struct chunk *chunk_copy(struct slice s);
/* One more holder. Returns c. */
struct chunk *chunk_ref(struct chunk *c);
/* One holder less; the last one frees it. Sets *c to NULL; NULL is fine. */
void chunk_unref(struct chunk **c);

static inline struct slice chunk_slice(const struct chunk *c)
{
	return (struct slice) { .p = c->p, .n = c->n };
}

#endif
