/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_REFERENCE_H
#define RULE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The semantics of rules a second time, for tests: written from doc/rules.md with plain lists, as
 * slow and as plain as it goes, and sharing no code with the evaluator that it judges. It knows
 * events as small numbers: whether a rule takes a type, and which values are equal, is decided by
 * whoever makes the events.
 */
#define REF_KEYS_MAX 128
#define REF_TIMES_MAX 128
#define REF_RULES_MAX 8
#define REF_PARTS_MAX 4
#define REF_ENDS_MAX (REF_RULES_MAX * REF_KEYS_MAX)

enum ref_condition { REF_GTE, REF_GT, REF_EQ };

struct ref_spec {
	uint64_t id;
	enum ref_condition condition;
	size_t threshold;
	int64_t width_us, cooldown_us;
	/* Two versions with the same stream count the same records under the same keys. */
	uint64_t stream;
	int project;
};

/* A group: the classes of its parts; unused parts are 0. */
struct ref_key {
	int parts[REF_PARTS_MAX];
};

struct ref_group {
	struct ref_key key;
	int64_t times[REF_TIMES_MAX]; /* all that were counted, oldest first */
	size_t n;
	size_t kept; /* how many of them the evaluator keeps since the group was last seen */
	int64_t seen_us;
	bool fired;
	int64_t fired_us;
	uint64_t alert;	  /* the open one, or 0 */
	int64_t holds_us; /* its condition held then */
};

struct ref_rule {
	struct ref_spec spec;
	struct ref_group groups[REF_KEYS_MAX];
	size_t n;
	uint64_t evicted;
};

enum ref_end_reason {
	REF_CLEARED,
	REF_SUPERSEDED,
	REF_CHANGED,
	REF_DISABLED,
	REF_DELETED,
	REF_EVICTED
};
struct ref_end {
	uint64_t alert;
	int64_t at_us;
	enum ref_end_reason reason;
};

struct ref_set {
	struct ref_rule rules[REF_RULES_MAX]; /* by id */
	size_t n;
	size_t keys_max, stamps_max;
	/* Alerts that ended since whoever asks set this to 0. */
	struct ref_end ends[REF_ENDS_MAX];
	size_t ends_n;
};

struct ref_firing {
	bool fires;
	size_t count;	     /* exact */
	int64_t first_us[2]; /* of all counted, and of the newest level + 1 */
};

struct ref_rule *ref_find(struct ref_set *set, uint64_t id);
void ref_put(struct ref_set *set, const struct ref_spec *spec, int64_t now_us);
void ref_remove(struct ref_set *set, uint64_t id, enum ref_end_reason reason, int64_t now_us);
/* Time passes, up to and with now_us: open alerts whose condition stops to hold are over. */
void ref_pass(struct ref_set *set, int64_t now_us);
/* The firing of this record became an alert. */
void ref_open(struct ref_set *set, struct ref_rule *rule, struct ref_key key, uint64_t alert,
	      int64_t now_us);
size_t ref_opens(const struct ref_set *set);
void ref_forget(struct ref_set *set, int project, int64_t now_us);
/* A record that the rule takes. */
struct ref_firing ref_apply(struct ref_set *set, struct ref_rule *rule, struct ref_key key,
			    int64_t now_us);

#endif
