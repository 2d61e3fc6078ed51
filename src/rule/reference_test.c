/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The evaluator agrees with a slow reference on 20,000 random logs of events and edits, about what
 * fires and when it is over, through saves, restarts, snapshots thrown away, sweeps and ticks at
 * any moment.
 *
 * RULE_REFERENCE_SEED=n runs the one log n, RULE_REFERENCE_LOGS=n another number of them, and
 * TOCSIN_TEST_SEED=n other ones.
 */
#include "rule/reference.h"

#include <stdio.h>

#include "base/clock.h"
#include "rule/opens.h"
#include "rule/snapshot.h"
#include "test/t.h"

#define LOGS 20000
#define ENTRIES_MAX 120 /* fewer than REF_TIMES_MAX and REF_KEYS_MAX */
#define RULES 3
#define DEFS_MAX (ENTRIES_MAX + RULES)
#define T0 (INT64_C(1790000000) * US_PER_S)

/* Values of one part of an event. Those of one class are equal. */
struct spelling {
	const char *text; /* "": the member is missing */
	int class;
};
static const struct spelling users[] = {
	{ "\"u\":1", 1 },
	{ "\"u\":1.0", 1 },
	{ "\"u\":10e-1", 1 },
	{ "\"u\":\"1\"", 2 },
	{ "\"u\":null", 3 },
	{ "", 3 },
	{ "\"u\":true", 4 },
	{ "\"u\":\"caf\xc3\xa9\"", 5 },
	{ "\"u\":\"caf\\u00e9\"", 5 },
	{ "\"\\u0075\":\"caf\\u00E9\"", 5 },
	{ "\"u\":-0", 6 },
	{ "\"u\":0.0e9", 6 },
	{ "\"u\":\"\"", 7 },
	{ "\"u\":[1]", 8 },
};
static const struct spelling sources[] = { { "", 1 },
					   { ",\"source\":\"s1\"", 2 },
					   { ",\"source\":\"s2\"", 3 } };
static const struct spelling tags[] = { { "", 1 },
					{ ",\"tags\":{\"a.b\":\"x\"}", 2 },
					{ ",\"tags\":{\"a.b\":\"y\",\"c\":1}", 3 } };
static const char *const types[] = { "pay.card.failed", "pay.card", "pay", "login" };
static const struct {
	const char *pattern;
	const char *takes; /* one letter for each of types */
} patterns[] = {
	{ "pay.card.failed", "ynnn" }, { "pay.*", "yynn" }, { "*", "yyyy" },
	{ "pay.card.*", "ynnn" },      { "login", "nnny" }, { "pay", "nnyn" },
};
enum part { PART_USER, PART_SOURCE, PART_TAG, PART_TYPE, PARTS };
static const char *const paths[PARTS] = { "payload.u", "source", "tags.a.b", "type" };

#define BODIES (ARRAY_LEN(users) * ARRAY_LEN(sources) * ARRAY_LEN(tags) * ARRAY_LEN(types))
static struct slice bodies[BODIES];
static int classes[BODIES][PARTS];
static struct rule_path parsed[PARTS];

enum entry_kind { EVENT, PUT, REMOVE, FORGET };
struct entry {
	enum entry_kind kind;
	int64_t at_us;
	size_t body;
	int project;
	size_t def;  /* PUT */
	uint64_t id; /* REMOVE */
};

/* A version of a rule in both languages. */
struct version {
	struct rule_def def;
	struct ref_spec spec;
	struct rule_path group_by[2];
	int parts[2];
	size_t pattern;
};

/* What a set said of alerts that are over: first what time alone ended. */
struct heard {
	struct rule_end items[REF_ENDS_MAX];
	size_t n, timers;
};

