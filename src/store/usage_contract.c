/* SPDX-License-Identifier: Apache-2.0 */
/* Usage adds up by day, notifications count once, and limits of an org stay its own. */
#include "store/fixture_contract.h"

#include "store/save.h"

#define DAY (AT - AT % DAY_US)

static struct usage_row row_of(uint64_t key, const char *type, int64_t day_us, uint64_t count)
{
	return (struct usage_row) { .org = ORG_A,
				    .day_us = day_us,
				    .project = PROJECT_A,
				    .key = { key },
				    .type = slice_of(type),
				    .count = count };
}

static void add(struct fixture *f, struct usage_row *rows, size_t n)
{
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_usage_add(f->db, rows, n, &err));
	T_OK(db_commit(f->db, &err));
}

static void fill(struct fixture *f)
{
	struct usage_row rows[] = {
		row_of(7, "b", DAY + DAY_US, 5), row_of(7, "b", DAY, 3),   row_of(7, "a", DAY, 10),
		row_of(7, "", DAY, 100),	 row_of(0, "", DAY, 1000), row_of(6, "z", DAY, 1),
	};
	struct usage_row other = row_of(9, "a", DAY, 50000);

	add(f, rows, ARRAY_LEN(rows));
	other.project = PROJECT_B;
	add(f, &other, 1);
	other.org = ORG_B;
	add(f, &other, 1);
}

static struct usage_list list(struct fixture *f, int64_t from_us, int64_t to_us)
{
	struct usage_list out;
	struct err err = { 0 };

	T_OK(store_usage_list(ORG_A, f->db, PROJECT_A, from_us, to_us, 100, &f->arena, &out, &err));
	return out;
}

CONTRACT(usage_adds_up_by_day_key_and_type)
{
	struct usage_list got;

	fill(f);
	fill(f);
	got = list(f, DAY, DAY + DAY_US);
	T_INT(got.n, 5);
	T_INT(got.rows[0].key.v, 0);
	T_INT(got.rows[0].count, 2000);
	T_SLICE(got.rows[1].type, "z");
	T_SLICE(got.rows[2].type, "");
	T_INT(got.rows[2].count, 200);
	T_SLICE(got.rows[3].type, "a");
	T_INT(got.rows[3].count, 20);
	T_INT(list(f, 0, INT64_MAX).n, 6);
	T_INT(list(f, DAY + DAY_US, INT64_MAX).n, 1);
}

struct seen {
	struct usage_row rows[16];
	size_t n;
};

static void see(void *arg, const struct usage_row *row)
{
	struct seen *seen = arg;

	ensure(seen->n < ARRAY_LEN(seen->rows));
	seen->rows[seen->n++] = *row;
}

static uint64_t of_org(const struct seen *seen, struct org_id org)
{
	uint64_t n = 0;

	for (size_t i = 0; i < seen->n; i++) {
		n += seen->rows[i].org.v == org.v ? seen->rows[i].count : 0;
	}
	return n;
}

CONTRACT(usage_is_summed_for_all_orgs)
{
	struct seen all = { 0 }, late = { 0 }, days = { 0 }, names = { 0 };
	struct err err = { 0 };

	fill(f);
	T_OK(store_usage_by_org(f->db, DAY, see, &all, &err));
	T_INT(all.n, 2);
	T_INT(of_org(&all, ORG_A), 51119);
	T_INT(of_org(&all, ORG_B), 50000);
	T_OK(store_usage_by_org(f->db, DAY + 1, see, &late, &err));
	T_INT(late.n, 1);
	T_INT(of_org(&late, ORG_A), 5);
	T_OK(store_usage_sum(f->db, see, &days, &err));
	T_INT(days.n, 4);
	T_INT(of_org(&days, ORG_A), 51119);
	T_OK(store_usage_newest(f->db, DAY + DAY_US, see, &names, &err));
	T_INT(names.n, 1);
	T_INT(names.rows[0].key.v, 7);
}

static uint64_t sent(struct fixture *f, struct org_id org, int64_t from_us, int64_t to_us)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_usage_sent_sum(org, f->db, from_us, to_us, &n, &err));
	return n;
}

static void record(struct fixture *f, uint64_t number, enum delivery_status status, int64_t at_us)
{
	bool ends = status == DELIVERY_SENT || status == DELIVERY_DEAD;
	struct attempt_row tried = { .outcome = S("x"), .error = S("") };
	struct delivery_result result = { .number = { number },
					  .claim = 1,
					  .status = status,
					  .due_us = ends ? 0 : at_us,
					  .done_us = ends ? at_us : 0,
					  .attempt = &tried };
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_record(f->db, &result, 1, &err));
	T_OK(db_commit(f->db, &err));
}

static void claim(struct fixture *f)
{
	struct delivery_list list;
	struct err err = { 0 };

	T_OK(store_deliveries_claim(f->db, 1, AT + 1000, AT + 2000, 9, &f->arena, &list, &err));
}

CONTRACT(a_notification_is_counted_when_it_is_sent_and_once)
{
	struct err err = { 0 };

	for (uint64_t i = 1; i <= 4; i++) {
		put_delivery(f, sample_delivery(ORG_A, PROJECT_A, i));
	}
	T_INT(sent(f, ORG_A, 0, INT64_MAX), 0);
	claim(f);
	record(f, 1, DELIVERY_SENT, DAY + 5);
	record(f, 2, DELIVERY_DEAD, DAY + 5);
	record(f, 3, DELIVERY_RETRYING, AT);
	record(f, 4, DELIVERY_SENT, DAY + DAY_US);
	T_INT(sent(f, ORG_A, 0, INT64_MAX), 2);
	T_INT(sent(f, ORG_A, DAY, DAY + DAY_US), 1);
	T_INT(sent(f, ORG_B, 0, INT64_MAX), 0);
	/* Whose claim has lapsed records nothing. */
	record(f, 1, DELIVERY_SENT, DAY + 5);
	T_INT(sent(f, ORG_A, 0, INT64_MAX), 2);
	claim(f);
	record(f, 3, DELIVERY_SENT, DAY + 7);
	T_INT(sent(f, ORG_A, DAY, DAY + DAY_US), 2);
	T_OK(store_sent_agree(f->store, &err));
}

