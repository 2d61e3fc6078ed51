/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules in force: their changes and their counting. Rules stand in one array by id, which gives
 * look-up, the order of snapshots and the turn of the sweep; the index gives the way from an event.
 */
#include "rule/rule_set.h"

#include <stdlib.h>

#include "base/clock.h"
#include "rule/key.h"
#include "rule/rule.h"

static_assert(RULE_STAMPS_MAX > RULE_THRESHOLD_MAX + 2, "one key always fits");

struct rule_set *rule_set_new(const struct hash_key *seed, struct window_limits limits)
{
	struct rule_set *set = mem_alloc(1, sizeof(*set));

	set->seed = *seed;
	set->limits.keys_max = limits.keys_max == 0 ? RULE_KEYS_MAX : limits.keys_max;
	set->limits.stamps_max = limits.stamps_max == 0 ? RULE_STAMPS_MAX : limits.stamps_max;
	rule_index_init(&set->index);
	heap_init(&set->timers);
	buf_init(&set->key, RULE_KEY_SCRATCH_BYTES_MAX);
	return set;
}

struct rule *rule_new(struct rule_set *set, const struct rule_def *def, uint64_t start_seq)
{
	struct rule *rule = mem_alloc(1, sizeof(*rule));

	*rule = (struct rule) { .set = set, .def = rule_def_new(def), .start_seq = start_seq };
	map_init(&rule->opens);
	return rule;
}

void rule_free(struct rule **rule)
{
	if (*rule != NULL) {
		rule_opens_free((*rule)->set, *rule);
		rule_def_free(&(*rule)->def);
		windows_free(&(*rule)->windows);
		free(*rule);
		*rule = NULL;
	}
}

void rule_set_free(struct rule_set **set)
{
	struct rule_set *gone = *set;

	if (gone == NULL) {
		return;
	}
	rule_index_release(&gone->index);
	for (size_t i = 0; i < gone->n; i++) {
		rule_free(&gone->rules[i]);
	}
	free(gone->rules);
	free(gone->ends);
	heap_release(&gone->timers);
	buf_release(&gone->key);
	free(gone);
	*set = NULL;
}

struct window_spec rule_spec(const struct rule_def *def)
{
	return (struct window_spec) {
		.width_us = def->window_s * US_PER_S,
		.cooldown_us = def->cooldown_s * US_PER_S,
		.level = def->condition == RULE_COUNT_GT ? def->threshold + 1 : def->threshold,
	};
}

size_t rule_set_place(const struct rule_set *set, struct rule_id id)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (set->rules[mid]->def->id.v < id.v) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

struct rule *rule_set_find(const struct rule_set *set, struct rule_id id)
{
	size_t at = rule_set_place(set, id);

	return at < set->n && set->rules[at]->def->id.v == id.v ? set->rules[at] : NULL;
}

void rule_set_insert(struct rule_set *set, struct rule *rule)
{
	size_t at = rule_set_place(set, rule->def->id);

	if (set->n == set->cap) {
		set->cap = set->cap == 0 ? 16 : set->cap * 2;
		set->rules = mem_resize(set->rules, set->cap, sizeof(struct rule *));
	}
	memmove(set->rules + at + 1, set->rules + at, (set->n - at) * sizeof(struct rule *));
	set->rules[at] = rule;
	set->n++;
	rule_index_add(&set->index, rule);
}

static bool remove_rule(struct rule_set *set, struct rule_id id, enum rule_end_reason reason)
{
	struct rule *rule = rule_set_find(set, id);
	size_t at = rule_set_place(set, id);

	if (rule == NULL) {
		return false;
	}
	rule_opens_end(set, rule, reason);
	rule_index_remove(&set->index, rule);
	set->n--;
	memmove(set->rules + at, set->rules + at + 1, (set->n - at) * sizeof(struct rule *));
	rule_free(&rule);
	return true;
}

bool rule_set_remove(struct rule_set *set, struct rule_id id)
{
	return remove_rule(set, id, RULE_END_DELETED);
}

const struct rule_def *rule_set_get(const struct rule_set *set, struct rule_id id)
{
	const struct rule *rule = rule_set_find(set, id);

	return rule == NULL ? NULL : rule->def;
}

