/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket over wslay. Frames that go to many clients are built once by ws_text_frame and never
 * pass through here; that is sound because wslay's own frames leave whole, inside one call.
 */
#include "net/ws.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#include "base/hex.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct ws {
	struct ws_handlers handlers;
	void *arg;
	wslay_event_context_ptr ctx;
	struct slice in; /* what wslay has not read yet, during ws_feed */
	bool pinged;	 /* a pong is due */
	bool over;
};

static ssize_t take_bytes(wslay_event_context_ptr ctx, uint8_t *to, size_t n, int flags UNUSED,
			  void *user)
{
	struct ws *ws = user;
	size_t take = n < ws->in.n ? n : ws->in.n;

	if (take == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(to, ws->in.p, take);
	ws->in = slice_from(ws->in, take);
	return (ssize_t)take;
}

static ssize_t give_bytes(wslay_event_context_ptr ctx UNUSED, const uint8_t *p, size_t n,
			  int flags UNUSED, void *user)
{
	struct ws *ws = user;

	ws->handlers.send(ws->arg, (struct slice) { .p = (const char *)p, .n = n });
	return (ssize_t)n;
}

static void on_message(wslay_event_context_ptr ctx,
		       const struct wslay_event_on_msg_recv_arg *message, void *user)
{
	struct ws *ws = user;

	switch (message->opcode) {
	case WSLAY_TEXT_FRAME:
		if (ws->handlers.message != NULL) {
			ws->handlers.message(ws->arg,
					     (struct slice) { .p = (const char *)message->msg,
							      .n = message->msg_length });
		}
		return;
	case WSLAY_BINARY_FRAME:
		wslay_event_queue_close(ctx, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
		return;
	case WSLAY_PONG:
		ws->pinged = false;
		return;
	}
}

struct ws *ws_new(const struct ws_handlers *handlers, void *arg)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = take_bytes,
		.send_callback = give_bytes,
		.on_msg_recv_callback = on_message,
	};
	struct ws *ws = mem_alloc(1, sizeof(*ws));

	ws->handlers = *handlers;
	ws->arg = arg;
	ensure(wslay_event_context_server_init(&ws->ctx, &callbacks, ws) == 0);
	wslay_event_config_set_max_recv_msg_length(ws->ctx, WS_MESSAGE_BYTES_MAX);
	return ws;
}

void ws_free(struct ws **ws)
{
	if (*ws == NULL) {
		return;
	}
	wslay_event_context_free((*ws)->ctx);
	free(*ws);
	*ws = NULL;
}

/* The code that ends the connection: the peer's, or the one we sent, or none at all. */
static uint16_t close_code(struct ws *ws)
{
	uint16_t code = wslay_event_get_status_code_received(ws->ctx);

	if (code == WSLAY_CODE_ABNORMAL_CLOSURE) {
		code = wslay_event_get_status_code_sent(ws->ctx);
	}
	return code;
}

static void end(struct ws *ws)
{
	ws->over = true;
	ws->handlers.closed(ws->arg, close_code(ws));
}

/* Send what wslay has queued; tell the owner when both sides have said what they had to say. */
static void settle(struct ws *ws)
{
	bool sent = wslay_event_want_write(ws->ctx) == 0 || wslay_event_send(ws->ctx) == 0;

	if (!sent ||
	    (wslay_event_want_read(ws->ctx) == 0 && wslay_event_want_write(ws->ctx) == 0)) {
		end(ws);
	}
}

/* Bytes that are no frames: wslay gives up without a word, so the word comes from here. */
static void break_off(struct ws *ws)
{
	static const char protocol_error[4] = { (char)0x88, 2, 1002 >> 8, (char)(1002 & 255) };

	if (wslay_event_get_close_sent(ws->ctx) == 0) {
		ws->handlers.send(ws->arg,
				  (struct slice) { protocol_error, sizeof(protocol_error) });
	}
	end(ws);
}

void ws_feed(struct ws *ws, struct slice bytes)
{
	bool broken = false;

	if (ws->over) {
		return;
	}
	ws->in = bytes;
	while (!broken && ws->in.n > 0 && wslay_event_want_read(ws->ctx) != 0) {
		broken = wslay_event_recv(ws->ctx) != 0;
	}
	ws->in = (struct slice) { 0 };
	if (broken) {
		break_off(ws);
	} else {
		settle(ws);
	}
}

bool ws_ping(struct ws *ws)
{
	struct wslay_event_msg ping = { .opcode = WSLAY_PING };

	if (ws->over) {
		return true;
	}
	if (ws->pinged) {
		return false;
	}
	ws->pinged = true;
	ensure(wslay_event_queue_msg(ws->ctx, &ping) != WSLAY_ERR_INVALID_ARGUMENT);
	settle(ws);
	return true;
}

void ws_close(struct ws *ws, uint16_t code, struct slice reason)
{
	ensure(reason.n <= 123);
	if (!ws->over) {
		wslay_event_queue_close(ws->ctx, code, (const uint8_t *)reason.p, reason.n);
		settle(ws);
	}
}

void ws_text_frame(struct buf *out, struct slice text)
{
	unsigned char head[10] = { 0x81 };
	size_t n = 2;

	if (text.n < 126) {
		head[1] = (unsigned char)text.n;
	} else if (text.n <= UINT16_MAX) {
		head[1] = 126;
		head[2] = (unsigned char)(text.n >> 8);
		head[3] = (unsigned char)text.n;
		n = 4;
	} else {
		head[1] = 127;
		for (size_t i = 0; i < 8; i++) {
			head[2 + i] = (unsigned char)((uint64_t)text.n >> (56 - 8 * i));
		}
		n = 10;
	}
	buf_put(out, head, n);
	buf_puts(out, text);
}

bool ws_accept_key(struct slice key, char out[WS_ACCEPT_LEN])
{
	unsigned char nonce[18], digest[SHA_DIGEST_LENGTH];
	char text[24 + sizeof(GUID) - 1];
	size_t n = sizeof(nonce);

	if (key.n != 24 || !base64_decode(key, nonce, &n) || n != 16) {
		return false;
	}
	memcpy(text, key.p, 24);
	memcpy(text + 24, GUID, sizeof(GUID) - 1);
	SHA1((const unsigned char *)text, sizeof(text), digest);
	static_assert(BASE64_LEN(SHA_DIGEST_LENGTH) == WS_ACCEPT_LEN,
		      "the accept key is 28 characters");
	base64_encode(digest, sizeof(digest), out);
	return true;
}
