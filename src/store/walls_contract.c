/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants are walls: a table of everything an org can ask for. Each row must find A's thing for A,
 * and nothing for B, even when B names A's project and ids.
 */
#include <stdio.h>

#include "pg/pg.h"
#include "store/fixture_contract.h"
#include "store/save.h"
#include "store/walls.h"

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

static size_t key_live(struct fixture *f, struct org_id org)
{
	struct key_row row;
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_key_live(org, f->db, PROJECT_A, AT, &n, &err));
	return n + one(store_key_newest(org, f->db, PROJECT_A, AT, &f->arena, &row, &err));
}

static size_t key_rename(struct fixture *f, struct org_id org)
{
	struct err err;

	return one(store_key_rename(org, f->db, ANY_PROJECT, (struct key_id) { NUMBER }, S("taken"),
				    0, &err));
}

static size_t key_revoke(struct fixture *f, struct org_id org)
{
	struct err err;

	return one(
		store_key_revoke(org, f->db, ANY_PROJECT, (struct key_id) { NUMBER }, 0, AT, &err));
}

static size_t member_looks(struct fixture *f, struct org_id org)
{
	struct member_list list;
	struct member_row row;
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_member_list(org, f->db, PAGE_OF(10), &f->arena, &list, &err));
	T_OK(store_member_count(org, f->db, &n, &err));
	return list.n + n +
	       one(store_member_get(org, f->db, (struct user_id) { NUMBER }, &f->arena, &row,
				    &err)) +
	       one(store_member_by_mail(org, f->db, S("ana@example.com"), &f->arena, &row, &err));
}

static size_t member_removed(struct fixture *f, struct org_id org)
{
	struct member_ask ask = { .user = { NUMBER + 1 } };
	struct err err = { 0 };
	bool done;

	T_OK(db_begin(f->db, &err));
	done = store_member_change(org, f->db, &ask, &err);
	T_TRUE(done || err.kind == ERR_NOT_FOUND);
	T_OK(db_commit(f->db, &err));
	return done;
}

static size_t invite_looks(struct fixture *f, struct org_id org)
{
	struct invite_id id = { NUMBER };
	struct invite_list list;
	struct invite_row row;
	struct err err = { 0 };

	T_OK(store_invite_list(org, f->db, false, PAGE_OF(10), &f->arena, &list, &err));
	return list.n + one(store_invite_get(org, f->db, id, &f->arena, &row, &err)) +
	       one(store_invite_resend(org, f->db, id, S("other"), AT, AT + 1, &err)) +
	       one(store_invite_revoke(org, f->db, id, AT, &err));
}

static size_t project_changes(struct fixture *f, struct org_id org)
{
	struct project_row row = { .id = { 111 }, .slug = S("taken"), .name = S("taken") };
	struct err err;

	return one(store_project_set(org, f->db, &row, &err)) +
	       one(store_project_end(org, f->db, row.id, AT, &err));
}

static size_t key_rotate(struct fixture *f, struct org_id org)
{
	struct err err;

	return one(store_key_rotate(org, f->db, ANY_PROJECT, (struct key_id) { NUMBER },
				    (struct key_id) { 5 }, AT + 9, 0, &err));
}

