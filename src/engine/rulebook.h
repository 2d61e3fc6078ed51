/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_RULEBOOK_H
#define ENGINE_RULEBOOK_H

#include "base/buf.h"
#include "model/rule_def.h"

/*
 * The newest version of every rule, in force or not: what a control record is checked against. A
 * function of the log. One thread, the engine's.
 */
struct rulebook;

struct rulebook *rulebook_new(void);
void rulebook_free(struct rulebook **b);

/* NULL when there is no such rule. Borrowed until it changes. */
const struct rule_def *rulebook_get(const struct rulebook *b, struct rule_id id);
/* Add or replace; def is copied. */
void rulebook_put(struct rulebook *b, const struct rule_def *def);
void rulebook_del(struct rulebook *b, struct rule_id id);
/* How many rules a project has, and all projects of an org; built-in ones do not count. */
size_t rulebook_count(const struct rulebook *b, struct project_id project);
size_t rulebook_count_org(const struct rulebook *b, struct org_id org);

/*
 * The highest number of a table of built-in rules that a start of a server brought
 * (model/builtin.h); 0: there was none yet.
 */
uint64_t rulebook_table(const struct rulebook *b);
void rulebook_set_table(struct rulebook *b, uint64_t table);
/* The rules of an org, in the order of their ids; how many. Ids are in the tick. */
size_t rulebook_of_org(const struct rulebook *b, struct org_id org, struct arena *tick,
		       struct rule_id **ids);

/* Append all rules in the order of their ids. */
void rulebook_save(const struct rulebook *b, struct buf *out);
/* Read what rulebook_save wrote into an empty book. ERR_CORRUPT when it is anything else. */
NODISCARD bool rulebook_load(struct rulebook *b, struct slice saved, struct err *err);

#endif
