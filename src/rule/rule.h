/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULE_H
#define RULE_RULE_H

#include "rule/index.h"
#include "rule/rule_set.h"

/* One rule in force, and the inside of the set: shared by the files of this folder. */
struct rule {
	struct rule_def *def;
	uint64_t start_seq;	 /* records up to this one do not count */
	struct windows *windows; /* NULL until the first event */
};

struct rule_set {
	struct hash_key seed;
	struct window_limits limits;
	struct rule **rules; /* by id */
	size_t n, cap;
	struct rule_index index;
	struct buf key; /* scratch, kept between events */
	int64_t now_us; /* the newest record or change */
	size_t sweep_at;
};

struct window_spec rule_spec(const struct rule_def *def);
/* Takes rule; its id is not in the set. */
void rule_set_insert(struct rule_set *set, struct rule *rule);
/* The place of id in set->rules, or where it would go. */
size_t rule_set_place(const struct rule_set *set, struct rule_id id);
void rule_free(struct rule **rule);

#endif
