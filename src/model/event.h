/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/severity.h"

/*
 * One thing that happened, as it is stored: what the sender said, in one canonical form, without
 * what the server adds (id, received at, org, project: they are in the record around it).
 *
 * The canonical form is one JSON object without white space, its members in this order, absent ones
 * left out: type, kind (when not "event"), severity, source, environment, message, value,
 * occurredAt (whole microseconds since 1970), fingerprint, idempotencyKey, tags, payload. So equal
 * events have equal bytes, and the payload is found without reading it. An empty text is an absent
 * one. Pure; any thread.
 */
enum event_kind { EVENT_PLAIN, EVENT_ERROR, EVENT_METRIC, EVENT_KINDS };

#define EVENT_BYTES_MAX \
	((size_t)256 << 10) /* canonical; a rule reads all of it in a batch of many */
#define EVENT_TYPE_BYTES_MAX 255
#define EVENT_SOURCE_BYTES_MAX 255
#define EVENT_ENVIRONMENT_BYTES_MAX 100
#define EVENT_MESSAGE_BYTES_MAX ((size_t)8 << 10) /* what a person may read; the rest is payload */
#define EVENT_VALUE_BYTES_MAX 64		  /* more digits than any measurement has */
#define EVENT_FINGERPRINT_BYTES_MAX 500
#define EVENT_IDEMPOTENCY_KEY_BYTES_MAX 255

struct event {
	struct slice type;
	enum event_kind kind;
	enum severity severity; /* SEVERITY_NONE: not said */
	struct slice source;
	struct slice environment;
	struct slice message;
	struct slice value; /* text of a JSON number, exact */
	struct slice fingerprint;
	struct slice idempotency_key;
	struct slice tags;    /* raw JSON object, no white space */
	struct slice payload; /* raw JSON value, no white space */
	bool has_occurred_at;
	int64_t occurred_at_us; /* 0 to year 9999 */
};

/*
 * Types that begin so are events of the server itself (doc/system-events.md): event_check refuses
 * them, so nobody else can have sent one.
 */
#define EVENT_SYSTEM_PREFIX "tocsin."
bool event_type_is_system(struct slice type);

#define EVENT_OCCURRED_AT_US_MAX INT64_C(253402300799999999)

/* "event", "error", "metric". */
struct slice event_kind_name(enum event_kind kind);
extern const char *const event_kind_names[]; /* ended by NULL */
/* The same back, any case. */
NODISCARD bool event_kind_parse(struct slice text, enum event_kind *kind);

/*
 * All limits above, UTF-8, no control characters in one-line texts. value, tags and payload are
 * JSON of their kind already. ERR_INVALID, or ERR_TOO_LARGE when only the whole is over its limit;
 * err->field is at (a path that ends in "." or "") and the name of the member.
 */
NODISCARD bool event_check(const struct event *event, const char *at, struct err *err);
/*
 * "type" alone, for where nothing else of the event is there; and it may be one of the server's.
 */
NODISCARD bool event_type_check(struct slice type, const char *at, struct err *err);

/* The severity in a canonical body; SEVERITY_NONE when none was said, or it is no such body. */
enum severity event_severity(struct slice body);

/* Append the canonical form of a checked event. Overflow shows in out. */
void event_encode(const struct event *event, struct buf *out);
/*
 * Read what event_encode wrote. Texts without escapes, tags and payload are borrowed from body, the
 * others are in the arena. ERR_CORRUPT when body is anything else; then tags or payload may still
 * be no JSON, because they are not read.
 */
NODISCARD bool event_decode(struct slice body, struct arena *tick, struct event *event,
			    struct err *err);

#endif
