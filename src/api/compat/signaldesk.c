/* SPDX-License-Identifier: Apache-2.0 */
/* SignalDesk: events, rules, notifications, keys, and the socket of its dashboard. */
#include "api/compat/compat.h"

#include "api/api.h"
#include "api/caller.h"
#include "api/deliveries.h"
#include "api/events.h"
#include "api/ingest.h"
#include "api/keys.h"
#include "api/page.h"
#include "api/route.h"
#include "api/rules.h"
#include "api/show.h"
#include "api/stream.h"
#include "base/json_put.h"

/* Events. */

static void reply_stored(struct call *c UNUSED, const struct ingest_receipt *r, struct json_w *w)
{
	json_w_object(w);
	json_put_str(w, "id", r->id);
	json_put_str(w, "type", r->event->type);
	json_put_time(w, "timestamp", ingest_said_time(r));
	json_w_end(w);
}

static const struct ingest_form form = {
	.source = &source_signaldesk, .header_key = true, .over = ERR_LIMIT, .reply = reply_stored
};

static void post_event(struct call *c)
{
	ingest_single(c, &form);
}

static void write_event(const struct event_view *view, struct json_w *w,
			const struct event_page *page)
{
	bool processed = view->record->seq <= page->applied;

	event_json_write_signaldesk(view, &processed, w);
}