struct world {
	uint64_t seed, random;
	struct entry log[ENTRIES_MAX];
	size_t n;
	struct version versions[DEFS_MAX];
	size_t versions_n;
	size_t current[RULES]; /* version in force or last in force of each rule */
	bool tight;	       /* limits are met */
	bool twins;	       /* against a second set that is left alone, not the reference */
	struct window_limits limits;
	struct rule_set *set, *twin;
	struct ref_set reference;
	struct buf saved; /* a snapshot after saved_n entries */
	size_t saved_n;
	bool has_saved;
	uint64_t alerts[ENTRIES_MAX + 1]; /* given after so many entries */
	struct heard heard[2];
	struct heard *ear; /* of the two: the set's, the twin's */
	size_t fired;
};

static const struct hash_key hash = { .v = "reference test" };
static struct arena tick;
static uint64_t total_fired, total_evicted, total_restarts, total_ticks;
static uint64_t total_ends[RULE_END_REASONS];

static uint64_t random_below(struct world *w, uint64_t bound)
{
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % bound;
}

#define PICK(w, list) ((list)[random_below((w), ARRAY_LEN(list))])

static void make_bodies(void)
{
	static char texts[BODIES][160];

	for (size_t i = 0; i < BODIES; i++) {
		size_t rest = i;
		const struct spelling *user = &users[rest % ARRAY_LEN(users)];
		const struct spelling *source =
			&sources[(rest /= ARRAY_LEN(users)) % ARRAY_LEN(sources)];
		const struct spelling *tag = &tags[(rest /= ARRAY_LEN(sources)) % ARRAY_LEN(tags)];
		size_t type = rest / ARRAY_LEN(tags);

		snprintf(texts[i], sizeof(texts[i]),
			 "{\"type\":\"%s\"%s%s,\"payload\":{\"z\":[{\"u\":9}],%s%s\"y\":\"}\"}}",
			 types[type], source->text, tag->text, user->text,
			 user->text[0] == '\0' ? "" : ",");
		bodies[i] = slice_of(texts[i]);
		classes[i][PART_USER] = user->class;
		classes[i][PART_SOURCE] = source->class;
		classes[i][PART_TAG] = tag->class;
		classes[i][PART_TYPE] = (int)type;
	}
	for (size_t i = 0; i < PARTS; i++) {
		struct err err;

		T_OK(rule_path_parse(slice_of(paths[i]), "", &parsed[i], &err));
	}
}

static const char *type_of(size_t body)
{
	return types[classes[body][PART_TYPE]];
}

/* Versions of rules. */

static void set_counting(struct world *w, struct version *v)
{
	static const uint32_t thresholds[] = { 1, 1, 2, 2, 3, 3, 4, 5, 7, 10, 20, 50 };

	v->def.condition = (enum rule_condition)random_below(w, RULE_CONDITIONS);
	v->def.threshold = PICK(w, thresholds);
}

static void set_window(struct world *w, struct version *v)
{
	static const uint32_t windows[] = { 1, 2, 5, 10, 10, 60, 60, 3600, 86400 };

	v->def.window_s = PICK(w, windows);
}

static void set_cooldown(struct world *w, struct version *v)
{
	static const uint32_t cooldowns[] = { 0, 0, 1, 5, 10, 60, 3600, 86400 };

	v->def.cooldown_s = PICK(w, cooldowns);
}

static void set_stream(struct world *w, struct version *v)
{
	v->pattern = random_below(w, ARRAY_LEN(patterns));
	v->def.event_type = slice_of(patterns[v->pattern].pattern);
	v->def.group_by_n = random_below(w, 3);
	v->parts[0] = (int)random_below(w, PARTS);
	v->parts[1] = (v->parts[0] + 1 + (int)random_below(w, PARTS - 1)) % PARTS;
	v->def.project.v = 1 + (random_below(w, 8) == 0);
}

