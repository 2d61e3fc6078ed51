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

void ref_remove(struct ref_set *set, uint64_t id)
{
	struct ref_rule *rule = ref_find(set, id);

	if (rule != NULL) {
		size_t at = (size_t)(rule - set->rules);

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

static void start(struct ref_set *set, const struct ref_spec *spec)
{
	size_t at = 0;

	ref_remove(set, spec->id);
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

void ref_put(struct ref_set *set, const struct ref_spec *spec, int64_t now_us)
{
	struct ref_rule *rule = ref_find(set, spec->id);

	if (rule == NULL || rule->spec.stream != spec->stream) {
		start(set, spec);
		return;
	}
	end_cooldowns(rule, now_us);
	rule->spec = *spec;
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
static void evict(struct ref_rule *rule, const struct ref_group *self, int64_t now_us)
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

/* Room for one more time of this group, as the limits of a rule want it. */
static void make_room(const struct ref_set *set, struct ref_rule *rule, struct ref_group *group,
		      int64_t now_us)
{
	size_t level = level_of(&rule->spec), own, others;

	if (!matters(rule, group, now_us)) {
		while (how_many_matter(rule, now_us) >= set->keys_max) {
			evict(rule, group, now_us);
		}
	}
	own = counted(rule, group, now_us);
	group->kept = own > level ? level : own;
	for (;;) {
		others = all_kept(rule, now_us) - (own > 0 ? group->kept : 0);
		if (others + group->kept < set->stamps_max) {
			return;
		}
		evict(rule, group, now_us);
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
	firing.fires = holds(&rule->spec, firing.count) && !cooling(&rule->spec, group, now_us);
	if (firing.fires) {
		group->fired = true;
		group->fired_us = now_us;
	}
	return firing;
}
