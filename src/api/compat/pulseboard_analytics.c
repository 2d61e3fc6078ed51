/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PulseBoard's analytics: crashes, sessions, views of screens and calls of APIs. They are events
 * like all others, of the same types that our client sends, so rules count them; what a call says
 * becomes the payload, and nothing that came before is ever changed by what comes later.
 */
#include "api/ingest.h"
#include "api/route.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "base/time.h"
#include "base/utf8.h"

#define CRASH_LINES 3 /* of the stack, that make two crashes the same */
#define CRASH_BYTES 8 /* of the hash, shown as twice as many digits */
#define PARTS_MAX 8

enum part_kind { PART_STR, PART_BOOL, PART_NUMBER, PART_TIME };

/* A member of a body, and what it is called in the payload. */
struct part {
	const char *name;
	const char *as;
	enum part_kind kind;
	bool needed;
};

/* One of the four calls. */
struct report {
	const char *path;
	const char *type;
	enum event_kind kind;
	struct part parts[PARTS_MAX]; /* ended by one without a name */
	const char *value;	      /* which number is the event's value; NULL: none */
	/* What else follows from the body. */
	void (*add)(struct call *c, const struct json *body, struct event *event);
};

static bool check_part(const struct json *v, const struct part *part, struct err *err)
{
	int64_t at_us;

	switch (part->kind) {
	case PART_STR:
		return v->type == JSON_STRING ||
		       err_field(err, ERR_INVALID, part->name, "\"%s\" must be a text", part->name);
	case PART_BOOL:
		return v->type == JSON_BOOL ||
		       err_field(err, ERR_INVALID, part->name, "\"%s\" must be true or false",
				 part->name);
	case PART_NUMBER:
		return v->type == JSON_NUMBER || err_field(err, ERR_INVALID, part->name,
							   "\"%s\" must be a number", part->name);
	case PART_TIME:
		return (v->type == JSON_STRING && time_parse(v->text, &at_us) && at_us >= 0) ||
		       err_field(err, ERR_INVALID, part->name,
				 "\"%s\" must be a time such as 2026-01-31T09:30:00Z", part->name);
	}
	never("a part of no kind");
}

/* An optional member may be null, as clients send what they do not know. */
static const struct json *part_of(const struct json *body, const char *name)
{
	const struct json *v = json_get(body, name);

	return v == NULL || v->type == JSON_NULL ? NULL : v;
}

static bool write_payload(const struct report *report, const struct json *body, struct json_w *w,
			  struct err *err)
{
	json_w_object(w);
	for (const struct part *part = report->parts; part->name != NULL; part++) {
		const struct json *v = part_of(body, part->name);

		if (v == NULL && part->needed) {
			return err_field(err, ERR_INVALID, part->name, "\"%s\" is required",
					 part->name);
		}
		if (v == NULL) {
			continue;
		}
		if (!check_part(v, part, err)) {
			return false;
		}
		json_w_key(w, part->as);
		json_w_raw(w, v->raw);
	}
	json_w_end(w);
	return true;
}

static bool read_payload(struct call *c, const struct report *report, const struct json *body,
			 struct event *event, struct err *err)
{
	struct json_w w;
	struct buf out;
	bool ok;

	buf_init(&out, INGEST_SINGLE_BYTES_MAX);
	json_w_init(&w, &out);
	ok = write_payload(report, body, &w, err);
	if (ok && out.overflow) {
		ok = err_set(err, ERR_TOO_LARGE, "the event is too large");
	}
	event->payload = ok ? arena_dup(c->req, buf_slice(&out)) : (struct slice) { 0 };
	buf_release(&out);
	return ok;
}

/* Any value was taken as context; what is no object says nothing. */
static bool read_context(struct call *c, const struct json *body, struct event *event,
			 struct err *err)
{
	const struct json *context = part_of(body, "context");
	struct json_scan scan;
	struct buf out;
	bool ok;

	if (context == NULL || context->type != JSON_OBJECT) {
		return true;
	}
	buf_init(&out, INGEST_SINGLE_BYTES_MAX);
	json_scan_init(&scan, context->raw, JSON_DEPTH_MAX, c->req);
	ok = json_compact(&scan, &out, err);
	event->tags = arena_dup(c->req, buf_slice(&out));
	buf_release(&out);
	return ok;
}

/* What makes two crashes the same: the name, and the first lines of the stack. */
static struct slice crash_fingerprint(struct slice name, struct slice stack, struct arena *req)
{
	unsigned char hash[SHA256_BYTES];
	char *hex = arena_alloc(req, 2 * CRASH_BYTES);
	struct slice rest = stack, line;
	size_t n = 0;