static size_t audit_looks(struct fixture *f, struct org_id org)
{
	struct audit_filter filter = { .action = S("rule.create") };
	struct audit_list list, walk;
	struct audit_head head;
	struct err err = { 0 };
	bool more;

	T_OK(store_audit_list(org, f->db, &filter, PAGE_OF(10), &f->arena, &list, &err));
	T_OK(store_audit_walk(org, f->db, NULL, 0, 10, 10, &f->arena, &walk, &more, &err));
	T_OK(store_audit_head(org, f->db, &f->arena, &head, &err));
	return list.n + walk.n + head.number;
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

static size_t reply_looks(struct fixture *f, struct org_id org)
{
	struct reply_row row;
	struct err err = { 0 };
	uint64_t n;

	T_OK(store_reply_count(org, f->db, AT, &n, &err));
	return n + one(store_reply_get(org, f->db, S("aa"), AT, &f->arena, &row, &err));
}

/* B asks first, so that what A's own call changes cannot hide a leak. */
static const struct {
	const char *name;
	look call;
} looks[] = {
	{ "org_get", org_get },
	{ "billing_looks", billing_looks },
	{ "project_get", project_get },
	{ "project_by_slug", project_by_slug },
	{ "project_default", project_default },
	{ "project_list", project_list },
	{ "project_count", project_count },
	{ "key_get", key_get },
	{ "key_by", key_by },
	{ "key_list", key_list },
	{ "key_live", key_live },
	{ "key_rename", key_rename },
	{ "key_rotate", key_rotate },
	{ "key_revoke", key_revoke },
	{ "audit_looks", audit_looks },
	{ "member_looks", member_looks },
	{ "member_removed", member_removed },
	{ "invite_looks", invite_looks },
	{ "project_changes", project_changes },
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
	{ "reply_looks", reply_looks },
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

static void put_reply(struct fixture *f)
{
	struct reply_row row = {
		.org = ORG_A, .key = S("aa"), .status = 201, .expires_us = AT + 1
	};
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_reply_insert(ORG_A, f->db, &row, &err));
	T_OK(db_commit(f->db, &err));
}

static void put_people(struct fixture *f)
{
	struct member_row owner = { .org = ORG_A, .user = { NUMBER }, .role = ROLE_OWNER };
	struct member_row viewer = { .org = ORG_A, .user = { NUMBER + 1 }, .role = ROLE_VIEWER };
	struct invite_row invite = { .id = { NUMBER },
				     .org = ORG_A,
				     .mail = S("cy@example.com"),
				     .role = ROLE_VIEWER,
				     .token_hash = S("h"),
				     .expires_us = AT };
	struct err err = { 0 };

	put_user(f, NUMBER, "ana@example.com");
	put_user(f, NUMBER + 1, "ben@example.com");
	T_OK(store_member_insert(ORG_A, f->db, &owner, &err));
	T_OK(store_member_insert(ORG_A, f->db, &viewer, &err));
	T_OK(db_begin(f->db, &err));
	T_OK(store_invite_insert(ORG_A, f->db, &invite, &err));
	T_OK(db_commit(f->db, &err));
}

/* One of everything, all of it A's. */
static void put_audit(struct fixture *f)
{
	struct audit_entry e = { .at_us = AT, .actor = S("system"), .action = S("rule.create") };
	struct err err = { 0 };

	T_OK(db_begin(f->db, &err));
	T_OK(store_audit_append(ORG_A, f->db, &e, &f->arena, &err));
	T_OK(db_commit(f->db, &err));
}

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
	put_people(f);
	put_reply(f);
	T_OK(store_retention_set(ORG_A, f->db, PROJECT_A, 30, 0, &err));
	put_outcome(f);
	put_usage(f);
	put_audit(f);
	put_billing(f);
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

/* Statements that forget their org: each is what a slip would be. */
static const struct query count_leaky = {
	.name = "test_count_leaky",
	.args = "i",
	.cols = "i",
	.sql = "select count(*) from rules where $1 > 0",
};
static const struct query update_leaky = {
	.name = "test_update_leaky",
	.args = "i",
	.cols = "",
	.sql = "update rules set name = 'mine' where $1 > 0",
};
static const struct query insert_leaky = {
	.name = "test_insert_leaky",
	.args = "ii",
	.cols = "",
	.sql = "insert into change_heads (org_id, number) values ($1 + 11, $2)",
};
static const struct query nameless = {
	.name = "test_nameless",
	.args = "",
	.cols = "i",
	.sql = "select count(*) from rules",
};

static int64_t count_as(struct db *db, struct org_id org)
{
	struct err err = { 0 };
	int64_t n;

	T_OK(db_run(db, &count_leaky, DB_ARGS(db_id(org.v)), &err));
	T_INT(db_next(db, &err), FOUND);
	n = db_col_int(db, 0);
	db_end(db);
	return n;
}

static void slips_stay_inside(struct db *db)
{
	struct err err = { 0 };
	uint64_t changed;

	T_INT(count_as(db, ORG_A), 1);
	T_INT(count_as(db, ORG_B), 0);
	T_OK(db_exec(db, &update_leaky, DB_ARGS(db_id(ORG_B.v)), &changed, &err));
	T_INT(changed, 0);
	T_FAIL(db_exec(db, &insert_leaky, DB_ARGS(db_id(ORG_A.v), db_int(1)), NULL, &err),
	       ERR_INTERNAL);
	T_TRUE(strstr(err.text, "row-level security") != NULL);
	T_FAIL(db_run(db, &nameless, (struct db_args) { 0 }, &err), ERR_INTERNAL);
	/* A transaction that is taken back takes its wall along. */
	T_OK(db_begin(db, &err));
	T_INT(count_as(db, ORG_A), 1);
	db_rollback(db);
	T_INT(count_as(db, ORG_A), 1);
	T_INT(count_as(db, ORG_B), 0);
}

CONTRACT(a_slip_of_the_api_stays_inside_its_org)
{
	fill(f);
	slips_stay_inside(f->db);
}

/* Who asks the server without saying for whom. */
CONTRACT(a_query_without_an_org_fails)
{
	struct pg *pg = NULL;
	struct err err = { 0 };
	int64_t n;

	fill(f);
	T_OK(pg_open(f->url, "contract", "set role " WALLS_ROLE, &pg, &err));
	T_FAIL(pg_number(pg, "select count(*) from rules", &n, &err), ERR_INTERNAL);
	T_FAIL(pg_number(pg, "select count(*) from orgs", &n, &err), ERR_INTERNAL);
	T_OK(pg_script(pg, "set tocsin.org = '22'", &err));
	T_OK(pg_number(pg, "select count(*) from rules", &n, &err));
	T_INT(n, 0);
	T_OK(pg_number(pg, "select id from orgs", &n, &err));
	T_INT(n, ORG_B.v);
	T_OK(pg_script(pg, "set tocsin.org = '*'", &err));
	T_OK(pg_number(pg, "select count(*) from orgs", &n, &err));
	T_INT(n, 2);
	T_FAIL(pg_number(pg, "select count(*) from schema_migrations", &n, &err), ERR_INTERNAL);
	pg_close(&pg);
}

CONTRACT(every_table_with_an_org_has_a_wall)
{
	struct pg *pg = NULL;
	struct err err = { 0 };
	int64_t n;

	T_OK(pg_open(f->url, "contract", "", &pg, &err));
	T_OK(pg_number(pg,
		       "select count(*) from pg_class c where c.relkind = 'r'"
		       " and c.relnamespace = current_schema()::regnamespace"
		       " and (c.relname = 'orgs' or exists (select from pg_attribute a"
		       " where a.attrelid = c.oid and a.attname = 'org_id'))"
		       " and not (c.relrowsecurity and c.relforcerowsecurity"
		       " and exists (select from pg_policy p where p.polrelid = c.oid))",
		       &n, &err));
	T_INT(n, 0);
	T_OK(store_migrate(f->store, WALLS_SCHEMA - 1, AT, NULL, &err));
	T_OK(pg_number(pg,
		       "select count(*) from pg_class where relrowsecurity"
		       " and relnamespace = current_schema()::regnamespace",
		       &n, &err));
	T_INT(n, 0);
	pg_close(&pg);
}

/*
 * Most servers have a user for us that owns the tables and is nobody else: it stands behind the
 * walls, too, and its rows can be copied out and in.
 */
CONTRACT(an_owner_of_tables_stands_behind_the_walls)
{
	struct fixture own = { .kind = f->kind };
	struct store_saved saved;
	struct err err = { 0 };
	struct slice name = arena_printf(&f->arena, "%s_own", f->place);
	size_t before = (size_t)(strstr(f->url, f->place) - f->url);
	const char *path = arena_printf(&f->arena, "/tmp/%s.state", name.p).p;

	fixture_on_server(arena_printf(&f->arena,
				       "create role %s; create schema %s authorization %s", name.p,
				       name.p, name.p)
				  .p);
	arena_init(&own.arena, 0);
	T_OK(store_open(arena_printf(&f->arena, "%.*s%s%%20-crole%%3D%s", (int)before, f->url,
				     name.p, name.p),
			&own.store, &err));
	T_OK(store_migrate(own.store, store_schema_newest(), AT, NULL, &err));
	own.db = fixture_connect(&own);
	fixture_put_orgs(&own);
	fill(&own);
	slips_stay_inside(own.db);
	db_close(&own.db);

	T_OK(store_save(own.store, path, &saved, &err));
	T_OK(store_migrate(own.store, STORE_SCHEMA_EMPTY, AT, NULL, &err));
	T_OK(store_load(own.store, path, saved.schema, AT, &err));
	T_INT(remove(path), 0);
	own.db = fixture_connect(&own);
	slips_stay_inside(own.db);
	db_close(&own.db);
	store_close(&own.store);
	arena_release(&own.arena);
	fixture_on_server(
		arena_printf(&f->arena, "drop schema %s cascade; drop role %s", name.p, name.p).p);
}

CONTRACTS(walls_contract, C(nothing_of_a_is_seen_or_touched_by_b), C(replay_stays_behind_the_wall),
	  C_POSTGRES(a_slip_of_the_api_stays_inside_its_org),
	  C_POSTGRES(a_query_without_an_org_fails), C_POSTGRES(every_table_with_an_org_has_a_wall),
	  C_POSTGRES(an_owner_of_tables_stands_behind_the_walls))
