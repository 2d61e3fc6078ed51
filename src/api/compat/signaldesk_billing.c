/* SPDX-License-Identifier: Apache-2.0 */
/* SignalDesk's billing: the same pages, for owners alone. */
#include "api/billing/billing.h"

#include "api/route.h"
#include "api/shapes.h"

struct checkout_body {
	struct slice plan;
};
static const struct field checkout_rows[] = {
	FIELD_STR(struct checkout_body, plan, "planId", .min = 1, .max = PLAN_NAME_CHARS_MAX,
		  .flags = FIELD_REQUIRED, .help = "The id of a plan: its name.", .example = "pro"),
};
static const struct field_set checkout_fields = { checkout_rows, ARRAY_LEN(checkout_rows) };
static const struct shape checkout_in = { .fields = &checkout_fields, .sent = true, .open = true };

static void post_checkout(struct call *c)
{
	struct fields_in as = { .ignore_unknown = true };
	struct checkout_body in = { 0 };
	const struct json *body;

	if (!call_body(c, &body, &c->err) ||
	    !fields_parse(body, checkout_rows, ARRAY_LEN(checkout_rows), &in, &as, c->req,
			  &c->err)) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	billing_send_page(c, BILLER_CHECKOUT, in.plan, "planId");
}

static void get_portal(struct call *c)
{
	billing_send_page(c, BILLER_PORTAL, S(""), "");
}

#define OWNERS "owners alone may; members could, too, though nothing said so"

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/billing/checkout",
		.name = "signaldeskCheckout",
		.older = "SignalDesk",
		.summary = "Buy a plan",
		.differs = OWNERS "; the browser comes back to /account instead of /settings; 400 "
				  "when there is a subscription already",
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.body_max = BILLING_BODY_BYTES_MAX,
		.unaudited = "nothing is bought yet: what comes of it is told by the biller",
		.bodies = { { .shape = &checkout_in } },
		.replies = { { .status = 200, .help = "The page.", .shape = &shape_billing_page } },
		.errors = { ERR_UPSTREAM, ERR_NOT_CONFIGURED, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.loop = post_checkout,
	},
	{
		.method = HTTP_GET,
		.path = "/billing/portal",
		.name = "signaldeskGetPortal",
		.older = "SignalDesk",
		.summary = "Where bills are paid",
		.differs = OWNERS,
		.who = WHO_USER,
		.role = ROLE_OWNER,
		.replies = { { .status = 200, .help = "The page.", .shape = &shape_billing_page } },
		.errors = { ERR_UPSTREAM, ERR_NOT_CONFIGURED, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.loop = get_portal,
	},
	{
		.method = HTTP_POST,
		.path = "/billing/webhook",
		.name = "signaldeskBillingWebhook",
		.older = "SignalDesk",
		.summary = "What Stripe says",
		.who = WHO_PUBLIC,
		.body_max = BILLING_MESSAGE_BYTES_MAX,
		.unaudited = "it changes nothing: what Stripe answers then is told by the biller",
		.bodies = { { .shape = &shape_ignored } },
		.replies = { { .status = 200,
			       .help = "It need not be sent again.",
			       .shape = &shape_billing_received } },
		.errors = { ERR_NOT_CONFIGURED },
		.work = billing_take_message,
	},
};
const struct route_set routes_signaldesk_billing = { rows, ARRAY_LEN(rows) };
