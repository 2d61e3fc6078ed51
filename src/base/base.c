/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions and memory that cannot fail. Out of memory aborts here and nowhere else: a process
 * that cannot allocate what its own limits allow is better restarted than half alive.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "tocsin: broken promise at %s:%d: %s\n", file, line, what);
	abort();
}

void *mem_alloc(size_t count, size_t size)
{
	void *p = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);

	if (p == NULL) {
		ensure_failed("out of memory", __FILE__, __LINE__);
	}
	return p;
}

void *mem_resize(void *p, size_t count, size_t size)
{
	void *q = reallocarray(p, count == 0 ? 1 : count, size == 0 ? 1 : size);

	if (q == NULL) {
		ensure_failed("out of memory", __FILE__, __LINE__);
	}
	return q;
}