/* What follows from the members that were chosen. */
static size_t add_version(struct world *w, struct version *v)
{
	struct version *to = &w->versions[w->versions_n];

	ensure(w->versions_n < DEFS_MAX);
	*to = *v;
	to->def.version++;
	for (size_t i = 0; i < to->def.group_by_n; i++) {
		to->group_by[i] = parsed[to->parts[i]];
	}
	to->def.group_by = to->group_by;
	to->spec = (struct ref_spec) {
		.id = to->def.id.v,
		.condition = (enum ref_condition)to->def.condition,
		.threshold = to->def.threshold,
		.width_us = to->def.window_s * US_PER_S,
		.cooldown_us = to->def.cooldown_s * US_PER_S,
		.stream = to->pattern + 10 * to->def.group_by_n + 1000 * to->def.project.v +
			  (to->def.group_by_n > 0 ? 10000 * (1 + (uint64_t)to->parts[0]) : 0) +
			  (to->def.group_by_n > 1 ? 100000 * (1 + (uint64_t)to->parts[1]) : 0),
		.project = (int)to->def.project.v,
	};
	return w->versions_n++;
}

static size_t first_version(struct world *w, uint64_t id)
{
	static const struct rule_action action = { { "in_app", 6 }, { "{}", 2 } };
	struct version v = {
		.def = {
			.id = { id },
			.org = { 7 },
			.name = S("r"),
			.severity = SEVERITY_LOW,
			.enabled = true,
			.actions = &action,
			.actions_n = 1,
		},
	};

	set_counting(w, &v);
	set_window(w, &v);
	set_cooldown(w, &v);
	set_stream(w, &v);
	if (w->tight && v.def.threshold > 5) {
		v.def.threshold = 5;
	}
	return add_version(w, &v);
}

/* The next version of a rule that was there before. */
static size_t edit(struct world *w, size_t rule)
{
	struct version v = w->versions[w->current[rule]];

	v.def.enabled = true;
	switch (random_below(w, w->tight && !w->twins ? 4 : 8)) {
	case 0:
		v.def.name = S("another name");
		break;
	case 1:
		set_cooldown(w, &v);
		break;
	case 2:
		v.def.enabled = false;
		break;
	case 3:
		break;
	case 4:
		set_stream(w, &v);
		break;
	case 5:
		set_window(w, &v);
		break;
	default:
		set_counting(w, &v);
	}
	return add_version(w, &v);
}

/* Logs. */

/* Often a moment at which something just is, or is no more, in a window or a cooldown. */
static int64_t next_time(struct world *w, int64_t now_us)
{
	static const int64_t steps[] = {
		1, 1, 1, 1000, 1000, 200000, US_PER_S, 10 * US_PER_S, 700 * US_PER_S
	};
	const struct version *v;
	int64_t at_us;

	if (w->n < RULES || random_below(w, 3) > 0) {
		return now_us + PICK(w, steps);
	}
	v = &w->versions[w->current[random_below(w, RULES)]];
	at_us = w->log[random_below(w, w->n)].at_us + (int64_t)random_below(w, 3) - 1;
	at_us += (random_below(w, 2) == 0 ? v->def.window_s : v->def.cooldown_s) * US_PER_S;
	return at_us > now_us ? at_us : now_us + 1;
}

static void add_entry(struct world *w, int64_t at_us)
{
	struct entry *e = &w->log[w->n++];
	uint64_t what = random_below(w, 100);
	size_t rule = random_below(w, RULES);

	*e = (struct entry) { .kind = EVENT, .at_us = at_us };
	if (w->n <= RULES || what < 6) {
		rule = w->n <= RULES ? w->n - 1 : rule;
		e->kind = PUT;
		e->def = w->n <= RULES ? first_version(w, 100 - w->n) : edit(w, rule);
		w->current[rule] = e->def;
	} else if (what < 7) {
		e->kind = REMOVE;
		e->id = w->versions[w->current[rule]].def.id.v;
	} else if (what < 8) {
		e->kind = FORGET;
		e->project = 1 + (int)random_below(w, 2);
	} else {
		/* Few users in most logs, so that thresholds are met. */
		e->body = random_below(w, w->seed % 3 == 0 ? BODIES : 4);
		e->body += random_below(w, 4) == 0
				   ? random_below(w, ARRAY_LEN(types)) * (BODIES / 4)
				   : 0;
		e->body %= BODIES;
		e->project = 1 + (random_below(w, 10) == 0);
	}
}

