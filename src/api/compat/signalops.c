/* SPDX-License-Identifier: Apache-2.0 */
/* SignalOps: one call, whose limit of the month is a 429. */
#include "api/ingest.h"
#include "api/route.h"
#include "base/json_put.h"

static void reply_stored(struct call *c UNUSED, const struct ingest_receipt *r, struct json_w *w)
{
	json_w_object(w);
	json_put_str(w, "id", r->id);
	json_put_str(w, "status", S("enqueued"));
	json_w_end(w);
}

static const struct ingest_form form = {
	.source = &source_signalops, .header_key = true, .over = ERR_QUOTA, .reply = reply_stored
};

static void post_event(struct call *c)
{
	ingest_single(c, &form);
}

static const struct prop event_in_props[] = {
	PROP_STR("type", .min = 1, .max = 120, .example = "\"checkout_failed\""),
	PROP_OBJECT("payload"),
	PROP_STR("source", .flags = PROP_NULL | PROP_MAYBE, .max = 255),
	PROP_TIME("occurredAt", .flags = PROP_NULL | PROP_MAYBE),
};
static const struct shape shape_event_in = { .sent = true,
					     .open = true,
					     SHAPE_PROPS(event_in_props) };
static const char *const enqueued_words[] = { "enqueued", NULL };
static const struct prop stored_props[] = { PROP_ID("id", ID_EVENT),
					    PROP_WORD("status", enqueued_words) };
static const struct shape shape_stored = { SHAPE_PROPS(stored_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/events",
		.name = "signalopsIngest",
		.older = "SignalOps",
		.summary = "Store one event",
		.differs = "another body under a key that was used is 409, it was the old event",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_WRITE,
		.role = ROLE_MEMBER,
		.limit = LIMIT_INGEST,
		.body_max = INGEST_SINGLE_BYTES_MAX,
		.takes_key = true,
		.bodies = { { .shape = &shape_event_in } },
		.replies = { { .status = 201,
			       .help = "The event is stored.",
			       .shape = &shape_stored,
			       .headers = REPLY_REPLAYED | REPLY_USAGE } },
		.errors = { ERR_QUOTA },
		.unaudited = "events have a log of their own",
		.loop = post_event,
	},
};
const struct route_set routes_signalops = { rows, ARRAY_LEN(rows) };
