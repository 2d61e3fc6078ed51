/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of all event forms. Members are found by a walk over the table, which is short and
 * ordered by how often a member is sent.
 */
#include "source/source.h"

#include <stdio.h>

#include "base/time.h"

struct reader {
	const struct source_form *form;
	struct json_scan *scan;
	struct buf *raw;
	struct event *event;
	struct source_extra *extra;
	const char *at;
	unsigned seen; /* bit i: slot i has a value */
	size_t payload_at, payload_n;
	size_t tags_at, tags_n;
};

static const struct source_member *member_of(const struct source_form *form, struct slice key)
{
	for (size_t i = 0; i < form->n; i++) {
		if (slice_eq(slice_of(form->members[i].name), key)) {
			return &form->members[i];
		}
	}
	return NULL;
}

static bool read_time(struct reader *r, struct err *err)
{
	struct slice text;

	if (!json_string(r->scan, &text, err)) {
		return false;
	}
	if (!time_parse(text, &r->event->occurred_at_us) || r->event->occurred_at_us < 0) {
		return json_fail(r->scan, err, "must be a time such as 2026-01-31T09:30:00Z");
	}
	r->event->has_occurred_at = true;
	return true;
}

static bool read_kind(struct reader *r, struct err *err)
{
	struct slice text;

	if (!json_string(r->scan, &text, err)) {
		return false;
	}
	return event_kind_parse(text, &r->event->kind) ||
	       json_fail(r->scan, err, "must be \"event\", \"error\" or \"metric\"");
}

static bool read_severity(struct reader *r, struct err *err)
{
	struct slice text;

	if (!json_string(r->scan, &text, err)) {
		return false;
	}
	r->event->severity = severity_parse(text);
	return r->event->severity != SEVERITY_NONE ||
	       json_fail(r->scan, err, "must be debug, info, low, medium, high or critical");
}

static bool read_object(struct reader *r, size_t *at, size_t *n, struct err *err)
{
	if (json_peek(r->scan) != JSON_OBJECT) {
		/* json_begin_object words the refusal and names the path. */
		return json_begin_object(r->scan, err);
	}
	*at = r->raw->n;
	if (!json_compact(r->scan, r->raw, err)) {
		return false;
	}
	if (r->raw->overflow) {
		return err_set(err, ERR_TOO_LARGE, "the body is too large");
	}
	*n = r->raw->n - *at;
	return true;
}

static struct slice *text_slot(struct reader *r, enum source_slot slot)
{
	switch (slot) {
	case SLOT_TYPE:
		return &r->event->type;
	case SLOT_SOURCE:
		return &r->event->source;
	case SLOT_ENVIRONMENT:
		return &r->event->environment;
	case SLOT_MESSAGE:
		return &r->event->message;
	case SLOT_FINGERPRINT:
		return &r->event->fingerprint;
	case SLOT_IDEMPOTENCY_KEY:
		return &r->event->idempotency_key;
	case SLOT_API_KEY:
		return &r->extra->api_key;
	case SLOT_KIND:
	case SLOT_SEVERITY:
	case SLOT_VALUE:
	case SLOT_PAYLOAD:
	case SLOT_TAGS:
	case SLOT_OCCURRED_AT:
	case SLOTS:
		break;
	}
	never("a slot that is no text");
}

static bool read_text(struct reader *r, const struct source_member *m, struct err *err)
{
	struct slice *to = text_slot(r, m->slot);

	if (!json_string(r->scan, to, err)) {
		return false;
	}
	if (m->bytes_max != 0 && to->n > m->bytes_max) {
		return json_fail(r->scan, err, "must be at most %zu bytes", m->bytes_max);
	}
	if (m->slot == SLOT_IDEMPOTENCY_KEY && to->n == 0) {
		return json_fail(r->scan, err, "must not be empty");
	}
	return true;
}

