/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PulseBoard: everything in an envelope, {success, data, message}, and the key in the body or in
 * the query, where it should not be.
 */
#include "api/compat/compat.h"

#include "api/events.h"
#include "api/ingest.h"
#include "api/route.h"
#include "base/json_put.h"

static void reply_stored(struct call *c, const struct ingest_receipt *r, struct json_w *w)
{
	struct id_text project = id_format(ID_PROJECT, c->caller.project.v);

	json_w_object(w);
	json_put_bool(w, "success", true);
	json_w_key(w, "data");
	json_w_object(w);
	json_put_str(w, "id", r->id);
	json_put_str(w, "projectId", slice_of(project.p));
	json_put_str(w, "type", event_kind_name(r->event->kind));
	json_put_str(w, "name", r->event->type);
	json_w_key(w, "payload");
	json_w_raw(w, r->event->payload);
	json_put_time(w, "timestamp", ingest_said_time(r));
	json_put_time(w, "receivedAt", r->received_at_us);
	json_w_end(w);
	json_w_end(w);
}

static const struct ingest_form form = { .source = &source_pulseboard,
					 .header_key = true,
					 .body_key = true,
					 .shows_payload = true,
					 .over = ERR_LIMIT,
					 .reply = reply_stored };

static void post_ingest(struct call *c)
{
	ingest_single(c, &form);
}

static void write_event(const struct event_view *view, struct json_w *w,
			const struct event_page *page UNUSED)
{
	event_json_write_pulseboard(view, w);
}

bool pulseboard_list_events(struct call *c, struct err *err)
{
	struct event_page page = {
		.c = c, .write = write_event, .limit = 20, .bytes_max = ANSWER_BYTES_MAX
	};
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_put_bool(&w, "success", true);
	json_w_key(&w, "data");
	json_w_array(&w);
	if (!event_page_walk(&page, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static const struct prop event_props[] = {
	PROP_ID("id", ID_EVENT),
	PROP_ID("projectId", ID_PROJECT),
	PROP_WORD("type", event_kind_names),
	PROP_STR("name", .example = "\"checkout_failed\""),
	PROP_OBJECT("payload"),
	PROP_TIME("timestamp"),
	PROP_TIME("receivedAt"),
};
static const struct shape shape_event = { .name = "PulseBoardEvent",
					  .help = "An event in PulseBoard's form.",
					  SHAPE_PROPS(event_props) };
static const struct prop list_props[] = {
	PROP_BOOL("success"),
	PROP_SHAPE("data", &shape_event, .many = PROP_LIST),
};
const struct shape shape_pulseboard_events = { SHAPE_PROPS(list_props) };

static const struct prop event_in_props[] = {
	PROP_STR("apiKey", .help = "The key; this call takes it here alone."),
	PROP_STR("type", .help = "event, error or metric.", .example = "\"event\""),
	PROP_STR("name", .min = 1, .example = "\"checkout_failed\""),
	PROP_OBJECT("payload"),
	PROP_TIME("timestamp", .flags = PROP_NULL | PROP_MAYBE),
	PROP_OBJECT("context", .flags = PROP_NULL | PROP_MAYBE),
};
static const struct shape shape_event_in = { .sent = true,
					     .open = true,
					     SHAPE_PROPS(event_in_props) };
static const struct prop stored_props[] = {
	PROP_BOOL("success"),
	PROP_SHAPE("data", &shape_event),
};
static const struct shape shape_stored = { SHAPE_PROPS(stored_props) };
static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/ingest",
		.name = "pulseboardIngest",
		.older = "PulseBoard",
		.summary = "Store one event",
		.differs = "an invalid timestamp is 400, it was 500; context is kept as tags",
		.who = WHO_PUBLIC,
		.limit = LIMIT_INGEST,
		.body_max = INGEST_SINGLE_BYTES_MAX,
		.takes_key = true,
		.bodies = { { .shape = &shape_event_in } },
		.replies = { { .status = 201,
			       .help = "The event is stored.",
			       .shape = &shape_stored,
			       .headers = REPLY_REPLAYED | REPLY_USAGE } },
		.errors = { ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_CLOSED, ERR_LIMIT },
		.unaudited = "events have a log of their own",
		.loop = post_ingest,
	},
};
const struct route_set routes_pulseboard = { rows, ARRAY_LEN(rows) };
