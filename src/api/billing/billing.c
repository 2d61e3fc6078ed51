/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What owners see and do of billing. Pages are made by the biller's thread, away from the loop and
 * from workers; what is paid for is told by Stripe afterwards, so nothing here changes a plan.
 */
#include "api/billing/billing.h"

#include "api/api.h"
#include "api/route.h"
#include "api/show.h"
#include "base/json_put.h"
#include "model/month.h"
#include "store/billing.h"

struct page_call {
	struct biller_ask ask;
	struct call *c;
};

static void problem(struct call *c)
{
	call_problem(c, &c->err);
	call_send(c);
}

/* SignalDesk knew no 409 here. */
static void fail(struct call *c, const struct err *err)
{
	bool older = c->route->older != NULL && err->kind == ERR_CONFLICT;

	if (err->kind == ERR_UPSTREAM) {
		log_warn("billing_page_failed", log_slice("cid", c->http->id),
			 log_str("error", err->text));
		err_set(&c->err, ERR_UPSTREAM, "Stripe does not answer as it should");
	} else {
		err_set(&c->err, older ? ERR_INVALID : err->kind, "%s", err->text);
	}
	problem(c);
}

/* On the loop. */
static void answered(void *arg)
{
	struct page_call *in = arg;
	struct call *c = in->c;
	struct json_w w;

	if (in->ask.err.kind != ERR_NONE) {
		struct err err = in->ask.err;

		/* What Stripe refuses of what we send is no fault of the caller's. */
		if (err.kind == ERR_INVALID) {
			err.kind = ERR_UPSTREAM;
		}
		fail(c, &err);
		return;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_str(&w, "url", in->ask.url);
	json_w_end(&w);
	call_send(c);
}

/* On the biller's thread. */
static void page_made(struct biller_ask *ask)
{
	struct page_call *in = CONTAINER_OF(ask, struct page_call, ask);

	api_post(in->c->api, answered, in);
}

static bool is_sold(struct call *c, struct slice name, const char *field, struct plan *out,
		    struct err *err)
{
	return (meter_find_plan(c->api->meter, name, c->req, out) && out->price_ref.n > 0) ||
	       err_field(err, ERR_INVALID, field, "\"%s\" names no plan that can be bought", field);
}

static bool submit_page(struct call *c, enum biller_what what, struct slice plan, const char *field,
			struct err *err)
{
	struct page_call *in = arena_new(c->req, struct page_call);

	in->c = c;
	in->ask = (struct biller_ask) { .what = what,
					.org = c->caller.org,
					.user = c->caller.user,
					.req = c->req,
					.done = page_made };
	if (c->api->biller == NULL) {
		return err_set(err, ERR_NOT_CONFIGURED, "billing is not set up on this server");
	}
	return (what != BILLER_CHECKOUT || is_sold(c, plan, field, &in->ask.plan, err)) &&
	       biller_submit(c->api->biller, &in->ask, err);
}

void billing_send_page(struct call *c, enum biller_what what, struct slice plan, const char *field)
{
	if (!submit_page(c, what, plan, field, &c->err)) {
		problem(c);
	}
}

/* POST /billing/checkout */

struct checkout_body {
	struct slice plan;
};
static const struct field checkout_rows[] = {
	FIELD_STR(struct checkout_body, plan, "plan", .min = 1, .max = PLAN_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The short name of a plan that has a price.",
		  .example = "pro"),
};
static const struct field_set checkout_fields = { checkout_rows, ARRAY_LEN(checkout_rows) };
static const struct shape checkout_in = { .fields = &checkout_fields, .sent = true };

static void post_checkout(struct call *c)
{
	struct checkout_body in = { 0 };
	const struct json *body;

	if (!call_body(c, &body, &c->err) ||
	    !fields_parse(body, checkout_rows, ARRAY_LEN(checkout_rows), &in, NULL, c->req,
			  &c->err)) {
		problem(c);
		return;
	}
	billing_send_page(c, BILLER_CHECKOUT, in.plan, "plan");
}

/* POST /billing/portal */

static void post_portal(struct call *c)
{
	billing_send_page(c, BILLER_PORTAL, S(""), "");
}

/* GET /billing */

struct state {
	struct billing_row row;
	struct billing_month month;
	struct billing_told told;
	struct meter_state meter;
};

static bool read_state(struct call *c, struct state *s, struct err *err)
{
	struct org_id org = c->caller.org;
	int64_t month_us = month_start_us(c->now_us);
	enum found found;

	*s = (struct state) { 0 };
	meter_look(c->api->meter, org, c->now_us, c->req, &s->meter);
	found = store_billing_month_last(org, c->db, month_us, c->req, &s->month, err);
	if (found == FAILED) {
		return false;
	}
	if (found == NOT_FOUND || s->month.month_us != month_us) {
		s->month = (struct billing_month) { .month_us = month_us };
	}
	return store_billing_get(org, c->db, c->req, &s->row, err) != FAILED &&
	       store_billing_told(org, c->db, month_us, &s->told, err);
}

static void write_overage(struct call *c, struct json_w *w, const struct state *s)
{
	char month[MONTH_TEXT_MAX];
	uint64_t over = s->month.overage.accrued;

	json_w_key(w, "overage");
	json_w_object(w);
	json_put_str(w, "month", arena_dup(c->req, month_format(s->month.month_us, month)));
	json_put_int(w, "events", (int64_t)over);
	json_put_int(w, "cents", plan_overage_cents(&s->meter.plan, over));
	json_put_int(w, "thousandsTold", (int64_t)s->told.thousands);
	json_w_end(w);
}

static bool get_billing(struct call *c, struct err *err)
{
	struct state s;
	struct json_w w;

	if (!read_state(c, &s, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_bool(&w, "configured", c->api->biller != NULL);
	json_put_bool(&w, "customer", s.row.customer.n > 0);
	json_put_str(&w, "plan", s.meter.plan.name);
	json_put_str_or_null(&w, "paidPlan", s.row.plan);
	json_put_str_or_null(&w, "status", s.row.status);
	json_put_time_or_null(&w, "periodStart", s.row.period_start_us);
	json_put_time_or_null(&w, "periodEnd", s.row.period_end_us);
	json_put_bool(&w, "endsAtPeriodEnd", s.row.ends);
	json_put_time_or_null(&w, "pastDueSince", s.row.behind_us);
	json_put_time_or_null(&w, "askedAt", s.row.asked_us);
	write_overage(c, &w, &s);
	json_w_end(&w);
	return true;
}

static const struct prop overage_props[] = {
	PROP_STR("month", .help = "A calendar month in UTC.", .example = "\"2026-11\""),
	PROP_INT("events", .help = "Events beyond the price since there is a subscription, judged "
				   "by the plans that held when they were taken."),
	PROP_INT("cents", .help = "What those cost by the plan that holds now."),
	PROP_INT("thousandsTold", .help = "Thousands of them that Stripe was told."),
};
static const struct shape overage_shape = { SHAPE_PROPS(overage_props) };

static const struct prop billing_props[] = {
	PROP_BOOL("configured", .help = "Plans can be bought on this server."),
	PROP_BOOL("customer", .help = "Stripe knows the organization."),
	PROP_STR("plan", .help = "The plan that holds now."),
	PROP_STR("paidPlan", .flags = PROP_NULL, .help = "The one that is paid for; null: none."),
	PROP_STR("status", .flags = PROP_NULL,
		 .help = "Of the subscription, in Stripe's words; null: there was none yet.",
		 .example = "\"active\""),
	PROP_TIME("periodStart", .flags = PROP_NULL, .help = "Of what is paid for."),
	PROP_TIME("periodEnd", .flags = PROP_NULL, .help = "Likewise."),
	PROP_BOOL("endsAtPeriodEnd", .help = "The subscription is not renewed."),
	PROP_TIME("pastDueSince", .flags = PROP_NULL,
		  .help = "A payment is overdue since then; null: none is."),
	PROP_TIME("askedAt", .flags = PROP_NULL, .help = "When Stripe was asked last."),
	PROP_SHAPE("overage", &overage_shape, .help = "What is billed beyond the price."),
};
static const struct shape billing_shape = { .name = "Billing",
					    .help = "What an organization pays for.",
					    SHAPE_PROPS(billing_props) };

static const struct prop page_props[] = {
	PROP_STR("url", .help = "A page at Stripe; send the browser there.",
		 .example = "\"https://checkout.stripe.com/c/pay/cs_test_1\""),
};
const struct shape shape_billing_page = { SHAPE_PROPS(page_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/billing",
		.name = "getBilling",
		.tag = "Billing",
		.summary = "What the organization pays for",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.while_closed = true,
		.replies = { { .status = 200, .help = "As of askedAt.", .shape = &billing_shape } },
		.work = get_billing,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/billing/checkout",
		.name = "checkout",
		.tag = "Billing",
		.summary = "Where a plan is bought",
		.doc = "The page is good for an hour or two, or until the next one is asked for. "
		       "The plan holds once Stripe says that it is paid for. 409 when there is a "
		       "subscription: the portal changes it.",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.body_max = BILLING_BODY_BYTES_MAX,
		.no_key = "it makes a page that nobody has to use, and closes the one before it",
		.unaudited = "nothing is bought yet: what comes of it is told by the biller",
		.bodies = { { .shape = &checkout_in } },
		.replies = { { .status = 200, .help = "The page.", .shape = &shape_billing_page } },
		.errors = { ERR_CONFLICT, ERR_UPSTREAM, ERR_NOT_CONFIGURED, ERR_OVERLOADED,
			    ERR_SHUTTING_DOWN },
		.loop = post_checkout,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/billing/portal",
		.name = "openBillingPortal",
		.tag = "Billing",
		.summary = "Where a subscription is changed, and bills are",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.while_closed = true,
		.no_key = "it changes nothing: ask for a page as often as you like",
		.unaudited = "nothing is changed yet: what comes of it is told by the biller",
		.replies = { { .status = 200, .help = "The page.", .shape = &shape_billing_page } },
		.errors = { ERR_UPSTREAM, ERR_NOT_CONFIGURED, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.loop = post_portal,
	},
};
const struct route_set routes_billing = { rows, ARRAY_LEN(rows) };
