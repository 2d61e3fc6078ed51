/* SPDX-License-Identifier: Apache-2.0 */
/* Walks frame heads and skips payloads. */
#include "wsread.h"

#define FIN 0x80
#define MASK 0x80
#define OPCODE 0x0f
#define OPCODE_CLOSE 8

static size_t head_size(unsigned char second)
{
	unsigned len = second & 0x7f;

	return len == 127 ? 10 : len == 126 ? 4 : 2;
}

static uint64_t payload_size(const unsigned char *head, size_t size)
{
	uint64_t len = 0;

	if (size == 2) {
		return head[1] & 0x7f;
	}
	for (size_t i = 2; i < size; i++) {
		len = len << 8 | head[i];
	}
	return len;
}

/* Control frames (opcodes from 8) are no messages; a cut message counts at its last frame. */
static void frame_begins(struct wsread *ws, size_t size)
{
	unsigned opcode = ws->head[0] & OPCODE;

	ws->left = payload_size(ws->head, size);
	ws->head_len = 0;
	ws->broken = ws->broken || (ws->head[1] & MASK) != 0;
	ws->closed = ws->closed || opcode == OPCODE_CLOSE;
	if (opcode < OPCODE_CLOSE && (ws->head[0] & FIN) != 0) {
		ws->messages++;
	}
}

void wsread_feed(struct wsread *ws, const unsigned char *p, size_t n)
{
	ws->bytes += n;
	while (n > 0) {
		if (ws->left > 0) {
			size_t skip = n < ws->left ? n : (size_t)ws->left;

			ws->left -= skip;
			p += skip;
			n -= skip;
			continue;
		}
		ws->head[ws->head_len++] = *p++;
		n--;
		if (ws->head_len >= 2 && ws->head_len == head_size(ws->head[1])) {
			frame_begins(ws, ws->head_len);
		}
	}
}
