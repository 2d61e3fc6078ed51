/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULE_H
#define RULE_RULE_H

#include "base/heap.h"
#include "rule/index.h"
#include "rule/opens.h"

/* One rule in force, and the inside of the set: shared by the files of this folder. */
struct rule {
	struct rule_set *set;
	struct rule_def *def;
	uint64_t start_seq;	 /* records up to this one do not count */
	struct windows *windows; /* NULL until the first event */
	struct map opens;	 /* struct rule_open by key */
};

struct rule_set {
	struct hash_key seed;
	struct window_limits limits;
	struct rule **rules; /* by id */
	size_t n, cap;
	struct rule_index index;
	struct heap timers; /* of all open alerts */
	struct rule_end *ends;
	size_t ends_n, ends_cap;
	struct buf key; /* scratch, kept between events */
	int64_t now_us; /* the newest record or change */
	size_t sweep_at;
};

struct window_spec rule_spec(const struct rule_def *def);
/* def is copied. Not in the set yet. */
struct rule *rule_new(struct rule_set *set, const struct rule_def *def, uint64_t start_seq);
/* Its open alerts go without a word. */
void rule_free(struct rule **rule);
/* Takes rule; its id is not in the set. */
void rule_set_insert(struct rule_set *set, struct rule *rule);
/* The place of id in set->rules, or where it would go. */
size_t rule_set_place(const struct rule_set *set, struct rule_id id);
/* NULL when it is not in the set. */
struct rule *rule_set_find(const struct rule_set *set, struct rule_id id);

/* The rest is in opens.c. */
struct rule_open {
	struct heap_node timer; /* due: the condition holds until then at least; id: the alert */
	struct rule *rule;
	int64_t opened_us;
	uint16_t key_n;
	char key[];
};
static inline struct slice rule_open_key(const struct rule_open *open)
{
	return (struct slice) { .p = open->key, .n = open->key_n };
}

struct rule_opening {
	struct alert_id alert;
	int64_t opened_us, due_us;
	struct slice key;
};
/* The key has none yet, and is marked. */
void rule_open_add(struct rule_set *set, struct rule *rule, const struct rule_opening *opening);
/* End the alert of a key, if there is one, at the time of the set. */
void rule_open_end(struct rule_set *set, struct rule *rule, struct slice key,
		   enum rule_end_reason reason);
/* A window_evicted; arg is the rule. */
void rule_open_evicted(void *arg, struct slice key);
/* Whether the condition holds at at_us, and until when if no record comes. */
NODISCARD bool rule_holds_until(const struct rule *rule, struct slice key, int64_t at_us,
				int64_t *until_us);
/* End all alerts of a rule. */
void rule_opens_end(struct rule_set *set, struct rule *rule, enum rule_end_reason reason);
/* End those that the windows do not bear out; set mark and timer of the others. */
void rule_opens_check(struct rule_set *set, struct rule *rule);
/* rule->opens.n of them in the order of alerts; the caller frees the array. */
struct rule_open **rule_opens_sorted(const struct rule *rule);
void rule_opens_free(struct rule_set *set, struct rule *rule);

#endif
