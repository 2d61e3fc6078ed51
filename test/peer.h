/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

/*
 * A small HTTP/1.1 receiver on a thread of its own that answers by script, also badly: for tests
 * of what calls out. All functions may be called while it runs.
 */
#include "base/base.h"

struct peer;

enum peer_end {
	PEER_KEEP,  /* wait for the next request */
	PEER_CLOSE, /* close in good order */
	PEER_HALF,  /* close our direction, read on */
	PEER_RESET, /* close with a TCP reset */
	PEER_HANG   /* say nothing more until the caller goes */
};

struct peer_answer {
	const char *path;  /* of the request target; NULL: at once, when a connection comes */
	const char *bytes; /* sent as they are */
	size_t filler;	   /* so many 'x' behind them */
	enum peer_end end;
};

/* Listens on the address and port (0: any free one). A path without an answer gets a 404. */
struct peer *peer_new(const char *address, uint16_t port, const struct peer_answer *answers,
		      size_t answers_n);
void peer_free(struct peer **peer);

uint16_t peer_port(const struct peer *peer);
unsigned peer_connections(const struct peer *peer);
unsigned peer_requests(const struct peer *peer);
/* The newest whole request, head and body, terminated; valid until the next one comes. */
const char *peer_last(const struct peer *peer);

#endif