	for (int i = 0; i < CRASH_LINES && slice_split(&rest, '\n', &line); i++) {
		n = (size_t)(line.p + line.n - stack.p);
	}
	sha256(arena_printf(req, "%.*s:%.*s", SARG(name), (int)n, stack.p), hash);
	hex_encode(hash, CRASH_BYTES, hex);
	return (struct slice) { hex, 2 * CRASH_BYTES };
}

static void add_crash(struct call *c, const struct json *body, struct event *event)
{
	struct slice name = json_get(body, "errorName")->text;
	struct slice message = json_get(body, "errorMessage")->text;

	event->severity = json_get(body, "isFatal")->truth ? SEVERITY_CRITICAL : SEVERITY_HIGH;
	event->message = utf8_cut(message, EVENT_MESSAGE_BYTES_MAX);
	event->fingerprint = crash_fingerprint(name, json_get(body, "stackTrace")->text, c->req);
}

/* The same call says that a session begins, and that it has ended. */
static void add_session(struct call *c UNUSED, const struct json *body, struct event *event)
{
	const struct json *ended = part_of(body, "endedAt");
	const struct json *at = ended != NULL ? ended : json_get(body, "startedAt");

	event->type = ended != NULL ? S("session.end") : S("session.start");
	event->has_occurred_at = time_parse(at->text, &event->occurred_at_us);
}

static const struct report reports[] = {
	{
		.path = "/analytics/crash",
		.type = "crash",
		.kind = EVENT_ERROR,
		.parts = { { "errorName", "name", PART_STR, true },
			   { "errorMessage", "message", PART_STR, true },
			   { "stackTrace", "stack", PART_STR, true },
			   { "isFatal", "isFatal", PART_BOOL, true },
			   { "sessionId", "sessionId", PART_STR, false } },
		.add = add_crash,
	},
	{
		.path = "/analytics/session",
		.type = "session.start",
		.kind = EVENT_PLAIN,
		.parts = { { "sessionId", "sessionId", PART_STR, true },
			   { "startedAt", "startedAt", PART_TIME, true },
			   { "endedAt", "endedAt", PART_TIME, false },
			   { "duration", "duration", PART_NUMBER, false },
			   { "crashed", "crashed", PART_BOOL, false } },
		.value = "duration",
		.add = add_session,
	},
	{
		.path = "/analytics/screen-view",
		.type = "screen.view",
		.kind = EVENT_PLAIN,
		.parts = { { "screenName", "screenName", PART_STR, true },
			   { "loadTime", "loadTime", PART_NUMBER, false },
			   { "timeSpent", "timeSpent", PART_NUMBER, false },
			   { "sessionId", "sessionId", PART_STR, false } },
		.value = "loadTime",
	},
	{
		.path = "/analytics/api-call",
		.type = "api.call",
		.kind = EVENT_METRIC,
		.parts = { { "endpoint", "endpoint", PART_STR, true },
			   { "httpMethod", "httpMethod", PART_STR, true },
			   { "statusCode", "statusCode", PART_NUMBER, true },
			   { "duration", "duration", PART_NUMBER, true },
			   { "payloadSize", "payloadSize", PART_NUMBER, false },
			   { "sessionId", "sessionId", PART_STR, false } },
		.value = "duration",
	},
};

static const struct report *report_of(const struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
		if (strcmp(reports[i].path, c->route->path) == 0) {
			return &reports[i];
		}
	}
	never("a row of a report that is none");
}

static bool read_report(struct call *c, struct event *event, struct slice *secret, struct err *err)
{
	const struct report *report = report_of(c);
	const struct json *body, *key, *value;

	*event = (struct event) { .type = slice_of(report->type), .kind = report->kind };
	if (!json_parse(c->req, c->http->body, JSON_DEPTH_MAX, &body, err)) {
		return false;
	}
	if (body->type != JSON_OBJECT) {
		return err_set(err, ERR_INVALID, "the body must be an object");
	}
	key = part_of(body, "apiKey");
	if (key == NULL || key->type != JSON_STRING) {
		return err_field(err, ERR_INVALID, "apiKey", "\"apiKey\" is required");
	}
	*secret = key->text;
	if (!read_payload(c, report, body, event, err) || !read_context(c, body, event, err)) {
		return false;
	}
	value = report->value != NULL ? part_of(body, report->value) : NULL;
	event->value = value != NULL ? value->text : (struct slice) { 0 };
	if (report->add != NULL) {
		report->add(c, body, event);
	}
	return event_check(event, "", err);
}

/* Crashes of one kind are known by their fingerprint. */
static void reply_report(struct call *c UNUSED, const struct ingest_receipt *r, struct json_w *w)
{
	json_w_object(w);
	json_put_bool(w, "success", true);
	if (r->event->fingerprint.n > 0) {
		json_w_key(w, "data");
		json_w_object(w);
		json_put_str(w, "crashGroupId", r->event->fingerprint);
		json_w_end(w);
	}
	json_w_end(w);
}

