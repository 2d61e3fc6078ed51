/* SPDX-License-Identifier: Apache-2.0 */
/* Rules see the events of their type and project, fire as doc/rules.md says, and survive edits. */
#include "rule/rule_set.h"

#include <stdio.h>

#include "base/clock.h"
#include "test/t.h"

#define T0 (INT64_C(1790000000) * US_PER_S)
#define ORG ((struct org_id) { 1 })
#define PROJECT ((struct project_id) { 2 })

static const struct hash_key seed = { .v = "rule set test" };

/* A set, its log and the last answer. */
struct bench {
	struct rule_set *set;
	struct arena tick;
	struct firings out;
	uint64_t seq;
	struct err err;
};

static void bench_init(struct bench *b)
{
	*b = (struct bench) { .set = rule_set_new(&seed, (struct window_limits) { 0 }) };
	arena_init(&b->tick, 0);
}

static void bench_release(struct bench *b)
{
	rule_set_free(&b->set);
	arena_release(&b->tick);
}

static struct rule_def def_of(uint64_t id, const char *type, uint32_t threshold)
{
	return (struct rule_def) {
		.id = { id },
		.org = ORG,
		.project = PROJECT,
		.version = 1,
		.name = S("a rule"),
		.event_type = slice_of(type),
		.condition = RULE_COUNT_GTE,
		.threshold = threshold,
		.window_s = 60,
		.cooldown_s = 0,
		.severity = SEVERITY_MEDIUM,
		.enabled = true,
	};
}

/* The path lives as long as the test. */
static void group_by(struct rule_def *def, struct rule_path *path, const char *text)
{
	struct err err;

	T_OK(rule_path_parse(slice_of(text), "groupBy[0]", path, &err));
	def->group_by = path;
	def->group_by_n = 1;
}

/* Fires of an event of type at us behind T0, with this canonical body. */
static size_t event(struct bench *b, const char *type, int64_t us, const char *body)
{
	struct rule_input input = {
		.seq = ++b->seq,
		.received_at_us = T0 + us,
		.org = ORG,
		.project = PROJECT,
		.type = slice_of(type),
		.body = slice_of(body),
	};

	arena_clear(&b->tick);
	if (!rule_apply(b->set, &input, &b->tick, &b->out, &b->err)) {
		fail_msg("%s", b->err.text);
	}
	return b->out.n;
}

static enum rule_change put(struct bench *b, const struct rule_def *def, int64_t us)
{
	return rule_set_put(b->set, def, ++b->seq, T0 + us);
}

TEST(types_match_exactly_by_prefix_or_all)
{
	const char *const types[] = { "a.b", "a.*", "*", "a.b.*", "a", "b.*" };
	const size_t removed_left[] = { 3, 2, 1, 0, 0, 0 };
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct rule_def def = def_of(6 - i, types[i], 1);

		T_INT(put(&b, &def, 0), RULE_STARTED);
	}
	T_INT(event(&b, "a.b", 1, ""), 3);
	T_INT(b.out.items[0].rule->id.v, 4); /* in the order of ids */
	T_INT(b.out.items[1].rule->id.v, 5);
	T_INT(b.out.items[2].rule->id.v, 6);
	T_INT(event(&b, "a", 2, ""), 2);
	T_INT(event(&b, "a.b.c", 3, ""), 3);
	T_INT(event(&b, "a.", 4, ""), 2);
	T_INT(event(&b, "ab.c", 5, ""), 1);
	T_INT(event(&b, "b.x.y.z", 6, ""), 2);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		T_TRUE(rule_set_remove(b.set, (struct rule_id) { 6 - i }));
		T_FALSE(rule_set_remove(b.set, (struct rule_id) { 6 - i }));
		T_INT(event(&b, "a.b.c", 10 + (int64_t)i, ""), removed_left[i]);
	}
	T_INT(rule_set_count(b.set), 0);
	bench_release(&b);
}

TEST(what_the_server_says_is_taken_by_who_names_it)
{
	const char *const types[] = { "*", "tocsin.*", "tocsin.usage.80", "t" };
	struct bench b;

	bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct rule_def def = def_of(1 + i, types[i], 1);

		T_INT(put(&b, &def, 0), RULE_STARTED);
	}
	T_INT(event(&b, "tocsin.usage.80", 1, ""), 2);
	T_INT(b.out.items[0].rule->id.v, 2);
	T_INT(b.out.items[1].rule->id.v, 3);
	T_INT(event(&b, "tocsin.other", 2, ""), 1);
	T_INT(event(&b, "tocsin", 3, ""), 1); /* anybody may send it */
	T_INT(event(&b, "tocsins.x", 4, ""), 1);
	bench_release(&b);
}

