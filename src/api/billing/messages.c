/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of Stripe. One that is signed and about a customer of ours is kept, together with a hint
 * that Stripe is to be asked; it decides nothing itself. Whatever else is signed is well received,
 * so that Stripe does not send it again.
 */
#include "api/api.h"
#include "api/billing/billing.h"
#include "api/route.h"
#include "api/shapes.h"
#include "base/json_put.h"
#include "store/billing.h"

static void count(struct call *c, enum metric id)
{
	metric_add(c->api->metrics, id, 1);
}

static bool check(struct call *c, struct stripe_message *out, struct err *err)
{
	struct slice header = http_request_header(c->http, HTTP_H_STRIPE_SIGNATURE);
	struct slice body = c->http->body;
	struct stripe_secrets secrets;

	if (c->api->biller == NULL) {
		return err_set(err, ERR_NOT_CONFIGURED, "billing is not set up on this server");
	}
	ensure(stripe_secrets_read(c->api->stripe_secrets, &secrets));
	if (!stripe_is_signed(header, body, &secrets, c->now_us, c->req)) {
		count(c, METRIC_BILLING_UNSIGNED);
		return err_set(err, ERR_INVALID, "the signature is missing, wrong or too old");
	}
	return stripe_message_read(body, c->req, out, err);
}

/* Row and hint together: either Stripe will be asked, or the message is as if it never came. */
static enum found keep(struct call *c, const struct stripe_message *m, struct org_id org,
		       struct err *err)
{
	enum stripe_matter matter = stripe_matter_of(m->type);
	struct billing_event event = { .org = org,
				       .id = m->id,
				       .kind = m->type,
				       .created_us = m->created_us,
				       .received_us = c->now_us };
	enum found found;

	if (!db_begin(c->db, err)) {
		return FAILED;
	}
	found = store_billing_event_add(org, c->db, &event, err);
	if (found == FOUND) {
		found = store_billing_hint(org, c->db, matter == STRIPE_FAILED ? m->created_us : 0,
					   matter == STRIPE_PAID ? m->created_us : 0, c->now_us,
					   err);
	}
	if (found == FOUND && !db_commit(c->db, err)) {
		found = FAILED;
	}
	db_rollback(c->db);
	return found;
}

static bool take(struct call *c, const struct stripe_message *m, struct err *err)
{
	struct billing_row row;
	enum found found = NOT_FOUND;

	if (stripe_matter_of(m->type) == STRIPE_NOTHING) {
		count(c, METRIC_BILLING_IGNORED);
		return true;
	}
	if (m->customer.n > 0) {
		found = store_billing_by_customer(c->db, m->customer, c->req, &row, err);
	}
	if (found == FAILED) {
		return false;
	}
	if (found == NOT_FOUND) {
		count(c, METRIC_BILLING_UNKNOWN);
		return true;
	}
	found = keep(c, m, row.org, err);
	if (found == FAILED) {
		return false;
	}
	if (found == FOUND) {
		biller_nudge(c->api->biller);
	}
	count(c, found == FOUND ? METRIC_BILLING_TAKEN : METRIC_BILLING_REPEATED);
	return true;
}

bool billing_take_message(struct call *c, struct err *err)
{
	struct stripe_message message;
	struct json_w w;

	if (!check(c, &message, err) || !take(c, &message, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_put_bool(&w, "received", true);
	json_w_end(&w);
	return true;
}

static const struct prop received_props[] = {
	PROP_BOOL("received", .help = "Always true."),
};
const struct shape shape_billing_received = { SHAPE_PROPS(received_props) };

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/billing/webhook",
		.name = "takeBillingMessage",
		.tag = "Billing",
		.summary = "What Stripe says",
		.doc = "For Stripe alone, which signs it in the header Stripe-Signature. Send "
		       "checkout.session.completed, customer.subscription.created, .updated and "
		       ".deleted, invoice.paid and invoice.payment_failed; others are well "
		       "received and change nothing.",
		.who = WHO_PUBLIC,
		.body_max = BILLING_MESSAGE_BYTES_MAX,
		.no_key = "an event of Stripe has an id of its own, and is taken once",
		.unaudited = "it changes nothing: what Stripe answers then is told by the biller",
		.bodies = { { .shape = &shape_ignored } },
		.replies = { { .status = 200,
			       .help = "It need not be sent again.",
			       .shape = &shape_billing_received } },
		.errors = { ERR_NOT_CONFIGURED },
		.work = billing_take_message,
	},
};
const struct route_set routes_billing_messages = { rows, ARRAY_LEN(rows) };
