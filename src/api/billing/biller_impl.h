/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_BILLING_BILLER_IMPL_H
#define API_BILLING_BILLER_IMPL_H

#include "api/billing/biller.h"
#include "base/queue.h"
#include "store/billing.h"

/* The parts of the biller: subscriptions.c asks, overage.c tells, pages.c makes what is paid at. */
struct biller {
	struct biller_options o;
	struct stripe_http *http; /* NULL: a test has a wire of its own */
	struct db *db;
	struct queue *asks;
	pthread_t thread;
	bool started;
	int stopping; /* atomic */
	int nudged;   /* atomic */
	struct biller_ask nudge;
	int64_t wait_us; /* after failures in a row; 0: none */
};

/* Between two pieces of work: asks come first. False: the biller is being closed. */
bool biller_goes_on(struct biller *b);

/*
 * A call; *body is in tick. Counts. out may be NULL. Errors of stripe_answer_read and of the wire.
 */
NODISCARD bool biller_call(struct biller *b, const struct stripe_call *call, struct arena *tick,
			   struct stripe_answer *out, const struct json **body, struct err *err);
/* Nothing more can be asked now: the rest waits, too. */
bool biller_is_cut_off(const struct err *err);

/*
 * Ask for an org's subscriptions, and store what follows: plan, status, overage up to now. row is
 * read anew. ERR_INVALID: Stripe refuses to answer for this customer.
 */
NODISCARD bool biller_sync(struct biller *b, struct billing_row *row, int64_t now_us,
			   struct arena *tick, struct err *err);
/* Judge the events of an org up to now, in the open transaction. */
NODISCARD bool biller_count(struct biller *b, const struct billing_row *row, int64_t now_us,
			    struct arena *tick, struct err *err);
/* "org_..." */
struct slice biller_org_id(struct org_id org, struct arena *tick);

#endif
