/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans, for who runs the server: over the socket in the data directory. The row is written first
 * and told to the meter then, by one call at a time, so that memory and store end with the same. No
 * record of the log is needed: what a plan refuses never gets there.
 */
#include "api/plans.h"

#include "api/api.h"
#include "api/audit.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"

#define PLAN_BODY_BYTES_MAX ((size_t)16 << 10)
#define ORG_SLUG_CHARS_MAX 120

/* Whether a member is there at all; null counts as there. */
static bool is_given(const struct json *body, const char *name)
{
	return json_get(body, name) != NULL;
}

static int64_t limit_of(const struct json *body, const char *name, int64_t value, int64_t old)
{
	const struct json *member = json_get(body, name);

	if (member == NULL) {
		return old;
	}
	return member->type == JSON_NULL ? PLAN_KEEP : value;
}

static struct slice limits_as_shown(struct call *c, const struct org_plan_row *row)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, PLAN_BODY_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str_or_null(&w, "plan", row->plan);
	json_put_int(&w, "softLimit", row->events_soft);
	json_put_int(&w, "hardLimit", row->events_hard);
	json_w_end(&w);
	text = arena_dup(c->req, buf_slice(&out));
	buf_release(&out);
	return text;
}

static bool note_limits(struct call *c, const struct org_plan_row *old,
			const struct org_plan_row *row, struct err *err)
{
	struct audit_note note = { .action = AUDIT_PLAN_SET,
				   .org = row->org,
				   AUDIT_OF(c, ORG, row->org.v, S("")),
				   .before = limits_as_shown(c, old),
				   .after = limits_as_shown(c, row) };

	return audit_put(c, &note, err);
}

bool plans_set_limits(struct call *c, struct org_id org, const struct json *body,
		      const struct plan_limits *in, struct err *err)
{
	struct org_plan_row row, old;
	struct plan_override own;
	struct plan limits;

	meter_get_org(c->api->meter, org, c->req, &row);
	old = row;
	row.events_soft = limit_of(body, "softLimit", in->soft, row.events_soft);
	row.events_hard = limit_of(body, "hardLimit", in->hard, row.events_hard);
	if (is_given(body, "plan")) {
		row.plan = in->plan;
	}
	row.updated_us = c->now_us;
	own = (struct plan_override) { row.events_soft, row.events_hard };
	limits = plan_overridden(&plan_unlimited, &own);
	if (!plan_check(&limits, err) || !db_begin(c->db, err) ||
	    !store_org_plan_set(org, c->db, &row, err) || !note_limits(c, &old, &row, err) ||
	    !db_commit(c->db, err)) {
		db_rollback(c->db);
		return false;
	}
	meter_set_org(c->api->meter, &row);
	return true;
}

bool plans_may_make_project(struct call *c, struct org_id org, struct err *err)
{
	struct meter_state state;
	uint64_t n = 0;

	meter_look(c->api->meter, org, c->now_us, c->req, &state);
	if (state.plan.projects == 0) {
		return true;
	}
	return store_project_count(org, c->db, &n, err) &&
	       (quota_has_room(state.plan.projects, n) ||
		err_set(err, ERR_LIMIT, "the plan allows no more than %lld projects",
			(long long)state.plan.projects));
}

/* The table. */

static void write_plan(struct json_w *w, const struct plan *plan)
{
	json_w_object(w);
	json_put_str(w, "name", plan->name);
	json_put_str(w, "displayName", plan->display_name);
	json_put_int(w, "priceCents", plan->price_cents);
	json_put_int(w, "softLimit", plan->events_soft);
	json_put_int(w, "hardLimit", plan->events_hard);
	json_put_int(w, "overageCents", plan->overage_cents);
	json_put_int(w, "rules", plan->rules);
	json_put_int(w, "projects", plan->projects);
	json_put_int(w, "seats", plan->seats);
	json_put_int(w, "retentionDays", plan->retention_days);
	json_put_int(w, "ratePerMinute", plan->rate_per_min);
	json_put_str_or_null(w, "stripePrice", plan->price_ref);
	json_put_str_or_null(w, "stripeOveragePrice", plan->overage_price_ref);
	json_w_end(w);
}

