/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_WSREAD_H
#define BENCH_WSREAD_H

/*
 * Counts the messages in the stream of WebSocket frames that a server sends (RFC 6455 section 5),
 * without keeping them: a client that stored 600,000 messages would measure itself.
 */
#include "base/base.h"

#define WS_HEAD_BYTES_MAX 10

struct wsread {
	uint64_t messages; /* finished text and binary messages */
	uint64_t bytes;	   /* of frames, heads included */
	bool closed;	   /* a close frame came */
	bool broken;	   /* a masked frame: servers never mask */
	size_t head_len;
	uint64_t left; /* payload bytes of the present frame to come */
	unsigned char head[WS_HEAD_BYTES_MAX];
};

/* Take n bytes. Start with a zeroed struct. */
void wsread_feed(struct wsread *ws, const unsigned char *p, size_t n);

#endif
