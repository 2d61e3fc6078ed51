/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_BYTES_H
#define NET_HTTP_BYTES_H

#include "net/http_parse.h"

/* Net-internal: which bytes may stand where in a head. Pure; any thread. */
enum http_byte {
	HTTP_BYTE_TOKEN = 1, /* names, methods */
	HTTP_BYTE_PATH = 2,
	HTTP_BYTE_QUERY = 4,
	HTTP_BYTE_VALUE = 8, /* header values, chunk extensions */
	HTTP_BYTE_HOST = 16, /* registered names and IPv4 addresses */
	HTTP_BYTE_HEX = 32
};
extern const uint8_t http_bytes[256];

static inline bool http_byte_is(char c, enum http_byte place)
{
	return (http_bytes[(unsigned char)c] & place) != 0;
}
/* Whether all bytes of s may stand there; the empty slice may. */
bool http_bytes_are(struct slice s, enum http_byte place);
/* 0..15; c is a hex digit. */
static inline unsigned http_hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a') + 10;
}

#endif
