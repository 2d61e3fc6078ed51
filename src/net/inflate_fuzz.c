/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes decode or are refused, within the limits, and the same however they are cut. The first
 * byte chooses the coding and the size of the pieces.
 */
#include "net/inflate.h"

#include "test/fuzz/fuzz.h"

#define OUT_BYTES_MAX ((size_t)1 << 18)

static enum err_kind decode(enum inflate_kind kind, struct slice in, size_t by, struct buf *out)
{
	struct inflate *z = inflate_new(kind);
	struct err err = { 0 };
	size_t fed = 0;
	bool ok = true;

	while (ok && in.n > 0) {
		struct slice part = { in.p, in.n < by ? in.n : by };

		ok = inflate_feed(z, part, out, &err);
		fed += part.n;
		in = slice_from(in, by);
		ensure(!ok || out->n <= INFLATE_RATIO_FREE_BYTES ||
		       out->n / INFLATE_RATIO_MAX <= fed);
	}
	ok = ok && inflate_end(z, &err);
	ensure(ok || err.kind == ERR_MALFORMED || err.kind == ERR_TOO_LARGE);
	inflate_free(&z);
	return ok ? ERR_NONE : err.kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { (const char *)p + 1, n - 1 };
	enum inflate_kind kind;
	struct buf whole, pieces;

	if (n == 0) {
		return 0;
	}
	kind = (enum inflate_kind)(p[0] % 3);
	buf_init(&whole, OUT_BYTES_MAX);
	buf_init(&pieces, OUT_BYTES_MAX);
	if (decode(kind, in, n, &whole) == ERR_NONE) {
		/*
		 * In pieces the ratio is looked at earlier, so this may say too large; never other
		 * bytes.
		 */
		if (decode(kind, in, p[0] / 3 + 1U, &pieces) == ERR_NONE) {
			ensure(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
		}
	}
	ensure(!whole.overflow && !pieces.overflow);
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
