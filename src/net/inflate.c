/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zlib and zstd behind one face. Output goes straight into the caller's buffer in steps, and both
 * limits are looked at after each step, so that a bomb costs one step of memory at most.
 */
#include "net/inflate.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define STEP_BYTES ((size_t)32768) /* output per step */

struct inflate {
	enum inflate_kind kind;
	z_stream z;
	ZSTD_DCtx *zstd;
	bool begun; /* inside a member or frame */
	bool ended; /* at least one is complete */
	uint64_t in_bytes;
	uint64_t out_bytes;
};

static const struct {
	struct slice name;
	enum inflate_kind kind;
} CODINGS[] = {
	{ { "gzip", 4 }, INFLATE_GZIP },
	{ { "x-gzip", 6 }, INFLATE_GZIP },
	{ { "deflate", 7 }, INFLATE_ZLIB },
	{ { "zstd", 4 }, INFLATE_ZSTD },
};

bool inflate_kind_of(struct slice coding, enum inflate_kind *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(CODINGS); i++) {
		if (slice_eq_nocase(coding, CODINGS[i].name)) {
			*kind = CODINGS[i].kind;
			return true;
		}
	}
	return false;
}

struct inflate *inflate_new(enum inflate_kind kind)
{
	struct inflate *z = mem_alloc(1, sizeof(*z));

	z->kind = kind;
	if (kind == INFLATE_ZSTD) {
		z->zstd = ZSTD_createDCtx();
		ensure(z->zstd != NULL);
		ensure(!ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax,
							    INFLATE_ZSTD_WINDOW_LOG_MAX)));
	} else {
		/* 16 more bits of window ask zlib for the gzip wrapper. */
		ensure(inflateInit2(&z->z, kind == INFLATE_GZIP ? 15 + 16 : 15) == Z_OK);
	}
	return z;
}

void inflate_free(struct inflate **zp)
{
	struct inflate *z = *zp;

	if (z == NULL) {
		return;
	}
	if (z->kind == INFLATE_ZSTD) {
		ZSTD_freeDCtx(z->zstd);
	} else {
		inflateEnd(&z->z);
	}
	free(z);
	*zp = NULL;
}

/* One step: up to room bytes to out, *n of them; takes what it used off *in. */
static bool zlib_step(struct inflate *z, struct slice *in, char *out, size_t room, size_t *n)
{
	int r;

	if (z->ended && !z->begun) {
		if (z->kind == INFLATE_ZLIB || inflateReset(&z->z) != Z_OK) {
			return false; /* bytes behind the end */
		}
	}
	z->begun = true;
	z->z.next_in = (z_const Bytef *)(uintptr_t)in->p;
	z->z.avail_in = (uInt)in->n;
	z->z.next_out = (Bytef *)out;
	z->z.avail_out = (uInt)room;
	r = inflate(&z->z, Z_NO_FLUSH);
	*in = (struct slice) { in->p + (in->n - z->z.avail_in), z->z.avail_in };
	*n = room - z->z.avail_out;
	if (r == Z_STREAM_END) {
		z->begun = false;
		z->ended = true;
	}
	return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR;
}

static bool zstd_step(struct inflate *z, struct slice *in, char *out, size_t room, size_t *n)
{
	ZSTD_inBuffer from = { .src = in->p, .size = in->n };
	ZSTD_outBuffer to = { .dst = out, .size = room };
	size_t r = ZSTD_decompressStream(z->zstd, &to, &from);

	if (ZSTD_isError(r)) {
		return false;
	}
	*in = (struct slice) { in->p + from.pos, in->n - from.pos };
	*n = to.pos;
	z->begun = r != 0;
	z->ended = z->ended || r == 0;
	return true;
}

/*
 * Decode one step into out, or, when out is full, into one byte aside: only that tells a body that
 * is just complete from one that is too large. *filled: there may be more without more input.
 */
static bool step(struct inflate *z, struct slice *in, struct buf *out, bool *filled,
		 struct err *err)
{
	size_t left = out->max - out->n, room = left < STEP_BYTES ? left : STEP_BYTES, n = 0;
	char aside, *to = left == 0 ? &aside : buf_room(out, room);
	bool ok;

	room = left == 0 ? 1 : room;
	ok = (z->kind == INFLATE_ZSTD ? zstd_step : zlib_step)(z, in, to, room, &n);
	if (!ok) {
		return err_set(err, ERR_MALFORMED, "the body is not what its encoding says");
	}
	z->out_bytes += n;
	if (left == 0 && n > 0) {
		return err_set(err, ERR_TOO_LARGE, "the decoded body is over %zu bytes", out->max);
	}
	if (z->out_bytes > INFLATE_RATIO_FREE_BYTES &&
	    z->out_bytes / INFLATE_RATIO_MAX > z->in_bytes) {
		return err_set(err, ERR_TOO_LARGE, "the decoded body is over %d times its encoding",
			       INFLATE_RATIO_MAX);
	}
	out->n += n;
	*filled = n == room;
	return true;
}

bool inflate_feed(struct inflate *z, struct slice in, struct buf *out, struct err *err)
{
	bool filled = false;

	z->in_bytes += in.n;
	while (in.n > 0 || (filled && z->begun)) {
		size_t before = in.n;

		if (!step(z, &in, out, &filled, err)) {
			return false;
		}
		if (in.n == before && !filled && z->begun) {
			break;
		}
	}
	return true;
}

bool inflate_end(struct inflate *z, struct err *err)
{
	if (!z->ended || z->begun) {
		return err_set(err, ERR_MALFORMED, "the compressed body is cut short");
	}
	return true;
}