static bool read_member(struct reader *r, const struct source_member *m, struct err *err)
{
	if (!m->required && json_peek(r->scan) == JSON_NULL) {
		return json_null(r->scan, err);
	}
	if ((r->seen & 1U << m->slot) != 0) {
		return json_fail(r->scan, err, "is given twice, under another name as well");
	}
	r->seen |= 1U << m->slot;
	switch (m->slot) {
	case SLOT_KIND:
		return read_kind(r, err);
	case SLOT_SEVERITY:
		return read_severity(r, err);
	case SLOT_VALUE:
		return json_number(r->scan, &r->event->value, err);
	case SLOT_PAYLOAD:
		return read_object(r, &r->payload_at, &r->payload_n, err);
	case SLOT_TAGS:
		return read_object(r, &r->tags_at, &r->tags_n, err);
	case SLOT_OCCURRED_AT:
		return read_time(r, err);
	case SLOT_TYPE:
	case SLOT_SOURCE:
	case SLOT_ENVIRONMENT:
	case SLOT_MESSAGE:
	case SLOT_FINGERPRINT:
	case SLOT_IDEMPOTENCY_KEY:
	case SLOT_API_KEY:
		return read_text(r, m, err);
	case SLOTS:
		break;
	}
	never("a member without a slot");
}

static bool read_members(struct reader *r, struct err *err)
{
	enum found more;
	struct slice key;

	if (!json_begin_object(r->scan, err)) {
		return false;
	}
	while ((more = json_next_key(r->scan, &key, err)) == FOUND) {
		const struct source_member *m = member_of(r->form, key);

		if (m == NULL && !r->form->ignore_unknown) {
			char path[128];

			snprintf(path, sizeof(path), "%s%.*s", r->at, SARG(key));
			return err_field(err, ERR_INVALID, path, "\"%.100s\" is not a known field",
					 path);
		}
		if (m != NULL && !read_member(r, m, err)) {
			return false;
		}
	}
	return more == NOT_FOUND;
}

static bool check_required(const struct reader *r, struct err *err)
{
	for (size_t i = 0; i < r->form->n; i++) {
		const struct source_member *m = &r->form->members[i];

		if (m->required && (r->seen & 1U << m->slot) == 0) {
			char path[128];

			snprintf(path, sizeof(path), "%s%s", r->at, m->name);
			return err_field(err, ERR_INVALID, path, "\"%s\" is required", path);
		}
	}
	return true;
}

/* The refusal begins with the name of the field in quotes; the rest of it stays. */
static void rename_to(struct err *err, const char *path)
{
	char rest[sizeof(err->text)];
	size_t n = strlen(err->field) + 2;

	if (err->text[0] == '"' && strncmp(err->text + 1, err->field, n - 2) == 0) {
		snprintf(rest, sizeof(rest), "%s", err->text + n);
		snprintf(err->text, sizeof(err->text), "\"%s\"%.*s", path,
			 (int)(sizeof(rest) - sizeof(err->field) - 3), rest);
	}
	snprintf(err->field, sizeof(err->field), "%s", path);
}

/* The name that the sender knows: its type may be called "name". */
static void rename_field(const struct reader *r, struct err *err)
{
	static const struct {
		const char *ours;
		enum source_slot slot;
	} names[] = { { "type", SLOT_TYPE }, { "payload", SLOT_PAYLOAD }, { "tags", SLOT_TAGS } };
	size_t at_n = strlen(r->at);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(err->field + at_n, names[i].ours) != 0) {
			continue;
		}
		for (size_t k = 0; k < r->form->n; k++) {
			char path[sizeof(err->field)];

			if (r->form->members[k].slot == names[i].slot) {
				snprintf(path, sizeof(path), "%s%s", r->at,
					 r->form->members[k].name);
				rename_to(err, path);
				return;
			}
		}
	}
}

/* A buffer that nothing was put into has no bytes to point at. */
static struct slice part(const struct buf *raw, size_t at, size_t n)
{
	return n == 0 ? (struct slice) { 0 } : (struct slice) { raw->p + at, n };
}

bool source_read(const struct source_form *form, struct json_scan *scan, struct arena *req UNUSED,
		 struct buf *raw, const char *at, struct event *event, struct source_extra *extra,
		 struct err *err)
{
	struct reader r = {
		.form = form, .scan = scan, .raw = raw, .event = event, .extra = extra, .at = at
	};

	*event = (struct event) { 0 };
	*extra = (struct source_extra) { 0 };
	if (!read_members(&r, err) || !check_required(&r, err)) {
		return false;
	}
	event->payload = part(raw, r.payload_at, r.payload_n);
	event->tags = part(raw, r.tags_at, r.tags_n);
	if (!event_check(event, at, err)) {
		rename_field(&r, err);
		return false;
	}
	return true;
}