TEST(projects_and_orgs_are_walls)
{
	struct bench b;
	struct rule_def other_org = def_of(1, "a", 1), other_project = def_of(2, "a", 1);

	bench_init(&b);
	other_org.org.v = 9;
	other_project.project.v = 9;
	put(&b, &other_org, 0);
	put(&b, &other_project, 0);
	T_INT(event(&b, "a", 1, ""), 0);
	bench_release(&b);
}

TEST(conditions_mean_what_they_say)
{
	static const enum rule_condition conditions[] = { RULE_COUNT_GTE, RULE_COUNT_GT,
							  RULE_COUNT_EQ };
	static const char *const fires[] = { "0011111", "0001111", "0010000" };
	static const int counts[] = { 3, 4, 3 };

	for (size_t k = 0; k < ARRAY_LEN(conditions); k++) {
		struct rule_def def = def_of(1, "a", 3);
		struct bench b;
		bool first = true;

		bench_init(&b);
		def.condition = conditions[k];
		put(&b, &def, 0);
		for (int i = 0; i < 7; i++) {
			T_INT(event(&b, "a", 10 + i, ""), fires[k][i] - '0');
			if (b.out.n > 0 && first) {
				T_INT(b.out.items[0].count, counts[k]);
				T_FALSE(b.out.items[0].at_least);
				T_TRUE(b.out.items[0].first_us == T0 + 10);
				T_TRUE(b.out.items[0].last_us == T0 + 10 + i);
				first = false;
			} else if (b.out.n > 0) {
				T_INT(b.out.items[0].count, counts[k] + 1);
				T_TRUE(b.out.items[0].at_least);
			}
		}
		bench_release(&b);
	}
}

/* Each record that leaves exactly N in its window fires eq, also when others expired meanwhile. */
TEST(eq_fires_again_when_the_count_fell_between)
{
	struct rule_def def = def_of(1, "a", 2);
	struct bench b;

	bench_init(&b);
	def.condition = RULE_COUNT_EQ;
	put(&b, &def, 0);
	T_INT(event(&b, "a", 0, ""), 0);
	T_INT(event(&b, "a", 40 * US_PER_S, ""), 1);
	T_INT(event(&b, "a", 60 * US_PER_S, ""), 1);
	T_INT(event(&b, "a", 70 * US_PER_S, ""), 0);
	T_INT(event(&b, "a", 130 * US_PER_S, ""), 0);
	T_INT(event(&b, "a", 131 * US_PER_S, ""), 1);
	bench_release(&b);
}

TEST(a_short_window_takes_nothing_from_a_long_one)
{
	struct rule_def brief = def_of(1, "a", 100), lasting = def_of(2, "a", 5);
	struct bench b;

	bench_init(&b);
	brief.window_s = 10;
	lasting.window_s = 3600;
	put(&b, &brief, 0);
	put(&b, &lasting, 0);
	for (int i = 0; i < 4; i++) {
		T_INT(event(&b, "a", i * 600 * US_PER_S, ""), 0);
	}
	T_INT(event(&b, "a", 2400 * US_PER_S, ""), 1);
	T_INT(b.out.items[0].rule->id.v, 2);
	T_INT(b.out.items[0].count, 5);
	bench_release(&b);
}

TEST(a_burst_over_the_threshold_fires_once_per_cooldown)
{
	struct rule_def def = def_of(1, "a", 5);
	size_t fired = 0;
	struct bench b;

	bench_init(&b);
	def.cooldown_s = 120;
	put(&b, &def, 0);
	for (int i = 0; i < 100; i++) {
		fired += event(&b, "a", i, "");
	}
	T_INT(fired, 1);
	for (int i = 0; i < 100; i++) {
		fired += event(&b, "a", 120 * US_PER_S + 4 + i, "");
	}
	T_INT(fired, 2);
	bench_release(&b);
}

