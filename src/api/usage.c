/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an organization has used of what it may, and which plans there are. The number that limits
 * are held against is the loop's own, so it is never behind; the daily ledger is the state's, a
 * second behind at most, and what it does not have yet is said as pending.
 */
#include "api/api.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "base/time.h"
#include "engine/usage.h"
#include "store/rules.h"

#define LEDGER_ROWS_MAX ((size_t)MONTH_DAYS_MAX * USAGE_DAY_ROWS_MAX)
/* Earlier clients compute with limits: the largest whole number that all of them keep. */
#define NO_LIMIT INT64_C(9007199254740991)
#define DAY_TEXT_CHARS 10

struct usage_query {
	struct slice month;
};

static const struct field query_rows[] = {
	FIELD_STR(struct usage_query, month, "month", .max = MONTH_TEXT_MAX - 1,
		  .help = "A calendar month in UTC, \"2026-11\". Default: this one."),
};
static const struct field_set query = { query_rows, ARRAY_LEN(query_rows) };

/* What both forms tell. */
struct sheet {
	int64_t from_us, to_us;
	struct meter_state meter;
	uint64_t counted; /* by the state */
	uint64_t rules;
	uint64_t sent;
};

static bool read_sheet(struct call *c, int64_t from_us, struct sheet *s, struct err *err)
{
	*s = (struct sheet) { .from_us = from_us, .to_us = month_end_us(from_us) };
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

static int64_t left_of(int64_t limit, uint64_t used)
{
	return used < (uint64_t)limit ? limit - (int64_t)used : 0;
}

/* SignalDesk. */

static int64_t shown(int64_t limit)
{
	return limit == 0 ? NO_LIMIT : limit;
}

static int64_t percent(int64_t limit, uint64_t used)
{
	if (limit == 0) {
		return 0;
	}
	return used >= (uint64_t)limit ? 100 : (int64_t)(used * 100 / (uint64_t)limit);
}

static void write_used(struct json_w *w, const char *name, uint64_t used, int64_t limit)
{
	json_w_key(w, name);
	json_w_object(w);
	json_put_int(w, "used", (int64_t)used);
	json_put_int(w, "limit", shown(limit));
	json_put_int(w, "remaining", left_of(shown(limit), used));
}

static void write_overage(struct call *c, struct json_w *w, const struct sheet *s)
{
	uint64_t over = plan_overage(&s->meter.plan, s->meter.used);
	int64_t cents = plan_overage_cents(&s->meter.plan, over);

	json_w_key(w, "overage");
	json_w_object(w);
	json_put_int(w, "events", (int64_t)over);
	json_w_key(w, "cost");
	json_w_raw(w, arena_printf(c->req, "%lld.%02lld", (long long)cents / 100,
				   (long long)cents % 100));
	json_w_end(w);
}

static void write_usage_signaldesk(struct call *c, struct json_w *w, const struct sheet *s)
{
	const struct plan *plan = &s->meter.plan;
	int64_t limit = plan_events_limit(plan);

	json_w_key(w, "plan");
	json_w_object(w);
	json_put_str(w, "id", plan->name);
	json_put_str(w, "name", plan->name);
	json_put_int(w, "priceMonthly", plan->price_cents);
	json_w_end(w);
	json_w_key(w, "usage");
	json_w_object(w);
	write_used(w, "events", s->meter.used, limit);
	json_put_int(w, "percentUsed", percent(limit, s->meter.used));
	json_w_end(w);
	write_used(w, "rules", s->rules, plan->rules);
	json_w_end(w);
	write_overage(c, w, s);
	json_w_end(w);
}

static bool get_usage_signaldesk(struct call *c, struct err *err)
{
	int64_t days = retain_days(c->api->retain, c->caller.org, c->caller.project);
	struct sheet s;
	struct json_w w;

	if (!read_sheet(c, month_start_us(c->now_us), &s, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	write_usage_signaldesk(c, &w, &s);
	json_w_key(&w, "limits");
	json_w_object(&w);
	json_put_int(&w, "rateLimit", shown(s.meter.plan.rate_per_min));
	json_put_int(&w, "retentionDays", shown(days));
	json_w_end(&w);
	json_w_key(&w, "billing");
	json_w_object(&w);
	json_put_time(&w, "periodStart", s.from_us);
	json_put_time(&w, "periodEnd", s.to_us);
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static void write_plan(struct json_w *w, const struct plan *plan)
{
	json_w_object(w);
	json_put_str(w, "id", plan->name);
	json_put_str(w, "name", plan->name);
	json_put_str(w, "displayName", plan->display_name);
	json_put_int(w, "priceMonthly", plan->price_cents);
	json_put_int(w, "eventsPerMonth", shown(plan_events_limit(plan)));
	json_put_int(w, "rulesLimit", shown(plan->rules));
	json_put_int(w, "retentionDays", shown(plan->retention_days));
	json_put_int(w, "rateLimit", shown(plan->rate_per_min));
	json_w_end(w);
}

/* While the table is switched off there is one plan. On the loop: it is all in memory. */
static void get_plans(struct call *c)
{
	struct json_w w = call_json(c, 200);
	struct plan *plans;
	size_t n = 0;

	if (meter_default(c->api->meter, c->req).n > 0) {
		n = meter_plans(c->api->meter, c->req, &plans);
	}
	json_w_object(&w);
	json_w_key(&w, "plans");
	json_w_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_plan(&w, &plans[i]);
	}
	if (n == 0) {
		write_plan(&w, &plan_unlimited);
	}
	json_w_end(&w);
	json_w_end(&w);
	call_send(c);
}

/* Ours. */

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

static void write_events(struct json_w *w, const struct sheet *s)
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
		json_w_int(w, left_of(plan->events_hard, used));
	}
	json_put_int(w, "overage", (int64_t)over);
	json_put_int(w, "overageCents", plan_overage_cents(plan, over));
	json_w_end(w);
}

static void write_account(struct json_w *w, const struct sheet *s)
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
		if (row->key.v == 0) {
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
	struct sheet s;
	struct json_w w;
	int64_t from_us;

	if (!read_month(c, &from_us, err) || !read_sheet(c, from_us, &s, err) ||
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
		.help = "The key that sent them; null: keys beyond those that a day tells apart."),
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

static const struct prop desk_plan_props[] = {
	PROP_STR("id", .help = "Its short name."),
	PROP_STR("name", .help = "Its short name."),
	PROP_INT("priceMonthly", .help = "What it costs a month, in cents."),
};
static const struct shape desk_plan_shape = { SHAPE_PROPS(desk_plan_props) };

static const struct prop desk_events_props[] = {
	PROP_INT("used", .help = "Events of the month."),
	PROP_INT("limit", .help = "How many the plan has; 9007199254740991: no limit."),
	PROP_INT("remaining", .help = "What is left."),
	PROP_INT("percentUsed", .help = "Of the limit.", .max = 100),
};
static const struct shape desk_events_shape = { SHAPE_PROPS(desk_events_props) };

static const struct prop desk_rules_props[] = {
	PROP_INT("used", .help = "Rules that there are."),
	PROP_INT("limit", .help = "How many the plan has; 9007199254740991: no limit."),
	PROP_INT("remaining", .help = "What is left."),
};
static const struct shape desk_rules_shape = { SHAPE_PROPS(desk_rules_props) };

static const struct prop desk_overage_props[] = {
	PROP_INT("events", .help = "Events beyond the price."),
	PROP_NUMBER("cost", .help = "What those cost, in dollars."),
};
static const struct shape desk_overage_shape = { SHAPE_PROPS(desk_overage_props) };

static const struct prop desk_used_props[] = {
	PROP_SHAPE("events", &desk_events_shape, .help = "Events."),
	PROP_SHAPE("rules", &desk_rules_shape, .help = "Rules."),
	PROP_SHAPE("overage", &desk_overage_shape, .help = "What is billed beyond the price."),
};
static const struct shape desk_used_shape = { SHAPE_PROPS(desk_used_props) };

static const struct prop desk_limits_props[] = {
	PROP_INT("rateLimit", .help = "Requests a minute."),
	PROP_INT("retentionDays", .help = "For how long events are kept."),
};
static const struct shape desk_limits_shape = { SHAPE_PROPS(desk_limits_props) };

static const struct prop desk_billing_props[] = {
	PROP_TIME("periodStart", .help = "The first moment of the month, in UTC."),
	PROP_TIME("periodEnd", .help = "The first moment of the next one."),
};
static const struct shape desk_billing_shape = { SHAPE_PROPS(desk_billing_props) };

static const struct prop desk_props[] = {
	PROP_SHAPE("plan", &desk_plan_shape, .help = "The plan that holds now."),
	PROP_SHAPE("usage", &desk_used_shape, .help = "What is used."),
	PROP_SHAPE("limits", &desk_limits_shape, .help = "What else is limited."),
	PROP_SHAPE("billing", &desk_billing_shape, .help = "The month."),
};
static const struct shape desk_shape = { SHAPE_PROPS(desk_props) };

static const struct prop plan_row_props[] = {
	PROP_STR("id", .help = "Its short name."),
	PROP_STR("name", .help = "Its short name."),
	PROP_STR("displayName", .help = "Its name."),
	PROP_INT("priceMonthly", .help = "What it costs a month, in cents."),
	PROP_INT("eventsPerMonth", .help = "Events a month; 9007199254740991: no limit."),
	PROP_INT("rulesLimit", .help = "Rules; 9007199254740991: no limit."),
	PROP_INT("retentionDays", .help = "Days; 9007199254740991: for ever."),
	PROP_INT("rateLimit", .help = "Requests a minute; 9007199254740991: no limit."),
};
static const struct shape plan_row_shape = { .name = "Plan", SHAPE_PROPS(plan_row_props) };
static const struct prop plans_props[] = {
	PROP_SHAPE("plans", &plan_row_shape, .many = PROP_LIST, .help = "Cheapest first."),
};
static const struct shape plans_shape = { SHAPE_PROPS(plans_props) };

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
	{
		.method = HTTP_GET,
		.path = "/usage",
		.name = "signaldeskGetUsage",
		.older = "SignalDesk",
		.summary = "What was used this month",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.replies = { { 200, "The month.", .shape = &desk_shape } },
		.work = get_usage_signaldesk,
	},
	{
		.method = HTTP_GET,
		.path = "/plans",
		.name = "signaldeskListPlans",
		.older = "SignalDesk",
		.summary = "Which plans there are",
		.who = WHO_PUBLIC,
		.replies = { { 200, "The plans.", .shape = &plans_shape } },
		.loop = get_plans,
	},
};
const struct route_set routes_usage = { rows, ARRAY_LEN(rows) };
