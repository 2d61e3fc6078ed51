/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form of an event. The reader takes only what the writer writes, member by member in
 * the fixed order; the payload comes last, so it is what is left. That makes it ten times faster
 * than a scan, and it runs for each event that a rule groups.
 */
#include "model/event.h"

#include <stdio.h>

#include "base/json.h"
#include "base/utf8.h"

const char *const event_kind_names[] = { "event", "error", "metric", NULL };
static_assert(ARRAY_LEN(event_kind_names) == EVENT_KINDS + 1, "every kind has a name");

#define INT_TEXT_BYTES 24

struct text_limit {
	const char *name;
	size_t at; /* offset of the slice in struct event */
	size_t max;
	bool lines; /* may hold line breaks and tabs */
};
#define LIMIT(name_, member, max_, lines_) \
	{ \
		name_, offsetof(struct event, member), max_, lines_ \
	}
static const struct text_limit text_limits[] = {
	LIMIT("source", source, EVENT_SOURCE_BYTES_MAX, false),
	LIMIT("environment", environment, EVENT_ENVIRONMENT_BYTES_MAX, false),
	LIMIT("message", message, EVENT_MESSAGE_BYTES_MAX, true),
	LIMIT("value", value, EVENT_VALUE_BYTES_MAX, false),
	LIMIT("fingerprint", fingerprint, EVENT_FINGERPRINT_BYTES_MAX, false),
	LIMIT("idempotencyKey", idempotency_key, EVENT_IDEMPOTENCY_KEY_BYTES_MAX, false),
};
#undef LIMIT

struct slice event_kind_name(enum event_kind kind)
{
	ensure(kind < EVENT_KINDS);
	return slice_of(event_kind_names[kind]);
}

bool event_kind_parse(struct slice text, enum event_kind *kind)
{
	for (enum event_kind k = EVENT_PLAIN; k < EVENT_KINDS; k++) {
		if (slice_eq_nocase(text, event_kind_name(k))) {
			*kind = k;
			return true;
		}
	}
	return false;
}

static bool is_clean(struct slice text, bool lines)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == 0x7f || (c < 0x20 && !(lines && (c == '\n' || c == '\r' || c == '\t')))) {
			return false;
		}
	}
	return utf8_valid(text);
}

static bool refuse(struct err *err, enum err_kind kind, const char *at, const char *name,
		   const char *what)
{
	char path[sizeof(err->field)];

	snprintf(path, sizeof(path), "%s%s", at, name);
	return err_field(err, kind, path, "\"%s\" %s", path, what);
}

static bool check_text(const struct event *event, const struct text_limit *limit, const char *at,
		       struct err *err)
{
	const struct slice *text = (const void *)((const char *)event + limit->at);
	char what[64];

	if (text->n > limit->max) {
		snprintf(what, sizeof(what), "must be at most %zu bytes long", limit->max);
		return refuse(err, ERR_INVALID, at, limit->name, what);
	}
	if (!is_clean(*text, limit->lines)) {
		return refuse(err, ERR_INVALID, at, limit->name,
			      "must be UTF-8 without control characters");
	}
	return true;
}

bool event_type_check(struct slice type, const char *at, struct err *err)
{
	if (type.n == 0 || type.n > EVENT_TYPE_BYTES_MAX) {
		return refuse(err, ERR_INVALID, at, "type", "must be 1 to 255 bytes long");
	}
	return is_clean(type, false) ||
	       refuse(err, ERR_INVALID, at, "type", "must be UTF-8 without control characters");
}

bool event_type_is_system(struct slice type)
{
	return slice_starts(type, S(EVENT_SYSTEM_PREFIX));
}

/* No less than what event_encode writes: every text byte may become six. */
static size_t bytes_at_most(const struct event *event)
{
	size_t texts = event->type.n;

	for (size_t i = 0; i < ARRAY_LEN(text_limits); i++) {
		texts += ((const struct slice *)(const void *)((const char *)event +
							       text_limits[i].at))
				 ->n;
	}
	return 256 + 6 * texts + event->tags.n + event->payload.n;
}

static bool check_bytes(const struct event *event, const char *at, struct err *err)
{
	struct buf all;
	bool fits;

	if (bytes_at_most(event) <= EVENT_BYTES_MAX) {
		return true;
	}
	buf_init(&all, EVENT_BYTES_MAX);
	event_encode(event, &all);
	fits = !all.overflow;
	buf_release(&all);
	return fits || refuse(err, ERR_TOO_LARGE, at, event->payload.n > 0 ? "payload" : "tags",
			      "makes the event larger than 262144 bytes");
}

