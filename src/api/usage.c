/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an organization has used of what it may. The number that limits
 * are held against is the loop's own, so it is never behind; the daily ledger is the state's, a
 * second behind at most, and what it does not have yet is said as pending.
 */
#include "api/usage.h"

#include "api/api.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "base/time.h"
#include "engine/usage.h"
#include "store/rules.h"

#define LEDGER_ROWS_MAX ((size_t)MONTH_DAYS_MAX * USAGE_DAY_ROWS_MAX)
#define DAY_TEXT_CHARS 10

struct usage_query {
	struct slice month;
};

static const struct field query_rows[] = {
	FIELD_STR(struct usage_query, month, "month", .max = MONTH_TEXT_MAX - 1,
		  .help = "A calendar month in UTC, \"2026-11\". Default: this one."),
};
static const struct field_set query = { query_rows, ARRAY_LEN(query_rows) };

bool usage_read_sheet(struct call *c, int64_t from_us, struct usage_sheet *s, struct err *err)
{
	*s = (struct usage_sheet) { .from_us = from_us, .to_us = month_end_us(from_us) };
	meter_look(c->api->meter, c->caller.org, c->now_us, c->req, &s->meter);
	if (!store_usage_events_sum(c->caller.org, c->db, s->from_us, s->to_us, &s->counted, err) ||
	    !store_usage_sent_sum(c->caller.org, c->db, s->from_us, s->to_us, &s->sent, err) ||
	    !store_rule_count(c->caller.org, c->db, &s->rules, err)) {
		return false;
	}
	/* Of a month that is over, or was read between two moments, the state knows best. */
	if (s->meter.month_us != s->from_us || s->meter.used < s->counted) {
		s->meter.used = s->counted;
	}
	return true;
}

int64_t usage_left(int64_t limit, uint64_t used)
{
	return used < (uint64_t)limit ? limit - (int64_t)used : 0;
}

static bool read_month(struct call *c, int64_t *from_us, struct err *err)
{
	struct usage_query in = { 0 };

	if (!call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &in, err)) {
		return false;
	}
	*from_us = month_start_us(c->now_us);
	return in.month.n == 0 || month_parse(in.month, from_us) ||
	       err_field(err, ERR_INVALID, "month",
			 "\"month\" must be a month from 1970 to 9999, like 2026-11");
}

static void write_events(struct json_w *w, const struct usage_sheet *s)
{
	const struct plan *plan = &s->meter.plan;
	uint64_t used = s->meter.used;
	uint64_t over = plan_overage(plan, used);

	json_w_key(w, "events");
	json_w_object(w);
	json_put_int(w, "used", (int64_t)used);
	json_put_int(w, "pending", (int64_t)(used - s->counted));
	json_put_int_or_null(w, "softLimit", plan->events_soft);
	json_put_int_or_null(w, "hardLimit", plan->events_hard);
	json_w_key(w, "remaining");
	if (plan->events_hard == 0) {
		json_w_null(w);
	} else {
		json_w_int(w, usage_left(plan->events_hard, used));
	}
	json_put_int(w, "overage", (int64_t)over);
	json_put_int(w, "overageCents", plan_overage_cents(plan, over));
	json_w_end(w);
}

static void write_account(struct json_w *w, const struct usage_sheet *s)
{
	const struct plan *plan = &s->meter.plan;

	json_w_key(w, "plan");
	json_w_object(w);
	json_put_str(w, "name", plan->name);
	json_put_str(w, "displayName", plan->display_name);
	json_put_int(w, "priceCents", plan->price_cents);
	json_w_end(w);
	write_events(w, s);
	json_w_key(w, "rules");
	json_w_object(w);
	json_put_int(w, "used", (int64_t)s->rules);
	json_put_int_or_null(w, "limit", plan->rules);
	json_w_end(w);
	json_w_key(w, "notifications");
	json_w_object(w);
	json_put_int(w, "sent", (int64_t)s->sent);
	json_w_end(w);
}

static void put_day(struct json_w *w, int64_t day_us)
{
	char text[TIME_TEXT_MAX];

	(void)time_format(day_us, TIME_SECONDS, text);
	json_put_str(w, "day", (struct slice) { text, DAY_TEXT_CHARS });
}

static void write_ledger(struct json_w *w, const struct usage_list *events,
			 const struct usage_sent_list *sent)
{
	json_w_key(w, "data");
	json_w_array(w);
	for (size_t i = 0; i < events->n; i++) {
		const struct usage_row *row = &events->rows[i];

		json_w_object(w);
		put_day(w, row->day_us);
		if (row->key.v <= KEY_OF_PEOPLE.v) {
			json_put_str_or_null(w, "keyId", S(""));
		} else {
			show_id(w, "keyId", ID_KEY, row->key.v);
		}
		json_put_str_or_null(w, "type", row->type);
		json_put_int(w, "events", (int64_t)row->count);
		json_w_end(w);
	}
	json_w_end(w);
	json_w_key(w, "sent");
	json_w_array(w);
	for (size_t i = 0; i < sent->n; i++) {
		json_w_object(w);
		put_day(w, sent->rows[i].day_us);
		json_put_int(w, "notifications", (int64_t)sent->rows[i].count);
		json_w_end(w);
	}
	json_w_end(w);
}

