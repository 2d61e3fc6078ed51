/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "base/err.h"
#include "base/slice.h"

/*
 * What an organization may use in a month, and what it costs. Plans are data: rows of a table that
 * who runs the server fills; here is what follows from one. A limit of 0 is none. Pure; any thread.
 *
 * Events have two limits. Behind the soft one everything is still taken, and said so: it is the
 * number of events that the price includes. Behind the hard one nothing is. A plan that stops where
 * it was paid for has both at the same place; one that bills what is over has no hard one.
 */
#define PLAN_NAME_CHARS_MAX 50
#define PLAN_DISPLAY_NAME_CHARS_MAX 100
#define PLAN_REF_CHARS_MAX 100
#define PLANS_MAX 100 /* more than anybody chooses from; all are in memory */
#define PLAN_LIMIT_MAX INT64_C(1000000000000)
#define PLAN_UNLIMITED "unlimited" /* built in: what holds while nobody sells anything */
#define PLAN_FREE "free"	   /* the seed that stands for those who did not choose */

struct plan {
	struct slice name; /* a-z, 0-9, -; also its id */
	struct slice display_name;
	int64_t price_cents; /* a month */
	int64_t events_soft; /* a calendar month in UTC, all projects together */
	int64_t events_hard;
	int64_t rules; /* of all projects */
	int64_t retention_days;
	int64_t rate_per_min; /* requests */
	int64_t seats;
	int64_t projects;
	int64_t overage_cents; /* for each 1000 events over the soft limit; 0: nothing is billed */
	/* What the payment provider calls its price, and that of its overage; empty: not sold. */
	struct slice price_ref;
	struct slice overage_price_ref;
};

/* No limits, no price. */
extern const struct plan plan_unlimited;
/* What a table of plans begins with, cheapest first. */
extern const struct plan plan_seeds[];
extern const size_t plan_seeds_n;

/* What holds for one organization in the place of its plan's; PLAN_KEEP: nothing does. */
#define PLAN_KEEP (-1)
struct plan_override {
	int64_t events_soft;
	int64_t events_hard;
};
struct plan plan_overridden(const struct plan *plan, const struct plan_override *override);

/* Whether a plan's numbers make sense together; false says in err which one does not. */
NODISCARD bool plan_check(const struct plan *plan, struct err *err);

/*
 * What becomes of n more events behind those that were used this month: how many may be taken, and
 * whether the last of those is over the soft limit.
 */
struct quota {
	uint64_t room; /* at most n */
	bool over_soft;
};
struct quota quota_verdict(const struct plan *plan, uint64_t used, uint64_t n);
/* How many things of a kind with this limit may still be made: rules, projects, seats. */
bool quota_has_room(int64_t limit, uint64_t used);

/*
 * The number that usage is measured against: where something changes for good, by a refusal or by
 * a bill. 0: nowhere.
 */
int64_t plan_events_limit(const struct plan *plan);
/* Events that are billed beyond the price, and what they cost: each thousand that was begun. */
uint64_t plan_overage(const struct plan *plan, uint64_t used);
int64_t plan_overage_cents(const struct plan *plan, uint64_t over);

#endif
