/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was used beyond the price, told once. The order is all of it: the row of a report is
 * committed before Stripe hears of it and marked afterwards, and nothing else is told meanwhile.
 */
#include "api/billing/biller_impl.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/month.h"
#include "store/global.h"

#define HOUR_US (3600 * US_PER_S)
#define MINUTE_US (60 * US_PER_S)
/* Stripe knows an identifier for 24 hours; clocks and calls take less than the hour between. */
#define SURE_US (23 * HOUR_US)
#define TOLD_AGE_MAX_US (34 * DAY_US) /* it takes no events that are older than 35 days */
#define OVER_US (5 * MINUTE_US)	      /* after a month: the ledger has its last events */
#define SETTLED_US (3 * DAY_US)	      /* and a server that was off at its end has come back */
#define ORGS_MAX 100		      /* that are read at a time */
#define REPORTS_MAX 8		      /* of an org and look: months that were not told yet */
#define FORM_BYTES_MAX ((size_t)4 << 10)

/* What is included now, or OVERAGE_OFF; used: events taken in the month. */
static int64_t soft_now(struct biller *b, const struct billing_row *row, int64_t month_us,
			int64_t now_us, uint64_t *used, struct arena *tick)
{
	bool leaves = row->leaving == BILLING_LEAVES || row->leaving == BILLING_LEFT;
	struct meter_state state;

	meter_look(b->o.meter, row->org, now_us, tick, &state);
	*used = state.month_us == month_us ? state.used : 0;
	if (leaves || !stripe_is_live(row->status) || state.plan.overage_cents == 0 ||
	    state.plan.events_soft == 0) {
		return OVERAGE_OFF;
	}
	return state.plan.events_soft;
}

static bool advance(struct biller *b, struct billing_month *m, int64_t soft, uint64_t used,
		    struct err *err)
{
	uint64_t counted;

	if (!store_usage_events_sum(m->org, b->db, m->month_us, month_end_us(m->month_us), &counted,
				    err)) {
		return false;
	}
	overage_advance(&m->overage, soft, counted, used > counted ? used : counted);
	return store_billing_month_put(m->org, b->db, m, err);
}

/*
 * The month of now. The first of all begins with what is used already: nobody pays for what was
 * before. The others begin at nothing, under what held at the end of the one before.
 */
static bool count_this(struct biller *b, const struct billing_row *row, int64_t month_us,
		       int64_t soft, uint64_t used, struct arena *tick, struct err *err)
{
	struct billing_month m = { 0 };

	switch (store_billing_month_last(row->org, b->db, month_us, tick, &m, err)) {
	case FAILED:
		return false;
	case NOT_FOUND:
		if (soft == OVERAGE_OFF) {
			return true;
		}
		m = (struct billing_month) { .overage.soft = OVERAGE_OFF };
		break;
	case FOUND:
		if (m.month_us == month_us) {
			return advance(b, &m, soft, used, err);
		}
		m = (struct billing_month) { .overage.soft = m.overage.soft };
		break;
	}
	m.org = row->org;
	m.month_us = month_us;
	return advance(b, &m, soft, used, err);
}

static bool count_earlier(struct biller *b, const struct billing_row *row, int64_t month_us,
			  int64_t soft, struct arena *tick, struct err *err)
{
	struct billing_month_list list;

	if (!store_billing_months_open(row->org, b->db, tick, &list, err)) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (list.rows[i].month_us < month_us && !advance(b, &list.rows[i], soft, 0, err)) {
			return false;
		}
	}
	return true;
}

bool biller_count(struct biller *b, const struct billing_row *row, int64_t now_us,
		  struct arena *tick, struct err *err)
{
	int64_t month_us = month_start_us(now_us);
	uint64_t used;
	int64_t soft = soft_now(b, row, month_us, now_us, &used, tick);

	ensure(db_in_transaction(b->db));
	return count_earlier(b, row, month_us, soft, tick, err) &&
	       count_this(b, row, month_us, soft, used, tick, err);
}

/* Reports. */

static struct slice identifier(const struct biller *b, const struct billing_report *r,
			       struct arena *tick)
{
	char month[MONTH_TEXT_MAX];

	(void)month_format(r->month_us, month);
	return arena_printf(tick, "%.*s-%.*s-%s-%llu", SARG(b->o.installation),
			    SARG(biller_org_id(r->org, tick)), month,
			    (unsigned long long)r->number);
}

static bool mark(struct biller *b, struct billing_report *r, bool lost, int64_t now_us,
		 struct err *err)
{
	r->done_us = now_us;
	r->lost = lost;
	metric_add(b->o.metrics, lost ? METRIC_BILLING_LOST : METRIC_BILLING_TOLD, r->thousands);
	return store_billing_report_set(r->org, b->db, r, err);
}

