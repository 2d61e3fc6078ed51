/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts are open exactly as long as their condition holds, and end in one order. */
#include "rule/opens.h"

#include "base/clock.h"
#include "rule/snapshot.h"
#include "test/t.h"

#define T0 (INT64_C(1790000000) * US_PER_S)
#define S_(n) (T0 + (int64_t)((n)*1000000.0))

static const struct hash_key seed = { .v = "opens test" };
static const struct window_limits defaults;

/* A set whose alerts have dense numbers. */
struct bench {
	struct rule_set *set;
	struct arena tick;
	uint64_t seq, alerts;
	struct rule_ends ends; /* of the last call */
	struct err err;
};

static void bench_init(struct bench *b, struct window_limits limits)
{
	*b = (struct bench) { .set = rule_set_new(&seed, limits) };
	arena_init(&b->tick, 0);
}

static void bench_release(struct bench *b)
{
	rule_set_free(&b->set);
	arena_release(&b->tick);
}

static struct rule_def def_of(uint64_t id, enum rule_condition condition, uint32_t threshold)
{
	static const struct rule_action action = { { "in_app", 6 }, { "{}", 2 } };
	static struct rule_path path;
	struct err err;

	T_OK(rule_path_parse(S("payload.u"), "", &path, &err));
	return (struct rule_def) {
		.id = { id },
		.org = { 1 },
		.project = { 2 },
		.version = 1,
		.name = S("r"),
		.event_type = S("a"),
		.condition = condition,
		.threshold = threshold,
		.window_s = 10,
		.severity = SEVERITY_LOW,
		.enabled = true,
		.group_by = &path,
		.group_by_n = 1,
		.actions = &action,
		.actions_n = 1,
	};
}

static void put(struct bench *b, const struct rule_def *def, int64_t at_us)
{
	rule_set_advance(b->set, at_us);
	if (rule_set_put(b->set, def, ++b->seq, at_us) == RULE_REBUILD) {
		rule_set_rebuilt(b->set, def->id);
	}
	b->ends = rule_set_ends(b->set);
}

/* An event of user u; what is over by then or by it is in ends. */
static void event(struct bench *b, unsigned u, int64_t at_us)
{
	struct rule_input input = {
		.seq = ++b->seq,
		.received_at_us = at_us,
		.org = { 1 },
		.project = { 2 },
		.type = S("a"),
		.body = arena_printf(&b->tick, "{\"type\":\"a\",\"payload\":{\"u\":%u}}", u),
	};
	struct firings out;

	rule_set_advance(b->set, at_us);
	if (!rule_apply(b->set, &input, &b->tick, &out, &b->err)) {
		fail_msg("%s", b->err.text);
	}
	for (size_t i = 0; i < out.n; i++) {
		rule_set_opened(b->set, &out.items[i], (struct alert_id) { ++b->alerts });
	}
	b->ends = rule_set_ends(b->set);
}

static void pass(struct bench *b, int64_t at_us)
{
	rule_set_advance(b->set, at_us);
	b->ends = rule_set_ends(b->set);
}

static void ended(const struct bench *b, size_t i, uint64_t alert, int64_t at_us,
		  enum rule_end_reason reason)
{
	T_TRUE(i < b->ends.n);
	T_INT(b->ends.items[i].alert.v, alert);
	T_INT(b->ends.items[i].at_us, at_us);
	T_INT(b->ends.items[i].reason, reason);
}

TEST(at_least_holds_until_the_nth_newest_leaves)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 2);
	struct bench b;

	bench_init(&b, defaults);
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	T_INT(rule_set_due(b.set), INT64_MAX);
	event(&b, 1, S_(4));
	T_INT(rule_set_due(b.set), S_(11));
	pass(&b, S_(11) - 1);
	T_INT(b.ends.n, 0);
	T_INT(rule_set_opens(b.set), 1);
	pass(&b, S_(300));
	T_INT(b.ends.n, 1);
	ended(&b, 0, 1, S_(11), RULE_END_CLEARED);
	T_INT(b.ends.items[0].opened_us, S_(4));
	T_INT(b.ends.items[0].rule.v, 5);
	T_INT(rule_set_opens(b.set), 0);
	T_INT(rule_set_due(b.set), INT64_MAX);
	bench_release(&b);
}

