/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants are walls: a table of everything an org can ask for. Each row must find A's thing for A,
 * and nothing for B, even when B names A's project and ids.
 */
#include "store/fixture_contract.h"

#define NUMBER 1

typedef size_t (*look)(struct fixture *f, struct org_id org);

#define ANY_PROJECT ((struct project_id) { 0 })

/* 1 for FOUND, 0 for NOT_FOUND; FAILED ends the test. */
static size_t one(enum found found)
{
	T_TRUE(found != FAILED);
	return found == FOUND;
}

static size_t org_get(struct fixture *f, struct org_id org)
{
	struct org_row row;
	struct err err;
	size_t n = one(store_org_get(org, f->db, &f->arena, &row, &err));

	return n == 1 && row.id.v == ORG_A.v;
}

static size_t project_get(struct fixture *f, struct org_id org)
{
	struct project_row row;
	struct err err;

	return one(store_project_get(org, f->db, PROJECT_A, &f->arena, &row, &err));
}

static size_t project_by_slug(struct fixture *f, struct org_id org)
{
	struct project_row row;
	struct err err;

	return one(store_project_by_slug(org, f->db, S("only-a"), &f->arena, &row, &err));
}

static size_t project_default(struct fixture *f, struct org_id org)
{
	struct project_row row;
	struct err err;
	size_t n = one(store_project_default(org, f->db, &f->arena, &row, &err));

	return n == 1 && row.org.v == ORG_A.v;
}

static size_t project_list(struct fixture *f, struct org_id org)
{
	struct project_list list;
	struct err err = { 0 };
	size_t n = 0;

	T_OK(store_project_list(org, f->db, PAGE_OF(10), &f->arena, &list, &err));
	for (size_t i = 0; i < list.n; i++) {
		n += list.rows[i].org.v == ORG_A.v;
	}
	return n;
}

/* Both orgs have one from the start; A has one more. */
static size_t project_count(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_project_count(org, f->db, &n, &err));
	return n - 1;
}

static size_t key_get(struct fixture *f, struct org_id org)
{
	struct key_row row;
	struct err err;

	return one(store_key_get(org, f->db, PROJECT_A, (struct key_id) { NUMBER }, &f->arena, &row,
				 &err)) +
	       one(store_key_get(org, f->db, ANY_PROJECT, (struct key_id) { NUMBER }, &f->arena,
				 &row, &err));
}

static size_t key_by(struct fixture *f, struct org_id org)
{
	struct key_row mine = sample_key(ORG_A, PROJECT_A, NUMBER), row;
	struct err err;

	return one(store_key_by_hash(org, f->db, mine.hash, &f->arena, &row, &err)) +
	       one(store_key_by_name(org, f->db, PROJECT_A, mine.name, &f->arena, &row, &err));
}

static size_t key_list(struct fixture *f, struct org_id org)
{
	struct key_list named, any;
	struct err err = { 0 };

	T_OK(store_key_list(org, f->db, PROJECT_A, PAGE_OF(10), &f->arena, &named, &err));
	T_OK(store_key_list(org, f->db, ANY_PROJECT, PAGE_OF(10), &f->arena, &any, &err));
	return named.n + any.n;
}

static size_t key_revoke(struct fixture *f, struct org_id org)
{
	struct err err;

	return one(store_key_revoke(org, f->db, ANY_PROJECT, (struct key_id) { NUMBER }, AT, &err));
}

static size_t rule_get(struct fixture *f, struct org_id org)
{
	struct rule_row row;
	struct err err;

	return one(store_rule_get(org, f->db, PROJECT_A, (struct rule_id) { NUMBER }, &f->arena,
				  &row, &err)) +
	       one(store_rule_get(org, f->db, ANY_PROJECT, (struct rule_id) { NUMBER }, &f->arena,
				  &row, &err));
}

static size_t rule_by_name(struct fixture *f, struct org_id org)
{
	struct rule_row mine = sample_rule(ORG_A, PROJECT_A, NUMBER), row;
	struct err err;

	return one(store_rule_by_name(org, f->db, PROJECT_A, mine.name, &f->arena, &row, &err));
}

static size_t rule_list(struct fixture *f, struct org_id org)
{
	struct rule_list named, any;
	struct err err = { 0 };

	T_OK(store_rule_list(org, f->db, PROJECT_A, PAGE_OF(10), &f->arena, &named, &err));
	T_OK(store_rule_list(org, f->db, ANY_PROJECT, PAGE_OF(10), &f->arena, &any, &err));
	return named.n + any.n;
}

static size_t rule_count(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_rule_count(org, f->db, &n, &err));
	return n;
}

static size_t rule_delete(struct fixture *f, struct org_id org)
{
	struct err err;

	return one(store_rule_delete(org, f->db, (struct rule_id) { NUMBER }, AT, 1, &err));
}

