/* SPDX-License-Identifier: Apache-2.0 */
/* Every question is answered by walking a list. Nothing is kept sorted, shared or remembered. */
#include "rule/reference.h"

#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static bool same_key(struct ref_key a, struct ref_key b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

struct ref_rule *ref_find(struct ref_set *set, uint64_t id)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->rules[i].spec.id == id) {
			return &set->rules[i];
		}
	}
	return NULL;
}

static void end(struct ref_set *set, struct ref_group *group, int64_t at_us,
		enum ref_end_reason reason)
{
	if (group->alert == 0) {
		return;
	}
	must(set->ends_n < REF_ENDS_MAX);
	set->ends[set->ends_n++] = (struct ref_end) { group->alert, at_us, reason };
	group->alert = 0;
}

static void end_all(struct ref_set *set, struct ref_rule *rule, int64_t at_us,
		    enum ref_end_reason reason)
{
	for (size_t i = 0; i < rule->n; i++) {
		end(set, &rule->groups[i], at_us, reason);
	}
}

void ref_remove(struct ref_set *set, uint64_t id, enum ref_end_reason reason, int64_t now_us)
{
	struct ref_rule *rule = ref_find(set, id);

	if (rule != NULL) {
		size_t at = (size_t)(rule - set->rules);

		end_all(set, rule, now_us, reason);
		memmove(rule, rule + 1, (set->n - at - 1) * sizeof(*rule));
		set->n--;
	}
}

static bool cooling(const struct ref_spec *spec, const struct ref_group *group, int64_t now_us)
{
	return group->fired && now_us < group->fired_us + spec->cooldown_us;
}

/* What was over by the old version stays over. */
static void end_cooldowns(struct ref_rule *rule, int64_t now_us)
{
	for (size_t i = 0; i < rule->n; i++) {
		rule->groups[i].fired = cooling(&rule->spec, &rule->groups[i], now_us);
	}
}

static void start(struct ref_set *set, const struct ref_spec *spec, int64_t now_us)
{
	size_t at = 0;

	ref_remove(set, spec->id, REF_CHANGED, now_us);
	must(set->n < REF_RULES_MAX);
	while (at < set->n && set->rules[at].spec.id < spec->id) {
		at++;
	}
	memmove(&set->rules[at + 1], &set->rules[at], (set->n - at) * sizeof(set->rules[0]));
	set->n++;
	set->rules[at].spec = *spec;
	set->rules[at].n = 0;
	set->rules[at].evicted = 0;
}

void ref_forget(struct ref_set *set, int project, int64_t now_us)
{
	for (size_t i = 0; i < set->n; i++) {
		struct ref_rule *rule = &set->rules[i];

		if (rule->spec.project != project) {
			continue;
		}
		end_cooldowns(rule, now_us);
		for (size_t k = 0; k < rule->n; k++) {
			rule->groups[k].n = rule->groups[k].kept = 0;
		}
		end_all(set, rule, now_us, REF_CLEARED);
	}
}

static size_t counted(const struct ref_rule *rule, const struct ref_group *group, int64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < group->n; i++) {
		n += group->times[i] > now_us - rule->spec.width_us && group->times[i] <= now_us;
	}
	return n;
}

static size_t level_of(const struct ref_spec *spec)
{
	return spec->condition == REF_GT ? spec->threshold + 1 : spec->threshold;
}

static bool holds(const struct ref_spec *spec, size_t count)
{
	return spec->condition == REF_GTE  ? count >= spec->threshold
	       : spec->condition == REF_GT ? count > spec->threshold
					   : count == spec->threshold;
}

void ref_put(struct ref_set *set, const struct ref_spec *spec, int64_t now_us)
{
	struct ref_rule *rule = ref_find(set, spec->id);

	if (rule == NULL || rule->spec.stream != spec->stream) {
		start(set, spec, now_us);
		return;
	}
	end_cooldowns(rule, now_us);
	rule->spec = *spec;
	for (size_t i = 0; i < rule->n; i++) {
		struct ref_group *group = &rule->groups[i];

		group->holds_us = now_us;
		if (!holds(spec, counted(rule, group, now_us))) {
			end(set, group, now_us, REF_CHANGED);
		}
	}
}

/* The first moment at which the condition of an open alert does not hold, if it is by now_us. */
static bool first_end(const struct ref_rule *rule, const struct ref_group *group, int64_t now_us,
		      int64_t *at_us)
{
	for (size_t i = 0; i < group->n; i++) {
		int64_t out_us = group->times[i] + rule->spec.width_us;

		if (out_us > group->holds_us && out_us <= now_us &&
		    !holds(&rule->spec, counted(rule, group, out_us))) {
			*at_us = out_us;
			return true;
		}
	}
	return false;
}