static struct rule_input input_of(const struct world *w, size_t at)
{
	const struct entry *e = &w->log[at];

	return (struct rule_input) {
		.seq = at + 1,
		.received_at_us = e->at_us,
		.org = { 7 },
		.project = { (uint64_t)e->project },
		.type = slice_of(type_of(e->body)),
		.body = bodies[e->body],
	};
}

/* Both sides. */

#define REQUIRE(w, cond) \
	do { \
		if (!(cond)) { \
			fail_msg("%s: repeat with RULE_REFERENCE_SEED=%llu", #cond, \
				 (unsigned long long)(w)->seed); \
		} \
	} while (0)

static void hear(struct world *w)
{
	struct rule_ends ends = rule_set_ends(w->set);

	for (size_t i = 0; i < ends.n; i++) {
		REQUIRE(w, w->ear->n < REF_ENDS_MAX);
		w->ear->items[w->ear->n++] = ends.items[i];
	}
}

static void pass_time(struct world *w, int64_t now_us)
{
	rule_set_advance(w->set, now_us);
	hear(w);
	w->ear->timers = w->ear->n;
}

static void rebuild(struct world *w, struct rule_id id, size_t before)
{
	int64_t since_us = rule_set_since(w->set, id, w->log[before].at_us);
	struct err err;

	for (size_t i = 0; i < before; i++) {
		struct rule_input input = input_of(w, i);

		if (w->log[i].kind == EVENT && input.received_at_us > since_us) {
			REQUIRE(w, rule_apply_silent(w->set, id, &input, &tick, &err));
		}
	}
	rule_set_rebuilt(w->set, id);
}

/* What the engine does with entry number `at`. */
static struct firings apply(struct world *w, size_t at)
{
	const struct entry *e = &w->log[at];
	struct rule_input input = input_of(w, at);
	struct firings out = { 0 };
	struct err err;

	pass_time(w, e->at_us);
	switch (e->kind) {
	case EVENT:
		REQUIRE(w, rule_apply(w->set, &input, &tick, &out, &err));
		break;
	case PUT:
		if (rule_set_put(w->set, &w->versions[e->def].def, at + 1, e->at_us) ==
		    RULE_REBUILD) {
			rebuild(w, w->versions[e->def].def.id, at);
		}
		break;
	case REMOVE:
		rule_set_remove(w->set, (struct rule_id) { e->id });
		break;
	case FORGET:
		rule_set_forget(w->set, (struct org_id) { 7 },
				(struct project_id) { (uint64_t)e->project }, at + 1, e->at_us);
		break;
	}
	for (size_t i = 0; i < out.n; i++) {
		rule_set_opened(w->set, &out.items[i], (struct alert_id) { w->alerts[at] + 1 + i });
	}
	w->alerts[at + 1] = w->alerts[at] + out.n;
	hear(w);
	return out;
}

static const struct version *version_of(const struct world *w, uint64_t id)
{
	for (size_t i = 0; i < RULES; i++) {
		if (w->versions[w->current[i]].def.id.v == id) {
			return &w->versions[w->current[i]];
		}
	}
	never("rule of no version");
}

static struct ref_key key_of(const struct version *v, size_t body)
{
	struct ref_key key = { 0 };

	for (size_t i = 0; i < v->def.group_by_n; i++) {
		key.parts[i] = classes[body][v->parts[i]];
	}
	return key;
}

static void same_firing(const struct world *w, const struct version *v, struct ref_firing want,
			const struct firing *got, int64_t at_us)
{
	size_t level = v->def.threshold + (v->def.condition == RULE_COUNT_GT);
	bool more = want.count > level;

	REQUIRE(w, got->rule->id.v == v->def.id.v);
	REQUIRE(w, got->rule->version == v->def.version);
	REQUIRE(w, got->at_least == more);
	REQUIRE(w, got->count == (more ? level + 1 : want.count));
	REQUIRE(w, got->first_us == want.first_us[more]);
	REQUIRE(w, got->last_us == at_us);
	REQUIRE(w, (got->group.n > 0) == (v->def.group_by_n > 0));
}

