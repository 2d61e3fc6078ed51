/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_RULE_SET_H
#define RULE_RULE_SET_H

#include "model/rule_def.h"
#include "rule/windows.h"

/*
 * All rules in force and what they have counted: a function of the records applied so far and of
 * nothing else. doc/rules.md states the semantics.
 *
 * Every change names the record that brought it (its number and time), and records come in order.
 * A disabled rule is not in the set: enabling starts it empty. One thread, the engine's; nothing
 * blocks. Memory: about 1 KiB a rule, and per key as rule/windows.h says.
 */
struct rule_set;

#define RULE_KEYS_MAX 100000	/* per rule */
#define RULE_STAMPS_MAX 2000000 /* per rule: 16 MB of times, twenty for each key */

/* Zero members take the defaults above. seed as in windows_new. */
struct rule_set *rule_set_new(const struct hash_key *seed, struct window_limits limits);
void rule_set_free(struct rule_set **set);

enum rule_change {
	RULE_GONE,    /* not in the set (any more) */
	RULE_STARTED, /* in force and empty, as if it were new */
	RULE_KEPT,    /* in force by the new version, all counts kept */
	RULE_REBUILD  /* in force, but counts nothing before it is shown its window again */
};
/*
 * Add or replace the rule def->id by record seq at now_us. def is copied. An edit of project,
 * eventType or groupBy starts anew, of condition, threshold or windowSeconds rebuilds unless all is
 * there, others keep. After RULE_REBUILD the caller passes every event record with
 * rule_set_since() < received_at < now_us in order to rule_apply_silent, then calls
 * rule_set_rebuilt (rule/opens.h).
 */
enum rule_change rule_set_put(struct rule_set *set, const struct rule_def *def, uint64_t seq,
			      int64_t now_us);
/* Whether it was there. */
bool rule_set_remove(struct rule_set *set, struct rule_id id);
/* Borrowed until the rule changes; NULL when it is not in the set. */
const struct rule_def *rule_set_get(const struct rule_set *set, struct rule_id id);
size_t rule_set_count(const struct rule_set *set);
/*
 * The events of the project are gone by record seq: its rules forget what they counted and will not
 * count earlier records in a rebuild. Cooldowns go on.
 */
void rule_set_forget(struct rule_set *set, struct org_id org, struct project_id project,
		     uint64_t seq, int64_t now_us);

/* An event record. */
struct rule_input {
	uint64_t seq;
	int64_t received_at_us; /* more than in the call before */
	struct org_id org;
	struct project_id project;
	struct slice type; /* as in the body */
	struct slice body; /* canonical; read only when a matching rule groups by something in it */
};

struct firing {
	const struct rule_def *rule; /* until it changes */
	struct slice key; /* equal for equal groups; any bytes, at most WINDOW_KEY_BYTES_MAX */
	struct slice
		group; /* JSON object: groupBy path -> value in this event; "" without groupBy */
	uint32_t count;
	bool at_least;	  /* count or more */
	int64_t first_us; /* the oldest record counted */
	int64_t last_us;  /* this record */
};
struct firings {
	const struct firing *items;
	size_t n;
};

/*
 * Count one event and say which rules fire, in the order of rule ids. key, group and items are in
 * tick. ERR_CORRUPT when the body is not canonical; nothing was counted then.
 */
NODISCARD bool rule_apply(struct rule_set *set, const struct rule_input *input, struct arena *tick,
			  struct firings *out, struct err *err);

/* The time up to which records do not matter to a rebuild of this rule by a record at now_us. */
int64_t rule_set_since(const struct rule_set *set, struct rule_id id, int64_t now_us);
/*
 * During a rebuild: let one rule count one earlier event, if it is one of its own and since the
 * rule started. Nothing fires.
 */
NODISCARD bool rule_apply_silent(struct rule_set *set, struct rule_id id,
				 const struct rule_input *input, struct arena *tick,
				 struct err *err);

/*
 * Give back what is over by the time of the newest record applied (never by a clock: the log may
 * lag behind it), for up to `rules` rules, beginning behind where the last call stopped. Changes no
 * result: for idle moments.
 */
void rule_set_sweep(struct rule_set *set, size_t rules);

/* False when the rule is not in the set. */
NODISCARD bool rule_set_usage(const struct rule_set *set, struct rule_id id,
			      struct windows_usage *out);
/* Sums over all rules. */
struct windows_usage rule_set_usage_all(const struct rule_set *set);

#endif