TEST(more_than_needs_one_more)
{
	struct rule_def def = def_of(5, RULE_COUNT_GT, 1);
	struct bench b;

	def.cooldown_s = 3600;
	bench_init(&b, defaults);
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 1, S_(3));
	event(&b, 1, S_(5));
	/* The timer of the firing is at 11; by then it holds until 13. */
	T_INT(rule_set_due(b.set), S_(11));
	pass(&b, S_(12));
	T_INT(b.ends.n, 0);
	T_INT(rule_set_due(b.set), S_(13));
	pass(&b, S_(13));
	ended(&b, 0, 1, S_(13), RULE_END_CLEARED);
	bench_release(&b);
}

TEST(exactly_ends_by_time_or_by_one_more)
{
	struct rule_def def = def_of(5, RULE_COUNT_EQ, 2);
	struct bench b;

	bench_init(&b, defaults);
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 1, S_(2));
	event(&b, 1, S_(3));
	ended(&b, 0, 1, S_(3), RULE_END_CLEARED);
	/* At 12.5 the window holds 3 and 12.5: it fires again, and 3 leaves at 13. */
	event(&b, 1, S_(12.5));
	T_INT(b.ends.n, 0);
	event(&b, 1, S_(20));
	ended(&b, 0, 2, S_(13), RULE_END_CLEARED);
	T_INT(b.alerts, 3);
	bench_release(&b);
}

TEST(a_record_at_the_very_end_comes_too_late)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 2);
	struct bench b;

	bench_init(&b, defaults);
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 1, S_(2));
	event(&b, 1, S_(11));
	/* Over at 11, and the same record makes it fire anew. */
	T_INT(b.ends.n, 1);
	ended(&b, 0, 1, S_(11), RULE_END_CLEARED);
	T_INT(b.alerts, 2);
	T_INT(rule_set_opens(b.set), 1);
	bench_release(&b);
}

TEST(timers_due_at_once_fire_in_the_order_of_alerts)
{
	struct rule_def one = def_of(9, RULE_COUNT_GTE, 1), two = def_of(5, RULE_COUNT_GTE, 1);
	struct rule_def three = def_of(7, RULE_COUNT_GTE, 1);
	struct bench b;

	bench_init(&b, defaults);
	three.window_s = 9;
	put(&b, &one, T0);
	put(&b, &two, T0 + 1);
	put(&b, &three, T0 + 2);
	event(&b, 1, S_(1));
	event(&b, 2, S_(2));
	pass(&b, S_(20));
	T_INT(b.ends.n, 6);
	/* Rules fire by id: alerts 1 to 3 are of rules 5, 7, 9, and 4 to 6 again. */
	ended(&b, 0, 2, S_(10), RULE_END_CLEARED);
	ended(&b, 1, 1, S_(11), RULE_END_CLEARED);
	ended(&b, 2, 3, S_(11), RULE_END_CLEARED);
	ended(&b, 3, 5, S_(11), RULE_END_CLEARED);
	ended(&b, 4, 4, S_(12), RULE_END_CLEARED);
	ended(&b, 5, 6, S_(12), RULE_END_CLEARED);
	bench_release(&b);
}

TEST(the_next_firing_takes_the_place_of_the_last)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 1);
	struct bench b;

	bench_init(&b, defaults);
	def.cooldown_s = 3;
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 1, S_(2));
	T_INT(b.ends.n, 0);
	event(&b, 2, S_(3));
	event(&b, 1, S_(4));
	T_INT(b.ends.n, 1);
	ended(&b, 0, 1, S_(4), RULE_END_SUPERSEDED);
	T_INT(rule_set_opens(b.set), 2);
	bench_release(&b);
}

TEST(edits_end_what_they_do_not_say)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 2);
	struct bench b;

	bench_init(&b, defaults);
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 1, S_(4));
	event(&b, 2, S_(5));
	event(&b, 2, S_(6));
	def.name = S("renamed");
	def.cooldown_s = 60;
	put(&b, &def, S_(6.1));
	T_INT(b.ends.n, 0);
	/* In (1.2, 6.2] the first user has one, the second two. */
	def.window_s = 5;
	put(&b, &def, S_(6.2));
	T_INT(b.ends.n, 1);
	ended(&b, 0, 1, S_(6.2), RULE_END_CHANGED);
	T_INT(rule_set_due(b.set), S_(10));
	def.enabled = false;
	put(&b, &def, S_(7));
	ended(&b, 0, 2, S_(7), RULE_END_DISABLED);
	T_INT(rule_set_opens(b.set), 0);
	bench_release(&b);
}

