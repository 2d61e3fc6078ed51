/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_RECEIVER_H
#define LOAD_RECEIVER_H

/*
 * A webhook receiver that lives in the caller's poller, so that the moment an event was
 * sent and the moment its webhook came in are read from one clock. Answers 200 to every POST and
 * keeps connections open.
 */
#include "base/err.h"
#include "load/poller.h"

/* Both servers send hooks of about 1 KiB; anything longer than this is answered by closing. */
#define HOOK_BYTES_MAX (64 * 1024)

struct hook_conn;

struct receiver {
	struct watch watch; /* first: the loop hands it back */
	struct poller *poller;
	struct hook_conn *conns;
	uint64_t refused; /* requests that were no POST with a length */
	uint16_t port;	  /* where it listens */
	/* One whole webhook; the body is borrowed for the call. at_us is of clock_mono_us. */
	void (*got)(void *owner, const char *body, size_t len, int64_t at_us);
	void *owner;
};

/*
 * Listen on the IPv4 address and port, 0 for one that is free. got and owner are set by the caller.
 * ERR_UNAVAILABLE or what the system says when that is taken.
 */
NODISCARD bool receiver_open(struct receiver *r, struct poller *poller, const char *address,
			     uint16_t port, struct err *err);
void receiver_close(struct receiver *r);

#endif
