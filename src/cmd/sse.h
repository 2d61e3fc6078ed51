/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SSE_H
#define CMD_SSE_H

#include "base/buf.h"

/*
 * Reads an event stream (WHATWG HTML, section 9.2.6) as its bytes arrive, in pieces of any size. No
 * I/O; one thread.
 */
#define SSE_LINE_BYTES_MAX ((size_t)4 << 20) /* a frame of ours is one line of at most 1 MiB */
#define SSE_NAME_BYTES_MAX 64
#define SSE_ID_BYTES_MAX 256

/* Borrowed for the call. */
struct sse_event {
	struct slice name; /* "message" when the stream gives none */
	struct slice id;   /* its own or the last one before it; may be empty */
	struct slice data; /* lines joined by line feeds */
};
typedef void (*sse_event_fn)(void *arg, const struct sse_event *event);

struct sse_id {
	char p[SSE_ID_BYTES_MAX];
	size_t n;
};

struct sse {
	struct buf line; /* unfinished */
	struct buf data;
	char name[SSE_NAME_BYTES_MAX];
	size_t name_n;
	struct sse_id next_id; /* of the event that is not complete yet */
	struct sse_id id;      /* of complete ones, for Last-Event-ID; survives sse_restart */
	int64_t retry_ms;      /* what the server asked for; -1: nothing */
	bool after_cr;	       /* a line feed that comes now belongs to the line before */
	bool begun;	       /* the mark at the very beginning was looked for */
	bool has_data;
	uint64_t dropped; /* lines and events over their limits */
};

void sse_init(struct sse *s);
void sse_release(struct sse *s);
/* A new connection: forget the unfinished event, keep id and retry_ms. */
void sse_restart(struct sse *s);
/* Take more bytes; calls fn for each event that they complete. */
void sse_feed(struct sse *s, struct slice bytes, sse_event_fn fn, void *arg);

#endif
