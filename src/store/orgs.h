/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ORGS_H
#define STORE_ORGS_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/* Organizations (the tenants) and their projects. */

struct org_row {
	struct org_id id;
	struct slice slug; /* unique in the installation */
	struct slice name;
	struct slice status; /* "active" or "suspended" */
	int64_t created_us;
};
struct project_row {
	struct project_id id;
	struct org_id org;
	struct slice slug; /* unique in the org */
	struct slice name;
	bool is_default; /* one per org */
	int64_t created_us;
};
struct project_list {
	struct project_row *rows;
	size_t n;
	struct page_at next;
};

/* ERR_CONFLICT when the id or slug is taken. row->id is org. */
NODISCARD bool store_org_insert(struct org_id org, struct db *db, const struct org_row *row,
				struct err *err);
NODISCARD enum found store_org_get(struct org_id org, struct db *db, struct arena *req,
				   struct org_row *out, struct err *err);

/* ERR_CONFLICT when id or slug is taken, the org has a default already, or there is no org. */
NODISCARD bool store_project_insert(struct org_id org, struct db *db, const struct project_row *row,
				    struct err *err);
NODISCARD enum found store_project_get(struct org_id org, struct db *db, struct project_id id,
				       struct arena *req, struct project_row *out, struct err *err);
NODISCARD enum found store_project_by_slug(struct org_id org, struct db *db, struct slice slug,
					   struct arena *req, struct project_row *out,
					   struct err *err);
NODISCARD enum found store_project_default(struct org_id org, struct db *db, struct arena *req,
					   struct project_row *out, struct err *err);
NODISCARD bool store_project_list(struct org_id org, struct db *db, const struct page *page,
				  struct arena *req, struct project_list *out, struct err *err);

#endif
