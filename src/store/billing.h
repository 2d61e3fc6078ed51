/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_BILLING_H
#define STORE_BILLING_H

#include "model/id.h"
#include "model/overage.h"
#include "store/db.h"

/*
 * What an organization is to the payment provider: customer, subscription, messages that came, and
 * the overage that it was told. The provider decides what is paid for; rows here are what it said
 * last. Only the biller (api/billing) writes what it was told and what it is told; whoever takes a
 * message writes that it came, and that the provider is to be asked. See doc/adr/0027.
 *
 * Texts of the provider are its ids and words, at most BILLING_TEXT_BYTES_MAX each.
 */
#define BILLING_TEXT_BYTES_MAX 255 /* ids of the provider; it says so of most of them */

enum billing_leaving {
	BILLING_STAYS,
	BILLING_LEAVES, /* the subscription is to end with what is paid for */
	BILLING_LEFT,	/* the provider knows */
	BILLING_RETURNS /* and is to know that it goes on after all */
};

struct billing_row {
	struct org_id org;
	struct slice customer;	   /* empty: none yet */
	uint64_t checkouts;	   /* made so far */
	struct slice checkout;	   /* the newest; it may be open yet. Or empty */
	struct slice subscription; /* empty: there was none yet */
	struct slice status;	   /* the provider's word; empty: likewise */
	struct slice price;
	struct slice plan; /* that was set because of it; empty: none */
	int64_t period_start_us;
	int64_t period_end_us;
	bool ends;	   /* with the period: it is not renewed */
	uint64_t hints;	   /* reasons to ask the provider */
	uint64_t heeded;   /* those that its last answer came after */
	int64_t asked_us;  /* when it was asked last; 0: never */
	int64_t behind_us; /* since when a payment is overdue; 0: none is */
	int64_t failed_us; /* the newest payment that failed, by the provider's clock; 0: none */
	int64_t paid_us;   /* likewise, that went well */
	uint64_t leaving;  /* enum billing_leaving */
	int64_t updated_us;
};
struct billing_list {
	struct billing_row *rows;
	size_t n;
};

NODISCARD enum found store_billing_get(struct org_id org, struct db *db, struct arena *req,
				       struct billing_row *out, struct err *err);
/*
 * The provider has made a customer: kept, unless there is one already. ERR_CONFLICT when it is
 * another org's.
 */
NODISCARD bool store_billing_customer(struct org_id org, struct db *db, struct slice customer,
				      int64_t now_us, struct err *err);
/* One more checkout was made; empty: the newest is over. */
NODISCARD bool store_billing_checkout(struct org_id org, struct db *db, struct slice checkout,
				      int64_t now_us, struct err *err);
/*
 * What the provider answered: everything from subscription to ends, heeded, asked_us, behind_us and
 * updated_us.
 */
NODISCARD bool store_billing_apply(struct org_id org, struct db *db, const struct billing_row *row,
				   struct err *err);
/* The provider was asked and gave no answer that can be used: heeded and asked_us alone. */
NODISCARD bool store_billing_asked(struct org_id org, struct db *db, uint64_t heeded,
				   int64_t now_us, struct err *err);

/* A message of the provider that has an effect. */
struct billing_event {
	struct org_id org;
	struct slice id;
	struct slice kind;
	int64_t created_us; /* by the provider's clock */
	int64_t received_us;
};
#define BILLING_EVENT_KEPT_US (INT64_C(40) * 86400 * 1000000) /* it can be sent again for 30 days */
/* FOUND: it is new. NOT_FOUND: it came before, and nothing was written. */
NODISCARD enum found store_billing_event_add(struct org_id org, struct db *db,
					     const struct billing_event *event, struct err *err);
/* The provider is to be asked; failed_us and paid_us only grow. NOT_FOUND: the org has no row. */
NODISCARD enum found store_billing_hint(struct org_id org, struct db *db, int64_t failed_us,
					int64_t paid_us, int64_t now_us, struct err *err);

/*
 * The org is to be deleted, or stays after all: its subscription is told to end with what is paid
 * for, or not to, and no overage is told any more meanwhile. In the transaction that decides it;
 * nothing happens when it has no customer.
 */
NODISCARD bool store_billing_leave(struct org_id org, struct db *db, bool leaving, int64_t now_us,
				   struct err *err);
/* The biller has told the provider: from one of the two that wait to the next. */
NODISCARD bool store_billing_left(struct org_id org, struct db *db, enum billing_leaving from,
				  int64_t now_us, struct err *err);
