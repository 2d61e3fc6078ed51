/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of rules by way of the log: who may, what they do to counts, what the asker hears. */
#include <stdio.h>

#include "base/clock.h"
#include "engine/stage_test.h"

#define RULE(threshold, window, more) \
	"{\"name\":\"r\",\"eventType\":\"order_failed\",\"condition\":\"count_gte\"," \
	"\"threshold\":" #threshold ",\"windowSeconds\":" #window ",\"cooldownSeconds\":0" more \
	",\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}"
#define OTHER_ORG ((struct org_id) { 77 })

struct scene {
	struct stage stage;
	struct home home;
};

static void scene_init(struct scene *s)
{
	struct err err;

	stage_init(&s->stage);
	home_init(&s->home, &s->stage);
	T_OK(home_open(&s->home, &err));
}

static void scene_release(struct scene *s)
{
	home_close(&s->home);
	home_release(&s->home);
	stage_release(&s->stage);
}

/* What the engine says of record seq. It does not run before somebody waits for that. */
static struct verdict verdict_of(struct scene *s, uint64_t seq)
{
	struct wait wait;
	uint64_t ticket = waiters_begin(s->stage.waiters, &wait);
	struct err err;

	waiters_stored(s->stage.waiters, ticket, seq);
	if (s->home.engine == NULL) {
		T_OK(home_open(&s->home, &err));
	}
	engine_start(s->home.engine);
	T_TRUE(waiters_wait(s->stage.waiters, &wait, 10 * US_PER_S));
	home_close(&s->home);
	return wait.verdict;
}

TEST(a_change_is_checked_against_what_it_was_based_on)
{
	struct scene s;
	struct verdict v;

	scene_init(&s);
	v = verdict_of(&s, stage_rule(&s.stage, 5, 0, RULE(1, 10, "")));
	T_TRUE(v.ok);
	T_INT(v.version, 1);
	v = verdict_of(&s, stage_rule(&s.stage, 5, 0, RULE(2, 10, "")));
	T_INT(v.err.kind, ERR_PRECONDITION);
	v = verdict_of(&s, stage_rule(&s.stage, 5, 4, RULE(2, 10, "")));
	T_INT(v.err.kind, ERR_PRECONDITION);
	v = verdict_of(&s, stage_rule(&s.stage, 5, 1, RULE(2, 10, "")));
	T_TRUE(v.ok);
	T_INT(v.version, 2);
	v = verdict_of(&s, stage_rule(&s.stage, 6, 3, RULE(2, 10, "")));
	T_INT(v.err.kind, ERR_NOT_FOUND);
	v = verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 6, 0));
	T_INT(v.err.kind, ERR_NOT_FOUND);
	v = verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 5, 1));
	T_INT(v.err.kind, ERR_PRECONDITION);
	T_INT(home_number(&s.home, "select version from rules where deleted_at is null"), 2);
	v = verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 5, 0));
	T_TRUE(v.ok);
	v = verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 5, 0));
	T_INT(v.err.kind, ERR_NOT_FOUND);
	T_INT(home_number(&s.home, "select count(*) from rules where deleted_at is null"), 0);
	scene_release(&s);
}

TEST(a_rule_of_another_org_is_not_there)
{
	struct scene s;
	struct verdict v;

	scene_init(&s);
	v = verdict_of(&s, stage_rule(&s.stage, 5, 0, RULE(1, 10, "")));
	T_TRUE(v.ok);
	v = verdict_of(&s, stage_rule_of(&s.stage, OTHER_ORG, 5, 1, RULE(9, 10, "")));
	T_INT(v.err.kind, ERR_NOT_FOUND);
	v = verdict_of(&s, stage_rule_of(&s.stage, OTHER_ORG, 5, 0, RULE(9, 10, "")));
	T_INT(v.err.kind, ERR_NOT_FOUND);
	v = verdict_of(&s, stage_rule_delete(&s.stage, OTHER_ORG, 5, 0));
	T_INT(v.err.kind, ERR_NOT_FOUND);
	T_INT(home_number(&s.home, "select count(*) from rules where org_id = 1 and version = 1 "
				   "and deleted_at is null"),
	      1);
	scene_release(&s);
}

TEST(a_project_has_a_bounded_number_of_rules)
{
	struct scene s;
	struct verdict v;

	scene_init(&s);
	for (uint64_t id = 1; id <= 10000; id++) {
		stage_rule(&s.stage, id, 0, RULE(1, 10, ""));
	}
	v = verdict_of(&s, stage_rule(&s.stage, 10001, 0, RULE(1, 10, "")));
	T_INT(v.err.kind, ERR_LIMIT);
	/* Changing one is no new one, another project has its own, and one less makes room. */
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 3, 1, RULE(2, 10, ""))).ok);
	T_TRUE(verdict_of(&s, stage_rule_of(&s.stage, OTHER_ORG, 10002, 0, RULE(1, 10, ""))).ok);
	T_TRUE(verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 9, 0)).ok);
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 10001, 0, RULE(1, 10, ""))).ok);
	scene_release(&s);
}

