/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_FEED_H
#define API_FEED_H

#include "api/api.h"
#include "api/event_filter.h"
#include "engine/scans.h"

/*
 * An answer that is written while the log is being read: a scan on its thread makes bytes, the loop
 * sends them, and the scan waits when the reader is slower. What a feed holds at most is a parcel
 * under way, one being filled, and what its stream queues.
 *
 * Proxies cut an answer that says nothing for a minute, so a feed that finds nothing says something
 * that changes nothing: the next byte of what it has kept back for that, or its kind's filler.
 *
 * The answer is in chunks (RFC 9112 section 7.1), whose end a cut connection does not have, so that
 * every client can tell a whole answer from a part; HTTP/1.0 knows none. It ends when the client
 * goes away, the key is revoked, or the server stops.
 *
 * A feed is part of its owner, who allocates it and lets it go in release.
 */
struct feed;

/* Calls on the thread of the scans append to f->out; their owner's state belongs to it as well. */
struct feed_kind {
	const char *type; /* content type */
	/* An event that matches, decoded until the call returns. False: no more are wanted. */
	bool (*event)(struct feed *f, const struct record *record, const struct event *event);
	/* After each slice; may be NULL. */
	void (*pause)(struct feed *f);
	/* When everything was looked at, no more is wanted, or scan.err says why not. */
	void (*end)(struct feed *f);
	/* Loop thread; the last call. */
	void (*release)(struct feed *f);
	const char *filler; /* means nothing between two lines; NULL: it is never silent */
	size_t keep;	    /* bytes of the last line that are kept back until there are more */
};

#define FEED_SILENT_US (10 * US_PER_S) /* proxies cut after a minute, careful ones after 15 s */
#define FEED_PARCEL_BYTES ((size_t)64 << 10) /* sent when it is that full, or a slice is over */

struct feed {
	struct scan scan;
	const struct feed_kind *kind;
	struct event_filter filter;
	struct arena keep; /* as long as the feed */
	struct api *api;
	struct caller caller;
	/* Thread of the scans. */
	struct buf out;
	struct arena one;
	struct buf scratch;
	uint64_t begin;	  /* where the scan began */
	uint64_t looked;  /* events that were looked at */
	uint64_t bytes;	  /* their JSON */
	uint64_t matched; /* of them */
	int64_t seen_us;  /* when the last one was received */
	int64_t said_us;  /* when something was last sent; monotonic */
	size_t kept;	  /* how much of the end of out is kept back, at most */
	bool enough;	  /* no more are wanted */
	bool broken;	  /* to end in a way that is no good end */
	bool told;	  /* end was called */
	bool chunked;
	/* Between the threads. */
	struct chunk *parcel; /* of the loop while away is set */
	bool last;
	int away; /* atomic */
	/* Loop. */
	struct http_stream *stream;
	bool is_gone;
};

/* Zeroed before. */
void feed_init(struct feed *f, struct call *c, const struct feed_kind *kind);
/* Answer with what c->err says; release is called. */
void feed_refuse(struct feed *f, struct call *c);
/*
 * Walk from at to end, both included, or, in reverse, down to end. Answers the call, also when
 * it is refused: then release was called. Loop thread.
 */
void feed_start(struct feed *f, struct call *c, uint64_t at, uint64_t end, bool reverse);
/* A call that asks only for the head of such an answer (RFC 9110 section 9.3.2) is answered. */
bool feed_is_head(struct call *c, const struct feed_kind *kind);
/* How much of the way is behind it, in percent. Thread of the scans. */
double feed_percent(const struct feed *f);
/* The line feed behind an object of JSON that was written to f->out. */
void feed_line(struct feed *f);
/* A line {"failed": {"code":.., "error":..}} about scan.err, and no good end behind it. */
void feed_fail(struct feed *f);

#endif