static size_t alert_get(struct fixture *f, struct org_id org)
{
	struct alert_row row;
	struct err err;

	return one(store_alert_get(org, f->db, PROJECT_A, (struct alert_id) { NUMBER }, &f->arena,
				   &row, &err)) +
	       one(store_alert_get(org, f->db, ANY_PROJECT, (struct alert_id) { NUMBER }, &f->arena,
				   &row, &err));
}

static size_t alert_list(struct fixture *f, struct org_id org)
{
	struct alert_filter filter = { .project = PROJECT_A };
	struct alert_list list;
	struct err err = { 0 };

	T_OK(store_alert_list(org, f->db, &filter, PAGE_OF(10), &f->arena, &list, &err));
	return list.n;
}

static size_t delivery_get(struct fixture *f, struct org_id org)
{
	struct delivery_row row;
	struct err err;

	return one(store_delivery_get(org, f->db, PROJECT_A, (struct delivery_id) { NUMBER },
				      &f->arena, &row, &err)) +
	       one(store_delivery_get(org, f->db, ANY_PROJECT, (struct delivery_id) { NUMBER },
				      &f->arena, &row, &err));
}

static size_t delivery_list(struct fixture *f, struct org_id org)
{
	struct delivery_filter any = { .project = PROJECT_A };
	struct delivery_filter dead = { .project = PROJECT_A,
					.set.statuses = DELIVERY_BIT(DELIVERY_DEAD) };
	struct delivery_filter failed = { .project = PROJECT_A,
					  .set.statuses = DELIVERY_BITS_FAILED };
	struct delivery_list list;
	struct err err = { 0 };
	size_t n;

	T_OK(store_delivery_list(org, f->db, &any, PAGE_OF(10), &f->arena, &list, &err));
	n = list.n;
	T_OK(store_delivery_list(org, f->db, &dead, PAGE_OF(10), &f->arena, &list, &err));
	n += list.n;
	T_OK(store_delivery_list(org, f->db, &failed, PAGE_OF(10), &f->arena, &list, &err));
	return n + list.n;
}

static size_t attempt_list(struct fixture *f, struct org_id org)
{
	struct attempt_list list;
	struct err err = { 0 };

	T_OK(store_attempt_list(org, f->db, (struct delivery_id) { NUMBER }, &f->arena, &list,
				&err));
	return list.n;
}

static size_t delivery_replay(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_delivery_replay(org, f->db, PROJECT_A, (struct delivery_id) { NUMBER }, AT, 9,
				   &n, &err));
	return n;
}

static size_t delivery_purge(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_delivery_purge(org, f->db, PROJECT_A, (struct delivery_id) { 0 }, AT, 9, &n,
				  &err));
	return n;
}

static size_t changes_after(struct fixture *f, struct org_id org)
{
	struct change_list named, any;
	struct err err = { 0 };

	T_OK(store_changes_after(org, f->db, PROJECT_A, 0, 9, &f->arena, &named, &err));
	T_OK(store_changes_after(org, f->db, ANY_PROJECT, 0, 9, &f->arena, &any, &err));
	return named.n + any.n;
}

static size_t changes_bounds(struct fixture *f, struct org_id org)
{
	struct change_bounds bounds;
	struct err err = { 0 };

	T_OK(store_changes_bounds(org, f->db, &bounds, &err));
	return bounds.newest;
}

static size_t outcome_list(struct fixture *f, struct org_id org)
{
	struct outcome_filter filter = { .project = PROJECT_A,
					 .step_us = ROLLUP_MINUTE_US,
					 .to_us = INT64_MAX };
	struct outcome_list list;
	struct err err = { 0 };

	T_OK(store_outcome_list(org, f->db, &filter, 10, &f->arena, &list, &err));
	return list.n;
}

static size_t retention_get(struct fixture *f, struct org_id org)
{
	struct retention_row row;
	struct err err;

	return one(store_retention_get(org, f->db, PROJECT_A, &f->arena, &row, &err));
}

static size_t rollup_list(struct fixture *f, struct org_id org)
{
	struct rollup_filter filter = { .project = PROJECT_A,
					.step_us = ROLLUP_MINUTE_US,
					.to_us = INT64_MAX };
	struct rollup_list list;
	struct err err = { 0 };

	T_OK(store_rollup_list(org, f->db, &filter, 10, &f->arena, &list, &err));
	return list.n;
}

static size_t usage_lists(struct fixture *f, struct org_id org)
{
	struct usage_sent_list sent;
	struct usage_list list;
	struct err err = { 0 };

	T_OK(store_usage_list(org, f->db, PROJECT_A, 0, INT64_MAX, 10, &f->arena, &list, &err));
	T_OK(store_usage_sent_list(org, f->db, PROJECT_A, 0, INT64_MAX, 10, &f->arena, &sent,
				   &err));
	return list.n + sent.n;
}

static size_t usage_sent_sum(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_usage_sent_sum(org, f->db, 0, INT64_MAX, &n, &err));
	return n;
}

static size_t usage_events_sum(struct fixture *f, struct org_id org)
{
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_usage_events_sum(org, f->db, 0, INT64_MAX, &n, &err));
	return n;
}