size_t rule_set_count(const struct rule_set *set)
{
	return set->n;
}

static enum rule_change start(struct rule_set *set, const struct rule_def *def, uint64_t seq)
{
	remove_rule(set, def->id, RULE_END_CHANGED);
	rule_set_insert(set, rule_new(set, def, seq));
	return RULE_STARTED;
}

/* Whether both versions count the same records under the same keys. */
static bool same_stream(const struct rule_def *a, const struct rule_def *b)
{
	if (a->org.v != b->org.v || a->project.v != b->project.v ||
	    !slice_eq(a->event_type, b->event_type) || a->group_by_n != b->group_by_n) {
		return false;
	}
	for (size_t i = 0; i < a->group_by_n; i++) {
		if (!slice_eq(a->group_by[i].text, b->group_by[i].text)) {
			return false;
		}
	}
	return true;
}

enum rule_change rule_set_put(struct rule_set *set, const struct rule_def *def, uint64_t seq,
			      int64_t now_us)
{
	struct rule *rule = rule_set_find(set, def->id);
	struct rule_def *old;

	set->now_us = now_us;
	if (!def->enabled) {
		remove_rule(set, def->id, RULE_END_DISABLED);
		return RULE_GONE;
	}
	if (rule == NULL || !same_stream(rule->def, def)) {
		return start(set, def, seq);
	}
	old = rule->def;
	rule->def = rule_def_new(def);
	rule_def_free(&old);
	if (rule->windows != NULL && windows_retune(rule->windows, rule_spec(def), now_us)) {
		return RULE_REBUILD;
	}
	rule_opens_check(set, rule);
	return RULE_KEPT;
}

void rule_set_forget(struct rule_set *set, struct org_id org, struct project_id project,
		     uint64_t seq, int64_t now_us)
{
	set->now_us = now_us;
	for (size_t i = 0; i < set->n; i++) {
		struct rule *rule = set->rules[i];

		if (rule->def->org.v != org.v || rule->def->project.v != project.v) {
			continue;
		}
		rule->start_seq = seq;
		if (rule->windows != NULL) {
			windows_restart(rule->windows, now_us);
		}
		rule_opens_end(set, rule, RULE_END_CLEARED);
	}
}

/* The event behind an input, read at most once. */
struct reading {
	const struct rule_input *input;
	struct event event;
	bool done;
};

static bool read_event(struct reading *reading, struct arena *tick, struct err *err)
{
	if (reading->done) {
		return true;
	}
	reading->done = event_decode(reading->input->body, tick, &reading->event, err);
	return reading->done;
}

/* Add the event to the rule's windows. The event is read if the rule groups by anything. */
static struct window_count count(struct rule_set *set, struct rule *rule,
				 const struct reading *reading)
{
	struct slice key = rule_key(rule->def->group_by, rule->def->group_by_n, &reading->event,
				    &set->key);

	if (rule->windows == NULL) {
		rule->windows = windows_new(&set->seed, set->limits, rule_spec(rule->def));
		windows_watch(rule->windows, rule_open_evicted, rule);
	}
	return windows_add(rule->windows, key, reading->input->received_at_us);
}

static bool holds(const struct rule_def *def, const struct window_count *c)
{
	switch (def->condition) {
	case RULE_COUNT_GTE:
		return c->count >= def->threshold;
	case RULE_COUNT_GT:
		return c->count > def->threshold;
	case RULE_COUNT_EQ:
		return c->count == def->threshold;
	case RULE_CONDITIONS:
		break;
	}
	never("rule without a condition");
}

static struct firing firing_of(const struct rule_set *set, const struct rule *rule,
			       const struct reading *reading, const struct window_count *c,
			       struct arena *tick)
{
	const struct rule_def *def = rule->def;

	return (struct firing) {
		.rule = def,
		.key = arena_dup(tick, buf_slice(&set->key)),
		.group = rule_key_group(def->group_by, def->group_by_n, &reading->event, tick),
		.count = c->count,
		.at_least = c->at_least,
		.first_us = c->first_us,
		.last_us = reading->input->received_at_us,
	};
}

