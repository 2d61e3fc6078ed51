/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

/*
 * One keep-alive connection to the server on loopback: one request in flight, the reply read whole,
 * then a callback. When the server closes between two requests it connects again by itself; when it
 * fails during one, the callback says so with status 0.
 */
#include <netinet/in.h>

#include "load/poller.h"
#include "load/reply.h"

struct client {
	struct watch watch; /* first: the loop hands it back */
	struct poller *loop;
	struct sockaddr_in to;
	struct reply reply;
	const char *out;
	size_t out_left;
	bool busy;
	int status; /* of the last reply; 0 when there was none */
	int64_t sent_ns;
	/*
	 * The reply is in `reply`; status 0 means that there is none. May call client_send() at
	 * once.
	 */
	void (*replied)(struct client *c, int status);
	void *owner;
};

/* The address of HOST:PORT (an IPv4 address); ends the program when the text is no such thing. */
struct sockaddr_in client_address(const char *host_port);

/*
 * Connect (blocking, ends the program when it is refused) and join the loop. replied and owner are
 * set by the caller.
 */
void client_open(struct client *c, struct poller *loop, const struct sockaddr_in *to);
void client_close(struct client *c);

/*
 * Send one request; the bytes must stay as they are until the callback. The client is not busy.
 * sent_ns = at_ns.
 */
void client_send(struct client *c, const char *bytes, size_t len, int64_t at_ns);

/*
 * Send and turn the loop until the reply is there; says its status. For set-up, not for measuring.
 */
int client_call(struct client *c, const char *bytes, size_t len);

#endif
