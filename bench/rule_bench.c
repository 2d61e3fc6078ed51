/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules cost per event, without journal, network or store: build/bench/bench_rule. Each
 * line is the median of rounds that take turns with the other set of its pair, so that a busy
 * machine hurts both alike.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rule/snapshot.h"

#define ROUNDS 9
#define EVENTS 100000 /* a round */
#define USERS 1000
#define T0 (INT64_C(1790000000) * US_PER_S)

static const struct hash_key seed = { .v = "rule benchmark" };

/* One set of rules and where its log is. */
struct run {
	struct rule_set *set;
	uint64_t seq;
	int64_t at_us;
	size_t fired;
	double ns[ROUNDS];
};

static struct slice bodies[USERS];

static void must(bool ok, const struct err *err)
{
	if (!ok) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

/* About 300 bytes, the value to group by in the middle. */
static void make_bodies(struct arena *boot)
{
	for (int i = 0; i < USERS; i++) {
		bodies[i] = arena_printf(
			boot,
			"{\"type\":\"checkout_failed\",\"severity\":\"high\",\"source\":\"shop-eu\","
			"\"environment\":\"production\",\"payload\":{\"cart\":{\"items\":[{\"sku\":"
			"\"A-1%d\",\"n\":2},{\"sku\":\"B-2\",\"n\":1}],\"total\":129.9%d},"
			"\"userId\":\"user-%d\",\"country\":\"DE\",\"reason\":\"card_declined\","
			"\"gateway\":\"stripe\",\"attempt\":3,\"trace\":\"4bf92f3577b34da6a3ce929d\"}}",
			i % 10, i % 10, i);
	}
}

static void put_rule(struct rule_set *set, uint64_t id, struct slice type, const char *const *paths,
		     size_t paths_n)
{
	struct rule_path group_by[RULE_GROUP_BY_MAX];
	struct rule_action action = { .channel = S("in_app"), .config = S("{}") };
	struct rule_def def = {
		.id = { id },
		.org = { 1 },
		.project = { 1 },
		.version = 1,
		.name = S("benchmark rule"),
		.event_type = type,
		.condition = RULE_COUNT_GTE,
		.threshold = 10,
		.window_s = 60,
		.cooldown_s = 120,
		.severity = SEVERITY_HIGH,
		.enabled = true,
		.group_by = group_by,
		.group_by_n = paths_n,
		.actions = &action,
		.actions_n = 1,
	};
	struct err err;

	for (size_t i = 0; i < paths_n; i++) {
		must(rule_path_parse(slice_of(paths[i]), "groupBy", &group_by[i], &err), &err);
	}
	rule_set_put(set, &def, 0, T0);
}

static struct run run_of(size_t others, bool matching, const char *const *paths, size_t paths_n)
{
	struct run run = { .set = rule_set_new(&seed, (struct window_limits) { 0 }), .at_us = T0 };
	char type[40];

	for (size_t i = 0; i < others; i++) {
		snprintf(type, sizeof(type), "other_type_%zu", i);
		put_rule(run.set, 1000 + i, slice_of(type), NULL, 0);
	}
	if (matching) {
		put_rule(run.set, 1, S("checkout_failed"), paths, paths_n);
	}
	return run;
}

static double round_of(struct run *run, struct arena *tick)
{
	struct firings out;
	struct err err;
	int64_t start;

	start = clock_mono_us();
	for (int i = 0; i < EVENTS; i++) {
		struct rule_input input = {
			.seq = ++run->seq,
			.received_at_us = run->at_us += 20,
			.org = { 1 },
			.project = { 1 },
			.type = S("checkout_failed"),
			.body = bodies[run->seq * 7919 % USERS],
		};

		must(rule_apply(run->set, &input, tick, &out, &err), &err);
		run->fired += out.n;
		if (i % 1000 == 0) {
			arena_clear(tick);
		}
	}
	return (double)(clock_mono_us() - start) * 1000 / EVENTS;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct run *run)
{
	qsort(run->ns, ROUNDS, sizeof(run->ns[0]), by_size);
	return run->ns[ROUNDS / 2];
}

/* The same with 10 and with 10,000 rules on other types. */
static void pair(const char *name, bool matching, const char *const *paths, size_t paths_n,
		 struct arena *tick)
{
	struct run few = run_of(10, matching, paths, paths_n);
	struct run many = run_of(10000, matching, paths, paths_n);
	double a, b;

	round_of(&few, tick);
	round_of(&many, tick);
	for (int i = 0; i < ROUNDS; i++) {
		few.ns[i] = round_of(&few, tick);
		many.ns[i] = round_of(&many, tick);
	}
	a = median(&few);
	b = median(&many);
	printf("%-34s %8.0f %8.0f %+7.1f %% %9zu\n", name, a, b, (b / a - 1) * 100,
	       few.fired + many.fired);
	rule_set_free(&few.set);
	rule_set_free(&many.set);
}

static bool append(void *arg, struct slice part, struct err *err)
{
	struct buf *out = arg;

	buf_puts(out, part);
	return !out->overflow || err_set(err, ERR_TOO_LARGE, "the snapshot has no room");
}

/* What a snapshot costs the engine, and a start. */
static void save_and_load(const struct rule_set *set)
{
	int64_t start = clock_mono_us(), saved_us;
	struct rule_set *back;
	struct buf saved;
	struct err err;

	buf_init(&saved, (size_t)256 << 20);
	must(rule_set_save(set, append, &saved, &err), &err);
	saved_us = clock_mono_us() - start;
	start = clock_mono_us();
	back = rule_set_load(&seed, (struct window_limits) { 0 }, buf_slice(&saved), &err);
	must(back != NULL, &err);
	printf("%-34s %8.1f %8.1f ms for %zu bytes\n", "save and load these",
	       (double)saved_us / 1000, (double)(clock_mono_us() - start) / 1000, saved.n);
	rule_set_free(&back);
	buf_release(&saved);
}

/* Every event has a key of its own, up to the limit of a rule and past it. */
static void many_keys(struct arena *tick)
{
	static const char *const paths[] = { "source" };
	struct run run = run_of(0, true, paths, 1);
	struct windows_usage usage;
	struct firings out;
	struct err err;
	int64_t start = clock_mono_us();

	for (int i = 0; i < 3 * EVENTS; i++) {
		char body[80];
		struct rule_input input = {
			.seq = ++run.seq,
			.received_at_us = run.at_us += 20,
			.org = { 1 },
			.project = { 1 },
			.type = S("checkout_failed"),
			.body = { .p = body },
		};

		input.body.n = (size_t)snprintf(
			body, sizeof(body),
			"{\"type\":\"checkout_failed\",\"source\":\"key-%08d\"}", i);
		must(rule_apply(run.set, &input, tick, &out, &err), &err);
	}
	usage = rule_set_usage_all(run.set);
	printf("%-34s %8.0f          %zu keys of %zu bytes, %llu evicted\n",
	       "a new key with each event", (double)(clock_mono_us() - start) * 1000 / (3 * EVENTS),
	       usage.keys, usage.bytes / usage.keys, (unsigned long long)usage.evicted);
	save_and_load(run.set);
	rule_set_free(&run.set);
}

int main(void)
{
	static const char *const one[] = { "payload.userId" };
	static const char *const four[] = { "payload.userId", "source", "payload.country",
					    "payload.cart.total" };
	struct arena boot, tick;

	arena_init(&boot, 0);
	arena_init(&tick, 0);
	make_bodies(&boot);
	printf("%-34s %8s %8s %9s %9s\n", "ns per event, other rules:", "10", "10000", "more",
	       "firings");
	pair("no rule for the type", false, NULL, 0, &tick);
	pair("one rule, no groupBy", true, NULL, 0, &tick);
	pair("one rule, one path, 1000 keys", true, one, 1, &tick);
	pair("one rule, four paths, 1000 keys", true, four, 4, &tick);
	many_keys(&tick);
	arena_release(&tick);
	arena_release(&boot);
	return 0;
}