static void compare_event(struct world *w, size_t at, const struct firings *got)
{
	const struct entry *e = &w->log[at];
	size_t n = 0;

	for (size_t i = 0; i < w->reference.n; i++) {
		struct ref_rule *rule = &w->reference.rules[i];
		const struct version *v = version_of(w, rule->spec.id);
		struct ref_firing want;

		if (patterns[v->pattern].takes[classes[e->body][PART_TYPE]] != 'y' ||
		    rule->spec.project != e->project) {
			continue;
		}
		want = ref_apply(&w->reference, rule, key_of(v, e->body), e->at_us);
		if (want.fires) {
			REQUIRE(w, n < got->n);
			same_firing(w, v, want, &got->items[n], e->at_us);
			n++;
			ref_open(&w->reference, rule, key_of(v, e->body), w->alerts[at] + n,
				 e->at_us);
		}
	}
	REQUIRE(w, n == got->n);
	w->fired += n;
}

static int by_alert(const void *a, const void *b)
{
	uint64_t x = ((const struct rule_end *)a)->alert.v;
	uint64_t y = ((const struct rule_end *)b)->alert.v;

	return (x > y) - (x < y);
}

static int by_ref_alert(const void *a, const void *b)
{
	uint64_t x = ((const struct ref_end *)a)->alert, y = ((const struct ref_end *)b)->alert;

	return (x > y) - (x < y);
}

/* What time ended has an order; what one record ended at once is a set. */
static void compare_ends(struct world *w, size_t timers)
{
	struct heard *got = w->ear;
	struct ref_set *want = &w->reference;

	REQUIRE(w, got->n == want->ends_n && got->timers == timers);
	qsort(got->items + timers, got->n - timers, sizeof(got->items[0]), by_alert);
	qsort(want->ends + timers, got->n - timers, sizeof(want->ends[0]), by_ref_alert);
	for (size_t i = 0; i < got->n; i++) {
		REQUIRE(w, got->items[i].alert.v == want->ends[i].alert);
		REQUIRE(w, got->items[i].at_us == want->ends[i].at_us);
		REQUIRE(w, (int)got->items[i].reason == (int)want->ends[i].reason);
		total_ends[got->items[i].reason]++;
	}
	REQUIRE(w, rule_set_opens(w->set) == ref_opens(want));
}

static void compare(struct world *w, size_t at, const struct firings *got)
{
	const struct entry *e = &w->log[at];
	size_t timers;

	w->reference.ends_n = 0;
	ref_pass(&w->reference, e->at_us);
	timers = w->reference.ends_n;
	switch (e->kind) {
	case EVENT:
		compare_event(w, at, got);
		break;
	case PUT:
		if (w->versions[e->def].def.enabled) {
			ref_put(&w->reference, &w->versions[e->def].spec, e->at_us);
		} else {
			ref_remove(&w->reference, w->versions[e->def].spec.id, REF_DISABLED,
				   e->at_us);
		}
		break;
	case REMOVE:
		ref_remove(&w->reference, e->id, REF_DELETED, e->at_us);
		break;
	case FORGET:
		ref_forget(&w->reference, e->project, e->at_us);
		break;
	}
	REQUIRE(w, rule_set_count(w->set) == w->reference.n);
	compare_ends(w, timers);
}

static bool append(void *arg, struct slice part, struct err *err UNUSED)
{
	buf_puts(arg, part);
	return true;
}

static void save(struct world *w, size_t applied)
{
	struct err err;

	buf_cut(&w->saved, 0);
	REQUIRE(w, rule_set_save(w->set, append, &w->saved, &err));
	w->has_saved = true;
	w->saved_n = applied;
}

