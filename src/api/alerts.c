/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: what the rules said, newest first, and whether it still holds. */
#include "store/alerts.h"

#include "api/api.h"
#include "api/page.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

static void write_alert(struct call *c, const struct alert_row *row, struct json_w *w)
{
	json_w_object(w);
	show_log_id(c, w, "id", ID_ALERT, row->number.v, row->created_us);
	show_id(w, "ruleId", ID_RULE, row->rule.v);
	json_put_str(w, "ruleName", row->rule_name);
	json_put_int(w, "ruleVersion", (int64_t)row->rule_version);
	json_put_str(w, "title", row->title);
	json_put_str(w, "severity", row->severity);
	json_put_int(w, "count", (int64_t)row->count);
	json_put_bool(w, "countAtLeast", row->count_is_least);
	json_put_raw(w, "group", row->key, "{}");
	show_log_id(c, w, "eventId", ID_EVENT, row->event_seq, row->event_us);
	json_put_str(w, "eventType", row->event_type);
	json_put_time(w, "createdAt", row->created_us);
	json_put_str(w, "state", row->resolved_us == 0 ? S("firing") : S("resolved"));
	json_put_time_or_null(w, "resolvedAt", row->resolved_us);
	json_put_str_or_null(w, "resolution", row->resolution);
	json_w_end(w);
}

static bool read_state(struct call *c, enum alert_state *out, struct err *err)
{
	struct slice state;

	*out = ALERT_ANY;
	if (!call_query(c, "state", &state)) {
		return true;
	}
	if (slice_eq(state, S("firing"))) {
		*out = ALERT_FIRING;
	} else if (slice_eq(state, S("resolved"))) {
		*out = ALERT_RESOLVED;
	} else {
		return err_field(err, ERR_INVALID, "state", "\"state\" must be firing or resolved");
	}
	return true;
}

static bool read_filter(struct call *c, struct alert_filter *f, struct err *err)
{
	struct slice rule;

	*f = (struct alert_filter) { .project = c->caller.project };
	if (call_query(c, "ruleId", &rule) && !id_parse(ID_RULE, rule, &f->rule.v)) {
		return err_field(err, ERR_INVALID, "ruleId", "\"ruleId\" is not the id of a rule");
	}
	return read_state(c, &f->state, err) && call_query_time(c, "from", &f->from_us, err) &&
	       call_query_time(c, "to", &f->to_us, err);
}

static bool list_alerts(struct call *c, struct err *err)
{
	struct alert_filter filter;
	struct alert_list list;
	struct page page;
	struct json_w w;

	if (!read_filter(c, &filter, err) || !page_read(c, ID_ALERT, &page, err) ||
	    !store_alert_list(c->caller.org, c->db, &filter, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		write_alert(c, &list.rows[i], &w);
	}
	page_end(c, ID_ALERT, list.next, &w);
	return true;
}

static bool get_alert(struct call *c, struct err *err)
{
	enum found found = NOT_FOUND;
	struct alert_row row;
	struct alert_id id;
	struct json_w w;

	if (show_parse_log_id(c, ID_ALERT, c->params[0], &id.v)) {
		found = store_alert_get(c->caller.org, c->db, c->caller.project, id, c->req, &row,
					err);
	}
	if (found == NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "there is no such alert");
	}
	if (found == FAILED) {
		return false;
	}
	w = call_json(c, 200);
	write_alert(c, &row, &w);
	return true;
}

static const char *const state_words[] = { "firing", "resolved", NULL };

static const struct prop alert_props[] = {
	PROP_ID("id", ID_ALERT),
	PROP_ID("ruleId", ID_RULE),
	PROP_STR("ruleName", .help = "The name of the rule when it fired."),
	PROP_INT("ruleVersion", .min = 1),
	PROP_STR("title", .example = "\"Checkout failures\""),
	PROP_WORD("severity", severity_names),
	PROP_INT("count", .help = "How many events there were in the window.", .example = "5"),
	PROP_BOOL("countAtLeast", .help = "There may have been more.", .example = "false"),
	PROP_OBJECT("group", .help = "The values of groupBy, by path."),
	PROP_ID("eventId", ID_EVENT, .help = "The event that made it fire."),
	PROP_STR("eventType", .example = "\"checkout_failed\""),
	PROP_TIME("createdAt"),
	PROP_WORD("state", state_words, .help = "Whether it still holds."),
	PROP_TIME("resolvedAt", .flags = PROP_NULL),
	PROP_STR("resolution", .flags = PROP_NULL, .example = "null", .help = "Why it is over."),
};
static const struct shape shape_alert = { .name = "Alert",
					  .help = "What a rule said.",
					  SHAPE_PROPS(alert_props) };

/* For descriptions and the check of names: read_filter reads them. */
struct alert_query {
	unsigned state;
	struct slice rule;
	int64_t from_us, to_us;
};
static const struct field query_rows[] = {
	FIELD_ENUM(struct alert_query, state, "state", state_words, .help = "Only this state."),
	FIELD_STR(struct alert_query, rule, "ruleId", .help = "Only of this rule."),
	FIELD_TIME(struct alert_query, from_us, "from", .help = "Made at this time or later."),
	FIELD_TIME(struct alert_query, to_us, "to", .help = "Made before this time."),
};
static const struct field_set alert_query = { query_rows, ARRAY_LEN(query_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/alerts",
		.name = "listAlerts",
		.tag = "Alerts",
		.summary = "List alerts, newest first",
		.who = WHO_CALLER,
		.scope = SCOPE_ALERTS_READ,
		.role = ROLE_VIEWER,
		.query = { &alert_query, &page_query },
		.replies = { { .status = 200,
			       .help = "A page of alerts.",
			       .shape = &shape_alert,
			       .page = true } },
		.work = list_alerts,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/alerts/:id",
		.name = "getAlert",
		.tag = "Alerts",
		.summary = "Get one alert",
		.who = WHO_CALLER,
		.scope = SCOPE_ALERTS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_ALERT) },
		.replies = { { .status = 200, .help = "The alert.", .shape = &shape_alert } },
		.work = get_alert,
	},
};
const struct route_set routes_alerts = { rows, ARRAY_LEN(rows) };