/* The limit came with the record: a replay knows no plan, and says the same. */
TEST(an_org_has_as_many_rules_as_its_plan_said)
{
	struct scene s;
	struct verdict v;

	scene_init(&s);
	s.stage.rules_max = 2;
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 1, 0, RULE(1, 10, ""))).ok);
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 2, 0, RULE(1, 10, ""))).ok);
	v = verdict_of(&s, stage_rule(&s.stage, 3, 0, RULE(1, 10, "")));
	T_FALSE(v.ok);
	T_INT(v.err.kind, ERR_LIMIT);
	T_TRUE(verdict_of(&s, stage_rule_of(&s.stage, OTHER_ORG, 9, 0, RULE(1, 10, ""))).ok);
	/* One that is there may change, and a place that is free be taken. */
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 2, 1, RULE(2, 10, ""))).ok);
	T_TRUE(verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 1, 0)).ok);
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 4, 0, RULE(1, 10, ""))).ok);
	s.stage.rules_max = 0;
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 5, 0, RULE(1, 10, ""))).ok);
	T_INT(home_number(&s.home, "select count(*) from rules where deleted_at is null"), 4);
	scene_release(&s);
}

TEST(a_disabled_rule_is_silent_and_starts_anew)
{
	struct scene s;

	scene_init(&s);
	stage_rule(&s.stage, 5, 0, RULE(3, 60, ""));
	stage_events(&s.stage, "order_failed", 2, 1);
	stage_rule(&s.stage, 5, 1, RULE(3, 60, ",\"enabled\":false"));
	stage_events(&s.stage, "order_failed", 9, 1);
	stage_rule(&s.stage, 5, 2, RULE(3, 60, ",\"enabled\":true"));
	stage_events(&s.stage, "order_failed", 2, 1);
	home_close(&s.home);
	home_run(&s.home);
	T_INT(home_number(&s.home, "select count(*) from alerts"), 0);
	stage_events(&s.stage, "order_failed", 1, 1);
	home_run(&s.home);
	T_INT(home_number(&s.home, "select count(*) from alerts"), 1);
	scene_release(&s);
}

#define DIFFERENCE \
	"select count(*) from (select event_seq, key, count from alerts where rule_id = 1 " \
	"and event_seq > %llu %s select event_seq, key, count from alerts where rule_id = 2 " \
	"and event_seq > %llu)"

/* The log before the edit is read again, so the rule counts as if it had always been so. */
static void same_after_edit(const char *before, const char *after)
{
	struct scene s;
	unsigned long long edit;
	char sql[512];

	scene_init(&s);
	stage_rule(&s.stage, 1, 0, before);
	stage_rule(&s.stage, 2, 0, after);
	for (int i = 0; i < 12; i++) {
		stage_events(&s.stage, "order_failed", 3, 2);
		stage_events(&s.stage, "checkout.card", 2, 2);
		stage_pass(&s.stage, 4000000);
	}
	edit = stage_rule(&s.stage, 1, 1, after);
	for (int i = 0; i < 12; i++) {
		stage_events(&s.stage, "order_failed", 1, 2);
		stage_pass(&s.stage, 4000000);
	}
	home_close(&s.home);
	home_run(&s.home);
	snprintf(sql, sizeof(sql), DIFFERENCE, edit, "except", edit);
	T_INT(home_number(&s.home, sql), 0);
	snprintf(sql, sizeof(sql), DIFFERENCE, edit, "intersect", edit);
	T_TRUE(home_number(&s.home, sql) > 0);
	snprintf(sql, sizeof(sql),
		 "select (select count(*) from alerts where rule_id = 1 and event_seq > %llu) - "
		 "(select count(*) from alerts where rule_id = 2 and event_seq > %llu)",
		 edit, edit);
	T_INT(home_number(&s.home, sql), 0);
	scene_release(&s);
}

TEST(a_wider_window_is_filled_from_the_log)
{
	same_after_edit(RULE(12, 5, ""), RULE(12, 30, ""));
}

TEST(a_higher_threshold_and_a_shorter_window_too)
{
	same_after_edit(RULE(2, 40, ",\"groupBy\":[\"payload.user\"]"),
			RULE(6, 25, ",\"groupBy\":[\"payload.user\"]"));
}

/* An edit of what is counted apart cannot be told from the old counts: it begins at nothing. */
TEST(another_grouping_starts_anew)
{
	struct scene s;

	scene_init(&s);
	stage_rule(&s.stage, 1, 0, RULE(3, 60, ""));
	stage_events(&s.stage, "order_failed", 2, 1);
	stage_rule(&s.stage, 1, 1, RULE(3, 60, ",\"groupBy\":[\"payload.user\"]"));
	stage_events(&s.stage, "order_failed", 2, 1);
	home_close(&s.home);
	home_run(&s.home);
	T_INT(home_number(&s.home, "select count(*) from alerts"), 0);
	stage_events(&s.stage, "order_failed", 1, 1);
	home_run(&s.home);
	T_INT(home_number(&s.home, "select count(*) from alerts"), 1);
	scene_release(&s);
}

#define ONCE "c0ffee00000000000000000000000000000000000000000000000000c0ffee00"