/* Whether the org can be purged without leaving a subscription that goes on being paid. */
NODISCARD bool store_billing_may_go(struct org_id org, struct db *db, bool *out, struct err *err);
/* Everything of the org in here. In a transaction. */
NODISCARD bool store_billing_purge(struct org_id org, struct db *db, struct err *err);

/* Overage of a month, in UTC. */
struct billing_month {
	struct org_id org;
	int64_t month_us; /* its first microsecond */
	struct overage overage;
	bool settled;
};
struct billing_month_list {
	struct billing_month *rows;
	size_t n;
};
#define BILLING_MONTHS_OPEN_MAX 24 /* those that were not settled; a server that was off for long */
/* The newest at or before a month. */
NODISCARD enum found store_billing_month_last(struct org_id org, struct db *db, int64_t month_us,
					      struct arena *req, struct billing_month *out,
					      struct err *err);
/* Those that may change yet, oldest first. */
NODISCARD bool store_billing_months_open(struct org_id org, struct db *db, struct arena *req,
					 struct billing_month_list *out, struct err *err);
/* Set or replace. */
NODISCARD bool store_billing_month_put(struct org_id org, struct db *db,
				       const struct billing_month *row, struct err *err);

/* A thing that the provider is told. */
struct billing_report {
	struct org_id org;
	int64_t month_us;
	uint64_t number; /* from 1, in its month */
	struct slice customer;
	uint64_t thousands;
	int64_t told_us;  /* the time that it is told */
	int64_t tried_us; /* 0: not yet */
	int64_t done_us;  /* 0: it is not known to have arrived */
	bool lost;	  /* it did not, and cannot any more: done_us says when that was found */
};
struct billing_report_list {
	struct billing_report *rows;
	size_t n;
};
/* ERR_CONFLICT while another of this org is under way. */
NODISCARD bool store_billing_report_add(struct org_id org, struct db *db,
					const struct billing_report *row, struct err *err);
/* The one that is under way. */
NODISCARD enum found store_billing_report_open(struct org_id org, struct db *db, struct arena *req,
					       struct billing_report *out, struct err *err);
/* Set tried_us, done_us and lost, as long as it is under way. */
NODISCARD bool store_billing_report_set(struct org_id org, struct db *db,
					const struct billing_report *row, struct err *err);
/* How many there are of a month, and their thousands but for lost ones. */
struct billing_told {
	uint64_t reports;
	uint64_t thousands;
};
NODISCARD bool store_billing_told(struct org_id org, struct db *db, int64_t month_us,
				  struct billing_told *out, struct err *err);
/* What has arrived of reports whose told time is in [from, to), in thousands. */
NODISCARD bool store_billing_arrived(struct org_id org, struct db *db, int64_t from_us,
				     int64_t to_us, uint64_t *thousands, struct err *err);
/* Of a month, in the order of numbers, at most max. */
NODISCARD bool store_billing_report_list(struct org_id org, struct db *db, int64_t month_us,
					 size_t max, struct arena *req,
					 struct billing_report_list *out, struct err *err);

/* Across organizations; the reasons stand in global.h. */

/* The provider knows customers, not orgs. */
NODISCARD enum found store_billing_by_customer(struct db *db, struct slice customer,
					       struct arena *req, struct billing_row *out,
					       struct err *err);
/*
 * The biller asks for all orgs: those with a customer that a hint is about or that wait to leave or
 * return, unless they were asked for at hinted_us or later, and those that were asked for before
 * before_us. Hints first, then the longest ago.
 */
NODISCARD bool store_billing_due(struct db *db, int64_t hinted_us, int64_t before_us, size_t limit,
				 struct arena *req, struct billing_list *out, struct err *err);
/* The biller counts for all orgs: those with a customer, in the order of ids from after on. */
NODISCARD bool store_billing_counted(struct db *db, struct org_id after, size_t limit,
				     struct arena *req, struct billing_list *out, struct err *err);
/* Whoever watches for owners looks at all orgs: those with an overdue payment, and since when. */
struct billing_past_due {
	struct org_id org;
	int64_t since_us;
};
struct billing_past_due_list {
	struct billing_past_due *rows; /* in the order of ids */
	size_t n;
};
NODISCARD bool store_billing_past_due(struct db *db, struct org_id after, size_t limit,
				      struct arena *req, struct billing_past_due_list *out,
				      struct err *err);
/* The keeper sweeps for all orgs: messages that came before before_us. Not in a transaction. */
NODISCARD bool store_billing_events_sweep(struct db *db, int64_t before_us, size_t limit,
					  size_t times, struct err *err);

#endif