static bool answer_plans(struct call *c)
{
	struct json_w w = call_json(c, 200);
	struct plan *plans;
	size_t n = meter_plans(c->api->meter, c->req, &plans);

	json_w_object(&w);
	json_put_str_or_null(&w, "default", meter_default(c->api->meter, c->req));
	json_w_key(&w, "plans");
	json_w_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_plan(&w, &plans[i]);
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool list_plans(struct call *c, struct err *err UNUSED)
{
	return answer_plans(c);
}

static const struct field plan_rows[] = {
	FIELD_STR(struct plan, name, "name", .min = 1, .max = PLAN_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The short name: a-z, 0-9 and -."),
	FIELD_STR(struct plan, display_name, "displayName", .min = 1,
		  .max = PLAN_DISPLAY_NAME_CHARS_MAX, .help = "The name. Default: the short one."),
	FIELD_INT(struct plan, price_cents, "priceCents", .max = PLAN_LIMIT_MAX,
		  .help = "What it costs a month, in cents."),
	FIELD_INT(struct plan, events_soft, "softLimit", .max = PLAN_LIMIT_MAX,
		  .help = "Events a month that the price includes; 0: no limit."),
	FIELD_INT(struct plan, events_hard, "hardLimit", .max = PLAN_LIMIT_MAX,
		  .help = "Events a month that are taken at all; 0: no limit."),
	FIELD_INT(struct plan, overage_cents, "overageCents", .max = PLAN_LIMIT_MAX,
		  .help = "What each 1000 events over the soft limit cost; 0: nothing."),
	FIELD_INT(struct plan, rules, "rules", .max = PLAN_LIMIT_MAX, .help = "0: no limit."),
	FIELD_INT(struct plan, projects, "projects", .max = PLAN_LIMIT_MAX, .help = "0: no limit."),
	FIELD_INT(struct plan, seats, "seats", .max = PLAN_LIMIT_MAX, .help = "0: no limit."),
	FIELD_INT(struct plan, retention_days, "retentionDays", .max = PLAN_LIMIT_MAX,
		  .help = "0: no limit."),
	FIELD_INT(struct plan, rate_per_min, "ratePerMinute", .max = PLAN_LIMIT_MAX,
		  .help = "Requests a minute; 0: no limit."),
	FIELD_STR(struct plan, price_ref, "stripePrice", .max = PLAN_REF_CHARS_MAX,
		  .help = "The id of its price at Stripe; without one nobody can buy it.",
		  .example = "price_1OqXk2"),
	FIELD_STR(struct plan, overage_price_ref, "stripeOveragePrice", .max = PLAN_REF_CHARS_MAX,
		  .help = "Likewise, of the metered price of its overage.",
		  .example = "price_1OqXk3"),
};

static struct slice plan_as_shown(struct call *c, const struct plan *plan)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, PLAN_BODY_BYTES_MAX);
	json_w_init(&w, &out);
	write_plan(&w, plan);
	text = arena_dup(c->req, buf_slice(&out));
	buf_release(&out);
	return text;
}

static bool note_plan(struct call *c, const struct plan *plan, struct err *err)
{
	struct audit_note note = { .action = AUDIT_PLAN_PUT,
				   .installation = true,
				   .target = AUDIT_ON_PLAN,
				   .target_id = plan->name,
				   .target_name = plan->display_name,
				   .after = plan_as_shown(c, plan) };
	struct plan old;

	if (meter_find_plan(c->api->meter, plan->name, c->req, &old)) {
		note.before = plan_as_shown(c, &old);
	}
	return audit_put(c, &note, err);
}

static bool store_plan(struct call *c, const struct plan *plan, struct err *err)
{
	if (!db_begin(c->db, err) || !store_plan_put(c->db, plan, err) ||
	    !note_plan(c, plan, err) || !db_commit(c->db, err)) {
		db_rollback(c->db);
		return false;
	}
	return meter_put_plan(c->api->meter, plan) ||
	       err_set(err, ERR_LIMIT, "there are %d plans at most", PLANS_MAX);
}

/* The bound is looked at before the row is written: a start has to be able to read them all. */
static bool has_place(struct call *c, struct slice name, struct err *err)
{
	struct plan *plans, found;

	return meter_find_plan(c->api->meter, name, c->req, &found) ||
	       meter_plans(c->api->meter, c->req, &plans) < PLANS_MAX ||
	       err_set(err, ERR_LIMIT, "there are %d plans at most", PLANS_MAX);
}

