/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_PACK_H
#define JOURNAL_FILE_PACK_H

#include <endian.h>

#include "base/buf.h"

/*
 * Integers as bytes: little endian, and as varints (seven bits a byte, least first, at most ten
 * bytes). Reading takes hostile bytes: what is wrong sets a sticky flag and gives zeros. Pure.
 */
static inline void le_put32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void le_put64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t le_get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t le_get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

#define VARINT_BYTES_MAX 10

static inline void pack_u64(struct buf *b, uint64_t v)
{
	char *p = buf_room(b, VARINT_BYTES_MAX);

	ensure(p != NULL); /* the buffers packed into have no limit of their own */
	for (; v >= 0x80; v >>= 7) {
		*p++ = (char)(v | 0x80);
		b->n++;
	}
	*p = (char)v;
	b->n++;
}

/* The distance from one number to another, in either direction, small when they are close. */
static inline void pack_step(struct buf *b, uint64_t from, uint64_t to)
{
	uint64_t d = to - from;

	pack_u64(b, d << 1 ^ (d >> 63 == 0 ? 0 : UINT64_MAX));
}

struct unpack {
	const unsigned char *p;
	size_t n; /* bytes that are left */
	bool bad;
};

static inline uint64_t unpack_u64(struct unpack *u)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && u->n > 0; shift += 7) {
		unsigned char c = *u->p++;

		u->n--;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			return v;
		}
	}
	u->bad = true;
	u->n = 0;
	return 0;
}

/* At most max, else bad. */
static inline uint64_t unpack_max(struct unpack *u, uint64_t max)
{
	uint64_t v = unpack_u64(u);

	if (v > max) {
		u->bad = true;
		u->n = 0;
		return 0;
	}
	return v;
}

static inline uint64_t unpack_step(struct unpack *u, uint64_t from)
{
	uint64_t z = unpack_u64(u);

	return from + (z >> 1 ^ ((z & 1) == 0 ? 0 : UINT64_MAX));
}

/* The next n bytes, or NULL. */
static inline const unsigned char *unpack_bytes(struct unpack *u, size_t n)
{
	const unsigned char *p = u->p;

	if (n > u->n) {
		u->bad = true;
		u->n = 0;
		return NULL;
	}
	u->p += n;
	u->n -= n;
	return p;
}

static inline unsigned char unpack_byte(struct unpack *u)
{
	const unsigned char *p = unpack_bytes(u, 1);

	return p == NULL ? 0 : *p;
}

#endif
