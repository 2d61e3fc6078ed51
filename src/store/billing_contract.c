/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two write to an org's billing: neither takes back what the other wrote, and nothing counts twice.
 */
#include "store/fixture_contract.h"

#define MONTH INT64_C(1698796800000000) /* 2023-11 */

static struct billing_row get(struct fixture *f, struct org_id org)
{
	struct billing_row row = { 0 };
	struct err err = { 0 };

	T_INT(store_billing_get(org, f->db, &f->arena, &row, &err), FOUND);
	return row;
}

static void make(struct fixture *f, struct org_id org, const char *customer)
{
	struct err err = { 0 };

	T_OK(store_billing_customer(org, f->db, slice_of(customer), AT, &err));
}

CONTRACT(the_first_customer_of_an_org_stays)
{
	struct billing_row row;
	struct err err = { 0 };

	T_INT(store_billing_get(ORG_A, f->db, &f->arena, &row, &err), NOT_FOUND);
	make(f, ORG_A, "cus_1");
	make(f, ORG_A, "cus_2");
	row = get(f, ORG_A);
	T_SLICE(row.customer, "cus_1");
	T_TRUE(row.hints == 1 && row.heeded == 0 && row.updated_us == AT);
	T_FAIL(store_billing_customer(ORG_B, f->db, S("cus_1"), AT, &err), ERR_CONFLICT);
	T_INT(store_billing_by_customer(f->db, S("cus_1"), &f->arena, &row, &err), FOUND);
	T_INT(row.org.v, ORG_A.v);
	T_INT(store_billing_by_customer(f->db, S("cus_2"), &f->arena, &row, &err), NOT_FOUND);
}

CONTRACT(an_answer_leaves_what_messages_said_meanwhile)
{
	struct billing_row row;
	struct err err = { 0 };

	make(f, ORG_A, "cus_1");
	row = get(f, ORG_A);
	T_INT(store_billing_hint(ORG_A, f->db, AT + 5, 0, AT, &err), FOUND);
	row.subscription = S("sub_1");
	row.status = S("active");
	row.price = S("price_1");
	row.plan = S("pro");
	row.period_start_us = AT;
	row.period_end_us = AT + 9;
	row.ends = true;
	row.heeded = row.hints;
	row.asked_us = AT + 1;
	row.behind_us = AT + 2;
	T_OK(store_billing_apply(ORG_A, f->db, &row, &err));
	row = get(f, ORG_A);
	T_TRUE(row.hints == 2 && row.heeded == 1 && row.failed_us == AT + 5 && row.ends);
	T_SLICE(row.customer, "cus_1");
	T_SLICE(row.subscription, "sub_1");
	T_SLICE(row.status, "active");
	T_SLICE(row.price, "price_1");
	T_SLICE(row.plan, "pro");
	T_TRUE(row.period_start_us == AT && row.period_end_us == AT + 9 && row.behind_us == AT + 2);
	T_OK(store_billing_asked(ORG_A, f->db, 2, AT + 3, &err));
	row = get(f, ORG_A);
	T_TRUE(row.heeded == 2 && row.asked_us == AT + 3);
	T_SLICE(row.status, "active");
	row.org = ORG_B;
	T_FAIL(store_billing_apply(ORG_B, f->db, &row, &err), ERR_NOT_FOUND);
}

CONTRACT(times_of_payments_only_grow)
{
	struct billing_row row;
	struct err err = { 0 };

	make(f, ORG_A, "cus_1");
	T_INT(store_billing_hint(ORG_A, f->db, AT + 5, 0, AT, &err), FOUND);
	T_INT(store_billing_hint(ORG_A, f->db, AT + 3, AT + 4, AT, &err), FOUND);
	T_INT(store_billing_hint(ORG_A, f->db, 0, AT + 1, AT, &err), FOUND);
	T_INT(store_billing_hint(ORG_B, f->db, 0, AT + 1, AT, &err), NOT_FOUND);
	row = get(f, ORG_A);
	T_TRUE(row.failed_us == AT + 5 && row.paid_us == AT + 4 && row.hints == 4);
}

CONTRACT(checkouts_are_counted)
{
	struct err err = { 0 };

	T_FAIL(store_billing_checkout(ORG_A, f->db, S("cs_1"), AT, &err), ERR_NOT_FOUND);
	make(f, ORG_A, "cus_1");
	T_OK(store_billing_checkout(ORG_A, f->db, S("cs_1"), AT, &err));
	T_INT(get(f, ORG_A).checkouts, 1);
	T_SLICE(get(f, ORG_A).checkout, "cs_1");
	T_OK(store_billing_checkout(ORG_A, f->db, S(""), AT, &err));
	T_INT(get(f, ORG_A).checkouts, 1);
	T_SLICE(get(f, ORG_A).checkout, "");
}