static bool put_plan(struct call *c, struct err *err)
{
	const struct json *body;
	struct plan plan = { 0 };

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, plan_rows, ARRAY_LEN(plan_rows), &plan, NULL, c->req, err)) {
		return false;
	}
	if (plan.display_name.n == 0) {
		plan.display_name = plan.name;
	}
	if (slice_eq(plan.name, plan_unlimited.name)) {
		return err_field(err, ERR_INVALID, "name",
				 "\"" PLAN_UNLIMITED "\" is built in, and has no limits");
	}
	return plan_check(&plan, err) && has_place(c, plan.name, err) &&
	       store_plan(c, &plan, err) && answer_plans(c);
}

struct switch_body {
	struct slice name;
};

static const struct field switch_rows[] = {
	FIELD_STR(struct switch_body, name, "default", .max = PLAN_NAME_CHARS_MAX,
		  .help = "The plan of those that have none; empty switches plans off."),
};

/* The table begins with plans to choose from. */
static bool seed_plans(struct call *c, struct err *err)
{
	struct plan *plans;

	if (meter_plans(c->api->meter, c->req, &plans) > 0) {
		return true;
	}
	for (size_t i = 0; i < plan_seeds_n; i++) {
		if (!store_plan(c, &plan_seeds[i], err)) {
			return false;
		}
	}
	return true;
}

static bool known_plan(struct call *c, struct slice name, const char *field, struct err *err)
{
	struct plan found;

	return meter_find_plan(c->api->meter, name, c->req, &found) ||
	       err_field(err, ERR_INVALID, field, "\"%s\" names no plan that there is", field);
}

static bool note_switch(struct call *c, struct slice name, struct err *err)
{
	struct audit_note note = {
		.action = AUDIT_PLAN_SWITCH,
		.installation = true,
		.target = AUDIT_ON_PLAN,
		.target_id = name,
		.before = audit_text(c, "default", meter_default(c->api->meter, c->req)),
		.after = audit_text(c, "default", name),
	};

	return audit_put(c, &note, err);
}

static bool switch_plans(struct call *c, struct err *err)
{
	struct switch_body in = { 0 };
	const struct json *body;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, switch_rows, ARRAY_LEN(switch_rows), &in, NULL, c->req, err) ||
	    (in.name.n > 0 && (!seed_plans(c, err) || !known_plan(c, in.name, "default", err))) ||
	    !db_begin(c->db, err) || !store_meta_put(c->db, PLAN_DEFAULT_META, in.name, err) ||
	    !note_switch(c, in.name, err) || !db_commit(c->db, err)) {
		db_rollback(c->db);
		return false;
	}
	meter_set_default(c->api->meter, in.name);
	return answer_plans(c);
}

struct org_body {
	struct slice org;
	struct plan_limits limits;
};

static const struct field org_rows[] = {
	FIELD_STR(struct org_body, org, "org", .min = 1, .max = ORG_SLUG_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The organization, by its short name."),
	FIELD_STR(struct org_body, limits.plan, "plan", .max = PLAN_NAME_CHARS_MAX,
		  .help = "Its plan; empty: the default one."),
	PLAN_LIMIT_FIELDS(struct org_body, limits),
};

static bool answer_org(struct call *c, const struct org_row *org)
{
	struct json_w w = call_json(c, 200);
	struct meter_state state;

	meter_look(c->api->meter, org->id, c->now_us, c->req, &state);
	json_w_object(&w);
	show_id(&w, "id", ID_ORG, org->id.v);
	json_put_str(&w, "org", org->slug);
	json_put_str(&w, "plan", state.plan.name);
	json_put_int(&w, "softLimit", state.plan.events_soft);
	json_put_int(&w, "hardLimit", state.plan.events_hard);
	json_put_int(&w, "used", (int64_t)state.used);
	json_w_end(&w);
	return true;
}

static bool set_org(struct call *c, struct err *err)
{
	struct org_body in = { 0 };
	const struct json *body;
	struct org_row org;

	if (!call_body(c, &body, err) ||
	    !fields_parse(body, org_rows, ARRAY_LEN(org_rows), &in, NULL, c->req, err) ||
	    (in.limits.plan.n > 0 && !known_plan(c, in.limits.plan, "plan", err))) {
		return false;
	}
	switch (store_org_by_slug(c->db, in.org, c->req, &org, err)) {
	case FOUND:
		return plans_set_limits(c, org.id, body, &in.limits, err) && answer_org(c, &org);
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "there is no organization \"%.*s\"",
			       SARG(in.org));
	case FAILED:
		break;
	}
	return false;
}