/* B asks first, so that what A's own call changes cannot hide a leak. */
static const struct {
	const char *name;
	look call;
} looks[] = {
	{ "org_get", org_get },
	{ "project_get", project_get },
	{ "project_by_slug", project_by_slug },
	{ "project_default", project_default },
	{ "project_list", project_list },
	{ "project_count", project_count },
	{ "key_get", key_get },
	{ "key_by", key_by },
	{ "key_list", key_list },
	{ "key_revoke", key_revoke },
	{ "rule_get", rule_get },
	{ "rule_by_name", rule_by_name },
	{ "rule_list", rule_list },
	{ "rule_count", rule_count },
	{ "rule_delete", rule_delete },
	{ "alert_get", alert_get },
	{ "alert_list", alert_list },
	{ "delivery_get", delivery_get },
	{ "delivery_list", delivery_list },
	{ "attempt_list", attempt_list },
	{ "changes_after", changes_after },
	{ "changes_bounds", changes_bounds },
	{ "delivery_purge", delivery_purge },
	{ "retention_get", retention_get },
	{ "rollup_list", rollup_list },
	{ "outcome_list", outcome_list },
	{ "usage_lists", usage_lists },
	{ "usage_sent_sum", usage_sent_sum },
	{ "usage_events_sum", usage_events_sum },
};

static void put_dead_delivery(struct fixture *f, uint64_t number)
{
	struct attempt_row tried = { .outcome = S("rejected"), .error = S("no") };
	struct delivery_result result = {
		.number = { number },
		.claim = 1,
		.status = DELIVERY_DEAD,
		.done_us = AT,
		.attempt = &tried,
	};
	struct delivery_list list;
	struct err err = { 0 };

	put_delivery(f, sample_delivery(ORG_A, PROJECT_A, number));
	T_OK(store_deliveries_claim(f->db, 1, AT + 100, AT + 200, 9, &f->arena, &list, &err));
	T_OK(db_begin(f->db, &err));
	T_OK(store_deliveries_record(f->db, &result, 1, &err));
	T_OK(db_commit(f->db, &err));
}

static void put_outcome(struct fixture *f)
{
	struct outcome_row row = {
		.org = ORG_A, .project = PROJECT_A, .step_us = ROLLUP_MINUTE_US, .count = 1
	};
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_outcomes_add(f->db, &row, 1, &err));
	T_OK(db_commit(f->db, &err));
}

static void put_usage(struct fixture *f)
{
	struct usage_row row = { .org = ORG_A,
				 .day_us = day_start_us(AT),
				 .project = PROJECT_A,
				 .type = S("a"),
				 .count = 1 };
	struct usage_sent_row sent = {
		.org = ORG_A, .day_us = day_start_us(AT), .project = PROJECT_A, .count = 1
	};
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_usage_add(f->db, &row, 1, &err));
	T_OK(store_usage_sent_add(f->db, &sent, 1, &err));
	T_OK(db_commit(f->db, &err));
}

/* One of everything, all of it A's. */
static void fill(struct fixture *f)
{
	struct project_row project = {
		.id = { 111 }, .org = ORG_A, .slug = S("only-a"), .name = S("x"), .created_us = AT
	};
	struct key_row key = sample_key(ORG_A, PROJECT_A, NUMBER);
	struct rule_row rule = sample_rule(ORG_A, PROJECT_A, NUMBER);
	struct err err = { 0 };

	T_OK(store_project_insert(ORG_A, f->db, &project, &err));
	T_OK(store_key_insert(ORG_A, f->db, &key, &err));
	T_OK(store_rule_put(ORG_A, f->db, &rule, &err));
	put_alert(f, sample_alert(ORG_A, PROJECT_A, NUMBER));
	put_dead_delivery(f, NUMBER);
	put_rollup(f, ORG_A, PROJECT_A, "a", 1);
	T_OK(store_retention_set(ORG_A, f->db, PROJECT_A, 30, 0, &err));
	put_outcome(f);
	put_usage(f);
	put_change(f, sample_change(ORG_A, PROJECT_A, "a"));
	put_change(f, sample_change(ORG_A, ANY_PROJECT, "all of a"));
}

CONTRACT(nothing_of_a_is_seen_or_touched_by_b)
{
	fill(f);
	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		size_t leaked = looks[i].call(f, ORG_B);

		if (leaked != 0) {
			fail_msg("%s shows %zu of another org", looks[i].name, leaked);
		}
		if (looks[i].call(f, ORG_A) == 0) {
			fail_msg("%s does not show one's own", looks[i].name);
		}
	}
}

CONTRACT(replay_stays_behind_the_wall)
{
	fill(f);
	T_INT(delivery_replay(f, ORG_B), 0);
	T_INT(delivery_replay(f, ORG_A), 1);
}

CONTRACTS(walls_contract, C(nothing_of_a_is_seen_or_touched_by_b), C(replay_stays_behind_the_wall))
