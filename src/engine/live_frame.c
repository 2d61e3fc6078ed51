/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: Server-Sent Events (WHATWG HTML section 9.2), and what the sockets of SignalDesk and
 * PulseBoard show.
 */
#include "engine/live_frame.h"

#include "base/json_put.h"
#include "net/ws.h"

/* The JSON here has no line breaks, so one data line always does. */
static void sse(struct buf *out, struct slice name, struct slice id, struct slice data)
{
	if (id.n > 0) {
		buf_puts(out, S("id: "));
		buf_puts(out, id);
		buf_putc(out, '\n');
	}
	if (name.n > 0) {
		buf_puts(out, S("event: "));
		buf_puts(out, name);
		buf_putc(out, '\n');
	}
	buf_puts(out, S("data: "));
	buf_puts(out, data);
	buf_puts(out, S("\n\n"));
}

/* {"type":...,"payload":...} around what scratch holds from at on. */
static void signaldesk(struct buf *out, struct slice type, struct slice id, struct slice payload,
		       struct buf *scratch)
{
	struct json_w w;

	buf_cut(scratch, 0);
	json_w_init(&w, scratch);
	json_w_object(&w);
	json_put_str(&w, "type", type);
	json_w_key(&w, "payload");
	json_w_raw(&w, payload);
	if (id.n > 0) {
		json_put_str(&w, "streamId", id);
	}
	json_w_end(&w);
	ws_text_frame(out, buf_slice(scratch));
}

bool live_form_is_socket(enum live_form form)
{
	return form == LIVE_SIGNALDESK || form == LIVE_PULSEBOARD;
}

static void put(enum live_form form, struct slice sse_name, struct slice ws_name, struct slice id,
		struct slice body, struct buf *scratch, struct buf *out)
{
	switch (form) {
	case LIVE_SSE:
		sse(out, sse_name, id, body);
		return;
	case LIVE_SIGNALDESK:
		signaldesk(out, ws_name, id, body, scratch);
		return;
	case LIVE_PULSEBOARD:
		ws_text_frame(out, body);
		return;
	case LIVE_PULSEBOARD_SSE:
		sse(out, (struct slice) { 0 }, id, body);
		return;
	case LIVE_FORMS:
		break;
	}
	never("a form that is none");
}

static void write_event(enum live_form form, const struct event_view *view, struct json_w *w)
{
	switch (form) {
	case LIVE_SSE:
		event_json_write(view, w);
		return;
	case LIVE_SIGNALDESK:
		event_json_write_signaldesk(view, NULL, w);
		return;
	case LIVE_PULSEBOARD:
	case LIVE_PULSEBOARD_SSE:
		event_json_write_pulseboard(view, w);
		return;
	case LIVE_FORMS:
		break;
	}
	never("a form that is none");
}

void live_frame_event(enum live_form form, const struct event_view *view, struct slice id,
		      struct buf *scratch, struct buf *out)
{
	struct buf body;
	struct json_w w;

	buf_init(&body, EVENT_BYTES_MAX * 2);
	json_w_init(&w, &body);
	write_event(form, view, &w);
	ensure(!body.overflow);
	put(form, S("event"), S("event:new"), id, buf_slice(&body), scratch, out);
	buf_release(&body);
}

/* There an alert is a message, and no frame. */
static bool has_changes(enum live_form form)
{
	return form == LIVE_SSE || form == LIVE_SIGNALDESK;
}

void live_frame_change(enum live_form form, const struct change_row *row, struct slice id,
		       struct buf *scratch, struct buf *out)
{
	char ws_name[64] = "";
	char *dot;

	if (!has_changes(form)) {
		return;
	}
	/* "alert" is "alert:new" there, "alert.resolved" is "alert:resolved". */
	if (row->kind.n < sizeof(ws_name) - 5) {
		memcpy(ws_name, row->kind.p, row->kind.n);
		dot = memchr(ws_name, '.', row->kind.n);
		if (dot != NULL) {
			*dot = ':';
		} else {
			memcpy(ws_name + row->kind.n, ":new", 5);
		}
	}
	put(form, row->kind, slice_of(ws_name), id, row->body, scratch, out);
}

/* Where frames have no type of their own, it is in what they hold. */
static void put_typed(enum live_form form, const char *name, struct project_id project,
		      struct slice id, struct buf *scratch, struct buf *out)
{
	struct id_text text = id_format(ID_PROJECT, project.v);
	struct json_w w;

	buf_cut(scratch, 0);
	json_w_init(&w, scratch);
	json_w_object(&w);
	json_put_str(&w, "type", slice_of(name));
	json_put_str(&w, "projectId", slice_of(text.p));
	json_w_end(&w);
	put(form, (struct slice) { 0 }, (struct slice) { 0 }, id, buf_slice(scratch), scratch, out);
}

void live_frame_notice(enum live_form form, const char *name, struct project_id project,
		       struct slice id, struct buf *scratch, struct buf *out)
{
	if (has_changes(form)) {
		put(form, slice_of(name), slice_of(name), id, S("{}"), scratch, out);
	} else {
		put_typed(form, name, project, id, scratch, out);
	}
}