TEST(keys_compare_by_type_and_value)
{
	static const struct {
		const char *payload;
		int count; /* of its key so far */
	} rows[] = {
		{ "{\"u\":1}", 1 },
		{ "{\"u\":1.0}", 2 },
		{ "{\"u\":10e-1}", 3 },
		{ "{\"u\":\"1\"}", 1 },
		{ "{\"u\":null}", 1 },
		{ "{}", 2 },
		{ "{\"v\":1}", 3 },
		{ "[]", 4 },
		{ "{\"u\":true}", 1 },
		{ "{\"u\":\"true\"}", 1 },
		{ "{\"u\":\"\\u00e9\"}", 1 },
		{ "{\"u\":\"\xc3\xa9\"}", 2 },
		{ "{\"u\":\"e\xcc\x81\"}", 1 },
		{ "{\"u\":[1]}", 1 },
		{ "{\"u\":[1.0]}", 1 },
		{ "{\"u\":\"null\"}", 1 },
		{ "{\"u\":\"\"}", 1 },
		{ "{\"u\":1000000000000000000000000001}", 1 },
		{ "{\"u\":1000000000000000000000000002}", 1 },
	};
	struct rule_def def = def_of(1, "a", 1);
	struct rule_path path;
	struct bench b;
	char body[200];

	bench_init(&b);
	def.threshold = 50;
	def.condition = RULE_COUNT_EQ;
	group_by(&def, &path, "payload.u");
	for (uint32_t threshold = 1; threshold < 5; threshold++) {
		def.id.v = threshold;
		def.threshold = threshold;
		put(&b, &def, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":%s}", rows[i].payload);
		T_INT(event(&b, "a", 1 + (int64_t)i, body), 1);
		T_INT(b.out.items[0].count, rows[i].count);
	}
	bench_release(&b);
}

TEST(groups_come_from_every_part_of_an_event)
{
	static const char body[] =
		"{\"type\":\"a\",\"kind\":\"error\",\"severity\":\"low\",\"source\":\"s\","
		"\"environment\":\"e\",\"fingerprint\":\"f\","
		"\"tags\":{\"app.version\":\"1.2\"},\"payload\":{\"x\":{\"y\":[7,8]}}}";
	static const struct {
		const char *path, *group;
	} rows[] = {
		{ "type", "{\"type\":\"a\"}" },
		{ "kind", "{\"kind\":\"error\"}" },
		{ "severity", "{\"severity\":\"low\"}" },
		{ "source", "{\"source\":\"s\"}" },
		{ "environment", "{\"environment\":\"e\"}" },
		{ "fingerprint", "{\"fingerprint\":\"f\"}" },
		{ "tags.app.version", "{\"tags.app.version\":\"1.2\"}" },
		{ "payload.x.y.1", "{\"payload.x.y.1\":8}" },
		{ "payload.x.y", "{\"payload.x.y\":[7,8]}" },
		{ "payload.x.z", "{\"payload.x.z\":null}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rule_def def = def_of(1, "a", 1);
		struct rule_path path;
		struct bench b;

		bench_init(&b);
		group_by(&def, &path, rows[i].path);
		put(&b, &def, 0);
		T_INT(event(&b, "a", 1, body), 1);
		T_TRUE(slice_eq(b.out.items[0].group, slice_of(rows[i].group)));
		bench_release(&b);
	}
}

TEST(long_values_are_groups_that_are_not_shown)
{
	struct rule_def def = def_of(1, "a", 1);
	struct rule_path path;
	char body[2200];
	struct bench b;

	bench_init(&b);
	group_by(&def, &path, "payload.x");
	put(&b, &def, 0);
	snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":{\"x\":\"%01022d\"}}", 0);
	T_INT(event(&b, "a", 1, body), 1);
	T_INT(b.out.items[0].group.n, strlen("{\"payload.x\":\"\"}") + 1022);
	snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":{\"x\":\"%01023d\"}}", 0);
	T_INT(event(&b, "a", 2, body), 1);
	T_SLICE(b.out.items[0].group, "{\"payload.x\":\"(long value)\"}");
	T_INT(b.out.items[0].count, 1);
	bench_release(&b);
}

TEST(several_paths_make_one_key)
{
	struct rule_def def = def_of(1, "a", 2);
	struct rule_path paths[2];
	struct bench b;
	struct err err;

	bench_init(&b);
	T_OK(rule_path_parse(S("payload.a"), "", &paths[0], &err));
	T_OK(rule_path_parse(S("payload.b"), "", &paths[1], &err));
	def.group_by = paths;
	def.group_by_n = 2;
	put(&b, &def, 0);
	T_INT(event(&b, "a", 1, "{\"type\":\"a\",\"payload\":{\"a\":\"x\",\"b\":\"yz\"}}"), 0);
	T_INT(event(&b, "a", 2, "{\"type\":\"a\",\"payload\":{\"a\":\"xy\",\"b\":\"z\"}}"), 0);
	T_INT(event(&b, "a", 3, "{\"type\":\"a\",\"payload\":{\"b\":\"yz\",\"a\":\"x\"}}"), 1);
	T_SLICE(b.out.items[0].group, "{\"payload.a\":\"x\",\"payload.b\":\"yz\"}");
	bench_release(&b);
}

