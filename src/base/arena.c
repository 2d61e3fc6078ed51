/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocation in chunks. Chunks double up to 1 MiB, so that a small request costs one malloc
 * and a large one few; clear keeps the first chunk, so that a busy worker costs none.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_BYTES_FIRST ((size_t)4096)
#define CHUNK_BYTES_MAX ((size_t)1 << 20)
#define ALIGN ((size_t)16)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* usable bytes behind this header */
	size_t used;
	size_t pad; /* keeps the bytes behind the header aligned */
};

static_assert(sizeof(struct arena_chunk) % 16 == 0, "chunk memory must stay aligned");

void arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena) { .cap = cap == 0 ? ARENA_CAP_DEFAULT : cap };
}

static void free_down_to(struct arena *a, struct arena_chunk *keep)
{
	while (a->chunks != keep) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->older;
		a->total -= c->size;
		free(c);
	}
}

void arena_release(struct arena *a)
{
	free_down_to(a, NULL);
}

void arena_clear(struct arena *a)
{
	struct arena_chunk *first = a->chunks;

	while (first != NULL && first->older != NULL) {
		first = first->older;
	}
	free_down_to(a, first);
	if (first != NULL && first->size > CHUNK_BYTES_MAX) {
		free_down_to(a, NULL);
	} else if (first != NULL) {
		first->used = 0;
	}
}

static struct arena_chunk *add_chunk(struct arena *a, size_t need)
{
	size_t size = a->chunks == NULL ? CHUNK_BYTES_FIRST : a->chunks->size * 2;
	struct arena_chunk *c;

	if (size > CHUNK_BYTES_MAX) {
		size = CHUNK_BYTES_MAX;
	}
	if (size < need) {
		size = need;
	}
	ensure(size <= a->cap && a->total <= a->cap - size);
	c = malloc(sizeof(*c) + size);
	if (c == NULL) {
		ensure_failed("out of memory", __FILE__, __LINE__);
	}
	*c = (struct arena_chunk) { .older = a->chunks, .size = size };
	a->chunks = c;
	a->total += size;
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunks;
	size_t need = (size + ALIGN - 1) & ~(ALIGN - 1);
	char *p;

	ensure(size <= SIZE_MAX - ALIGN);
	if (need == 0) {
		need = ALIGN;
	}
	if (c == NULL || c->size - c->used < need) {
		c = add_chunk(a, need);
	}
	p = (char *)(c + 1) + c->used;
	c->used += need;
	return memset(p, 0, need);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t bytes;

	ensure(!__builtin_mul_overflow(count, size, &bytes));
	return arena_alloc(a, bytes);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n > 0) {
		memcpy(p, s.p, s.n);
	}
	return (struct slice) { .p = p, .n = s.n };
}

char *arena_cstr(struct arena *a, struct slice s)
{
	ensure(slice_find(s, '\0') == s.n);
	return (char *)arena_dup(a, s).p;
}

struct slice arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ensure(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return (struct slice) { .p = p, .n = (size_t)n };
}