static bool send(struct biller *b, struct billing_report *r, int64_t now_us, struct arena *tick,
		 struct err *err)
{
	struct stripe_call call = { .path = S("/v1/billing/meter_events") };
	struct stripe_answer answer;
	const struct json *body;
	struct buf form;
	bool ok;

	buf_init(&form, FORM_BYTES_MAX);
	stripe_put(&form, "event_name", b->o.meter_event);
	stripe_put(&form, "identifier", identifier(b, r, tick));
	stripe_put(&form, "timestamp",
		   arena_printf(tick, "%lld", (long long)(r->told_us / US_PER_S)));
	stripe_put(&form, "payload[stripe_customer_id]", r->customer);
	stripe_put(&form, "payload[value]",
		   arena_printf(tick, "%llu", (unsigned long long)r->thousands));
	call.form = arena_dup(tick, buf_slice(&form));
	buf_release(&form);
	ok = biller_call(b, &call, tick, &answer, &body, err);
	if (ok || (err->kind == ERR_INVALID && answer.repeated)) {
		return mark(b, r, false, now_us, err);
	}
	return false;
}

/* The id of the meter that our events are counted by. */
static bool find_meter(struct biller *b, struct arena *tick, struct slice *id, struct err *err)
{
	struct stripe_call call = { .method = "GET",
				    .path = S("/v1/billing/meters?status=active&limit=100") };
	const struct json *body, *data;

	if (!biller_call(b, &call, tick, NULL, &body, err)) {
		return false;
	}
	data = json_get(body, "data");
	for (const struct json *m = data == NULL ? NULL : data->child; m != NULL; m = m->next) {
		if (slice_eq(stripe_text(m, "event_name"), b->o.meter_event)) {
			*id = stripe_text(m, "id");
			return true;
		}
	}
	return err_set(err, ERR_INVALID, "Stripe has no meter \"%.*s\"", SARG(b->o.meter_event));
}

static bool sum_up(const struct json *body, double *out, struct err *err)
{
	const struct json *data = json_get(body, "data"), *more = json_get(body, "has_more");

	*out = 0;
	if (data == NULL || data->type != JSON_ARRAY || (more != NULL && more->truth)) {
		return err_set(err, ERR_UPSTREAM, "Stripe sent no sums, or too many");
	}
	json_each(one, data)
	{
		const struct json *value = json_get(one, "aggregated_value");
		double v;

		if (value == NULL || value->type != JSON_NUMBER ||
		    !json_number_double(value->text, &v)) {
			return err_set(err, ERR_UPSTREAM, "Stripe sent a sum that is no number");
		}
		*out += v;
	}
	return true;
}

/* What Stripe has of the minute of a report. */
static bool ask_sum(struct biller *b, const struct billing_report *r, struct arena *tick,
		    double *out, struct err *err)
{
	int64_t from_s = r->told_us / MINUTE_US * 60;
	struct stripe_call call = { .method = "GET" };
	const struct json *body;
	struct slice meter;

	if (!find_meter(b, tick, &meter, err)) {
		return false;
	}
	call.path = arena_printf(tick,
				 "/v1/billing/meters/%.*s/event_summaries?customer=%.*s"
				 "&start_time=%lld&end_time=%lld&limit=100",
				 SARG(meter), SARG(r->customer), (long long)from_s,
				 (long long)from_s + 60);
	return biller_call(b, &call, tick, NULL, &body, err) && sum_up(body, out, err);
}

/*
 * It was told so long ago that it must not be told again. All others of this org are certain, so
 * what Stripe has beyond those is this one.
 */
static bool find_out(struct biller *b, struct billing_report *r, int64_t now_us, struct arena *tick,
		     struct err *err)
{
	int64_t from_us = r->told_us / MINUTE_US * MINUTE_US;
	uint64_t ours;
	double theirs;
	bool lost;

	if (!store_billing_arrived(r->org, b->db, from_us, from_us + MINUTE_US, &ours, err) ||
	    !ask_sum(b, r, tick, &theirs, err)) {
		return false;
	}
	lost = theirs < (double)ours + 0.5;
	log_warn(lost ? "billing_report_lost" : "billing_report_found",
		 log_slice("report", identifier(b, r, tick)),
		 log_int("thousands", (int64_t)r->thousands));
	return mark(b, r, lost, now_us, err);
}

static bool tell(struct biller *b, struct billing_report *r, int64_t now_us, struct arena *tick,
		 struct err *err)
{
	int64_t age_us = now_us - r->tried_us;