TEST(long_keys_are_hashed_not_cut)
{
	struct rule_def def = def_of(1, "a", 2);
	struct rule_path path;
	struct bench b;
	char body[400];

	bench_init(&b);
	group_by(&def, &path, "payload.u");
	put(&b, &def, 0);
	snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":{\"u\":\"%0300d\"}}", 1);
	T_INT(event(&b, "a", 1, body), 0);
	snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":{\"u\":\"%0300d\"}}", 2);
	T_INT(event(&b, "a", 2, body), 0);
	T_INT(event(&b, "a", 3, body), 1);
	T_INT(b.out.items[0].key.n, 33);
	snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":{\"u\":\"%0255d\"}}", 2);
	T_INT(event(&b, "a", 4, body), 0);
	T_INT(event(&b, "a", 5, body), 1);
	T_INT(b.out.items[0].key.n, 256);
	bench_release(&b);
}

TEST(a_body_that_is_not_canonical_counts_nowhere)
{
	struct rule_def plain = def_of(1, "a", 2), grouped = def_of(2, "a", 2);
	struct rule_path path;
	struct rule_input bad = { .seq = 9,
				  .received_at_us = T0 + 1,
				  .org = ORG,
				  .project = PROJECT,
				  .type = S("a"),
				  .body = S("{\"type\":") };
	struct bench b;
	struct err err;

	bench_init(&b);
	group_by(&grouped, &path, "payload.u");
	put(&b, &plain, 0);
	put(&b, &grouped, 0);
	T_FAIL(rule_apply(b.set, &bad, &b.tick, &b.out, &err), ERR_CORRUPT);
	T_INT(b.out.n, 0);
	T_INT(event(&b, "a", 1, "{\"type\":\"a\"}"), 0);
	T_INT(event(&b, "a", 2, "{\"type\":\"a\"}"), 2);
	bench_release(&b);
}

TEST(small_edits_keep_the_counts)
{
	struct rule_def def = def_of(1, "a", 3);
	struct rule_action action = { .channel = S("in_app"), .config = S("{}") };
	struct bench b;

	bench_init(&b);
	put(&b, &def, 0);
	event(&b, "a", 1, "");
	event(&b, "a", 2, "");
	def.name = S("another name");
	def.severity = SEVERITY_CRITICAL;
	def.cooldown_s = 10;
	def.actions = &action;
	def.actions_n = 1;
	def.version = 2;
	T_INT(put(&b, &def, 3), RULE_KEPT);
	T_INT(event(&b, "a", 4, ""), 1);
	T_INT(b.out.items[0].rule->version, 2);
	T_SLICE(b.out.items[0].rule->name, "another name");
	T_SLICE(b.out.items[0].rule->actions[0].channel, "in_app");
	T_INT(event(&b, "a", 5, ""), 0);
	def.threshold = 2;
	T_INT(put(&b, &def, 6), RULE_KEPT);
	T_INT(event(&b, "a", 4 + 10 * US_PER_S, ""), 1);
	bench_release(&b);
}

TEST(other_edits_start_anew)
{
	struct rule_def def = def_of(1, "a", 2);
	struct rule_path path;
	struct bench b;

	bench_init(&b);
	put(&b, &def, 0);
	event(&b, "a", 1, "");
	group_by(&def, &path, "payload.u");
	T_INT(put(&b, &def, 2), RULE_STARTED);
	T_INT(event(&b, "a", 3, "{\"type\":\"a\"}"), 0);
	T_INT(event(&b, "a", 4, "{\"type\":\"a\"}"), 1);
	def.event_type = S("b");
	T_INT(put(&b, &def, 5), RULE_STARTED);
	T_INT(event(&b, "a", 6, "{\"type\":\"a\"}"), 0);
	T_INT(event(&b, "b", 7, "{\"type\":\"b\"}"), 0);
	def.enabled = false;
	T_INT(put(&b, &def, 8), RULE_GONE);
	T_TRUE(rule_set_get(b.set, def.id) == NULL);
	T_INT(event(&b, "b", 9, "{\"type\":\"b\"}"), 0);
	def.enabled = true;
	T_INT(put(&b, &def, 10), RULE_STARTED);
	T_INT(event(&b, "b", 11, "{\"type\":\"b\"}"), 0);
	T_INT(event(&b, "b", 12, "{\"type\":\"b\"}"), 1);
	bench_release(&b);
}