TEST(removal_and_a_new_start_end_all)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 1);
	struct bench b;

	bench_init(&b, defaults);
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 2, S_(2));
	def.group_by_n = 0;
	put(&b, &def, S_(3));
	T_INT(b.ends.n, 2);
	ended(&b, 0, 1, S_(3), RULE_END_CHANGED);
	ended(&b, 1, 2, S_(3), RULE_END_CHANGED);
	event(&b, 1, S_(4));
	pass(&b, S_(5));
	T_TRUE(rule_set_remove(b.set, def.id));
	b.ends = rule_set_ends(b.set);
	ended(&b, 0, 3, S_(5), RULE_END_DELETED);
	bench_release(&b);
}

TEST(a_key_that_is_evicted_takes_its_alert_along)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 1);
	struct bench b;

	bench_init(&b, (struct window_limits) { .keys_max = 2, .stamps_max = 10 });
	put(&b, &def, T0);
	event(&b, 1, S_(1));
	event(&b, 2, S_(2));
	event(&b, 3, S_(3));
	T_INT(b.ends.n, 1);
	ended(&b, 0, 1, S_(3), RULE_END_EVICTED);
	T_INT(rule_set_opens(b.set), 2);
	bench_release(&b);
}

TEST(there_are_only_so_many_in_all)
{
	struct rule_def defs[] = { def_of(5, RULE_COUNT_GTE, 1), def_of(6, RULE_COUNT_GTE, 1),
				   def_of(7, RULE_COUNT_GTE, 1) };
	struct bench b;
	size_t evicted = 0;

	bench_init(&b, defaults);
	for (size_t i = 0; i < ARRAY_LEN(defs); i++) {
		defs[i].window_s = 3600;
		put(&b, &defs[i], T0 + (int64_t)i);
	}
	for (unsigned u = 0; u < RULE_OPENS_MAX / 3 + 10; u++) {
		event(&b, u, T0 + 10 + u);
		arena_clear(&b.tick);
		for (size_t i = 0; i < b.ends.n; i++) {
			ended(&b, i, ++evicted, T0 + 10 + u, RULE_END_EVICTED);
		}
	}
	T_INT(rule_set_opens(b.set), RULE_OPENS_MAX);
	T_INT(evicted, b.alerts - RULE_OPENS_MAX);
	bench_release(&b);
}

static bool append(void *arg, struct slice part, struct err *err UNUSED)
{
	buf_puts(arg, part);
	return true;
}

TEST(a_snapshot_keeps_what_is_open)
{
	struct rule_def def = def_of(5, RULE_COUNT_GTE, 2);
	struct buf first, second;
	struct rule_set *other;
	struct bench b;
	struct err err;

	bench_init(&b, defaults);
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	put(&b, &def, T0);
	for (unsigned i = 0; i < 12; i++) {
		event(&b, i % 4, S_(1 + i * 0.1));
	}
	pass(&b, S_(3));
	T_INT(rule_set_opens(b.set), 4);
	T_OK(rule_set_save(b.set, append, &first, &err));
	other = rule_set_load(&seed, defaults, buf_slice(&first), &err);
	T_TRUE(other != NULL);
	T_OK(rule_set_save(other, append, &second, &err));
	T_TRUE(slice_eq(buf_slice(&first), buf_slice(&second)));
	rule_set_free(&b.set);
	b.set = other;
	pass(&b, S_(60));
	T_INT(b.ends.n, 4);
	/* The newest but one of each user, a window later. */
	for (unsigned i = 0; i < 4; i++) {
		ended(&b, i, 5 + i, S_(11.4 + i * 0.1), RULE_END_CLEARED);
	}
	buf_release(&first);
	buf_release(&second);
	bench_release(&b);
}

T_MAIN(T(at_least_holds_until_the_nth_newest_leaves), T(more_than_needs_one_more),
       T(exactly_ends_by_time_or_by_one_more), T(a_record_at_the_very_end_comes_too_late),
       T(timers_due_at_once_fire_in_the_order_of_alerts),
       T(the_next_firing_takes_the_place_of_the_last), T(edits_end_what_they_do_not_say),
       T(removal_and_a_new_start_end_all), T(a_key_that_is_evicted_takes_its_alert_along),
       T(there_are_only_so_many_in_all), T(a_snapshot_keeps_what_is_open))
