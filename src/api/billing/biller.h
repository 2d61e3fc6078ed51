/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_BILLING_BILLER_H
#define API_BILLING_BILLER_H

#include <pthread.h>

#include "api/billing/wire.h"
#include "engine/meter.h"
#include "engine/metrics.h"
#include "store/store.h"

/*
 * The thread that talks to Stripe, and the only one that writes what Stripe said and is told: which
 * plan is paid for, and how much overage there was (doc/adr/0027). Others hand it asks and nudge
 * it. It makes one call at a time, so a slow Stripe delays what is asked of it and nothing else.
 */
#define BILLER_ASKS_MAX 64				  /* people who want to pay at one moment */
#define BILLER_RECONCILE_US (INT64_C(6) * 3600 * 1000000) /* what a lost message may cost */
#define BILLER_PAGE_URL_BYTES_MAX 4096 /* of a page at Stripe; they are some hundred long */

struct biller;
struct biller_options {
	struct store *store;
	struct meter *meter;
	struct metrics *metrics;
	pthread_mutex_t *admin;	   /* held by who changes plans */
	struct slice url;	   /* of Stripe's API */
	struct slice key;	   /* secret */
	const char *ca_file;	   /* NULL: the system's certificates */
	struct stripe_wire wire;   /* in the place of those three, when it has a call */
	struct slice installation; /* tells servers apart that share an account at Stripe */
	struct slice meter_event;  /* the name of overage at Stripe */
	struct slice public_url;   /* where browsers come back to */
	int64_t every_us;	   /* how often overage is looked at */
	int64_t now_us; /* of the start: whoever was asked for before is asked for again */
};

/* Connects; no thread yet. Texts of options are borrowed for its life. Blocks. */
NODISCARD bool biller_open(struct biller **biller, const struct biller_options *options,
			   struct err *err);
/* NULL ok. */
void biller_start(struct biller *b);
/* What waits and what is under way ends with ERR_SHUTTING_DOWN. NULL ok. */
void biller_close(struct biller **biller);
/* Somebody has a hint in the store. Any thread. */
void biller_nudge(struct biller *b);

enum biller_what { BILLER_CHECKOUT, BILLER_PORTAL };
/* A page at Stripe that somebody wants. Belongs to the biller from submit until done. */
struct biller_ask {
	enum biller_what what;
	struct org_id org;
	struct user_id user; /* who asks: bills go there unless that is changed at Stripe */
	struct plan plan;    /* of a checkout */
	struct arena *req;
	void (*done)(struct biller_ask *ask); /* on the biller's thread, or in biller_close */
	/* Out. */
	struct slice url;
	/*
	 * ERR_NONE; ERR_UPSTREAM; ERR_CONFLICT: there is a subscription already;
	 * ERR_SHUTTING_DOWN; of the store.
	 */
	struct err err;
};
/* ERR_OVERLOADED. Any thread. */
NODISCARD bool biller_submit(struct biller *b, struct biller_ask *ask, struct err *err);

/*
 * What the thread does, for tests, which have none: ask for those that are due (false: Stripe
 * could not be asked, or the store), tell overage of all, and answer one ask.
 */
NODISCARD bool biller_ask_due(struct biller *b, int64_t now_us, struct err *err);
NODISCARD bool biller_tell_all(struct biller *b, int64_t now_us, struct err *err);
void biller_answer(struct biller *b, struct biller_ask *ask, int64_t now_us);

#endif