bool event_check(const struct event *event, const char *at, struct err *err)
{
	ensure(event->kind < EVENT_KINDS && event->severity < SEVERITIES);
	if (!event_type_check(event->type, at, err)) {
		return false;
	}
	if (event_type_is_system(event->type)) {
		return refuse(err, ERR_INVALID, at, "type",
			      "must not begin with \"" EVENT_SYSTEM_PREFIX
			      "\": such events come from the server alone");
	}
	for (size_t i = 0; i < ARRAY_LEN(text_limits); i++) {
		if (!check_text(event, &text_limits[i], at, err)) {
			return false;
		}
	}
	if (event->has_occurred_at &&
	    (event->occurred_at_us < 0 || event->occurred_at_us > EVENT_OCCURRED_AT_US_MAX)) {
		return refuse(err, ERR_INVALID, at, "occurredAt",
			      "must be between the years 1970 and 9999");
	}
	return check_bytes(event, at, err);
}

static void put_text(struct buf *out, struct slice name, struct slice text)
{
	if (text.n > 0) {
		buf_puts(out, name);
		json_quote(out, text);
	}
}

static void put_raw(struct buf *out, struct slice name, struct slice raw)
{
	if (raw.n > 0) {
		buf_puts(out, name);
		buf_puts(out, raw);
	}
}

static struct slice int_text(int64_t v, char text[INT_TEXT_BYTES])
{
	char *end = text + INT_TEXT_BYTES, *p = end;

	ensure(v >= 0);
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	return (struct slice) { .p = p, .n = (size_t)(end - p) };
}

void event_encode(const struct event *event, struct buf *out)
{
	char number[INT_TEXT_BYTES];

	buf_puts(out, S("{\"type\":"));
	json_quote(out, event->type);
	if (event->kind != EVENT_PLAIN) {
		put_text(out, S(",\"kind\":"), event_kind_name(event->kind));
	}
	put_text(out, S(",\"severity\":"), severity_name(event->severity));
	put_text(out, S(",\"source\":"), event->source);
	put_text(out, S(",\"environment\":"), event->environment);
	put_text(out, S(",\"message\":"), event->message);
	put_raw(out, S(",\"value\":"), event->value);
	if (event->has_occurred_at) {
		put_raw(out, S(",\"occurredAt\":"), int_text(event->occurred_at_us, number));
	}
	put_text(out, S(",\"fingerprint\":"), event->fingerprint);
	put_text(out, S(",\"idempotencyKey\":"), event->idempotency_key);
	put_raw(out, S(",\"tags\":"), event->tags);
	put_raw(out, S(",\"payload\":"), event->payload);
	buf_putc(out, '}');
}

/* What is left of the body. bad is sticky. */
struct reading {
	struct slice rest;
	struct arena *tick;
	bool bad;
};

static bool take(struct reading *in, struct slice literal)
{
	if (in->bad || !slice_starts(in->rest, literal)) {
		return false;
	}
	in->rest = slice_from(in->rest, literal.n);
	return true;
}

static struct slice broken(struct reading *in)
{
	in->bad = true;
	return (struct slice) { 0 };
}

/* The length up to the quote that ends the string at the start of s, or s.n. */
static size_t string_end(struct slice s)
{
	size_t at = slice_find(s, '"');

	for (;;) {
		size_t back = 0;

		while (back < at && s.p[at - back - 1] == '\\') {
			back++;
		}
		if (at == s.n || back % 2 == 0) {
			return at;
		}
		at += 1 + slice_find(slice_from(s, at + 1), '"');
	}
}

static bool pass_string(struct reading *in, struct slice name)
{
	if (!take(in, name)) {
		return false;
	}
	in->rest = slice_from(in->rest, string_end(in->rest) + 1);
	return true;
}

enum severity event_severity(struct slice body)
{
	struct reading in = { .rest = body };

	if (!pass_string(&in, S("{\"type\":\""))) {
		return SEVERITY_NONE;
	}
	pass_string(&in, S(",\"kind\":\""));
	if (!take(&in, S(",\"severity\":\""))) {
		return SEVERITY_NONE;
	}
	for (enum severity s = SEVERITY_DEBUG; s < SEVERITIES; s++) {
		struct slice name = slice_of(severity_names[s - 1]);

		if (slice_starts(in.rest, name) && in.rest.n > name.n && in.rest.p[name.n] == '"') {
			return s;
		}
	}
	return SEVERITY_NONE;
}

/* raw has a quote on each side. */
static struct slice unescaped(struct reading *in, struct slice raw)
{
	struct json_scan scan;
	struct slice text;
	struct err err;

