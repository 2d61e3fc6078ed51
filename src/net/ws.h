/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_WS_H
#define NET_WS_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * The server side of WebSocket (RFC 6455) as bytes in, bytes out: no socket in here, so that the
 * tests and the fuzzer drive the same code as the loop. Framing, masking, fragments, UTF-8 and
 * close codes are wslay's. Text messages only; binary ones end the connection with 1003.
 *
 * Loop thread. Handlers run inside ws_feed, ws_ping and ws_close; none of them may free the ws.
 */
struct ws;

#define WS_ACCEPT_LEN 28
#define WS_MESSAGE_BYTES_MAX ((size_t)64 << 10) /* clients only send filters and small commands */

struct ws_handlers {
	/* Bytes for the peer, to be taken whole. */
	void (*send)(void *arg, struct slice bytes);
	/* One whole text message, valid UTF-8, borrowed. May be NULL: messages are then ignored. */
	void (*message)(void *arg, struct slice text);
	/*
	 * The connection is over, called once: send what is queued, then close the transport. code
	 * is the one that the peer gave or that we gave it; 1006 when bytes make no sense at all.
	 */
	void (*closed)(void *arg, uint16_t code);
};

struct ws *ws_new(const struct ws_handlers *handlers, void *arg);
void ws_free(struct ws **ws);

/* Bytes from the peer. Ignored once the connection is over. */
void ws_feed(struct ws *ws, struct slice bytes);
/* Ask whether the peer is alive. False when the last ping is still unanswered: time to give up. */
NODISCARD bool ws_ping(struct ws *ws);
/* Begin to close. reason: at most 123 bytes. Does nothing once the connection is over. */
void ws_close(struct ws *ws, uint16_t code, struct slice reason);

/* Append one unfragmented, unmasked text frame: the same bytes serve every client (section 5.2). */
void ws_text_frame(struct buf *out, struct slice text);
/*
 * Sec-WebSocket-Accept for a client's key (section 4.2.2). False when key is not 16 bytes in
 * base64.
 */
NODISCARD bool ws_accept_key(struct slice key, char out[WS_ACCEPT_LEN]);

#endif
