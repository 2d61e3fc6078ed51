/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses has one reading: its canonical text parses again to the same parts. */
#include "net/url.h"

#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { .p = (const char *)data, .n = size };
	struct arena arena;
	struct url url;
	struct url again;
	struct err err;

	arena_init(&arena, 0);
	if (url_parse(&arena, text, &url, &err)) {
		ensure(url_parse(&arena, url.text, &again, &err));
		ensure(slice_eq(url.text, again.text) && slice_eq(url.host, again.host));
		ensure(url.port == again.port && url.is_ip == again.is_ip);
		ensure(url.target.n > 0 && url.target.p[0] == '/');
	}
	arena_release(&arena);
	return 0;
}