	if (r->tried_us != 0) {
		/* A clock that was set back does not know how long ago it was. */
		return age_us >= 0 && age_us < SURE_US ? send(b, r, now_us, tick, err)
						       : find_out(b, r, now_us, tick, err);
	}
	if (now_us - r->told_us > TOLD_AGE_MAX_US) {
		return mark(b, r, true, now_us, err);
	}
	r->tried_us = now_us;
	return store_billing_report_set(r->org, b->db, r, err) && send(b, r, now_us, tick, err);
}

/* The row of a report of one month. NOT_FOUND: there is nothing to tell of it. */
static enum found make_report(struct biller *b, const struct billing_row *row,
			      struct billing_month *m, int64_t now_us, struct billing_report *out,
			      struct err *err)
{
	int64_t end_us = month_end_us(m->month_us);
	struct billing_told told;
	uint64_t n;

	if (!store_billing_told(row->org, b->db, m->month_us, &told, err)) {
		return FAILED;
	}
	n = overage_to_tell(&m->overage, told.thousands, now_us >= end_us + OVER_US);
	if (n == 0) {
		return NOT_FOUND;
	}
	*out = (struct billing_report) { .org = row->org,
					 .month_us = m->month_us,
					 .number = told.reports + 1,
					 .customer = row->customer,
					 .thousands = n,
					 .told_us = now_us / US_PER_S * US_PER_S };
	return store_billing_report_add(row->org, b->db, out, err) ? FOUND : FAILED;
}

/* Nobody is told of what is left once there is no subscription: it would be on the next one. */
static bool is_billed(const struct billing_row *row)
{
	return stripe_is_live(row->status) && row->leaving != BILLING_LEAVES &&
	       row->leaving != BILLING_LEFT;
}

static bool settle(struct biller *b, struct billing_month *m, int64_t now_us, struct err *err)
{
	if (now_us < month_end_us(m->month_us) + SETTLED_US || now_us < b->o.now_us + HOUR_US) {
		return true;
	}
	m->settled = true;
	return store_billing_month_put(m->org, b->db, m, err);
}

/* The next report of an org; months that have none and are long over are settled. */
static enum found next_report(struct biller *b, const struct billing_row *row, int64_t now_us,
			      struct arena *tick, struct billing_report *out, struct err *err)
{
	struct billing_month_list list;
	enum found found = store_billing_report_open(row->org, b->db, tick, out, err);

	if (found != NOT_FOUND || !store_billing_months_open(row->org, b->db, tick, &list, err)) {
		return found != NOT_FOUND ? found : FAILED;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (is_billed(row)) {
			found = make_report(b, row, &list.rows[i], now_us, out, err);
		}
		if (found != NOT_FOUND || !settle(b, &list.rows[i], now_us, err)) {
			return found != NOT_FOUND ? found : FAILED;
		}
	}
	return NOT_FOUND;
}

static bool count_one(struct biller *b, const struct billing_row *row, int64_t now_us,
		      struct arena *tick, struct err *err)
{
	if (db_begin(b->db, err) && biller_count(b, row, now_us, tick, err) &&
	    db_commit(b->db, err)) {
		return true;
	}
	db_rollback(b->db);
	return false;
}

static bool tell_one(struct biller *b, const struct billing_row *row, int64_t now_us,
		     struct arena *tick, struct err *err)
{
	struct billing_report report;
	enum found found = FOUND;

	if (!count_one(b, row, now_us, tick, err)) {
		return false;
	}
	for (int i = 0; found == FOUND && i < REPORTS_MAX && biller_goes_on(b); i++) {
		found = next_report(b, row, now_us, tick, &report, err);
		if (found == FOUND && !tell(b, &report, now_us, tick, err)) {
			return false;
		}
	}
	return found != FAILED;
}

/* One whose report is refused is passed over: it waits, and the others do not. */
static bool tell_some(struct biller *b, const struct billing_list *list, int64_t now_us,
		      struct arena *tick, struct err *err)
{
	for (size_t i = 0; i < list->n && biller_goes_on(b); i++) {
		if (tell_one(b, &list->rows[i], now_us, tick, err)) {
			continue;
		}
		if (biller_is_cut_off(err)) {
			return false;
		}
		log_warn("billing_report_failed",
			 log_slice("org", biller_org_id(list->rows[i].org, tick)),
			 log_str("error", err->text));
	}
	return true;
}

bool biller_tell_all(struct biller *b, int64_t now_us, struct err *err)
{
	struct org_id after = { 0 };
	struct billing_list list;
	struct arena tick;
	bool ok;

	arena_init(&tick, 0);
	do {
		arena_clear(&tick);
		ok = store_billing_counted(b->db, after, ORGS_MAX, &tick, &list, err) &&
		     tell_some(b, &list, now_us, &tick, err);
		if (list.n > 0) {
			after = list.rows[list.n - 1].org;
		}
	} while (ok && list.n == ORGS_MAX && biller_goes_on(b));
	arena_release(&tick);
	return ok;
}
