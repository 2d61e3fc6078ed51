/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PROJECTS_H
#define API_PROJECTS_H

#include "api/audit.h"
#include "api/keys.h"
#include "model/plan.h"
#include "store/orgs.h"

/*
 * Projects: where events, rules and keys belong. A key knows its own alone; people those of their
 * org, and they make and delete them. What is here changes memory, too (engine/project_set.h).
 * Worker threads; block.
 */
#define PROJECTS_PER_ORG_MAX 1000 /* all are in memory; a plan may allow fewer */
#define PROJECT_NAME_CHARS_MAX 255
#define PROJECT_ORIGINS_MAX 50
#define PROJECT_ENVIRONMENTS_MAX 20

/*
 * The project that a path names: "current" is that of the call. ERR_NOT_FOUND, also for one that
 * the caller does not know.
 */
NODISCARD bool projects_find(struct call *c, struct slice name, struct project_row *row,
			     struct err *err);

struct project_made {
	struct project_row row;
	struct key_made key;
};
/*
 * Make a project with its first key, of the scopes in made->key. made->row has name, environments,
 * origins and owner, and the slug, or none to have one made of the name. ERR_LIMIT when the org has
 * as many as it may; ERR_CONFLICT: the slug is taken.
 */
NODISCARD bool projects_make(struct call *c, struct project_made *made, struct err *err);
/*
 * Delete it: its keys open nothing from now on, its streams end, its rules and events go. Can be
 * repeated when it breaks off. ERR_CONFLICT for the default project.
 */
NODISCARD bool projects_delete(struct call *c, const struct project_row *row, struct err *err);
/* Memory learns of a row that was stored. */
void projects_tell(struct call *c, const struct project_row *row);
/* ERR_CONFLICT of the slug; always false. */
bool projects_slug_taken(struct err *err);
/*
 * Tell the audit log what became of a project, in the open transaction. old or row is NULL where
 * there is none.
 */
NODISCARD bool projects_note(struct call *c, enum audit_action action,
			     const struct project_row *old, const struct project_row *row,
			     struct err *err);
/* Delete all events of it so far, as a change of the log. */
NODISCARD bool projects_delete_events(struct call *c, struct project_id id, struct err *err);

#endif