void ref_pass(struct ref_set *set, int64_t now_us)
{
	for (;;) {
		struct ref_group *next = NULL;
		int64_t next_us = 0, at_us;

		for (size_t i = 0; i < set->n; i++) {
			for (size_t k = 0; k < set->rules[i].n; k++) {
				struct ref_group *group = &set->rules[i].groups[k];

				if (group->alert != 0 &&
				    first_end(&set->rules[i], group, now_us, &at_us) &&
				    (next == NULL || at_us < next_us ||
				     (at_us == next_us && group->alert < next->alert))) {
					next = group;
					next_us = at_us;
				}
			}
		}
		if (next == NULL) {
			return;
		}
		end(set, next, next_us, REF_CLEARED);
	}
}

static bool matters(const struct ref_rule *rule, const struct ref_group *group, int64_t now_us)
{
	return counted(rule, group, now_us) > 0 || cooling(&rule->spec, group, now_us);
}

static size_t how_many_matter(const struct ref_rule *rule, int64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < rule->n; i++) {
		n += matters(rule, &rule->groups[i], now_us);
	}
	return n;
}

static size_t all_kept(const struct ref_rule *rule, int64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < rule->n; i++) {
		if (counted(rule, &rule->groups[i], now_us) > 0) {
			n += rule->groups[i].kept;
		}
	}
	return n;
}

static void clear(struct ref_group *group)
{
	group->n = group->kept = 0;
	group->fired = false;
}

/* Of the groups that matter, forget the one seen longest ago, but not `self`. */
static void evict(struct ref_set *set, struct ref_rule *rule, const struct ref_group *self,
		  int64_t now_us)
{
	struct ref_group *oldest = NULL;

	for (size_t i = 0; i < rule->n; i++) {
		struct ref_group *group = &rule->groups[i];

		if (group != self && matters(rule, group, now_us) &&
		    (oldest == NULL || group->seen_us < oldest->seen_us)) {
			oldest = group;
		}
	}
	must(oldest != NULL);
	end(set, oldest, now_us, REF_EVICTED);
	clear(oldest);
	rule->evicted++;
}

static struct ref_group *group_of(struct ref_rule *rule, struct ref_key key)
{
	for (size_t i = 0; i < rule->n; i++) {
		if (same_key(rule->groups[i].key, key)) {
			return &rule->groups[i];
		}
	}
	must(rule->n < REF_KEYS_MAX);
	rule->groups[rule->n] = (struct ref_group) { .key = key };
	return &rule->groups[rule->n++];
}

/* Room for one more time of this group, as the limits of a rule want it. */
static void make_room(struct ref_set *set, struct ref_rule *rule, struct ref_group *group,
		      int64_t now_us)
{
	size_t level = level_of(&rule->spec), own, others;

	if (!matters(rule, group, now_us)) {
		while (how_many_matter(rule, now_us) >= set->keys_max) {
			evict(set, rule, group, now_us);
		}
	}
	own = counted(rule, group, now_us);
	group->kept = own > level ? level : own;
	for (;;) {
		others = all_kept(rule, now_us) - (own > 0 ? group->kept : 0);
		if (others + group->kept < set->stamps_max) {
			return;
		}
		evict(set, rule, group, now_us);
	}
}

struct ref_firing ref_apply(struct ref_set *set, struct ref_rule *rule, struct ref_key key,
			    int64_t now_us)
{
	struct ref_group *group = group_of(rule, key);
	struct ref_firing firing = { 0 };
	size_t level = level_of(&rule->spec);

	make_room(set, rule, group, now_us);
	must(group->n < REF_TIMES_MAX);
	group->times[group->n++] = now_us;
	group->kept++;
	group->seen_us = now_us;
	firing.count = counted(rule, group, now_us);
	firing.first_us[0] = group->times[group->n - firing.count];
	firing.first_us[1] =
		group->times[group->n - (firing.count > level ? level + 1 : firing.count)];
	if (!holds(&rule->spec, firing.count)) {
		end(set, group, now_us, REF_CLEARED);
	}
	firing.fires = holds(&rule->spec, firing.count) && !cooling(&rule->spec, group, now_us);
	if (firing.fires) {
		group->fired = true;
		group->fired_us = now_us;
	}
	return firing;
}

void ref_open(struct ref_set *set, struct ref_rule *rule, struct ref_key key, uint64_t alert,
	      int64_t now_us)
{
	struct ref_group *group = group_of(rule, key);

	end(set, group, now_us, REF_SUPERSEDED);
	group->alert = alert;
	group->holds_us = now_us;
}

size_t ref_opens(const struct ref_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		for (size_t k = 0; k < set->rules[i].n; k++) {
			n += set->rules[i].groups[k].alert != 0;
		}
	}
	return n;
}