TEST(a_new_rule_brings_the_reply_to_its_request)
{
	struct scene s;

	scene_init(&s);
	stage_rule(&s.stage, 5, 0, RULE(1, 10, ""));
	s.stage.once = ONCE;
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 6, 0, RULE(2, 10, ""))).ok);
	/* A request that is sent again has the same key, and so its rule the same id. */
	T_INT(verdict_of(&s, stage_rule(&s.stage, 6, 0, RULE(2, 10, ""))).err.kind,
	      ERR_PRECONDITION);
	T_INT(home_number(&s.home, "select count(*) from rules"), 2);
	T_INT(home_number(&s.home, "select count(*) from replies where key_hash = '" ONCE
				   "' and request_hash = '" ONCE "' and status = 201"),
	      1);
	T_INT(home_number(&s.home, "select count(*) from replies join rules on definition = body"
				   " where rules.id = 6 and replies.created_at = rules.created_at"
				   " and expires_at = replies.created_at + 86400000000"),
	      1);
	scene_release(&s);
}

/* Whatever a kill leaves, a rule and the reply to its request come to be together. */
TEST(a_kill_never_parts_a_rule_from_its_reply)
{
	struct stage stage;
	struct home whole;
	struct images images = { 0 };
	char key[65];

	scene_begin(&stage, &whole);
	images_begin(&images, 12, &whole);
	for (uint64_t id = 1; id <= 8; id++) {
		snprintf(key, sizeof(key), "%064llx", (unsigned long long)id);
		stage.once = key;
		stage_rule(&stage, id, 0, RULE(2, 10, ""));
		stage_events(&stage, "order_failed", 3, 1);
		T_TRUE(home_drain(&whole));
	}
	home_close(&whole);
	T_TRUE(images.n >= 4);
	for (size_t i = 0; i < images.n; i++) {
		T_INT(home_number(&images.homes[i], "select (select count(*) from rules)"
						    " - (select count(*) from replies)"),
		      0);
	}
	T_INT(home_number(&whole, "select count(*) from replies"), 8);
	images_same(&images, &whole);
	scene_end(&stage, &whole);
}

TEST(a_change_tells_the_audit_log_and_a_refusal_does_not)
{
	struct scene s;

	scene_init(&s);
	s.stage.audit = "rule.create";
	T_TRUE(verdict_of(&s, stage_rule(&s.stage, 5, 0, RULE(1, 10, ""))).ok);
	T_FALSE(verdict_of(&s, stage_rule(&s.stage, 5, 0, RULE(1, 10, ""))).ok);
	s.stage.audit = "rule.delete";
	T_TRUE(verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 5, 1)).ok);
	T_FALSE(verdict_of(&s, stage_rule_delete(&s.stage, STAGE_ORG, 5, 1)).ok);
	s.stage.audit = "events.delete";
	T_TRUE(verdict_of(&s, stage_delete_events(&s.stage, STAGE_ORG)).ok);
	T_INT(home_number(&s.home, "select count(*) from audit_entries where org_id = 1"), 3);
	T_INT(home_number(&s.home, "select max(number) from audit_entries"), 3);
	T_INT(home_number(&s.home, "select count(*) from audit_entries join rules"
				   " on audit_entries.created_at = rules.created_at"
				   " where action = 'rule.create' and actor = 'operator'"
				   " and new_fields = '{\"a\":1}'"),
	      1);
	scene_release(&s);
}

/* Whatever a kill leaves, a change and the entry about it come to be together. */
TEST(a_kill_never_parts_a_change_from_its_entry)
{
	struct stage stage;
	struct home whole;
	struct images images = { 0 };

	scene_begin(&stage, &whole);
	images_begin(&images, 12, &whole);
	stage.audit = "rule.create";
	for (uint64_t id = 1; id <= 8; id++) {
		stage_rule(&stage, id, 0, RULE(2, 10, ""));
		stage_events(&stage, "order_failed", 3, 1);
		T_TRUE(home_drain(&whole));
	}
	home_close(&whole);
	T_TRUE(images.n >= 4);
	for (size_t i = 0; i < images.n; i++) {
		T_INT(home_number(&images.homes[i], "select (select count(*) from rules)"
						    " - (select count(*) from audit_entries)"),
		      0);
	}
	T_INT(home_number(&whole, "select count(*) from audit_entries"), 8);
	images_same(&images, &whole);
	scene_end(&stage, &whole);
}

T_MAIN(T(a_change_is_checked_against_what_it_was_based_on), T(a_rule_of_another_org_is_not_there),
       T(a_project_has_a_bounded_number_of_rules), T(an_org_has_as_many_rules_as_its_plan_said),
       T(a_disabled_rule_is_silent_and_starts_anew), T(a_wider_window_is_filled_from_the_log),
       T(a_higher_threshold_and_a_shorter_window_too), T(another_grouping_starts_anew),
       T(a_new_rule_brings_the_reply_to_its_request), T(a_kill_never_parts_a_rule_from_its_reply),
       T(a_change_tells_the_audit_log_and_a_refusal_does_not),
       T(a_kill_never_parts_a_change_from_its_entry))
