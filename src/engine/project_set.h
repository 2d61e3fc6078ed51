/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PROJECT_SET_H
#define ENGINE_PROJECT_SET_H

#include "model/id.h"
#include "store/global.h"

/*
 * All projects that are there, in memory: whose each is, and which pages may send it events. So
 * that a request that names a project, or comes from a page of another origin, is judged without
 * the database. The store has the truth; whoever changes it posts the change here before the answer
 * leaves. Loop thread only, but for project_set_load, before the loop runs.
 */
struct project_set;

struct project_info {
	struct project_id id;
	struct org_id org;
	struct slice origins; /* separated by blanks (model/origin.h) */
};

struct project_set *project_set_new(void);
void project_set_free(struct project_set **set);
/* All that are in the store. Blocks. */
NODISCARD bool project_set_load(struct project_set *set, struct db *db, struct err *err);
/* Add or replace; a row that was deleted removes. Origins that cannot be read let nobody in. */
void project_set_put(struct project_set *set, const struct project_row *row);
/* A new one that nobody may have a page for yet. Nothing changes when it is there. */
void project_set_add(struct project_set *set, struct org_id org, struct project_id id);
/* Does nothing when there is no such project. */
void project_set_del(struct project_set *set, struct project_id id);
/* All of an org's. */
void project_set_del_org(struct project_set *set, struct org_id org);
/* NULL when there is none. Borrowed until the next change. */
const struct project_info *project_set_get(const struct project_set *set, struct project_id id);
/* Whether pages of this origin may send events to the project. */
bool project_set_lets_in(const struct project_set *set, struct project_id id, struct slice origin);

#endif