static const struct ingest_form form = { .read = read_report,
					 .header_key = true,
					 .body_key = true,
					 .over = ERR_LIMIT,
					 .reply = reply_report };

static void post_report(struct call *c)
{
	ingest_single(c, &form);
}

#define KEY_PROP PROP_STR("apiKey", .help = "The key; this call takes it here alone.")
#define CONTEXT_PROP PROP_ANY("context", .flags = PROP_NULL | PROP_MAYBE, .help = "Kept as tags.")
#define MAYBE .flags = PROP_NULL | PROP_MAYBE
#define SHAPE_IN(name_) \
	static const struct shape shape_##name_ = { .sent = true, \
						    .open = true, \
						    SHAPE_PROPS(name_##_props) };

static const struct prop crash_props[] = {
	KEY_PROP,
	PROP_STR("errorName", .example = "\"TypeError\""),
	PROP_STR("errorMessage"),
	PROP_STR("stackTrace"),
	PROP_BOOL("isFatal"),
	PROP_STR("sessionId", MAYBE),
	CONTEXT_PROP,
};
SHAPE_IN(crash)
static const struct prop session_props[] = {
	KEY_PROP,
	PROP_STR("sessionId"),
	PROP_TIME("startedAt"),
	PROP_TIME("endedAt", MAYBE, .help = "With it the session has ended."),
	PROP_NUMBER("duration", MAYBE, .help = "In milliseconds."),
	PROP_BOOL("crashed", MAYBE),
	CONTEXT_PROP,
};
SHAPE_IN(session)
static const struct prop screen_view_props[] = {
	KEY_PROP,
	PROP_STR("screenName", .example = "\"Checkout\""),
	PROP_NUMBER("loadTime", MAYBE, .help = "In milliseconds."),
	PROP_NUMBER("timeSpent", MAYBE, .help = "In milliseconds."),
	PROP_STR("sessionId", MAYBE),
	CONTEXT_PROP,
};
SHAPE_IN(screen_view)
static const struct prop api_call_props[] = {
	KEY_PROP,
	PROP_STR("endpoint", .example = "\"/orders\""),
	PROP_STR("httpMethod", .example = "\"GET\""),
	PROP_NUMBER("statusCode", .example = "200"),
	PROP_NUMBER("duration", .help = "In milliseconds."),
	PROP_NUMBER("payloadSize", MAYBE, .help = "In bytes."),
	PROP_STR("sessionId", MAYBE),
	CONTEXT_PROP,
};
SHAPE_IN(api_call)

static const struct prop group_props[] = {
	PROP_STR("crashGroupId", .help = "The same for crashes of one kind: the fingerprint.",
		 .example = "\"5f2d0b27c8a94e53\""),
};
static const struct shape shape_group = { SHAPE_PROPS(group_props) };
static const struct prop crashed_props[] = { PROP_BOOL("success"),
					     PROP_SHAPE("data", &shape_group) };
static const struct shape shape_crashed = { SHAPE_PROPS(crashed_props) };
static const struct prop success_props[] = { PROP_BOOL("success") };
static const struct shape shape_success = { SHAPE_PROPS(success_props) };

#define ROW(path_, name_, summary_, what_, reply_, differs_) \
	{ \
		.method = HTTP_POST, .path = (path_), .name = (name_), .older = "PulseBoard", \
		.summary = (summary_), .differs = (differs_), .who = WHO_PUBLIC, \
		.limit = LIMIT_INGEST, .body_max = INGEST_SINGLE_BYTES_MAX, .takes_key = true, \
		.bodies = { { .shape = &shape_##what_ } }, \
		.replies = { { .status = 201, \
			       .help = "The event is stored.", \
			       .shape = (reply_), \
			       .headers = REPLY_REPLAYED | REPLY_USAGE } }, \
		.unaudited = "events have a log of their own", \
		.errors = { ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_CLOSED, ERR_LIMIT }, \
		.loop = post_report \
	}

static const struct route rows[] = {
	ROW("/analytics/crash", "pulseboardCrash", "Store a crash", crash, &shape_crashed,
	    "it is an event of type crash, and crashGroupId its fingerprint"),
	ROW("/analytics/session", "pulseboardSession", "Store a session", session, &shape_success,
	    "its beginning and its end are events, so that neither changes the other"),
	ROW("/analytics/screen-view", "pulseboardScreenView", "Store a view of a screen",
	    screen_view, &shape_success, "it is an event of type screen.view"),
	ROW("/analytics/api-call", "pulseboardApiCall", "Store a call of an API", api_call,
	    &shape_success, "it is an event of type api.call"),
};
const struct route_set routes_pulseboard_analytics = { rows, ARRAY_LEN(rows) };