TEST(a_rebuild_counts_what_was_there_since_the_rule_started)
{
	struct rule_def def = def_of(1, "a.*", 2);
	struct bench b;

	bench_init(&b);
	put(&b, &def, 0); /* seq 1 */
	event(&b, "a.x", 1, "");
	event(&b, "a.x", 2, "");
	event(&b, "a.x", 3, "");
	def.threshold = 4;
	T_INT(put(&b, &def, 4), RULE_REBUILD);
	T_TRUE(rule_set_since(b.set, def.id, T0 + 4) == T0 + 4 - 60 * US_PER_S);
	for (uint64_t seq = 0; seq <= 4; seq++) {
		struct rule_input old = { .seq = seq,
					  .received_at_us = T0 + (int64_t)seq,
					  .org = ORG,
					  .project = PROJECT,
					  .type = seq == 3 ? S("ab") : S("a.x") };

		T_TRUE(rule_apply_silent(b.set, def.id, &old, &b.tick, &b.err));
	}
	T_INT(event(&b, "a.x", 5, ""), 0);
	T_INT(event(&b, "a.x", 6, ""), 1);
	T_INT(b.out.items[0].count, 4);
	T_FALSE(b.out.items[0].at_least);
	bench_release(&b);
}

TEST(deleted_events_are_forgotten)
{
	struct rule_def def = def_of(1, "a", 2), other = def_of(2, "a", 2);
	struct bench b;

	bench_init(&b);
	other.project.v = 77;
	def.cooldown_s = 60;
	put(&b, &def, 0);
	put(&b, &other, 0);
	event(&b, "a", 1, "");
	rule_set_forget(b.set, ORG, (struct project_id) { 77 }, ++b.seq, T0 + 2);
	T_INT(event(&b, "a", 3, ""), 1);
	rule_set_forget(b.set, ORG, PROJECT, ++b.seq, T0 + 4);
	T_INT(event(&b, "a", 59 * US_PER_S, ""), 0);
	T_INT(event(&b, "a", 3 + 60 * US_PER_S, ""), 1);
	bench_release(&b);
}

TEST(many_rules_share_a_type_and_sweeping_is_invisible)
{
	struct windows_usage usage;
	struct bench b;

	bench_init(&b);
	for (uint64_t id = 1; id <= 300; id++) {
		struct rule_def def = def_of(id * 7919 % 1009, id % 3 == 0 ? "a.*" : "a.b", 2);

		put(&b, &def, 0);
	}
	T_INT(event(&b, "a.b", 1, ""), 0);
	rule_set_sweep(b.set, 1000);
	T_INT(event(&b, "a.b", 3, ""), 300);
	for (size_t i = 1; i < b.out.n; i++) {
		T_TRUE(b.out.items[i - 1].rule->id.v < b.out.items[i].rule->id.v);
	}
	T_INT(rule_set_usage_all(b.set).keys, 300);
	T_INT(event(&b, "another", 100 * US_PER_S, ""), 0);
	rule_set_sweep(b.set, 150);
	T_INT(rule_set_usage_all(b.set).keys, 150);
	rule_set_sweep(b.set, 150);
	T_INT(rule_set_usage_all(b.set).keys, 0);
	T_TRUE(rule_set_usage(b.set, (struct rule_id) { 7919 % 1009 }, &usage));
	T_INT(usage.stamps, 0);
	T_FALSE(rule_set_usage(b.set, (struct rule_id) { 5000 }, &usage));
	bench_release(&b);
}

T_MAIN(T(types_match_exactly_by_prefix_or_all), T(what_the_server_says_is_taken_by_who_names_it),
       T(projects_and_orgs_are_walls), T(conditions_mean_what_they_say),
       T(eq_fires_again_when_the_count_fell_between),
       T(a_short_window_takes_nothing_from_a_long_one),
       T(a_burst_over_the_threshold_fires_once_per_cooldown), T(keys_compare_by_type_and_value),
       T(groups_come_from_every_part_of_an_event), T(long_values_are_groups_that_are_not_shown),
       T(several_paths_make_one_key), T(long_keys_are_hashed_not_cut),
       T(a_body_that_is_not_canonical_counts_nowhere), T(small_edits_keep_the_counts),
       T(other_edits_start_anew), T(a_rebuild_counts_what_was_there_since_the_rule_started),
       T(deleted_events_are_forgotten), T(many_rules_share_a_type_and_sweeping_is_invisible))
