/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No bytes make a control record crash the reader, and what it takes it writes so that it reads the
 * same again: a replay of the log must meet the same change.
 */
#include "engine/control.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct control control, again;
	struct buf first, second;
	struct arena tick;
	struct err err;

	arena_init(&tick, 0);
	if (!control_decode((struct slice) { (const char *)p, n }, &tick, &control, &err)) {
		ensure(err.kind == ERR_CORRUPT);
		arena_release(&tick);
		return 0;
	}
	buf_init(&first, (size_t)4 << 20);
	buf_init(&second, (size_t)4 << 20);
	control_encode(&control, &tick, &first);
	ensure(control_decode(buf_slice(&first), &tick, &again, &err));
	ensure(again.op == control.op && again.expect == control.expect &&
	       again.rule_id.v == control.rule_id.v && again.record == control.record &&
	       again.exits == control.exits && again.rules_max == control.rules_max &&
	       slice_eq(again.once_key, control.once_key) &&
	       slice_eq(again.once_request, control.once_request) &&
	       slice_eq(again.audit.action, control.audit.action) &&
	       slice_eq(again.audit.agent, control.audit.agent) &&
	       slice_eq(again.audit.after, control.audit.after));
	control_encode(&again, &tick, &second);
	ensure(slice_eq(buf_slice(&first), buf_slice(&second)));
	buf_release(&first);
	buf_release(&second);
	arena_release(&tick);
	return 0;
}
