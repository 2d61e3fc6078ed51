/* SPDX-License-Identifier: Apache-2.0 */
/* SignalCraft's core, as far as there is what it is about: what was sent. */
#include "api/compat/compat.h"

#include "api/api.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "store/deliveries.h"

#define LOGS_MAX 50

/* What is over: a log has nothing of what is still under way. */
#define BITS_SENT DELIVERY_BIT(DELIVERY_SENT)
#define BITS_FAILED (DELIVERY_BIT(DELIVERY_DEAD) | DELIVERY_BIT(DELIVERY_PURGED))

static bool list_over(struct call *c, unsigned statuses, struct delivery_list *out, struct err *err)
{
	struct delivery_filter filter = { .project = c->caller.project,
					  .set = { .statuses = statuses } };
	struct page page = { .limit = LOGS_MAX };

	return store_delivery_list(c->caller.org, c->db, &filter, &page, c->req, out, err);
}

/* Of the newest ones: what came later may have been done earlier. */
static bool last_done(struct call *c, unsigned statuses, int64_t *out_us, struct err *err)
{
	struct delivery_list list;

	*out_us = 0;
	if (!list_over(c, statuses, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (*out_us < list.rows[i].done_us) {
			*out_us = list.rows[i].done_us;
		}
	}
	return true;
}

static bool get_delivery_health(struct call *c, struct err *err)
{
	int64_t success_us, failure_us;
	struct json_w w;

	if (!last_done(c, BITS_SENT, &success_us, err) ||
	    !last_done(c, BITS_FAILED, &failure_us, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_time_or_null(&w, "lastSuccessAt", success_us);
	json_put_time_or_null(&w, "lastFailureAt", failure_us);
	json_w_end(&w);
	return true;
}

static void write_log(struct call *c, const struct delivery_row *row, struct json_w *w)
{
	json_w_object(w);
	show_log_id(c, w, "id", ID_DELIVERY, row->number.v, row->created_us);
	show_id(w, "workspaceId", ID_ORG, row->org.v);
	json_put_str(w, "target", compat_upper(row->channel, c->req));
	json_put_str_or_null(w, "targetRef", row->destination);
	show_log_id(c, w, "alertGroupId", ID_ALERT, row->alert.v, row->alert_us);
	json_put_str(w, "status", row->status == DELIVERY_SENT ? S("SENT") : S("FAILED"));
	json_put_str_or_null(w, "errorMessage", row->last_error);
	json_put_time(w, "sentAt", row->done_us);
	json_w_end(w);
}

/* An unknown word is no filter, as it was. */
static unsigned asked_statuses(struct call *c)
{
	struct slice text;

	if (call_query(c, "status", &text) && slice_eq_nocase(text, S("sent"))) {
		return BITS_SENT;
	}
	if (call_query(c, "status", &text) && slice_eq_nocase(text, S("failed"))) {
		return BITS_FAILED;
	}
	return BITS_SENT | BITS_FAILED;
}

static bool list_logs(struct call *c, struct err *err)
{
	struct delivery_list list;
	struct json_w w;

	if (!list_over(c, asked_statuses(c), &list, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_array(&w);
	for (size_t i = 0; i < list.n; i++) {
		write_log(c, &list.rows[i], &w);
	}
	json_w_end(&w);
	return true;
}

static const struct prop health_props[] = {
	PROP_TIME("lastSuccessAt", .flags = PROP_NULL),
	PROP_TIME("lastFailureAt", .flags = PROP_NULL),
};
static const struct shape shape_health = { SHAPE_PROPS(health_props) };

static const char *const status_words[] = { "SENT", "FAILED", NULL };
static const struct prop log_props[] = {
	PROP_ID("id", ID_DELIVERY),
	PROP_ID("workspaceId", ID_ORG),
	PROP_STR("target", .help = "The channel.", .example = "\"WEBHOOK\""),
	PROP_STR("targetRef", .flags = PROP_NULL, .help = "Where it went, without secrets.",
		 .example = "\"https://hooks.example.com\""),
	PROP_ID("alertGroupId", ID_ALERT),
	PROP_WORD("status", status_words),
	PROP_STR("errorMessage", .flags = PROP_NULL, .example = "null"),
	PROP_TIME("sentAt", .help = "When it was sent, or given up."),
};
static const struct shape shape_log = { .name = "SignalCraftLog",
					.help = "A message that was sent, or given up.",
					SHAPE_PROPS(log_props) };

struct logs_query {
	struct slice status;
};
static const struct field logs_rows[] = {
	FIELD_STR(struct logs_query, status, "status", .help = "SENT or FAILED alone."),
};
static const struct field_set logs_query = { logs_rows, ARRAY_LEN(logs_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/notifications/health",
		.name = "signalcraftGetDeliveryHealth",
		.older = "SignalCraft",
		.summary = "When a message was sent or given up last",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200, .help = "The times.", .shape = &shape_health } },
		.work = get_delivery_health,
	},
	{
		.method = HTTP_GET,
		.path = "/notifications/logs",
		.name = "signalcraftListLogs",
		.older = "SignalCraft",
		.summary = "List the newest 50 messages",
		.differs = "alertGroupId is an alert until there are groups; a message that "
			   "will be tried again is not listed yet",
		.who = WHO_CALLER,
		.scope = SCOPE_NOTIFICATIONS_READ,
		.role = ROLE_VIEWER,
		.query = { &logs_query },
		.replies = { { .status = 200,
			       .help = "Newest first.",
			       .shape = &shape_log,
			       .list = true } },
		.work = list_logs,
	},
};
const struct route_set routes_signalcraft = { rows, ARRAY_LEN(rows) };