/* Die, come back from the newest snapshot or from nothing, and catch up without telling anybody. */
static void restart(struct world *w, size_t applied)
{
	size_t at = w->has_saved ? w->saved_n : 0;
	struct err err;

	rule_set_free(&w->set);
	w->set = w->has_saved ? rule_set_load(&hash, w->limits, buf_slice(&w->saved), &err)
			      : rule_set_new(&hash, w->limits);
	REQUIRE(w, w->set != NULL);
	for (; at < applied; at++) {
		w->ear->n = 0;
		apply(w, at);
	}
	total_restarts++;
}

static void disturb(struct world *w, size_t applied)
{
	switch (random_below(w, 40)) {
	case 0:
		save(w, applied);
		break;
	case 1:
		restart(w, applied);
		break;
	case 2:
		w->has_saved = false;
		break;
	case 3:
		rule_set_sweep(w->set, random_below(w, 4));
		break;
	default:
		break;
	}
}

static void compare_twin_ends(struct world *w)
{
	const struct heard *a = &w->heard[0], *b = &w->heard[1];

	REQUIRE(w, a->n == b->n && a->timers == b->timers);
	for (size_t i = 0; i < a->n; i++) {
		REQUIRE(w, a->items[i].alert.v == b->items[i].alert.v);
		REQUIRE(w, a->items[i].at_us == b->items[i].at_us);
		REQUIRE(w, a->items[i].opened_us == b->items[i].opened_us);
		REQUIRE(w, a->items[i].reason == b->items[i].reason);
		total_ends[a->items[i].reason]++;
	}
	REQUIRE(w, rule_set_opens(w->set) == rule_set_opens(w->twin));
}

/* The same entry for the set that nobody saves, stops or sweeps. */
static void compare_twins(struct world *w, size_t at, const struct firings *got)
{
	struct rule_set *set = w->set;
	struct firings want;

	w->set = w->twin;
	w->ear = &w->heard[1];
	want = apply(w, at);
	w->set = set;
	w->ear = &w->heard[0];
	compare_twin_ends(w);
	REQUIRE(w, want.n == got->n);
	for (size_t i = 0; i < want.n; i++) {
		const struct firing *a = &want.items[i], *b = &got->items[i];

		REQUIRE(w, a->rule->id.v == b->rule->id.v && slice_eq(a->key, b->key));
		REQUIRE(w, a->count == b->count && a->at_least == b->at_least);
		REQUIRE(w, a->first_us == b->first_us && slice_eq(a->group, b->group));
	}
	w->fired += want.n;
}

static void compare_evicted(struct world *w)
{
	for (size_t i = 0; i < RULES; i++) {
		struct rule_id id = w->versions[w->current[i]].def.id;
		const struct ref_rule *rule = ref_find(&w->reference, id.v);
		struct windows_usage usage, twin;

		REQUIRE(w, rule_set_usage(w->set, id, &usage) ==
				   (w->twins ? rule_set_usage(w->twin, id, &twin) : rule != NULL));
		if (w->twins) {
			REQUIRE(w, usage.evicted == twin.evicted);
		} else if (rule != NULL) {
			REQUIRE(w, usage.evicted == rule->evicted);
		}
		total_evicted += usage.evicted;
	}
}

static void start_log(struct world *w, uint64_t seed, bool twins)
{
	w->seed = w->random = seed;
	w->n = w->versions_n = w->reference.n = w->fired = 0;
	w->has_saved = false;
	w->twins = twins;
	w->ear = &w->heard[0];
	w->tight = random_below(w, 3) == 0 || twins;
	w->limits = (struct window_limits) { 0 };
	if (w->tight) {
		/* One key always fits: thresholds are at most 5, or 50 where edits go on. */
		w->limits.keys_max = 1 + (uint32_t)random_below(w, 6);
		w->limits.stamps_max = (twins ? 53 : 7) + (uint32_t)random_below(w, 20);
	}
	w->reference.keys_max = w->tight ? w->limits.keys_max : SIZE_MAX;
	w->reference.stamps_max = w->tight ? w->limits.stamps_max : SIZE_MAX;
	w->set = rule_set_new(&hash, w->limits);
	w->twin = rule_set_new(&hash, w->limits);
}

