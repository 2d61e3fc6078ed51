/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query and an event from any bytes, with a line feed between them: nothing crashes, and what
 * matches was not ruled out before.
 */
#include "model/event_query.h"
#include "test/fuzz/fuzz.h"

/* What is stored is valid JSON without white space. */
static bool is_canonical(struct slice body, struct arena *req)
{
	struct json_scan scan;
	struct buf compact;
	struct err ignored;
	bool same;

	buf_init(&compact, body.n);
	json_scan_init(&scan, body, JSON_DEPTH_LIMIT, req);
	same = json_compact(&scan, &compact, &ignored) && slice_eq(buf_slice(&compact), body);
	buf_release(&compact);
	return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { .p = (const char *)p, .n = n };
	struct slice text = { .p = in.p, .n = slice_find(in, '\n') };
	struct slice body = slice_from(in, text.n + 1);
	struct event_query query;
	struct event event;
	struct arena req;
	struct buf scratch, out;
	struct json_w w;
	struct err err;

	arena_init(&req, 0);
	buf_init(&scratch, QUERY_SCRATCH_BYTES + n);
	buf_init(&out, 64 * (n + 1024));
	if (event_query_parse(text, &req, &query, &err)) {
		json_w_init(&w, &out);
		event_query_write(&query, &w);
		ensure(!out.overflow);
		if (is_canonical(body, &req) && event_decode(body, &req, &event, &err) &&
		    event_query_matches(&query, body, &event, &scratch)) {
			ensure(event_query_may_match(&query, body));
		}
		(void)event_query_may_match(&query, body);
	} else {
		ensure(err.kind == ERR_INVALID);
	}
	buf_release(&out);
	buf_release(&scratch);
	arena_release(&req);
	return 0;
}
