/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_BILLING_WIRE_H
#define API_BILLING_WIRE_H

#include "api/billing/stripe.h"

/*
 * Calls to Stripe, one at a time: each blocks its thread until the answer is there, or it is clear
 * that none comes. The secret key goes nowhere else, into no log and no error.
 */
#define STRIPE_TOTAL_US (INT64_C(10) * 1000000) /* a person waits for a page to pay at */

struct stripe_wire {
	/*
	 * out's body lives in tick. ERR_UPSTREAM: no whole answer came, and nobody knows whether
	 * it was done; ERR_SHUTTING_DOWN: likewise, and nothing more is sent.
	 */
	bool (*call)(void *arg, const struct stripe_call *call, struct arena *tick,
		     struct stripe_answer *out, struct err *err);
	void *arg;
};

struct stripe_http;
/*
 * url without a slash at its end. Texts are borrowed for its life; ca_file as for an HTTP client.
 */
struct stripe_http *stripe_http_new(struct slice url, struct slice key, const char *ca_file);
void stripe_http_free(struct stripe_http **http);
struct stripe_wire stripe_http_wire(struct stripe_http *http);
/* End the call under way, and all that come. Any thread, while it is there. */
void stripe_http_stop(struct stripe_http *http);

#endif
