/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is paid for: asked of Stripe, never concluded from messages. Everything that follows from
 * one answer is one transaction: the plan, the row of billing, the events judged so far, and the
 * entry of the audit log.
 */
#include "api/billing/biller_impl.h"
#include "base/json_put.h"
#include "base/log.h"
#include "store/audit.h"
#include "store/global.h"

#define ASKED_MAX 10 /* orgs that are read at a time; asked for one after the other */
#define SAME_US (INT64_C(1) * 1000000)
#define FIELDS_BYTES_MAX ((size_t)8 << 10)

/* The plan whose price a subscription has; NOT_FOUND: none of ours. */
static enum found plan_of(struct biller *b, const struct stripe_subscription *sub,
			  struct arena *tick, struct plan *out, struct slice *price)
{
	struct plan *plans;
	size_t n = meter_plans(b->o.meter, tick, &plans);

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; plans[i].price_ref.n > 0 && j < sub->prices_n; j++) {
			if (slice_eq(plans[i].price_ref, sub->prices[j])) {
				*out = plans[i];
				*price = sub->prices[j];
				return FOUND;
			}
		}
	}
	return NOT_FOUND;
}

/* Late since: as soon as a message said so, else since we know. */
static int64_t behind_since(const struct billing_row *old, struct slice status, int64_t now_us)
{
	if (!stripe_is_behind(status)) {
		return 0;
	}
	if (old->behind_us != 0) {
		return old->behind_us;
	}
	return old->failed_us > old->paid_us ? old->failed_us : now_us;
}

/* What the row is after an answer. */
static void conclude(struct biller *b, const struct billing_row *old,
		     const struct stripe_subscriptions *all, int64_t now_us, struct arena *tick,
		     struct billing_row *row)
{
	const struct stripe_subscription *sub = stripe_choose(all, old->subscription);
	struct plan plan;

	*row = *old;
	row->heeded = old->hints;
	row->asked_us = row->updated_us = now_us;
	if (sub == NULL) {
		row->status = old->subscription.n > 0 ? S("canceled") : S("");
		row->plan = row->price = S("");
		row->ends = false;
	} else {
		row->subscription = sub->id;
		row->status = sub->status;
		row->period_start_us = sub->period_start_us;
		row->period_end_us = sub->period_end_us;
		row->ends = sub->ends;
		if (!stripe_is_live(sub->status)) {
			row->plan = row->price = S("");
		} else if (plan_of(b, sub, tick, &plan, &row->price) == FOUND) {
			row->plan = plan.name;
		} else {
			log_warn("billing_price_unknown", log_slice("subscription", sub->id));
		}
	}
	row->behind_us = behind_since(old, row->status, now_us);
}

static struct slice shown(const struct billing_row *row, struct arena *tick)
{
	struct slice text;
	struct json_w w;
	struct buf out;

	buf_init(&out, FIELDS_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str_or_null(&w, "plan", row->plan);
	json_put_str_or_null(&w, "status", row->status);
	json_put_bool(&w, "endsAtPeriodEnd", row->ends);
	json_w_end(&w);
	text = arena_dup(tick, buf_slice(&out));
	buf_release(&out);
	return text;
}

static bool note(struct biller *b, const struct billing_row *old, const struct billing_row *row,
		 struct arena *tick, struct err *err)
{
	struct audit_entry e = {
		.at_us = row->asked_us,
		.actor = slice_of(audit_actor_words[AUDIT_BY_SYSTEM]),
		.action = slice_of(audit_word(AUDIT_BILLING_UPDATE)),
		.target = slice_of(audit_target_words[AUDIT_ON_SUBSCRIPTION]),
		.target_id = row->subscription,
	};

	if (slice_eq(old->plan, row->plan) && slice_eq(old->status, row->status) &&
	    old->ends == row->ends) {
		return true;
	}
	return audit_diff(shown(old, tick), shown(row, tick), NULL, tick, &e.before, &e.after,
			  err) &&
	       store_audit_append(row->org, b->db, &e, tick, err);
}

/* Limits of one's own stay. */
static bool set_plan(struct biller *b, const struct billing_row *row, struct org_plan_row *out,
		     struct arena *tick, struct err *err)
{
	meter_get_org(b->o.meter, row->org, tick, out);
	out->plan = row->plan;
	out->updated_us = row->asked_us;
	return store_org_plan_set(row->org, b->db, out, err);
}

/* Under the lock of plans, so that memory ends with what the store ends with. */
static bool commit(struct biller *b, const struct billing_row *old, const struct billing_row *row,
		   struct arena *tick, struct err *err)
{
	bool moved = !slice_eq(old->plan, row->plan);
	struct org_plan_row plan;