static bool list_events(struct call *c, struct err *err)
{
	struct event_page page = { .c = c,
				   .write = write_event,
				   .bytes_max = ANSWER_BYTES_MAX,
				   .applied = engine_applied(c->api->engine) };
	struct json_w w;

	if (!call_query(c, "type", &page.filter.type)) {
		page.filter.type = (struct slice) { 0 };
	}
	if (!call_query_limit(c, 50, 100, &page.limit, err) ||
	    !call_query_offset(c, &page.offset, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "events");
	json_w_array(&w);
	if (!event_page_walk(&page, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool caller_by_query(struct call *c, struct err *err)
{
	struct slice secret;

	if (!call_query(c, "apiKey", &secret)) {
		return err_set(err, ERR_UNAUTHORIZED, "an API key is needed");
	}
	if (!caller_by_key(c, secret, err)) {
		return false;
	}
	c->by_query = true;
	return rate_admit(c, err);
}

/* GET /events: a header key means SignalDesk; ?apiKey= means PulseBoard. */
static void get_events_older(struct call *c)
{
	if ((!caller_is_known(&c->caller) && !caller_by_query(c, &c->err)) ||
	    !route_allows(c->route, &c->caller, &c->err)) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	c->work = c->by_query ? pulseboard_list_events : list_events;
	api_submit(c);
}

static bool get_event(struct call *c, struct err *err)
{
	struct event_view view;
	struct record record;
	struct event event;
	struct json_w w;
	bool processed;

	if (!events_get(c, &record, &event, err)) {
		return false;
	}
	view = (struct event_view) { .record = &record, .event = &event, .id = c->params[0] };
	processed = record.seq <= engine_applied(c->api->engine);
	w = call_json(c, 200);
	event_json_write_signaldesk(&view, &processed, &w);
	return true;
}

/* Rules, keys. */

/* The older list has no pages: all rules, or 413 when an answer cannot hold them. */
static bool list_rules(struct call *c, struct err *err)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_w_key(&w, "rules");
	json_w_array(&w);
	if (!rules_write_all(c, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

/* The older list shows live keys only, all of them. */
static bool list_keys(struct call *c, struct err *err)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_w_key(&w, "apiKeys");
	json_w_array(&w);
	if (!keys_write_live(c, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

/* Notifications. */

/* The four words of SignalDesk, and what each stands for: every delivery has exactly one. */
static const struct status_word {
	const char *word;
	struct delivery_set set;
} status_map[] = {
	{ "pending",
	  { DELIVERY_BIT(DELIVERY_PENDING) | DELIVERY_BIT(DELIVERY_SENDING), SENDING_FIRST } },
	{ "retrying",
	  { DELIVERY_BIT(DELIVERY_RETRYING) | DELIVERY_BIT(DELIVERY_SENDING), SENDING_AGAIN } },
	{ "sent", { DELIVERY_BIT(DELIVERY_SENT), SENDING_ANY } },
	{ "failed", { DELIVERY_BITS_FAILED, SENDING_ANY } },
};

static struct slice status_of(const struct delivery_row *row)
{
	for (size_t i = 0; i < ARRAY_LEN(status_map); i++) {
		if (delivery_in(&status_map[i].set, row)) {
			return slice_of(status_map[i].word);
		}
	}
	never("a delivery without a word");
}

static void write_notification(struct call *c, const struct delivery_row *row, struct json_w *w)
{
	show_log_id(c, w, "id", ID_DELIVERY, row->number.v, row->created_us);
	show_id(w, "ruleId", ID_RULE, row->rule.v);
	json_put_str(w, "ruleName", row->rule_name);
	show_log_id(c, w, "eventId", ID_EVENT, row->event_seq, row->event_us);
	json_put_str(w, "eventType", row->event_type);
	json_put_str(w, "channel", row->channel);
	json_put_str(w, "status", status_of(row));
	json_put_time_or_null(w, "sentAt", row->status == DELIVERY_SENT ? row->done_us : 0);
	json_put_str_or_null(w, "error", row->last_error);
	json_put_time(w, "createdAt", row->created_us);
}

static bool read_status(struct call *c, struct delivery_filter *f, struct err *err)
{
	struct slice text;

	*f = (struct delivery_filter) { .project = c->caller.project };
	if (!call_query(c, "status", &text)) {
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(status_map); i++) {
		if (slice_eq(text, slice_of(status_map[i].word))) {
			f->set = status_map[i].set;
			return true;
		}
	}
	return err_field(err, ERR_INVALID, "status",
			 "\"status\" must be pending, sent, retrying or failed");
}

static bool list_notifications(struct call *c, struct err *err)
{
	struct delivery_filter filter;
	struct delivery_list list;
	struct page page = { 0 };
	struct json_w w;

	if (!read_status(c, &filter, err) || !call_query_limit(c, 50, 100, &page.limit, err) ||
	    !call_query_offset(c, &page.offset, err) ||
	    !store_delivery_list(c->caller.org, c->db, &filter, &page, c->req, &list, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "notifications");
	json_w_array(&w);
	for (size_t i = 0; i < list.n; i++) {
		json_w_object(&w);
		write_notification(c, &list.rows[i], &w);
		json_w_end(&w);
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool get_notification(struct call *c, struct err *err)
{
	struct delivery_row row;
	struct notice notice;
	struct json_w w;

	if (!deliveries_find(c, &row, err) || !deliveries_notice(c, &row, &notice, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	write_notification(c, &row, &w);
	json_put_raw(&w, "eventMetadata", notice.event_payload, "{}");
	deliveries_write_notice(&row, &notice, "payload", "{}", &w);
	json_w_end(&w);
	return true;
}

/* Live. */

static void get_ticket(struct call *c)
{
	stream_ticket(c, 200, false);
}

static void get_socket(struct call *c)
{
	static const struct stream_kind kind = {
		.form = LIVE_SIGNALDESK,
		.refusal = "{\"type\":\"error\",\"payload\":{\"message\":\"an API key or a fresh "
			   "ticket is needed\"}}",
	};

	stream_socket(c, &kind);
}

/* Shapes. */

static const struct prop event_in_props[] = {
	PROP_STR("type", .min = 1, .max = 255, .example = "\"checkout_failed\""),
	PROP_OBJECT("metadata", .flags = PROP_NULL | PROP_MAYBE),
	PROP_TIME("timestamp", .flags = PROP_NULL | PROP_MAYBE),
	PROP_STR("idempotencyKey", .flags = PROP_NULL | PROP_MAYBE, .min = 1),
};
static const struct shape shape_event_in = { .sent = true,
					     .open = true,
					     SHAPE_PROPS(event_in_props) };
static const struct prop stored_props[] = {
	PROP_ID("id", ID_EVENT),
	PROP_STR("type", .example = "\"checkout_failed\""),
	PROP_TIME("timestamp"),
};
static const struct shape shape_stored = { SHAPE_PROPS(stored_props) };

static const struct prop event_props[] = {
	PROP_ID("id", ID_EVENT),
	PROP_STR("type", .example = "\"checkout_failed\""),
	PROP_OBJECT("metadata"),
	PROP_TIME("timestamp"),
	PROP_BOOL("processed", .help = "The rules have looked at it."),
};
static const struct shape shape_event = { .name = "SignalDeskEvent",
					  .help = "An event in SignalDesk's form.",
					  SHAPE_PROPS(event_props) };
static const struct prop events_props[] = {
	PROP_SHAPE("events", &shape_event, .many = PROP_LIST),
};
static const struct shape shape_events = { SHAPE_PROPS(events_props) };

static const struct prop older_events_props[] = {
	PROP_SHAPE(NULL, &shape_events),
	PROP_SHAPE(NULL, &shape_pulseboard_events),
};
static const struct shape shape_older_events = { .one_of = true, SHAPE_PROPS(older_events_props) };

struct list_query {
	struct slice type, key;
};
static const struct field list_rows[] = {
	FIELD_STR(struct list_query, type, "type",
		  .help = "Only this type, or with .* at the end all that begin so."),
	FIELD_STR(struct list_query, key, "apiKey",
		  .help = "PulseBoard's way to send the key; better send it as a header."),
};
static const struct field_set list_query = { list_rows, ARRAY_LEN(list_rows) };

static const struct prop rules_props[] = {
	PROP_SHAPE("rules", &shape_rule, .many = PROP_LIST),
};
static const struct shape shape_rules = { SHAPE_PROPS(rules_props) };

static const struct prop keys_props[] = {
	PROP_SHAPE("apiKeys", &shape_key, .many = PROP_LIST),
};
static const struct shape shape_keys = { SHAPE_PROPS(keys_props) };

static const struct prop any_notice_props[] = {
	PROP_SHAPE(NULL, &shape_notice),
	PROP_SHAPE(NULL, &(const struct shape) { .help = "It was purged." }),
};
static const struct shape shape_any_notice = { .one_of = true, SHAPE_PROPS(any_notice_props) };

static const char *const status_words[] = { "pending", "retrying", "sent", "failed", NULL };
static const struct prop notification_props[] = {
	PROP_ID("id", ID_DELIVERY),
	PROP_ID("ruleId", ID_RULE),
	PROP_STR("ruleName"),
	PROP_ID("eventId", ID_EVENT),
	PROP_STR("eventType", .example = "\"checkout_failed\""),
	PROP_STR("channel", .example = "\"webhook\""),
	PROP_WORD("status", status_words),
	PROP_TIME("sentAt", .flags = PROP_NULL),
	PROP_STR("error", .flags = PROP_NULL, .example = "null"),
	PROP_TIME("createdAt"),
};
static const struct shape shape_notification = { .name = "SignalDeskNotification",
						 .help = "A delivery in the older form.",
						 SHAPE_PROPS(notification_props) };
static const struct prop notifications_props[] = {
	PROP_SHAPE("notifications", &shape_notification, .many = PROP_LIST),
};
static const struct shape shape_notifications = { SHAPE_PROPS(notifications_props) };
static const struct prop whole_props[] = {
	PROP_OBJECT("eventMetadata"),
	PROP_SHAPE("payload", &shape_any_notice),
};
static const struct shape shape_whole = { .also = &shape_notification, SHAPE_PROPS(whole_props) };

struct status_query {
	unsigned status;
};
static const struct field status_rows[] = {
	FIELD_ENUM(struct status_query, status, "status", status_words,
		   .help = "Only this status."),
};
static const struct field_set status_query = { status_rows, ARRAY_LEN(status_rows) };

static const struct prop ticket_props[] = {
	PROP_STR("ticket", .example = "\"tkt_7XVFGFTEDR1CR7XVFGFTEDR1CR7XVFGF\""),
};
static const struct shape shape_ticket = { SHAPE_PROPS(ticket_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/events",
		.name = "signaldeskIngest",
		.older = "SignalDesk",
		.summary = "Store one event",
		.differs = "windows of rules go by the time of receipt, timestamp is kept and "
			   "shown; takes an idempotency key besides",
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
		.errors = { ERR_LIMIT },
		.unaudited = "events have a log of their own",
		.loop = post_event,
	},
	{
		.method = HTTP_GET,
		.path = "/events",
		.name = "olderListEvents",
		.older = "SignalDesk",
		.summary = "List events",
		.differs = "offset ends at 100,000, cursors of GET /api/v1/events go deeper; "
			   "with apiKey in the query it has the header Deprecation, "
			   "because a key in a URL ends in the logs of others",
		.who = WHO_OWN,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.doc = "With a key in a header the reply has SignalDesk's form, with apiKey in the "
		       "query PulseBoard's: the newest 20.",
		.query = { &list_query, &older_page_query },
		.old_query = "apiKey",
		.replies = { { .status = 200,
			       .help = "Events, newest first.",
			       .shape = &shape_older_events } },
		.errors = { ERR_TOO_LARGE, ERR_IO, ERR_CORRUPT, ERR_INTERNAL, ERR_OVERLOADED,
			    ERR_SHUTTING_DOWN },
		.loop = get_events_older,
	},
	{
		.method = HTTP_GET,
		.path = "/events/:id",
		.name = "signaldeskGetEvent",
		.older = "SignalDesk",
		.summary = "Get one event",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_EVENT) },
		.replies = { { .status = 200, .help = "The event.", .shape = &shape_event } },
		.work = get_event,
	},
	{
		.method = HTTP_POST,
		.path = "/rules",
		.name = "signaldeskCreateRule",
		.older = "SignalDesk",
		.summary = "Create a rule",
		.differs =
			"the channels are those of /api/v1/rules, slack, discord and email are 501 "
			"until they come; the answer has more members: groupBy, severity, version",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.body_max = RULE_BODY_BYTES_MAX,
		.bodies = { { .shape = &shape_open_rule_in } },
		.replies = { { .status = 201,
			       .help = "The rule, which counts from now on.",
			       .shape = &shape_rule,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_LIMIT, ERR_NOT_IMPLEMENTED, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_CREATE },
		.work = rules_post,
	},
	{
		.method = HTTP_GET,
		.path = "/rules",
		.name = "signaldeskListRules",
		.older = "SignalDesk",
		.summary = "List rules",
		.differs = "rules have more members: groupBy, severity, version",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200, .help = "All rules.", .shape = &shape_rules } },
		.errors = { ERR_TOO_LARGE },
		.work = list_rules,
	},
	{
		.method = HTTP_GET,
		.path = "/rules/:id",
		.name = "signaldeskGetRule",
		.older = "SignalDesk",
		.summary = "Get one rule",
		.differs = "it has more members: groupBy, severity, version; secrets of a "
			   "webhook are stars",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_RULE) },
		.replies = { { .status = 200,
			       .help = "The rule.",
			       .shape = &shape_rule,
			       .headers = REPLY_ETAG } },
		.work = rules_get,
	},
	{
		.method = HTTP_PATCH,
		.path = "/rules/:id",
		.name = "signaldeskChangeRule",
		.older = "SignalDesk",
		.summary = "Change a rule",
		.differs = "eventType and condition may change, too",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.body_max = RULE_BODY_BYTES_MAX,
		.params = { ROUTE_ID(ID_RULE) },
		.match = MATCH_MAY,
		.bodies = { { .shape = &shape_open_rule_in } },
		.replies = { { .status = 200,
			       .help = "The rule as it is now.",
			       .shape = &shape_rule,
			       .headers = REPLY_ETAG } },
		.errors = { ERR_NOT_IMPLEMENTED, ERR_DISK_FULL },
		.audits = { AUDIT_RULE_UPDATE },
		.work = rules_change,
	},
	{
		.method = HTTP_DELETE,
		.path = "/rules/:id",
		.name = "signaldeskDeleteRule",
		.older = "SignalDesk",
		.summary = "Delete a rule",
		.who = WHO_CALLER,
		.scope = SCOPE_RULES_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_RULE) },
		.match = MATCH_MAY,
		.replies = { { .status = 204, .help = "It is gone." } },
		.errors = { ERR_DISK_FULL },
		.audits = { AUDIT_RULE_DELETE },
		.work = rules_delete,
	},
	{
		.method = HTTP_GET,
		.path = "/notifications",
		.name = "signaldeskListNotifications",
		.older = "SignalDesk",
		.summary = "List notifications",
		.differs = "failed stands for dead, superseded and purged",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_READ,
		.role = ROLE_VIEWER,
		.query = { &status_query, &older_page_query },
		.replies = { { .status = 200,
			       .help = "Notifications, newest first.",
			       .shape = &shape_notifications } },
		.work = list_notifications,
	},
	{
		.method = HTTP_GET,
		.path = "/notifications/:id",
		.name = "signaldeskGetNotification",
		.older = "SignalDesk",
		.summary = "Get one notification",
		.differs = "payload has no actionConfig, which may hold secrets",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_DELIVERY) },
		.replies = { { .status = 200,
			       .help = "The notification.",
			       .shape = &shape_whole } },
		.work = get_notification,
	},
	{
		.method = HTTP_POST,
		.path = "/api-keys",
		.name = "signaldeskCreateKey",
		.older = "SignalDesk",
		.summary = "Make an API key",
		.differs = "scopes that are not there or empty give all scopes of a machine, "
			   "never what a person may; the first key comes from the "
			   "server's own machine or with the setup token, else whoever "
			   "comes first would own the server",
		.who = WHO_OWN,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.body_max = KEY_BODY_BYTES_MAX,
		.doc = KEYS_FIRST,
		.bodies = { { .shape = &shape_open_key_in } },
		.replies = { { .status = 201, .help = "The key.", .shape = &shape_key_made } },
		.errors = { ERR_IO, ERR_CORRUPT, ERR_INTERNAL, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.audits = { AUDIT_ORG_CREATE, AUDIT_KEY_CREATE },
		.loop = keys_post,
	},
	{
		.method = HTTP_GET,
		.path = "/api-keys",
		.name = "signaldeskListKeys",
		.older = "SignalDesk",
		.summary = "List API keys",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200,
			       .help = "All keys that work.",
			       .shape = &shape_keys } },
		.errors = { ERR_TOO_LARGE },
		.work = list_keys,
	},
	{
		.method = HTTP_DELETE,
		.path = "/api-keys/:id",
		.name = "signaldeskRevokeKey",
		.older = "SignalDesk",
		.summary = "Revoke an API key",
		.who = WHO_CALLER,
		.scope = SCOPE_KEYS_WRITE,
		.role = ROLE_ADMIN,
		.params = { ROUTE_ID(ID_KEY) },
		.replies = { { .status = 204, .help = "It opens nothing from now on." } },
		.audits = { AUDIT_KEY_REVOKE },
		.work = keys_revoke,
	},
	{
		.method = HTTP_GET,
		.path = "/auth/ws-ticket",
		.name = "signaldeskCreateTicket",
		.older = "SignalDesk",
		.summary = "A ticket for one live stream",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200, .help = "The ticket.", .shape = &shape_ticket } },
		.errors = { ERR_OVERLOADED },
		.loop = get_ticket,
	},
	{
		.method = HTTP_GET,
		.path = "/ws",
		.name = "signaldeskOpenSocket",
		.older = "SignalDesk",
		.summary = "Live frames over WebSocket",
		.differs = "a ticket opens one stream and nothing else; there are more frames: "
			   "alert:new, alert:resolved, delivery:new, resync, and "
			   "streamId to resume by",
		.who = WHO_OWN,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.doc = "Who may not is told so in a frame, and by close code 4401.",
		.query = { &stream_query },
		.replies = { { .status = 101, .help = "WebSocket from here on." } },
		.errors = { ERR_UPGRADE, ERR_MALFORMED, ERR_OVERLOADED },
		.loop = get_socket,
	},
};
const struct route_set routes_signaldesk = { rows, ARRAY_LEN(rows) };
