/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_INDEX_H
#define RULE_INDEX_H

#include "base/arena.h"
#include "base/map.h"
#include "model/rule_def.h"

/*
 * From an event type to the rules that ask for it. What a look-up costs depends on the rules that
 * match, not on those that exist: exact types are one hash look-up, prefixes one for each dot as
 * long as some rule goes on from there. Rules are borrowed. One thread at a time.
 */
struct rule;
struct rule_index {
	struct map scopes; /* by org and project */
};

/* Borrowed until the index changes, or in tick. In the order of rule ids. */
struct rule_matches {
	struct rule *const *rules;
	size_t n;
};

void rule_index_init(struct rule_index *index);
void rule_index_release(struct rule_index *index);
/* By the org, project, eventType and id of its definition, which must not change while inside. */
void rule_index_add(struct rule_index *index, struct rule *rule);
/* It is inside. */
void rule_index_remove(struct rule_index *index, struct rule *rule);
struct rule_matches rule_index_find(const struct rule_index *index, struct org_id org,
				    struct project_id project, struct slice type,
				    struct arena *tick);

#endif
