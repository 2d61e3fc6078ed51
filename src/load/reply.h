/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_REPLY_H
#define LOAD_REPLY_H

/*
 * Reads HTTP/1.1 replies (RFC 9112) to POST and GET requests from bytes as they come: status line,
 * Content-Length or chunked body, trailers. It keeps only the beginning and the end of the body. A
 * reply without a length is an error here, because the clients keep their connections. One thread;
 * no allocation.
 */
#include "base/base.h"

/*
 * Room for the longest reply head of the servers we measure (both stay below 1 KiB), with a margin.
 */
#define REPLY_HEAD_BYTES_MAX 8192
/* Of a body its beginning and its end are kept: a ticket, an id, the counters of a batch. */
#define REPLY_BODY_BYTES_MAX 512

enum reply_state { REPLY_MORE, REPLY_DONE, REPLY_BAD };
enum reply_phase {
	REPLY_HEAD,
	REPLY_FIXED,
	REPLY_CHUNK_SIZE,
	REPLY_CHUNK_DATA,
	REPLY_CHUNK_END,
	REPLY_TRAILER,
};

struct reply {
	enum reply_phase phase;
	int status;
	bool close;    /* the server said Connection: close */
	bool replayed; /* and Idempotent-Replayed: true */
	bool chunked;
	bool has_length;
	uint64_t left; /* bytes to come of this body or chunk */
	uint64_t body_total;
	size_t head_len;
	size_t body_len;
	char head[REPLY_HEAD_BYTES_MAX]; /* a cut head, later a line of the chunk framing */
	size_t tail_len;
	char body[REPLY_BODY_BYTES_MAX + 1]; /* the beginning; always zero-terminated */
	char tail[REPLY_BODY_BYTES_MAX + 1]; /* the end; the same as body where that is all */
};

/* Make ready for the next reply of the same connection. */
void reply_clear(struct reply *r);

/*
 * Take up to n bytes; *used says how many belong to this reply. REPLY_DONE: status, close, replayed
 * and body are valid until reply_clear(). REPLY_BAD: not a reply we can read; drop the connection.
 * Interim replies (1xx) are skipped.
 */
enum reply_state reply_feed(struct reply *r, const char *p, size_t n, size_t *used);

/*
 * Bytes of a body whose framing somebody else has read: what is kept and counted of it is the same.
 */
void reply_keep(struct reply *r, const char *p, size_t n);

/* Whether the beginning or the end of the body holds the text. */
bool reply_says(const struct reply *r, const char *text);

#endif
