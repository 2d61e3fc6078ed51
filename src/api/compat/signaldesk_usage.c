/* SPDX-License-Identifier: Apache-2.0 */
/* SignalDesk's usage and plans: what there is, in the words that its clients compute with. */
#include "api/usage.h"

#include "api/api.h"
#include "api/route.h"
#include "base/json_put.h"
#include "base/time.h"

/* Earlier clients compute with limits: the largest whole number that all of them keep. */
#define NO_LIMIT INT64_C(9007199254740991)

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
	json_put_int(w, "remaining", usage_left(shown(limit), used));
}

static void write_overage(struct call *c, struct json_w *w, const struct usage_sheet *s)
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

static void write_usage_signaldesk(struct call *c, struct json_w *w, const struct usage_sheet *s)
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
	struct usage_sheet s;
	struct json_w w;

	if (!usage_read_sheet(c, month_start_us(c->now_us), &s, err)) {
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

static const struct prop plan_props[] = {
	PROP_STR("id", .help = "Its short name."),
	PROP_STR("name", .help = "Its short name."),
	PROP_INT("priceMonthly", .help = "What it costs a month, in cents."),
};
static const struct shape plan_shape = { SHAPE_PROPS(plan_props) };

static const struct prop events_props[] = {
	PROP_INT("used", .help = "Events of the month."),
	PROP_INT("limit", .help = "How many the plan has; 9007199254740991: no limit."),
	PROP_INT("remaining", .help = "What is left."),
	PROP_INT("percentUsed", .help = "Of the limit.", .max = 100),
};
static const struct shape events_shape = { SHAPE_PROPS(events_props) };

static const struct prop rules_props[] = {
	PROP_INT("used", .help = "Rules that there are."),
	PROP_INT("limit", .help = "How many the plan has; 9007199254740991: no limit."),
	PROP_INT("remaining", .help = "What is left."),
};
static const struct shape rules_shape = { SHAPE_PROPS(rules_props) };

static const struct prop overage_props[] = {
	PROP_INT("events", .help = "Events beyond the price."),
	PROP_NUMBER("cost", .help = "What those cost, in dollars."),
};
static const struct shape overage_shape = { SHAPE_PROPS(overage_props) };

static const struct prop used_props[] = {
	PROP_SHAPE("events", &events_shape, .help = "Events."),
	PROP_SHAPE("rules", &rules_shape, .help = "Rules."),
	PROP_SHAPE("overage", &overage_shape, .help = "What is billed beyond the price."),
};
static const struct shape used_shape = { SHAPE_PROPS(used_props) };

static const struct prop limits_props[] = {
	PROP_INT("rateLimit", .help = "Requests a minute."),
	PROP_INT("retentionDays", .help = "For how long events are kept."),
};
static const struct shape limits_shape = { SHAPE_PROPS(limits_props) };

static const struct prop billing_props[] = {
	PROP_TIME("periodStart", .help = "The first moment of the month, in UTC."),
	PROP_TIME("periodEnd", .help = "The first moment of the next one."),
};
static const struct shape billing_shape = { SHAPE_PROPS(billing_props) };

static const struct prop usage_props[] = {
	PROP_SHAPE("plan", &plan_shape, .help = "The plan that holds now."),
	PROP_SHAPE("usage", &used_shape, .help = "What is used."),
	PROP_SHAPE("limits", &limits_shape, .help = "What else is limited."),
	PROP_SHAPE("billing", &billing_shape, .help = "The month."),
};
static const struct shape usage_shape = { SHAPE_PROPS(usage_props) };

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
		.path = "/usage",
		.name = "signaldeskGetUsage",
		.older = "SignalDesk",
		.summary = "What was used this month",
		.differs = "a month is one in UTC; the id of a plan is its name; what is not "
			   "limited is 9007199254740991",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.replies = { { 200, "The month.", .shape = &usage_shape } },
		.work = get_usage_signaldesk,
	},
	{
		.method = HTTP_GET,
		.path = "/plans",
		.name = "signaldeskListPlans",
		.older = "SignalDesk",
		.summary = "Which plans there are",
		.differs = "the id of a plan is its name; what is not limited is "
			   "9007199254740991; while plans are switched off there is "
			   "one, unlimited",
		.who = WHO_PUBLIC,
		.replies = { { 200, "The plans.", .shape = &plans_shape } },
		.loop = get_plans,
	},
};
const struct route_set routes_signaldesk_usage = { rows, ARRAY_LEN(rows) };