CONTRACT(what_is_sent_from_the_start_is_counted_with_its_row)
{
	struct delivery_row rows[3];
	struct usage_sent_list days;
	struct err err = { 0 };

	for (uint64_t i = 0; i < 3; i++) {
		rows[i] = sample_delivery(ORG_A, PROJECT_A, i + 1);
		rows[i].status = DELIVERY_SENT;
		rows[i].due_us = 0;
		rows[i].done_us = DAY + (int64_t)(i / 2) * DAY_US;
	}
	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_insert(f->db, rows, 3, &err));
	db_rollback(f->db);
	T_INT(sent(f, ORG_A, 0, INT64_MAX), 0);
	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_insert(f->db, rows, 3, &err));
	T_OK(db_commit(f->db, &err));
	T_OK(store_usage_sent_list(ORG_A, f->db, PROJECT_A, 0, INT64_MAX, 10, &f->arena, &days,
				   &err));
	T_INT(days.n, 2);
	T_INT(days.rows[0].count, 2);
	T_TRUE(days.rows[1].day_us == DAY + DAY_US);
	T_OK(store_sent_agree(f->store, &err));
	T_OK(db_begin(f->db, &err));
	T_OK(store_usage_sent_add(f->db, days.rows, 1, &err));
	T_OK(db_commit(f->db, &err));
	T_FAIL(store_sent_agree(f->store, &err), ERR_CORRUPT);
}

/* The rows of an earlier version were never counted. */
CONTRACT(what_was_sent_before_there_was_usage_is_counted_by_the_migration)
{
	struct delivery_row row = sample_delivery(ORG_A, PROJECT_A, 1);
	unsigned before = store_schema_newest();
	struct err err = { 0 };

	while (strcmp(store_schema_name(before), "plans") != 0) {
		before--;
	}
	row.status = DELIVERY_SENT;
	row.due_us = 0;
	row.done_us = DAY + 9;
	put_delivery(f, row);
	db_close(&f->db);
	T_OK(store_migrate(f->store, before - 1, AT, NULL, &err));
	T_OK(store_migrate(f->store, store_schema_newest(), AT, NULL, &err));
	f->db = fixture_connect(f);
	T_INT(sent(f, ORG_A, DAY, DAY + DAY_US), 1);
}

struct seen_plans {
	struct org_plan_row rows[4];
	size_t n;
};

static void see_plan(void *arg, const struct org_plan_row *row)
{
	struct seen_plans *seen = arg;

	ensure(seen->n < ARRAY_LEN(seen->rows));
	seen->rows[seen->n++] = *row;
}

CONTRACT(plans_are_kept_cheapest_first)
{
	struct plan_list plans;
	struct err err = { 0 };

	for (size_t i = plan_seeds_n; i > 0; i--) {
		T_OK(store_plan_put(f->db, &plan_seeds[i - 1], &err));
	}
	T_OK(store_plan_put(f->db, &plan_seeds[1], &err));
	T_OK(store_plan_list(f->db, &f->arena, &plans, &err));
	T_INT(plans.n, plan_seeds_n);
	for (size_t i = 0; i < plans.n; i++) {
		T_TRUE(slice_eq(plans.rows[i].name, plan_seeds[i].name));
		T_TRUE(slice_eq(plans.rows[i].display_name, plan_seeds[i].display_name));
		T_INT(plans.rows[i].events_soft, plan_seeds[i].events_soft);
		T_INT(plans.rows[i].events_hard, plan_seeds[i].events_hard);
		T_INT(plans.rows[i].overage_cents, plan_seeds[i].overage_cents);
		T_INT(plans.rows[i].projects, plan_seeds[i].projects);
	}
}

CONTRACT(an_org_has_one_plan_and_limits_of_its_own)
{
	struct org_plan_row row = { .org = ORG_A,
				    .plan = S("pro"),
				    .events_soft = PLAN_KEEP,
				    .events_hard = 1000,
				    .updated_us = AT };
	struct seen_plans seen = { 0 };
	struct err err = { 0 };

	T_OK(store_org_plan_set(ORG_A, f->db, &row, &err));
	row.events_soft = 800;
	row.plan = S("");
	T_OK(store_org_plan_set(ORG_A, f->db, &row, &err));
	T_OK(store_org_plans_all(f->db, see_plan, &seen, &err));
	T_INT(seen.n, 1);
	T_INT(seen.rows[0].org.v, ORG_A.v);
	T_INT(seen.rows[0].plan.n, 0);
	T_INT(seen.rows[0].events_soft, 800);
	T_INT(seen.rows[0].events_hard, 1000);
}

CONTRACTS(usage_contract, C(usage_adds_up_by_day_key_and_type), C(usage_is_summed_for_all_orgs),
	  C(a_notification_is_counted_when_it_is_sent_and_once),
	  C(what_is_sent_from_the_start_is_counted_with_its_row),
	  C(what_was_sent_before_there_was_usage_is_counted_by_the_migration),
	  C(plans_are_kept_cheapest_first), C(an_org_has_one_plan_and_limits_of_its_own))