/* Ticks at moments of no importance, which only one of the two sides gets to see. */
static void tick_between(struct world *w, int64_t last_us, int64_t next_us)
{
	int64_t at_us = last_us;

	while (random_below(w, 3) == 0 && at_us < next_us) {
		at_us += 1 + (int64_t)random_below(w, (uint64_t)(next_us - at_us));
		pass_time(w, at_us);
		total_ticks++;
	}
}

static void run_log(struct world *w, uint64_t seed, bool twins)
{
	int64_t now_us = T0;
	size_t entries;

	start_log(w, seed, twins);
	entries = RULES + 1 + random_below(w, ENTRIES_MAX - RULES);
	for (size_t at = 0; at < entries; at++) {
		struct firings got;
		int64_t last_us = now_us;

		w->heard[0].n = w->heard[1].n = 0;
		now_us = next_time(w, now_us);
		tick_between(w, last_us, now_us);
		add_entry(w, now_us);
		arena_clear(&tick);
		got = apply(w, at);
		(twins ? compare_twins : compare)(w, at, &got);
		disturb(w, at + 1);
	}
	compare_evicted(w);
	total_fired += w->fired;
	rule_set_free(&w->set);
	rule_set_free(&w->twin);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	uint64_t v;

	return slice_u64(slice_of(getenv(name)), &v) ? v : otherwise;
}

/* Logs from the seed of this round of tests on, or the one that is asked for. */
static void run_logs(bool twins, uint64_t logs)
{
	struct world *w = mem_alloc(1, sizeof(*w));
	uint64_t first = setting("TOCSIN_TEST_SEED", 0) * LOGS;
	uint64_t one = setting("RULE_REFERENCE_SEED", UINT64_MAX);

	total_fired = total_evicted = total_restarts = total_ticks = 0;
	memset(total_ends, 0, sizeof(total_ends));
	arena_init(&tick, 0);
	buf_init(&w->saved, (size_t)16 << 20);
	make_bodies();
	for (uint64_t seed = first; seed < first + logs && one == UINT64_MAX; seed++) {
		run_log(w, seed, twins);
	}
	if (one != UINT64_MAX) {
		run_log(w, one, twins);
	} else if (logs >= 1000) {
		/* The logs are worth something only if all of this happens in them. */
		T_TRUE(total_fired > logs * 3);
		T_TRUE(total_evicted > logs / 4);
		T_TRUE(total_restarts > logs / 2);
		for (size_t i = 0; i < RULE_END_REASONS; i++) {
			T_TRUE(total_ends[i] > logs / 40);
		}
	}
	print_message("# %llu firings, %llu evictions, %llu restarts, %llu ticks\n",
		      (unsigned long long)total_fired, (unsigned long long)total_evicted,
		      (unsigned long long)total_restarts, (unsigned long long)total_ticks);
	for (size_t i = 0; i < RULE_END_REASONS; i++) {
		print_message("# %llu %s\n", (unsigned long long)total_ends[i],
			      rule_end_reason_name((enum rule_end_reason)i).p);
	}
	buf_release(&w->saved);
	arena_release(&tick);
	free(w);
}

TEST(the_evaluator_agrees_with_the_reference)
{
	run_logs(false, setting("RULE_REFERENCE_LOGS", LOGS));
}

/* Here limits are met and everything is edited at once: the reference does not know that. */
TEST(restarts_and_sweeps_change_nothing_at_the_limits)
{
	run_logs(true, setting("RULE_REFERENCE_LOGS", LOGS) / 4);
}

T_MAIN(T(the_evaluator_agrees_with_the_reference),
       T(restarts_and_sweeps_change_nothing_at_the_limits))
