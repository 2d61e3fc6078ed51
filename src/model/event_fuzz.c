/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever event_decode takes, event_encode writes in a form that comes back as the same event. */
#include <stdlib.h>

#include "model/event.h"
#include "test/fuzz/fuzz.h"

static void same(const struct event *a, const struct event *b)
{
	ensure(a->kind == b->kind && a->severity == b->severity);
	ensure(slice_eq(a->value, b->value) && slice_eq(a->tags, b->tags));
	ensure(slice_eq(a->payload, b->payload));
	ensure(a->has_occurred_at == b->has_occurred_at);
	ensure(a->occurred_at_us == b->occurred_at_us);
	ensure((a->message.n > 0) == (b->message.n > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice body = { .p = (const char *)p, .n = n };
	struct event event, again;
	struct arena tick;
	struct buf out;
	struct err err;

	arena_init(&tick, 0);
	buf_init(&out, 16 * n + 1024);
	if (event_decode(body, &tick, &event, &err)) {
		event_encode(&event, &out);
		ensure(!out.overflow);
		ensure(event_decode(buf_slice(&out), &tick, &again, &err));
		same(&event, &again);
	} else {
		ensure(err.kind == ERR_CORRUPT);
	}
	/* Limits may refuse what was stored by other means, but must look at all of it. */
	if (event.type.n > 0) {
		ensure(event_check(&event, "", &err) || err.kind == ERR_INVALID ||
		       err.kind == ERR_TOO_LARGE);
	}
	buf_release(&out);
	arena_release(&tick);
	return 0;
}
