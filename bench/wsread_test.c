/* SPDX-License-Identifier: Apache-2.0 */
#include "wsread.h"

#include <string.h>

#include "test/t.h"

static unsigned char wire[200000];
static size_t wire_len;

static void frame(unsigned char first, size_t len)
{
	wire[wire_len++] = first;
	if (len < 126) {
		wire[wire_len++] = (unsigned char)len;
	} else if (len < 65536) {
		wire[wire_len++] = 126;
		wire[wire_len++] = (unsigned char)(len >> 8);
		wire[wire_len++] = (unsigned char)len;
	} else {
		wire[wire_len++] = 127;
		for (int shift = 56; shift >= 0; shift -= 8) {
			wire[wire_len++] = (unsigned char)((uint64_t)len >> shift);
		}
	}
	memset(wire + wire_len, 0x81, len);
	wire_len += len;
}

TEST(messages_are_counted_however_the_stream_is_cut)
{
	static const size_t steps[] = { 1, 2, 3, 7, 100, 4096, sizeof(wire) };

	wire_len = 0;
	frame(0x81, 0);
	frame(0x81, 125);
	frame(0x89, 5);
	frame(0x82, 126);
	frame(0x01, 10);
	frame(0x80, 65535);
	frame(0x81, 65536);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct wsread ws = { 0 };

		for (size_t at = 0; at < wire_len; at += steps[i]) {
			wsread_feed(&ws, wire + at,
				    wire_len - at < steps[i] ? wire_len - at : steps[i]);
		}
		T_INT(ws.messages, 5);
		T_INT(ws.bytes, wire_len);
		T_FALSE(ws.closed);
		T_FALSE(ws.broken);
	}
}

TEST(a_close_and_a_masked_frame_are_noticed)
{
	struct wsread ws = { 0 };

	wsread_feed(&ws, (const unsigned char *)"\x88\x02\x03\xe8", 4);
	T_TRUE(ws.closed);
	T_INT(ws.messages, 0);
	wsread_feed(&ws, (const unsigned char *)"\x81\x80", 2);
	T_TRUE(ws.broken);
}

T_MAIN(T(messages_are_counted_however_the_stream_is_cut), T(a_close_and_a_masked_frame_are_noticed))