static enum found event(struct fixture *f, struct org_id org, const char *id)
{
	struct billing_event e = { .org = org,
				   .id = slice_of(id),
				   .kind = S("invoice.paid"),
				   .created_us = AT,
				   .received_us = AT + 1 };
	struct err err;

	return store_billing_event_add(org, f->db, &e, &err);
}

CONTRACT(a_message_is_new_once)
{
	struct err err = { 0 };

	T_INT(event(f, ORG_A, "evt_1"), FOUND);
	T_INT(event(f, ORG_A, "evt_1"), NOT_FOUND);
	T_INT(event(f, ORG_A, "evt_2"), FOUND);
	T_INT(event(f, ORG_B, "evt_1"), FOUND);
	T_OK(store_billing_events_sweep(f->db, AT + 1, 10, 10, &err));
	T_INT(event(f, ORG_A, "evt_1"), NOT_FOUND);
	T_OK(store_billing_events_sweep(f->db, AT + 2, 1, 10, &err));
	T_INT(event(f, ORG_A, "evt_1"), FOUND);
}

static void set_asked(struct fixture *f, struct org_id org, uint64_t heeded, int64_t at_us)
{
	struct err err = { 0 };

	T_OK(store_billing_asked(org, f->db, heeded, at_us, &err));
}

/* "ab": the orgs in the order in which the provider is to be asked. */
static const char *due(struct fixture *f, int64_t hinted_us, int64_t before_us)
{
	struct billing_list list;
	struct err err = { 0 };
	char *text = arena_array(&f->arena, 9, 1);

	T_OK(store_billing_due(f->db, hinted_us, before_us, 8, &f->arena, &list, &err));
	for (size_t i = 0; i < list.n; i++) {
		text[i] = list.rows[i].org.v == ORG_A.v ? 'a' : 'b';
	}
	return text;
}

CONTRACT(who_has_a_hint_is_asked_for_first)
{
	struct err err = { 0 };

	make(f, ORG_A, "cus_1");
	make(f, ORG_B, "cus_2");
	set_asked(f, ORG_A, 1, AT);
	set_asked(f, ORG_B, 1, AT + 5);
	T_STR(due(f, AT + 9, AT), "");
	T_STR(due(f, AT + 9, AT + 1), "a");
	T_STR(due(f, AT + 9, AT + 6), "ab");
	T_INT(store_billing_hint(ORG_B, f->db, 0, 0, AT, &err), FOUND);
	T_STR(due(f, AT + 9, AT + 6), "ba");
	T_STR(due(f, AT + 5, AT), "");
	set_asked(f, ORG_B, 2, AT + 6);
	T_OK(store_billing_leave(ORG_A, f->db, true, AT, &err));
	T_STR(due(f, AT + 9, AT), "a");
}

static uint64_t leaving(struct fixture *f, bool leave, int told)
{
	struct err err = { 0 };

	T_OK(store_billing_leave(ORG_A, f->db, leave, AT, &err));
	if (told != 0) {
		T_OK(store_billing_left(ORG_A, f->db, (enum billing_leaving)told, AT, &err));
	}
	return get(f, ORG_A).leaving;
}

static bool may_go(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	bool out;

	T_OK(store_billing_may_go(org, f->db, &out, &err));
	return out;
}

CONTRACT(who_leaves_may_return)
{
	struct billing_row row;
	struct err err = { 0 };

	T_OK(store_billing_leave(ORG_A, f->db, true, AT, &err));
	T_TRUE(may_go(f, ORG_A));
	make(f, ORG_A, "cus_1");
	T_TRUE(may_go(f, ORG_A));
	row = get(f, ORG_A);
	row.status = S("active");
	T_OK(store_billing_apply(ORG_A, f->db, &row, &err));
	T_TRUE(!may_go(f, ORG_A));
	T_INT(leaving(f, true, 0), BILLING_LEAVES);
	T_TRUE(!may_go(f, ORG_A));
	T_INT(leaving(f, false, 0), BILLING_STAYS);
	T_INT(leaving(f, true, BILLING_RETURNS), BILLING_LEAVES);
	T_INT(leaving(f, true, BILLING_LEAVES), BILLING_LEFT);
	T_TRUE(may_go(f, ORG_A) && may_go(f, ORG_B));
	T_INT(leaving(f, true, 0), BILLING_LEFT);
	T_INT(leaving(f, false, 0), BILLING_RETURNS);
	T_INT(leaving(f, true, 0), BILLING_LEFT);
	T_INT(leaving(f, false, BILLING_RETURNS), BILLING_STAYS);
	T_TRUE(!may_go(f, ORG_A));
}