static bool one_at_a_time(struct call *c, work_handler *fn, struct err *err)
{
	bool ok;

	ensure(pthread_mutex_lock(&c->api->admin) == 0);
	ok = fn(c, err);
	ensure(pthread_mutex_unlock(&c->api->admin) == 0);
	return ok;
}

static bool post_plan(struct call *c, struct err *err)
{
	return one_at_a_time(c, put_plan, err);
}

static bool post_switch(struct call *c, struct err *err)
{
	return one_at_a_time(c, switch_plans, err);
}

static bool post_org(struct call *c, struct err *err)
{
	return one_at_a_time(c, set_org, err);
}

static const struct field_set plan_fields = { plan_rows, ARRAY_LEN(plan_rows) };
static const struct shape plan_in = { .fields = &plan_fields, .sent = true };
static const struct shape plan_out = { .fields = &plan_fields };
static const struct field_set switch_fields = { switch_rows, ARRAY_LEN(switch_rows) };
static const struct shape switch_in = { .fields = &switch_fields, .sent = true };
static const struct field_set org_fields = { org_rows, ARRAY_LEN(org_rows) };
static const struct shape org_in = { .fields = &org_fields, .sent = true };

static const struct prop plans_props[] = {
	PROP_STR("default", .flags = PROP_NULL, .help = "null: plans are switched off."),
	PROP_SHAPE("plans", &plan_out, .many = PROP_LIST, .help = "Cheapest first."),
};
static const struct shape plans_out = { SHAPE_PROPS(plans_props) };

static const struct prop org_props[] = {
	PROP_ID("id", ID_ORG),
	PROP_STR("org", .help = "The short name."),
	PROP_STR("plan", .help = "The plan that holds."),
	PROP_INT("softLimit", .help = "0: none."),
	PROP_INT("hardLimit", .help = "0: none."),
	PROP_INT("used", .help = "Events of this month."),
};
static const struct shape org_out = { SHAPE_PROPS(org_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/admin/plans",
		.name = "adminListPlans",
		.tag = "Operation",
		.summary = "List the table of plans",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200, .help = "The table.", .shape = &plans_out } },
		.work = list_plans,
	},
	{
		.method = HTTP_POST,
		.path = "/admin/plans",
		.name = "adminPutPlan",
		.tag = "Operation",
		.summary = "Add or replace a plan",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.body_max = PLAN_BODY_BYTES_MAX,
		.bodies = { { .shape = &plan_in } },
		.replies = { { .status = 200, .help = "The table.", .shape = &plans_out } },
		.errors = { ERR_LIMIT },
		.audits = { AUDIT_PLAN_PUT },
		.work = post_plan,
	},
	{
		.method = HTTP_POST,
		.path = "/admin/plans/switch",
		.name = "adminSwitchPlans",
		.tag = "Operation",
		.summary = "Switch the table of plans on or off",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.body_max = PLAN_BODY_BYTES_MAX,
		.bodies = { { .shape = &switch_in } },
		.replies = { { .status = 200, .help = "The table.", .shape = &plans_out } },
		.audits = { AUDIT_PLAN_PUT, AUDIT_PLAN_SWITCH },
		.work = post_switch,
	},
	{
		.method = HTTP_POST,
		.path = "/admin/plans/org",
		.name = "adminSetOrgPlan",
		.tag = "Operation",
		.summary = "Set an organization's plan and limits of its own",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.body_max = PLAN_BODY_BYTES_MAX,
		.bodies = { { .shape = &org_in } },
		.replies = { { .status = 200, .help = "What holds now.", .shape = &org_out } },
		.errors = { ERR_NOT_FOUND },
		.audits = { AUDIT_PLAN_SET },
		.work = post_org,
	},
};
const struct route_set routes_plans = { rows, ARRAY_LEN(rows) };
