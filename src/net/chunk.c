/* SPDX-License-Identifier: Apache-2.0 */
/* Shared bytes: one allocation each, freed by the last holder. */
#include "net/chunk.h"

#include <stdlib.h>

struct chunk *chunk_new(size_t cap)
{
	struct chunk *c;

	ensure(cap <= SIZE_MAX - sizeof(*c));
	c = malloc(sizeof(*c) + cap);
	if (c == NULL) {
		ensure_failed("out of memory", __FILE__, __LINE__);
	}
	*c = (struct chunk) { .refs = 1, .cap = cap };
	return c;
}

struct chunk *chunk_copy(struct slice s)
{
	struct chunk *c = chunk_new(s.n);

	if (s.n > 0) {
		memcpy(c->p, s.p, s.n);
	}
	c->n = s.n;
	return c;
}

struct chunk *chunk_ref(struct chunk *c)
{
	__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void chunk_unref(struct chunk **cp)
{
	struct chunk *c = *cp;

	*cp = NULL;
	if (c != NULL && __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		free(c);
	}
}