static void put_month(struct fixture *f, struct org_id org, int64_t month_us, uint64_t accrued,
		      bool settled)
{
	struct billing_month row = { .org = org,
				     .month_us = month_us,
				     .overage = { OVERAGE_OFF, 7, accrued },
				     .settled = settled };
	struct err err = { 0 };

	T_OK(store_billing_month_put(org, f->db, &row, &err));
}

CONTRACT(months_stay_open_until_they_are_settled)
{
	struct billing_month_list list;
	struct billing_month row;
	struct err err = { 0 };

	put_month(f, ORG_A, MONTH + 2, 1, false);
	put_month(f, ORG_A, MONTH, 2, false);
	put_month(f, ORG_A, MONTH + 1, 3, true);
	put_month(f, ORG_B, MONTH + 1, 9, false);
	T_OK(store_billing_months_open(ORG_A, f->db, &f->arena, &list, &err));
	T_INT(list.n, 2);
	T_TRUE(list.rows[0].overage.accrued == 2 && list.rows[1].overage.accrued == 1);
	T_INT(list.rows[0].overage.soft, OVERAGE_OFF);
	T_INT(list.rows[0].overage.seen, 7);
	put_month(f, ORG_A, MONTH, 5, true);
	T_OK(store_billing_months_open(ORG_A, f->db, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_INT(store_billing_month_last(ORG_A, f->db, MONTH, &f->arena, &row, &err), FOUND);
	T_TRUE(row.overage.accrued == 5 && row.settled);
	T_INT(store_billing_month_last(ORG_A, f->db, MONTH - 1, &f->arena, &row, &err), NOT_FOUND);
}

static struct billing_report report(uint64_t number, uint64_t thousands)
{
	return (struct billing_report) { .org = ORG_A,
					 .month_us = MONTH,
					 .number = number,
					 .customer = S("cus_1"),
					 .thousands = thousands,
					 .told_us = AT + (int64_t)number };
}

static bool report_ends(struct fixture *f, struct billing_report row, bool lost)
{
	struct err err = { 0 };

	row.tried_us = AT;
	row.done_us = AT + 1;
	row.lost = lost;
	return store_billing_report_set(ORG_A, f->db, &row, &err);
}

CONTRACT(one_report_is_under_way_at_a_time)
{
	struct billing_report one = report(1, 3), two = report(2, 4), three = report(3, 5), row;
	struct billing_report_list list;
	struct billing_told told;
	struct err err = { 0 };
	uint64_t arrived;

	T_INT(store_billing_report_open(ORG_A, f->db, &f->arena, &row, &err), NOT_FOUND);
	T_OK(store_billing_report_add(ORG_A, f->db, &one, &err));
	T_FAIL(store_billing_report_add(ORG_A, f->db, &two, &err), ERR_CONFLICT);
	T_INT(store_billing_report_open(ORG_A, f->db, &f->arena, &row, &err), FOUND);
	T_TRUE(row.number == 1 && row.thousands == 3 && row.told_us == AT + 1 && row.tried_us == 0);
	T_SLICE(row.customer, "cus_1");
	T_TRUE(report_ends(f, one, false));
	T_TRUE(!report_ends(f, one, true));
	T_FAIL(store_billing_report_add(ORG_A, f->db, &one, &err), ERR_CONFLICT);
	T_OK(store_billing_report_add(ORG_A, f->db, &two, &err));
	T_TRUE(report_ends(f, two, true));
	T_OK(store_billing_report_add(ORG_A, f->db, &three, &err));
	T_OK(store_billing_told(ORG_A, f->db, MONTH, &told, &err));
	T_TRUE(told.reports == 3 && told.thousands == 8);
	T_OK(store_billing_arrived(ORG_A, f->db, AT, AT + 9, &arrived, &err));
	T_INT(arrived, 3);
	T_OK(store_billing_arrived(ORG_A, f->db, AT + 2, AT + 9, &arrived, &err));
	T_INT(arrived, 0);
	T_OK(store_billing_report_list(ORG_A, f->db, MONTH, 10, &f->arena, &list, &err));
	T_TRUE(list.n == 3 && list.rows[1].lost && !list.rows[2].lost);
	T_OK(store_billing_told(ORG_A, f->db, MONTH + 1, &told, &err));
	T_TRUE(told.reports == 0 && told.thousands == 0);
}

CONTRACT(who_is_behind_is_known_until_it_is_paid)
{
	struct billing_past_due_list list;
	struct billing_row row;
	struct err err = { 0 };

	make(f, ORG_A, "cus_1");
	make(f, ORG_B, "cus_2");
	row = get(f, ORG_B);
	row.behind_us = AT + 7;
	T_OK(store_billing_apply(ORG_B, f->db, &row, &err));
	T_OK(store_billing_past_due(f->db, (struct org_id) { 0 }, 10, &f->arena, &list, &err));
	T_INT(list.n, 1);
	T_TRUE(list.rows[0].org.v == ORG_B.v && list.rows[0].since_us == AT + 7);
	T_OK(store_billing_past_due(f->db, ORG_B, 10, &f->arena, &list, &err));
	T_INT(list.n, 0);
	row.behind_us = 0;
	T_OK(store_billing_apply(ORG_B, f->db, &row, &err));
	T_OK(store_billing_past_due(f->db, (struct org_id) { 0 }, 10, &f->arena, &list, &err));
	T_INT(list.n, 0);
}

CONTRACT(nothing_is_left_of_billing_that_is_purged)
{
	struct billing_report one = report(1, 3);
	struct billing_list list;
	struct billing_row row;
	struct err err = { 0 };

	make(f, ORG_A, "cus_1");
	make(f, ORG_B, "cus_2");
	T_INT(event(f, ORG_A, "evt_1"), FOUND);
	put_month(f, ORG_A, MONTH, 1, false);
	T_OK(store_billing_report_add(ORG_A, f->db, &one, &err));
	T_OK(db_begin(f->db, &err));
	T_OK(store_billing_purge(ORG_A, f->db, &err));
	T_OK(db_commit(f->db, &err));
	T_INT(store_billing_get(ORG_A, f->db, &f->arena, &row, &err), NOT_FOUND);
	T_OK(store_billing_counted(f->db, (struct org_id) { 0 }, 10, &f->arena, &list, &err));
	T_TRUE(list.n == 1 && list.rows[0].org.v == ORG_B.v);
	T_INT(event(f, ORG_A, "evt_1"), FOUND);
	T_OK(store_billing_report_add(ORG_A, f->db, &one, &err));
}

/* 1 for FOUND, 0 for NOT_FOUND; FAILED ends the test. */
static size_t is_there(enum found found)
{
	T_TRUE(found != FAILED);
	return found == FOUND;
}

size_t billing_looks(struct fixture *f, struct org_id org)
{
	struct billing_report_list reports;
	struct billing_month_list months;
	struct billing_report report;
	struct billing_month month;
	struct billing_told told;
	struct billing_row row;
	struct err err = { 0 };
	uint64_t arrived;

	T_OK(store_billing_months_open(org, f->db, &f->arena, &months, &err));
	T_OK(store_billing_report_list(org, f->db, AT, 10, &f->arena, &reports, &err));
	T_OK(store_billing_told(org, f->db, AT, &told, &err));
	T_OK(store_billing_arrived(org, f->db, 0, INT64_MAX, &arrived, &err));
	return is_there(store_billing_get(org, f->db, &f->arena, &row, &err)) +
	       is_there(store_billing_month_last(org, f->db, AT, &f->arena, &month, &err)) +
	       is_there(store_billing_report_open(org, f->db, &f->arena, &report, &err)) +
	       is_there(store_billing_hint(org, f->db, 0, 0, AT, &err)) + months.n + reports.n +
	       told.thousands + arrived;
}

void put_billing(struct fixture *f)
{
	struct billing_month month = { .org = ORG_A, .month_us = AT };
	struct billing_report report = { .org = ORG_A,
					 .month_us = AT,
					 .number = 1,
					 .customer = S("cus_1"),
					 .thousands = 1,
					 .told_us = AT };
	struct err err = { 0 };

	T_OK(store_billing_customer(ORG_A, f->db, S("cus_1"), AT, &err));
	T_OK(store_billing_month_put(ORG_A, f->db, &month, &err));
	T_OK(store_billing_report_add(ORG_A, f->db, &report, &err));
}

CONTRACTS(billing_contract, C(the_first_customer_of_an_org_stays),
	  C(an_answer_leaves_what_messages_said_meanwhile), C(times_of_payments_only_grow),
	  C(checkouts_are_counted), C(a_message_is_new_once), C(who_has_a_hint_is_asked_for_first),
	  C(who_leaves_may_return), C(months_stay_open_until_they_are_settled),
	  C(one_report_is_under_way_at_a_time), C(who_is_behind_is_known_until_it_is_paid),
	  C(nothing_is_left_of_billing_that_is_purged))
