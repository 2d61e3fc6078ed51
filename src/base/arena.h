/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

/*
 * Memory with one lifetime, given back all at once. Parameters of this type are named after that
 * lifetime: req (one request), tick (one engine batch or job), boot (the process).
 *
 * Memory is zeroed and aligned to 16 bytes. An arena has a cap, computed from the limits of what
 * is put into it; crossing the cap is a bug of ours and aborts. One thread at a time.
 */
struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t cap;
	size_t total; /* bytes of all chunks */
};

#define ARENA_CAP_DEFAULT ((size_t)256 << 20) /* the largest body, parsed, with room to spare */

/* cap in bytes; 0 takes ARENA_CAP_DEFAULT. Allocates nothing yet. */
void arena_init(struct arena *a, size_t cap);
/* Give everything back. The arena may be initialised again. */
void arena_release(struct arena *a);
/* Give everything back but one small chunk, for the next round. */
void arena_clear(struct arena *a);

/* size zeroed bytes that live as long as the arena. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size);
/* count elements of size bytes; aborts on overflow. */
void *arena_array(struct arena *a, size_t count, size_t size);
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* A copy of s in the arena; terminated by a 0 byte that is not counted. */
struct slice arena_dup(struct arena *a, struct slice s);
/* The same as a C string. s must not hold 0 bytes. */
char *arena_cstr(struct arena *a, struct slice s);
/* printf into the arena. */
struct slice arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#endif