static bool get_usage(struct call *c, struct err *err)
{
	char month[MONTH_TEXT_MAX];
	struct usage_sent_list sent;
	struct usage_list events;
	struct usage_sheet s;
	struct json_w w;
	int64_t from_us;

	if (!read_month(c, &from_us, err) || !usage_read_sheet(c, from_us, &s, err) ||
	    !store_usage_list(c->caller.org, c->db, c->caller.project, s.from_us, s.to_us,
			      LEDGER_ROWS_MAX, c->req, &events, err) ||
	    !store_usage_sent_list(c->caller.org, c->db, c->caller.project, s.from_us, s.to_us,
				   MONTH_DAYS_MAX, c->req, &sent, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_str(&w, "month", month_format(s.from_us, month));
	json_put_time(&w, "periodStart", s.from_us);
	json_put_time(&w, "periodEnd", s.to_us);
	write_account(&w, &s);
	show_id(&w, "projectId", ID_PROJECT, c->caller.project.v);
	write_ledger(&w, &events, &sent);
	json_w_end(&w);
	return true;
}

static const struct prop plan_props[] = {
	PROP_STR("name", .help = "Its short name."),
	PROP_STR("displayName", .help = "Its name."),
	PROP_INT("priceCents", .help = "What it costs a month, in cents."),
};
static const struct shape plan_shape = { SHAPE_PROPS(plan_props) };

static const struct prop events_props[] = {
	PROP_INT("used", .help = "Events of the month, of all projects."),
	PROP_INT("pending", .help = "Those of them that the daily ledger does not have yet."),
	PROP_INT("softLimit", .flags = PROP_NULL,
		 .help = "Above it the plan may bill; null: none."),
	PROP_INT("hardLimit", .flags = PROP_NULL, .help = "Above it nothing is taken; null: none."),
	PROP_INT("remaining", .flags = PROP_NULL, .help = "What is left of the hard limit."),
	PROP_INT("overage", .help = "Events above the soft limit that are billed."),
	PROP_INT("overageCents", .help = "What those cost, in cents."),
};
static const struct shape events_shape = { SHAPE_PROPS(events_props) };

static const struct prop rules_props[] = {
	PROP_INT("used", .help = "Rules of all projects."),
	PROP_INT("limit", .flags = PROP_NULL, .help = "How many there may be; null: no limit."),
};
static const struct shape rules_shape = { SHAPE_PROPS(rules_props) };

static const struct prop sent_props[] = {
	PROP_INT("sent", .help = "Notifications sent in the month, of all projects."),
};
static const struct shape sent_shape = { SHAPE_PROPS(sent_props) };

static const struct prop row_props[] = {
	PROP_STR("day", .help = "A day in UTC.", .example = "\"2026-11-21\""),
	PROP_ID("keyId", ID_KEY, .flags = PROP_NULL,
		.help = "The key that sent them; null: people did, or keys beyond those that a "
			"day tells apart."),
	PROP_STR("type", .flags = PROP_NULL,
		 .help = "Their type; null: types beyond those that a day tells apart."),
	PROP_INT("events", .help = "How many."),
};
static const struct shape row_shape = { .name = "UsageRow", SHAPE_PROPS(row_props) };

static const struct prop day_props[] = {
	PROP_STR("day", .help = "A day in UTC.", .example = "\"2026-11-21\""),
	PROP_INT("notifications", .help = "How many were sent."),
};
static const struct shape day_shape = { SHAPE_PROPS(day_props) };

static const struct prop usage_props[] = {
	PROP_STR("month", .help = "A calendar month in UTC.", .example = "\"2026-11\""),
	PROP_TIME("periodStart", .help = "Its first moment."),
	PROP_TIME("periodEnd", .help = "The first moment of the next one."),
	PROP_SHAPE("plan", &plan_shape, .help = "The plan that holds now."),
	PROP_SHAPE("events", &events_shape, .help = "Events, and what limits them."),
	PROP_SHAPE("rules", &rules_shape, .help = "Rules, as there are now."),
	PROP_SHAPE("notifications", &sent_shape, .help = "Notifications."),
	PROP_ID("projectId", ID_PROJECT, .help = "Whose ledger follows."),
	PROP_SHAPE("data", &row_shape, .many = PROP_LIST, .help = "Events by day, key and type."),
	PROP_SHAPE("sent", &day_shape, .many = PROP_LIST, .help = "Notifications by day."),
};
static const struct shape usage_shape = { .name = "Usage", SHAPE_PROPS(usage_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/usage",
		.name = "getUsage",
		.tag = "Usage",
		.summary = "What was used in a month, and what may be",
		.doc = "Used events are exact at any moment. The ledger is of the key's project: "
		       "every event of its export counts on the day of its receivedAt, and what "
		       "was deleted since stays counted.",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.query = { &query },
		.replies = { { 200, "The month.", .shape = &usage_shape } },
		.work = get_usage,
	},
};
const struct route_set routes_usage = { rows, ARRAY_LEN(rows) };
