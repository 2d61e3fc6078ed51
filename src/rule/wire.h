/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_WIRE_H
#define RULE_WIRE_H

#include "base/buf.h"

/*
 * Little-endian numbers in and out of snapshots. Reading past the end gives zeros and sets a sticky
 * flag, so that a reader asks once, after it has everything.
 */
struct wire {
	struct slice rest;
	bool bad;
};

static inline void wire_put(struct buf *b, uint64_t v, size_t bytes)
{
	unsigned char le[8];

	for (size_t i = 0; i < bytes; i++) {
		le[i] = (unsigned char)(v >> (8 * i));
	}
	buf_put(b, le, bytes);
}

static inline struct slice wire_bytes(struct wire *in, size_t n)
{
	struct slice part = { .p = in->rest.p, .n = n };

	if (in->bad || in->rest.n < n) {
		in->bad = true;
		return (struct slice) { 0 };
	}
	in->rest = slice_from(in->rest, n);
	return part;
}

static inline uint64_t wire_get(struct wire *in, size_t bytes)
{
	struct slice part = wire_bytes(in, bytes);
	uint64_t v = 0;

	for (size_t i = 0; i < part.n; i++) {
		v |= (uint64_t)(unsigned char)part.p[i] << (8 * i);
	}
	return v;
}

#endif
