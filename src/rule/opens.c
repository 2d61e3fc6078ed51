/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open alerts: a queue of timers over all rules, and for each rule a way from the key. That a key
 * has one is marked in the windows, so that events of other keys do not even look here.
 */
#include "rule/opens.h"

#include <stdlib.h>

#include "rule/rule.h"

static const char *const names[RULE_END_REASONS] = {
	[RULE_END_CLEARED] = "cleared",	     [RULE_END_SUPERSEDED] = "superseded",
	[RULE_END_CHANGED] = "rule_changed", [RULE_END_DISABLED] = "rule_disabled",
	[RULE_END_DELETED] = "rule_deleted", [RULE_END_EVICTED] = "evicted",
};

struct slice rule_end_reason_name(enum rule_end_reason reason)
{
	ensure((size_t)reason < RULE_END_REASONS);
	return slice_of(names[reason]);
}

static void say(struct rule_set *set, const struct rule_open *open, int64_t at_us,
		enum rule_end_reason reason)
{
	const struct rule_def *def = open->rule->def;

	if (set->ends_n == set->ends_cap) {
		set->ends_cap = set->ends_cap == 0 ? 16 : set->ends_cap * 2;
		set->ends = mem_resize(set->ends, set->ends_cap, sizeof(*set->ends));
	}
	set->ends[set->ends_n++] = (struct rule_end) {
		.alert = { open->timer.id },
		.rule = def->id,
		.org = def->org,
		.project = def->project,
		.opened_us = open->opened_us,
		.at_us = at_us,
		.reason = reason,
	};
}

static void forget(struct rule_set *set, struct rule_open *open)
{
	heap_remove(&set->timers, &open->timer);
	map_del(&open->rule->opens, rule_open_key(open));
	free(open);
}

static void end(struct rule_set *set, struct rule_open *open, int64_t at_us,
		enum rule_end_reason reason)
{
	say(set, open, at_us, reason);
	if (open->rule->windows != NULL) {
		windows_mark(open->rule->windows, rule_open_key(open), false);
	}
	forget(set, open);
}

bool rule_holds_until(const struct rule *rule, struct slice key, int64_t at_us, int64_t *until_us)
{
	struct window_reach reach;

	if (rule->windows == NULL || !windows_reach(rule->windows, key, at_us, &reach)) {
		return false;
	}
	*until_us = reach.until_us;
	return rule->def->condition != RULE_COUNT_EQ || reach.exact;
}

static void put_timer(struct rule_set *set, struct rule_open *open, int64_t due_us)
{
	heap_remove(&set->timers, &open->timer);
	open->timer.due = due_us;
	heap_put(&set->timers, &open->timer);
}

void rule_open_add(struct rule_set *set, struct rule *rule, const struct rule_opening *opening)
{
	struct rule_open *open = mem_alloc(1, sizeof(*open) + opening->key.n);

	*open = (struct rule_open) {
		.timer.id = opening->alert.v,
		.rule = rule,
		.opened_us = opening->opened_us,
		.key_n = (uint16_t)opening->key.n,
	};
	if (opening->key.n > 0) {
		memcpy(open->key, opening->key.p, opening->key.n);
	}
	map_put(&rule->opens, rule_open_key(open), open);
	put_timer(set, open, opening->due_us);
}

void rule_open_end(struct rule_set *set, struct rule *rule, struct slice key,
		   enum rule_end_reason reason)
{
	struct rule_open *open = map_get(&rule->opens, key);

	if (open != NULL) {
		end(set, open, set->now_us, reason);
	}
}

void rule_open_evicted(void *arg, struct slice key)
{
	struct rule *rule = arg;

	rule_open_end(rule->set, rule, key, RULE_END_EVICTED);
}

void rule_set_opened(struct rule_set *set, const struct firing *firing, struct alert_id alert)
{
	struct rule *rule = rule_set_find(set, firing->rule->id);
	struct rule_opening opening = { .alert = alert,
					.opened_us = firing->last_us,
					.key = firing->key };

	ensure(rule != NULL);
	rule_open_end(set, rule, firing->key, RULE_END_SUPERSEDED);
	if (set->timers.n >= RULE_OPENS_MAX) {
		end(set, CONTAINER_OF(heap_min(&set->timers), struct rule_open, timer), set->now_us,
		    RULE_END_EVICTED);
	}
	ensure(rule_holds_until(rule, firing->key, firing->last_us, &opening.due_us));
	ensure(windows_mark(rule->windows, firing->key, true));
	rule_open_add(set, rule, &opening);
}

void rule_set_advance(struct rule_set *set, int64_t now_us)
{
	struct heap_node *node;

	while ((node = heap_min(&set->timers)) != NULL && node->due <= now_us) {
		struct rule_open *open = CONTAINER_OF(node, struct rule_open, timer);
		int64_t until_us;

		if (rule_holds_until(open->rule, rule_open_key(open), node->due, &until_us)) {
			put_timer(set, open, until_us);
		} else {
			end(set, open, node->due, RULE_END_CLEARED);
		}
	}
	if (now_us > set->now_us) {
		set->now_us = now_us;
	}
}

static int by_alert(const void *a, const void *b)
{
	uint64_t x = (*(const struct rule_open *const *)a)->timer.id;
	uint64_t y = (*(const struct rule_open *const *)b)->timer.id;

	return (x > y) - (x < y);
}

struct rule_open **rule_opens_sorted(const struct rule *rule)
{
	struct rule_open **all = mem_alloc(rule->opens.n + 1, sizeof(struct rule_open *));
	struct rule_open *open;
	size_t at = 0, n = 0;

	while ((open = map_next(&rule->opens, &at)) != NULL) {
		all[n++] = open;
	}
	qsort(all, n, sizeof(struct rule_open *), by_alert);
	return all;
}

void rule_opens_end(struct rule_set *set, struct rule *rule, enum rule_end_reason reason)
{
	struct rule_open **all = rule_opens_sorted(rule);

	for (size_t i = 0, n = rule->opens.n; i < n; i++) {
		end(set, all[i], set->now_us, reason);
	}
	free(all);
}

void rule_opens_check(struct rule_set *set, struct rule *rule)
{
	struct rule_open **all;

	if (rule->opens.n == 0) {
		return;
	}
	all = rule_opens_sorted(rule);
	for (size_t i = 0, n = rule->opens.n; i < n; i++) {
		struct slice key = rule_open_key(all[i]);
		int64_t until_us;

		if (rule_holds_until(rule, key, set->now_us, &until_us)) {
			put_timer(set, all[i], until_us);
			ensure(windows_mark(rule->windows, key, true));
		} else {
			end(set, all[i], set->now_us, RULE_END_CHANGED);
		}
	}
	free(all);
}

void rule_opens_free(struct rule_set *set, struct rule *rule)
{
	struct rule_open *open;
	size_t at = 0;

	while ((open = map_next(&rule->opens, &at)) != NULL) {
		forget(set, open);
	}
	map_release(&rule->opens);
}

void rule_set_rebuilt(struct rule_set *set, struct rule_id id)
{
	struct rule *rule = rule_set_find(set, id);

	if (rule != NULL) {
		rule_opens_check(set, rule);
	}
}

struct rule_ends rule_set_ends(struct rule_set *set)
{
	struct rule_ends ends = { .items = set->ends, .n = set->ends_n };

	set->ends_n = 0;
	return ends;
}

int64_t rule_set_due(const struct rule_set *set)
{
	const struct heap_node *node = heap_min(&set->timers);

	return node == NULL ? INT64_MAX : node->due;
}

size_t rule_set_opens(const struct rule_set *set)
{
	return set->timers.n;
}
