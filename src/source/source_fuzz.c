/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: either a clear refusal, or an event whose canonical form reads back as itself. */
#include "source/source.h"

#include "test/fuzz/fuzz.h"

static void check(const struct event *event, struct arena *req)
{
	struct buf one, two;
	struct event again;
	struct err err;

	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	event_encode(event, &one);
	ensure(event_decode(buf_slice(&one), req, &again, &err));
	event_encode(&again, &two);
	ensure(slice_eq(buf_slice(&one), buf_slice(&two)));
	buf_release(&one);
	buf_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct source_form *const forms[] = { &source_native, &source_signaldesk,
							   &source_signalops, &source_pulseboard };
	struct source_extra extra;
	struct json_scan scan;
	struct event event;
	struct arena req;
	struct buf raw;
	struct err err = { 0 };

	if (n == 0) {
		return 0;
	}
	arena_init(&req, 0);
	buf_init(&raw, 1 << 20);
	json_scan_init(&scan, (struct slice) { (const char *)p + 1, n - 1 }, JSON_DEPTH_MAX, &req);
	if (source_read(forms[p[0] % ARRAY_LEN(forms)], &scan, &req, &raw, "", &event, &extra,
			&err)) {
		check(&event, &req);
	} else {
		ensure(err.kind != ERR_NONE && err.text[0] != '\0');
	}
	buf_release(&raw);
	arena_release(&req);
	return 0;
}
