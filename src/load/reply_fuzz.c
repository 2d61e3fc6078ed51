/* SPDX-License-Identifier: Apache-2.0 */
/* A reply reads the same however its bytes are cut: the first byte says how. */
#include "load/reply.h"

#include <string.h>

#include "test/fuzz/fuzz.h"

static enum reply_state read_in(struct reply *r, const char *p, size_t n, size_t piece_max,
				size_t *total)
{
	enum reply_state state = REPLY_MORE;

	*total = 0;
	reply_clear(r);
	while (state == REPLY_MORE && *total < n) {
		size_t piece = n - *total < piece_max ? n - *total : piece_max;
		size_t used;

		state = reply_feed(r, p + *total, piece, &used);
		ensure(used <= piece && (used == piece || state != REPLY_MORE));
		*total += used;
	}
	return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct reply whole, pieces;
	size_t whole_n, pieces_n;
	enum reply_state state;

	if (n < 2) {
		return 0;
	}
	state = read_in(&whole, (const char *)p + 1, n - 1, n - 1, &whole_n);
	/* A head over the limit may be read where it lies, but not collected. */
	if (whole.head_len > REPLY_HEAD_BYTES_MAX / 2 || n > REPLY_HEAD_BYTES_MAX) {
		return 0;
	}
	ensure(read_in(&pieces, (const char *)p + 1, n - 1, (size_t)p[0] + 1, &pieces_n) == state);
	if (state == REPLY_DONE) {
		ensure(whole_n == pieces_n && whole.status == pieces.status);
		ensure(whole.close == pieces.close && whole.replayed == pieces.replayed);
		ensure(whole.body_total == pieces.body_total);
		ensure(strcmp(whole.body, pieces.body) == 0 &&
		       strcmp(whole.tail, pieces.tail) == 0);
	}
	return 0;
}
