/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_EVENT_QUERY_H
#define MODEL_EVENT_QUERY_H

#include "base/find.h"
#include "base/json.h"
#include "model/event.h"
#include "model/rule_def.h"

/*
 * What a person types to find events: words, all of which must be there.
 *
 *	timeout               in some text or number of the event, in either case of letters
 *	"card declined"       the same with spaces; \" and \\ inside
 *	payload.user.id:42    the value at a path: equal as JSON, or an equal text
 *	source:web            an envelope member: type, kind, severity, source, environment (env),
 *	                      message, value, fingerprint, idempotencyKey, tags.NAME, payload.PATH
 *	source:web*           begins with; source:* is there; "=" may stand for ":"
 *	payload.amount:>=100  compares numbers, or severities; ":" may be left out
 *	-word -source:web     not so
 *
 * Texts are the strings and numbers of the event as it was sent: not names of members, not kind,
 * severity and occurredAt, which have filters of their own. A colon behind anything that is no
 * member (12:30, http://) is part of a word. A path that leads to an array means any item of it.
 * Pure; any thread; what was parsed may be read by many.
 */
#define QUERY_BYTES_MAX 2000 /* more than anybody types, less than a request line has room for */
#define QUERY_TERMS_MAX 16   /* each is looked for in each event */

enum query_member {
	QUERY_TEXT, /* no member: anywhere */
	QUERY_TYPE,
	QUERY_KIND,
	QUERY_SEVERITY,
	QUERY_SOURCE,
	QUERY_ENVIRONMENT,
	QUERY_MESSAGE,
	QUERY_VALUE,
	QUERY_FINGERPRINT,
	QUERY_IDEMPOTENCY_KEY,
	QUERY_TAGS,
	QUERY_PAYLOAD,
	QUERY_MEMBERS
};

enum query_op {
	QUERY_IS,
	QUERY_STARTS,
	QUERY_EXISTS,
	QUERY_LESS,
	QUERY_AT_MOST,
	QUERY_MORE,
	QUERY_AT_LEAST,
	QUERY_OPS
};

#define QUERY_HINTS_MAX 2
struct event_query_term {
	bool negated;
	enum query_member member;
	enum query_op op;	/* not of QUERY_TEXT */
	struct rule_path path;	/* of tags and payload */
	struct slice value;	/* without quotes, escapes and the asterisk */
	struct slice key;	/* json_key of a value that is a number, true, false or null */
	double number;		/* of a comparison */
	enum severity severity; /* of QUERY_SEVERITY */
	enum event_kind kind;	/* of QUERY_KIND */
	struct finder text;	/* of QUERY_TEXT */
	/* What the bytes of an event must hold for the term to be true. */
	struct finder hints[QUERY_HINTS_MAX];
	size_t hints_n;
};

struct event_query {
	size_t n; /* 0: everything matches */
	struct event_query_term terms[QUERY_TERMS_MAX];
};

/* text is copied into the arena, which outlives the query. ERR_INVALID on field "q". */
NODISCARD bool event_query_parse(struct slice text, struct arena *req, struct event_query *out,
				 struct err *err);
/* False: the event of this canonical body does not match. Does not read it, only looks through. */
bool event_query_may_match(const struct event_query *query, struct slice body);
/*
 * Whether it does. event is body decoded. scratch takes QUERY_SCRATCH_BYTES at least; what is in it
 * goes.
 */
#define QUERY_SCRATCH_BYTES (EVENT_BYTES_MAX + 64)
bool event_query_matches(const struct event_query *query, struct slice body,
			 const struct event *event, struct buf *scratch);
/* Whether a term about severity lets this one pass. Nothing else is known of the event. */
bool event_query_severity_is(const struct event_query_term *term, enum severity severity);
/* How it was understood: [{"text":..}|{"member":..,"op":..,"value":..}], "not" where it is. */
void event_query_write(const struct event_query *query, struct json_w *w);

#endif
