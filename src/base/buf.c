/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer with a limit and a sticky overflow flag. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_MIN ((size_t)256)

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf) { .max = max };
}

void buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf) { 0 };
}

void buf_clear(struct buf *b)
{
	size_t max = b->max;

	buf_release(b);
	buf_init(b, max);
}

void buf_cut(struct buf *b, size_t n)
{
	ensure(n <= b->n);
	b->n = n;
	b->overflow = false;
}

char *buf_room(struct buf *b, size_t n)
{
	size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;

	if (b->overflow || n > b->max - b->n) {
		b->overflow = true;
		return NULL;
	}
	/* One byte more than asked for: the terminator that vsnprintf insists on. */
	if (b->cap - b->n > n && b->p != NULL) {
		return b->p + b->n;
	}
	while (cap - b->n <= n) {
		cap *= 2;
	}
	b->p = mem_resize(b->p, cap, 1);
	b->cap = cap;
	return b->p + b->n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, n);

	if (to != NULL && n > 0) {
		memcpy(to, p, n);
		b->n += n;
	}
}

void buf_puts(struct buf *b, struct slice s)
{
	buf_put(b, s.p, s.n);
}

void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	char *to;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ensure(n >= 0);
	to = buf_room(b, (size_t)n);
	if (to != NULL) {
		vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void buf_shift(struct buf *b, size_t n)
{
	ensure(n <= b->n);
	if (n > 0) {
		memmove(b->p, b->p + n, b->n - n);
		b->n -= n;
	}
}
