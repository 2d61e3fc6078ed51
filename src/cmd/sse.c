/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to lines, lines to fields, an empty line ends an event. What is too long is dropped as a
 * whole and counted: half an event would be a lie.
 */
#include "cmd/sse.h"

void sse_init(struct sse *s)
{
	*s = (struct sse) { .retry_ms = -1 };
	buf_init(&s->line, SSE_LINE_BYTES_MAX);
	buf_init(&s->data, SSE_LINE_BYTES_MAX);
}

void sse_release(struct sse *s)
{
	buf_release(&s->line);
	buf_release(&s->data);
}

static void forget_event(struct sse *s)
{
	buf_cut(&s->data, 0);
	s->has_data = false;
	s->name_n = 0;
}

void sse_restart(struct sse *s)
{
	buf_cut(&s->line, 0);
	forget_event(s);
	s->next_id = s->id;
	s->after_cr = s->begun = false;
}

static void dispatch(struct sse *s, sse_event_fn fn, void *arg)
{
	struct sse_event event = {
		.name = s->name_n > 0 ? (struct slice) { s->name, s->name_n } : S("message"),
		.id = { s->id.p, 0 },
		.data = buf_slice(&s->data),
	};

	/* Only now: who comes back with an id must have seen its event. */
	s->id = s->next_id;
	event.id.n = s->id.n;
	if (s->data.overflow) {
		s->dropped++;
	} else if (s->has_data) {
		fn(arg, &event);
	}
	forget_event(s);
}

static void add_data(struct sse *s, struct slice value)
{
	if (s->has_data) {
		buf_putc(&s->data, '\n');
	}
	s->has_data = true;
	buf_puts(&s->data, value);
}

/* An id with a 0 byte is to be passed over; so is one that we could not give back. */
static void set_id(struct sse *s, struct slice value)
{
	if (value.n > sizeof(s->next_id.p) || slice_find(value, '\0') < value.n) {
		return;
	}
	if (value.n > 0) {
		memcpy(s->next_id.p, value.p, value.n);
	}
	s->next_id.n = value.n;
}

static void set_name(struct sse *s, struct slice value)
{
	s->name_n = value.n < sizeof(s->name) ? value.n : sizeof(s->name);
	if (s->name_n > 0) {
		memcpy(s->name, value.p, s->name_n);
	}
}

static void field(struct sse *s, struct slice name, struct slice value)
{
	uint64_t ms;

	if (slice_eq(name, S("data"))) {
		add_data(s, value);
	} else if (slice_eq(name, S("event"))) {
		set_name(s, value);
	} else if (slice_eq(name, S("id"))) {
		set_id(s, value);
	} else if (slice_eq(name, S("retry")) && slice_u64(value, &ms) && ms <= INT32_MAX) {
		s->retry_ms = (int64_t)ms;
	}
}

static void end_line(struct sse *s, sse_event_fn fn, void *arg)
{
	struct slice line = buf_slice(&s->line), name = line;
	bool dropped = s->line.overflow;

	if (!s->begun && slice_starts(line, S("\xef\xbb\xbf"))) {
		line = name = slice_from(line, 3);
	}
	s->begun = true;
	if (dropped) {
		s->data.overflow = true;
	} else if (line.n == 0) {
		dispatch(s, fn, arg);
	} else if (line.p[0] != ':') {
		struct slice value;

		name.n = slice_find(line, ':');
		value = slice_from(line, name.n + (name.n < line.n));
		field(s, name, slice_starts(value, S(" ")) ? slice_from(value, 1) : value);
	}
	buf_cut(&s->line, 0);
}

/* Up to the next end of a line; how many bytes that is. */
static size_t run_of(struct slice bytes)
{
	size_t cr = slice_find(bytes, '\r'), lf;

	bytes.n = cr;
	lf = slice_find(bytes, '\n');
	return lf;
}

void sse_feed(struct sse *s, struct slice bytes, sse_event_fn fn, void *arg)
{
	while (bytes.n > 0) {
		size_t n;

		if (s->after_cr && bytes.p[0] == '\n') {
			bytes = slice_from(bytes, 1);
			s->after_cr = false;
			continue;
		}
		s->after_cr = false;
		n = run_of(bytes);
		buf_put(&s->line, bytes.p, n);
		if (n < bytes.n) {
			s->after_cr = bytes.p[n] == '\r';
			end_line(s, fn, arg);
			n++;
		}
		bytes = slice_from(bytes, n);
	}
}