	json_scan_init(&scan, (struct slice) { .p = raw.p - 1, .n = raw.n + 2 }, 1, in->tick);
	return json_string(&scan, &text, &err) ? text : broken(in);
}

static struct slice get_string(struct reading *in)
{
	struct slice raw;

	if (!take(in, S("\""))) {
		return broken(in);
	}
	raw = (struct slice) { .p = in->rest.p, .n = string_end(in->rest) };
	if (raw.n == 0 || raw.n == in->rest.n) {
		return broken(in);
	}
	in->rest = slice_from(in->rest, raw.n + 1);
	return slice_find(raw, '\\') == raw.n ? raw : unescaped(in, raw);
}

static struct slice get_text(struct reading *in, struct slice name)
{
	return take(in, name) ? get_string(in) : (struct slice) { 0 };
}

static struct slice get_number(struct reading *in, struct slice name)
{
	struct slice text = { 0 };

	if (!take(in, name)) {
		return text;
	}
	text.p = in->rest.p;
	while (text.n < in->rest.n && text.n <= EVENT_VALUE_BYTES_MAX &&
	       in->rest.p[text.n] != ',' && in->rest.p[text.n] != '}') {
		text.n++;
	}
	in->rest = slice_from(in->rest, text.n);
	return text.n == 0 ? broken(in) : text;
}

/* The length of the object at the start of s, or 0. Strings hide braces. */
static size_t object_end(struct slice s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"') {
			i += 1 + string_end(slice_from(s, i + 1));
		} else if (s.p[i] == '{') {
			depth++;
		} else if (s.p[i] == '}' && --depth == 0) {
			return i + 1;
		}
		if (depth == 0) {
			return 0;
		}
	}
	return 0;
}

static struct slice get_object(struct reading *in, struct slice name)
{
	struct slice raw = { 0 };

	if (!take(in, name)) {
		return raw;
	}
	raw = (struct slice) { .p = in->rest.p, .n = object_end(in->rest) };
	in->rest = slice_from(in->rest, raw.n);
	return raw.n == 0 ? broken(in) : raw;
}

/* All that is left but the closing brace, or nothing. */
static struct slice get_payload(struct reading *in)
{
	struct slice raw = { 0 };

	if (in->bad || in->rest.n == 0 || in->rest.p[in->rest.n - 1] != '}') {
		return broken(in);
	}
	if (take(in, S(",\"payload\":"))) {
		raw = (struct slice) { .p = in->rest.p, .n = in->rest.n - 1 };
		return raw.n == 0 ? broken(in) : raw;
	}
	return in->rest.n == 1 ? raw : broken(in);
}

static void get_kind(struct reading *in, struct event *event)
{
	struct slice kind = get_text(in, S(",\"kind\":"));

	if (kind.n > 0 && (!event_kind_parse(kind, &event->kind) || event->kind == EVENT_PLAIN)) {
		in->bad = true;
	}
}

static void get_severity(struct reading *in, struct event *event)
{
	struct slice severity = get_text(in, S(",\"severity\":"));

	while (!slice_eq(severity, severity_name(event->severity))) {
		event->severity++;
		if (event->severity == SEVERITIES) {
			event->severity = SEVERITY_NONE;
			in->bad = true;
			return;
		}
	}
}

static void get_occurred_at(struct reading *in, struct event *event)
{
	struct slice text = get_number(in, S(",\"occurredAt\":"));

	event->has_occurred_at = text.n > 0;
	if (text.n > 0 && (!slice_i64(text, &event->occurred_at_us) || event->occurred_at_us < 0)) {
		in->bad = true;
	}
}

bool event_decode(struct slice body, struct arena *tick, struct event *event, struct err *err)
{
	struct reading in = { .rest = body, .tick = tick };

	*event = (struct event) { .kind = EVENT_PLAIN, .severity = SEVERITY_NONE };
	event->type = take(&in, S("{\"type\":")) ? get_string(&in) : broken(&in);
	get_kind(&in, event);
	get_severity(&in, event);
	event->source = get_text(&in, S(",\"source\":"));
	event->environment = get_text(&in, S(",\"environment\":"));
	event->message = get_text(&in, S(",\"message\":"));
	event->value = get_number(&in, S(",\"value\":"));
	get_occurred_at(&in, event);
	event->fingerprint = get_text(&in, S(",\"fingerprint\":"));
	event->idempotency_key = get_text(&in, S(",\"idempotencyKey\":"));
	event->tags = get_object(&in, S(",\"tags\":"));
	event->payload = get_payload(&in);
	return !in.bad || err_set(err, ERR_CORRUPT, "the stored event is not in canonical form");
}
