/* SPDX-License-Identifier: Apache-2.0 */
/* How a stream is cut into pieces makes no difference: the first byte says how. */
#include "cmd/sse.h"

#include "test/fuzz/fuzz.h"

struct tally {
	struct buf all;
	uint64_t events;
};

static void note(void *arg, const struct sse_event *e)
{
	struct tally *t = arg;

	t->events++;
	buf_printf(&t->all, "%zu %zu %zu;", e->name.n, e->id.n, e->data.n);
	buf_puts(&t->all, e->name);
	buf_puts(&t->all, e->id);
	buf_puts(&t->all, e->data);
}

static void read_in(struct slice text, size_t piece_max, struct tally *t)
{
	struct sse s;

	buf_init(&t->all, (size_t)1 << 30);
	t->events = 0;
	sse_init(&s);
	while (text.n > 0) {
		struct slice piece = { text.p, text.n < piece_max ? text.n : piece_max };

		sse_feed(&s, piece, note, t);
		text = slice_from(text, piece.n);
	}
	sse_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = { (const char *)p, n };
	struct tally whole, pieces;

	if (n < 2) {
		return 0;
	}
	text = slice_from(text, 1);
	read_in(text, text.n, &whole);
	read_in(text, (size_t)p[0] + 1, &pieces);
	ensure(whole.events == pieces.events);
	ensure(slice_eq(buf_slice(&whole.all), buf_slice(&pieces.all)));
	buf_release(&whole.all);
	buf_release(&pieces.all);
	return 0;
}
