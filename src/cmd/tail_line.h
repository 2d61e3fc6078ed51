/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_TAIL_LINE_H
#define CMD_TAIL_LINE_H

#include "base/json.h"
#include "model/severity.h"

/*
 * One frame of the live stream as one line for people, and which frames somebody wants to see. What
 * tenants wrote never reaches the terminal as control characters. Pure; any thread.
 */
enum tail_only { TAIL_ALL, TAIL_EVENTS, TAIL_ALERTS, TAIL_NOTIFICATIONS };

/* Empty members do not filter. A frame that lacks a member that is asked for is not wanted. */
struct tail_filter {
	enum tail_only only;
	struct slice type; /* exact, "prefix.*" or "*" */
	struct slice kind;
	enum severity severity; /* at least */
	struct slice source;
	struct slice environment;
};

struct tail_look {
	bool colour;
	bool utc;     /* absolute times instead of relative ones */
	size_t width; /* columns; 0: not cut */
	int64_t now_us;
};

/* name is that of the frame ("event", "alert", ...), body its object. */
bool tail_wants(const struct tail_filter *f, struct slice name, const struct json *body);
/* Append the line with its line feed. */
void tail_write(const struct tail_look *look, struct slice name, const struct json *body,
		struct buf *out);
/* Append {"event":name,"id":id,"data":data}; data is valid JSON. */
void tail_write_json(struct slice name, struct slice id, struct slice data, struct buf *out);

#endif
