/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_LANES_H
#define CMD_BENCH_LANES_H

#include "base/err.h"
#include "cmd/bench/far.h"

/*
 * The connections of a load: each carries one request at a time, POST with a JSON body, and keeps
 * alive. Over http they are sockets of our own, because a load generator must cost less than what
 * it measures; over https they are libcurl's. One thread.
 */
struct lanes;

#define LANES_MAX 4096	  /* a client's share of the server's 8,192 connections */
#define LANE_TAIL_MAX 512 /* bytes of an answer's end that are kept */

struct lanes_answer {
	int status;	     /* 0: none came */
	const char *problem; /* why, when status is 0 */
	struct slice tail;   /* the last bytes of the body, at most LANE_TAIL_MAX */
	uint64_t bytes_in;   /* of the body */
	bool replayed;	     /* the server had this event already: Idempotent-Replayed */
	int64_t sent_us;
	int64_t done_us;
};

struct lanes_options {
	struct poller *poller;
	struct far *far;
	struct slice url;		   /* of the server, without a slash at its end */
	struct slice path;		   /* of the requests */
	const struct slice *authorization; /* whole header lines, one per key */
	size_t keys;
	size_t n; /* connections, 1 to LANES_MAX */
	/* A lane is free again. May send at once. */
	void (*done)(void *owner, size_t lane, const struct lanes_answer *answer);
	void *owner;
};

/*
 * Resolve the name and open all connections; may block for some seconds. ERR_UPSTREAM when the
 * server cannot be reached, ERR_INVALID when the URL is none.
 */
NODISCARD bool lanes_open(struct lanes **out, const struct lanes_options *options, struct err *err);
void lanes_close(struct lanes **lanes);

/* The lane is free. Whatever happens, done follows, but never from inside of this call. */
void lanes_send(struct lanes *l, size_t lane, size_t key, struct slice body, int64_t now_us);
/* Give up on requests that were sent before then_us: they end with status 0. */
void lanes_expire(struct lanes *l, int64_t then_us);
/* After each turn of the poller: what failed at once is told now. */
void lanes_turn(struct lanes *l);
/* Whether lanes_turn has something to tell, so that nobody waits. */
bool lanes_pending(const struct lanes *l);
/* Bytes written so far, heads and bodies. */
uint64_t lanes_bytes_out(const struct lanes *l);

#endif
