/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_INFLATE_H
#define NET_INFLATE_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Decode a compressed request body as its bytes arrive: gzip (RFC 1952, several members too),
 * deflate in its zlib form (RFC 1950) and zstd (RFC 8878). Two limits guard against bombs: the
 * max of the output buffer, and a cap on the ratio. One thread at a time.
 */
enum inflate_kind { INFLATE_GZIP, INFLATE_ZLIB, INFLATE_ZSTD };

#define INFLATE_RATIO_MAX 100			 /* decoded to encoded; JSON stays under 40 */
#define INFLATE_RATIO_FREE_BYTES ((size_t)65536) /* below this the ratio is not looked at */
#define INFLATE_ZSTD_WINDOW_LOG_MAX 23		 /* 8 MiB: what RFC 8878 asks a decoder to take */

struct inflate;

/* The kind named by a Content-Encoding ("gzip", "x-gzip", "deflate", "zstd"; any case). */
NODISCARD bool inflate_kind_of(struct slice coding, enum inflate_kind *kind);

struct inflate *inflate_new(enum inflate_kind kind);
void inflate_free(struct inflate **z);
/*
 * Decode in and append to out. ERR_MALFORMED when it is not what kind says (bytes behind the end
 * too); ERR_TOO_LARGE over out->max or the ratio; then z is only good for inflate_free.
 */
NODISCARD bool inflate_feed(struct inflate *z, struct slice in, struct buf *out, struct err *err);
/* After the last byte: ERR_MALFORMED when the compressed stream is cut short. */
NODISCARD bool inflate_end(struct inflate *z, struct err *err);

#endif
