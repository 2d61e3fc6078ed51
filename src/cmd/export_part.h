/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_EXPORT_PART_H
#define CMD_EXPORT_PART_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * What a file with a part of an export holds, from its bytes alone: how many whole events, where
 * the last of them ends and which it is, so that the rest can be asked for. Bytes come in pieces,
 * in order. No I/O; one thread.
 */
#define EXPORT_ID_BYTES_MAX 64

struct export_part {
	bool csv;
	bool quoted;			/* csv: between two quotes */
	bool headed;			/* csv: the line of names is there */
	uint64_t bytes;			/* so far, without what means nothing */
	uint64_t events;		/* whole lines of events */
	uint64_t end;			/* behind the last of them (csv: or the line of names) */
	char head[EXPORT_ID_BYTES_MAX]; /* of the line that has begun */
	size_t head_n;
	char id[EXPORT_ID_BYTES_MAX]; /* of the last event */
	size_t id_n;
};

/*
 * What a server says so that proxies see it at work (spaces in front of a line of JSON, empty lines
 * of a table) is passed by; the rest is appended to kept, which may be NULL.
 */
void export_part_feed(struct export_part *part, struct slice bytes, struct buf *kept);

/*
 * Whether an export that was begun with some filters may go on with those of now: two objects of
 * JSON, by the names of the flags. If not, *err names the flag that differs. ERR_CORRUPT: begun is
 * no such object. path: of the part, for the text.
 */
NODISCARD bool export_same(struct slice begun, struct slice now, const char *path,
			   struct arena *boot, struct err *err);

/* The line behind the events: what the server said at the end. */
struct export_end {
	bool complete;	     /* all that there is arrived */
	uint64_t lost;	     /* damaged places in the server's log; what they held is missing */
	struct slice failed; /* why the server stopped, in the arena; empty: it did not say */
};
/* False when it is no such line. */
NODISCARD bool export_end_read(struct slice line, struct arena *req, struct export_end *end);

#endif