	/* Events up to here are of the plan before. */
	if (!db_begin(b->db, err) || !biller_count(b, old, row->asked_us, tick, err) ||
	    !store_billing_apply(row->org, b->db, row, err) ||
	    (moved && !set_plan(b, row, &plan, tick, err)) || !note(b, old, row, tick, err) ||
	    !db_commit(b->db, err)) {
		db_rollback(b->db);
		return false;
	}
	if (moved) {
		meter_set_org(b->o.meter, &plan);
		log_info("billing_plan_set", log_slice("org", biller_org_id(row->org, tick)),
			 log_slice("plan", row->plan.n > 0 ? row->plan : S("default")));
	}
	return true;
}

static bool keep(struct biller *b, const struct billing_row *old, struct billing_row *row,
		 struct arena *tick, struct err *err)
{
	bool ok;

	ensure(pthread_mutex_lock(b->o.admin) == 0);
	ok = commit(b, old, row, tick, err);
	ensure(pthread_mutex_unlock(b->o.admin) == 0);
	return ok;
}

/* After the plan has changed: from here on events are judged by the new one. */
static bool count_on(struct biller *b, const struct billing_row *row, struct arena *tick,
		     struct err *err)
{
	if (db_begin(b->db, err) && biller_count(b, row, row->asked_us, tick, err) &&
	    db_commit(b->db, err)) {
		return true;
	}
	db_rollback(b->db);
	return false;
}

bool biller_sync(struct biller *b, struct billing_row *row, int64_t now_us, struct arena *tick,
		 struct err *err)
{
	struct stripe_call call = {
		.method = "GET",
		.path = arena_printf(tick, "/v1/subscriptions?customer=%.*s&limit=%d",
				     SARG(row->customer), STRIPE_SUBSCRIPTIONS_MAX),
	};
	struct stripe_subscriptions all;
	struct billing_row old = *row;
	const struct json *body;

	if (!biller_call(b, &call, tick, NULL, &body, err) ||
	    !stripe_subscriptions_read(body, row->customer, &all, err)) {
		return false;
	}
	conclude(b, &old, &all, now_us, tick, row);
	return keep(b, &old, row, tick, err) && count_on(b, row, tick, err);
}

/* Whoever leaves is not renewed; what is paid for stays. */
static bool tell_end(struct biller *b, const struct billing_row *row, bool ends, struct arena *tick,
		     struct err *err)
{
	struct stripe_call call = {
		.path = arena_printf(tick, "/v1/subscriptions/%.*s", SARG(row->subscription)),
	};
	struct stripe_answer answer;
	const struct json *body;
	struct buf form;
	bool ok;

	buf_init(&form, FIELDS_BYTES_MAX);
	stripe_put(&form, "cancel_at_period_end", ends ? S("true") : S("false"));
	call.form = buf_slice(&form);
	ok = biller_call(b, &call, tick, &answer, &body, err);
	buf_release(&form);
	/* One that is over cannot be told anything, and need not. */
	return ok || err->kind == ERR_INVALID;
}

static bool leave(struct biller *b, struct billing_row *row, int64_t now_us, struct arena *tick,
		  struct err *err)
{
	enum billing_leaving from = (enum billing_leaving)row->leaving;

	if (from != BILLING_LEAVES && from != BILLING_RETURNS) {
		return true;
	}
	/* First what there is: a subscription may have begun that we do not know of. */
	if (!biller_sync(b, row, now_us, tick, err)) {
		return false;
	}
	if (row->subscription.n > 0 && !slice_eq(row->status, S("canceled")) &&
	    !tell_end(b, row, from == BILLING_LEAVES, tick, err)) {
		return false;
	}
	return store_billing_left(row->org, b->db, from, now_us, err);
}

static bool ask_one(struct biller *b, struct billing_row *row, int64_t now_us, struct arena *tick,
		    struct err *err)
{
	if (leave(b, row, now_us, tick, err) && biller_sync(b, row, now_us, tick, err)) {
		return true;
	}
	if (biller_is_cut_off(err)) {
		return false;
	}
	log_warn("billing_refused", log_slice("org", biller_org_id(row->org, tick)),
		 log_str("error", err->text));
	/* The others go on; this one is asked for again later, unless it was purged meanwhile. */
	return store_billing_asked(row->org, b->db, row->hints, now_us, err) ||
	       err->kind == ERR_NOT_FOUND;
}

bool biller_ask_due(struct biller *b, int64_t now_us, struct err *err)
{
	int64_t before_us = now_us - BILLER_RECONCILE_US;
	struct billing_list list = { 0 };
	struct arena tick;
	bool ok;

	if (before_us < b->o.now_us) {
		before_us = b->o.now_us;
	}
	arena_init(&tick, 0);
	do {
		arena_clear(&tick);
		ok = store_billing_due(b->db, now_us - SAME_US, before_us, ASKED_MAX, &tick, &list,
				       err);
		for (size_t i = 0; ok && i < list.n && biller_goes_on(b); i++) {
			ok = ask_one(b, &list.rows[i], now_us, &tick, err);
		}
	} while (ok && list.n == ASKED_MAX && biller_goes_on(b));
	arena_release(&tick);
	return ok;
}
