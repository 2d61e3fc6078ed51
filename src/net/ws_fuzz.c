/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes, cut anywhere, leave a WebSocket that is open or closed exactly once. */
#include "net/ws.h"

#include "test/fuzz/fuzz.h"

struct seen {
	int closed;
};

static void on_send(void *arg UNUSED, struct slice bytes)
{
	ensure(bytes.n == 0 || bytes.p != NULL);
}

static void on_message(void *arg, struct slice text)
{
	struct seen *seen = arg;

	ensure(seen->closed == 0);
	ensure(text.n <= WS_MESSAGE_BYTES_MAX);
}

static void on_closed(void *arg, uint16_t code UNUSED)
{
	struct seen *seen = arg;

	seen->closed++;
	ensure(seen->closed == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct ws_handlers handlers = { on_send, on_message, on_closed };
	struct slice rest = { (const char *)p, n };
	struct seen seen = { 0 };
	struct ws *ws = ws_new(&handlers, &seen);

	while (rest.n > 1) {
		size_t step = (unsigned char)rest.p[0] % 64 + 1;

		rest = slice_from(rest, 1);
		step = step < rest.n ? step : rest.n;
		ws_feed(ws, (struct slice) { rest.p, step });
		rest = slice_from(rest, step);
	}
	ws_free(&ws);
	return 0;
}
