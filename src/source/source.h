/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "base/json.h"
#include "model/event.h"

/*
 * How outside systems write down an event: a form is a table of members and what they mean to us.
 * One reader serves all forms in one pass over the bytes. No I/O; any thread.
 */
enum source_slot {
	SLOT_TYPE,
	SLOT_KIND,
	SLOT_SEVERITY,
	SLOT_SOURCE,
	SLOT_ENVIRONMENT,
	SLOT_MESSAGE,
	SLOT_VALUE,
	SLOT_PAYLOAD,
	SLOT_TAGS,
	SLOT_OCCURRED_AT,
	SLOT_FINGERPRINT,
	SLOT_IDEMPOTENCY_KEY,
	SLOT_API_KEY, /* a credential inside the body */
	SLOTS
};

struct source_member {
	const char *name;
	enum source_slot slot;
	bool required;
	size_t bytes_max; /* of a text, when the form is stricter than model/event.h; else 0 */
};

struct source_form {
	const char *name;
	const struct source_member *members;
	size_t n;
	bool ignore_unknown; /* as the original system did */
};

/* The forms: ours, and those of the older systems whose calls must keep working. */
extern const struct source_form source_native;	   /* POST /api/v1/events */
extern const struct source_form source_signaldesk; /* POST /events */
extern const struct source_form source_signalops;  /* POST /api/events */
extern const struct source_form source_pulseboard; /* POST /ingest */

/* What a body says besides the event. */
struct source_extra {
	struct slice api_key;
};

/*
 * Read the object that comes next in scan, check it and give the event. Texts are borrowed from
 * the scanned text or are in req; tags and payload are appended to raw without white space, and
 * their slices stay valid until raw grows or is cut, so encode the event before the next one.
 *
 * On false with ERR_INVALID or ERR_TOO_LARGE the scan is somewhere inside the object: use
 * json_leave to go on behind it. err->field has the path from the start of the scanned text; at is
 * that path up to this object ("" or "events[3].").
 */
NODISCARD bool source_read(const struct source_form *form, struct json_scan *scan,
			   struct arena *req, struct buf *raw, const char *at, struct event *event,
			   struct source_extra *extra, struct err *err);

#endif
