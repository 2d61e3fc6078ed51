/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

/*
 * Bytes that grow with data, up to a limit. Crossing the limit sets a sticky flag and drops what
 * does not fit: writers write on, and whoever owns the buffer asks once, at the end, and answers
 * 413 or 507. One thread at a time.
 */
struct buf {
	char *p;
	size_t n;
	size_t cap;
	size_t max;
	bool overflow;
};

/* max in bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
/* Release, then ready for reuse under the same max. */
void buf_clear(struct buf *b);
/* Drop all bytes behind n and the overflow flag; memory is kept. */
void buf_cut(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, struct slice s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Room for n more bytes at b->p + b->n, or NULL (and the flag). The caller adds to b->n. */
char *buf_room(struct buf *b, size_t n);
/* Remove the first n bytes. Moves the rest: not for hot paths with long queues. */
void buf_shift(struct buf *b, size_t n);

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice) { .p = b->p, .n = b->n };
}

#endif
