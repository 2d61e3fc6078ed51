/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_RECEIVER_H
#define BENCH_RECEIVER_H

/*
 * A webhook receiver on loopback that lives in the caller's loop, so that the moment an event was
 * sent and the moment its webhook came in are read from one clock. Answers 200 to every POST and
 * keeps connections open.
 */
#include "loop.h"

/* Both servers send hooks of about 1 KiB; anything longer than this is answered by closing. */
#define HOOK_BYTES_MAX (64 * 1024)

struct hook_conn;

struct receiver {
	struct watch watch; /* first: the loop hands it back */
	struct loop *loop;
	struct hook_conn *conns;
	uint64_t refused; /* requests that were no POST with a length */
	/* One whole webhook; the body is borrowed for the call. */
	void (*got)(void *owner, const char *body, size_t len, int64_t at_ns);
	void *owner;
};

/*
 * Listen on 127.0.0.1:port (ends the program when that is taken). got and owner are set by the
 * caller.
 */
void receiver_open(struct receiver *r, struct loop *loop, uint16_t port);
void receiver_close(struct receiver *r);

#endif