/* What one rule says to an event; true when it fires. */
static bool apply_one(struct rule_set *set, struct rule *rule, const struct reading *reading,
		      struct arena *tick, struct firing *out)
{
	struct window_count c = count(set, rule, reading);

	if (!holds(rule->def, &c)) {
		if (c.marked) {
			rule_open_end(set, rule, buf_slice(&set->key), RULE_END_CLEARED);
		}
		return false;
	}
	if (c.quiet) {
		return false;
	}
	windows_fired(rule->windows, c.slot, reading->input->received_at_us);
	*out = firing_of(set, rule, reading, &c, tick);
	return true;
}

static bool read_if_needed(struct reading *reading, const struct rule_matches *matches,
			   struct arena *tick, struct err *err)
{
	for (size_t i = 0; i < matches->n; i++) {
		if (matches->rules[i]->def->group_by_n > 0) {
			return read_event(reading, tick, err);
		}
	}
	return true;
}

bool rule_apply(struct rule_set *set, const struct rule_input *input, struct arena *tick,
		struct firings *out, struct err *err)
{
	struct reading reading = { .input = input };
	struct rule_matches matches = rule_index_find(&set->index, input->org, input->project,
						      input->type, tick);
	struct firing *items = NULL;
	size_t n = 0;

	*out = (struct firings) { 0 };
	if (!read_if_needed(&reading, &matches, tick, err)) {
		return false;
	}
	set->now_us = input->received_at_us;
	for (size_t i = 0; i < matches.n; i++) {
		struct firing firing;

		if (!apply_one(set, matches.rules[i], &reading, tick, &firing)) {
			continue;
		}
		if (items == NULL) {
			items = arena_array(tick, matches.n - i, sizeof(*items));
		}
		items[n++] = firing;
	}
	*out = (struct firings) { .items = items, .n = n };
	return true;
}

int64_t rule_set_since(const struct rule_set *set, struct rule_id id, int64_t now_us)
{
	const struct rule_def *def = rule_set_get(set, id);

	return def == NULL ? now_us : now_us - rule_spec(def).width_us;
}

static bool is_own(const struct rule_def *def, const struct rule_input *input)
{
	struct slice begin;

	if (def->org.v != input->org.v || def->project.v != input->project.v) {
		return false;
	}
	switch (rule_match_of(def->event_type, &begin)) {
	case RULE_MATCH_EXACT:
		return slice_eq(input->type, begin);
	case RULE_MATCH_PREFIX:
		return slice_starts(input->type, begin);
	case RULE_MATCH_ALL:
		return !event_type_is_system(input->type);
	}
	never("enum rule_match");
}

bool rule_apply_silent(struct rule_set *set, struct rule_id id, const struct rule_input *input,
		       struct arena *tick, struct err *err)
{
	struct rule *rule = rule_set_find(set, id);
	struct reading reading = { .input = input };

	if (rule == NULL || input->seq <= rule->start_seq || !is_own(rule->def, input)) {
		return true;
	}
	if (rule->def->group_by_n > 0 && !read_event(&reading, tick, err)) {
		return false;
	}
	count(set, rule, &reading);
	return true;
}

void rule_set_sweep(struct rule_set *set, size_t rules)
{
	for (size_t i = 0; i < rules && i < set->n; i++) {
		struct rule *rule = set->rules[set->sweep_at++ % set->n];

		if (rule->windows != NULL) {
			windows_sweep(rule->windows, set->now_us);
		}
	}
}

bool rule_set_usage(const struct rule_set *set, struct rule_id id, struct windows_usage *out)
{
	const struct rule *rule = rule_set_find(set, id);

	*out = (struct windows_usage) { 0 };
	if (rule != NULL && rule->windows != NULL) {
		*out = windows_usage(rule->windows);
	}
	return rule != NULL;
}

struct windows_usage rule_set_usage_all(const struct rule_set *set)
{
	struct windows_usage all = { 0 };

	for (size_t i = 0; i < set->n; i++) {
		if (set->rules[i]->windows != NULL) {
			struct windows_usage one = windows_usage(set->rules[i]->windows);

			all.keys += one.keys;
			all.stamps += one.stamps;
			all.bytes += one.bytes;
			all.evicted += one.evicted;
		}
	}
	return all;
}
