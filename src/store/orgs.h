/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ORGS_H
#define STORE_ORGS_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/* Organizations (the tenants) and their projects. */

#define ORG_PURGING "purging"

struct org_row {
	struct org_id id;
	struct slice slug; /* unique in the installation */
	struct slice name;
	struct slice status; /* "active", "suspended", or ORG_PURGING: it cannot stay any more */
	int64_t created_us;
	int64_t suspended_us;	 /* 0: not */
	int64_t delete_after_us; /* when it may be purged; 0: stays */
	struct slice settings;	 /* a JSON object; empty when inserted: {} */
};
struct org_list {
	struct org_row *rows;
	size_t n;
	struct page_at next;
};
struct project_row {
	struct project_id id;
	struct org_id org;
	struct slice slug; /* unique in the org */
	struct slice name;
	bool is_default; /* one per org */
	int64_t created_us;
	struct user_id owner;	   /* 0: nobody in particular */
	struct slice environments; /* a JSON array of names; empty when inserted: [] */
	struct slice origins;	   /* of pages that may send events: likewise */
	int64_t delete_after_us;   /* when it was deleted; 0: it is there */
	uint64_t version;	   /* counts the changes, from 1; inserts set it */
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

/*
 * A new org with its default project and, unless owner is 0, its owner, in the transaction that is
 * open. The slug is made of the name, and made unique. out is the org as it is.
 */
struct org_founding {
	struct org_id id;
	struct project_id project;
	struct slice name;
	struct user_id owner;
	int64_t now_us;
};
NODISCARD bool store_org_found(struct org_id org, struct db *db, const struct org_founding *in,
			       struct arena *req, struct org_row *out, struct err *err);
/*
 * Whoever changes who is in an org, or what it is, waits here for others who do. In a transaction.
 * An org that is not there is nothing to wait for.
 */
NODISCARD bool store_org_lock(struct org_id org, struct db *db, struct err *err);
/* Each NOT_FOUND when there is no such org. */
NODISCARD enum found store_org_rename(struct org_id org, struct db *db, struct slice name,
				      struct err *err);
NODISCARD enum found store_org_set_settings(struct org_id org, struct db *db, struct slice json,
					    struct err *err);
/* at_us 0: it is active again. */
NODISCARD enum found store_org_suspend(struct org_id org, struct db *db, int64_t at_us,
				       struct err *err);
/* When it may be purged; 0: it stays after all. */
NODISCARD enum found store_org_set_delete(struct org_id org, struct db *db, int64_t after_us,
					  struct err *err);

/*
 * Deleted projects are found nowhere but in store_projects_all.
 *
 * ERR_CONFLICT when id or slug is taken, the org has a default already, or there is no org.
 */
NODISCARD bool store_project_insert(struct org_id org, struct db *db, const struct project_row *row,
				    struct err *err);
NODISCARD enum found store_project_get(struct org_id org, struct db *db, struct project_id id,
				       struct arena *req, struct project_row *out, struct err *err);
NODISCARD enum found store_project_by_slug(struct org_id org, struct db *db, struct slice slug,
					   struct arena *req, struct project_row *out,
					   struct err *err);
NODISCARD enum found store_project_default(struct org_id org, struct db *db, struct arena *req,
					   struct project_row *out, struct err *err);
NODISCARD bool store_project_count(struct org_id org, struct db *db, uint64_t *out,
				   struct err *err);
NODISCARD bool store_project_list(struct org_id org, struct db *db, const struct page *page,
				  struct arena *req, struct project_list *out, struct err *err);

/*
 * A new project in the open transaction, its slug made of row->name and made unique in the org;
 * out (may be NULL) is the project as it is.
 */
NODISCARD bool store_project_found(struct org_id org, struct db *db, const struct project_row *row,
				   struct arena *req, struct project_row *out, struct err *err);
/*
 * Slug, name, owner, environments and origins as they are in row, over the version in it (0: over
 * any). NOT_FOUND: no such project, or it is at another version. ERR_CONFLICT: the slug is taken.
 */
NODISCARD enum found store_project_set(struct org_id org, struct db *db,
				       const struct project_row *row, struct err *err);
/*
 * It is gone: its slug is free, its row stays for what points to it. Keys, rules and events are
 * others' affair. NOT_FOUND also for the default project.
 */
NODISCARD enum found store_project_end(struct org_id org, struct db *db, struct project_id id,
				       int64_t now_us, struct err *err);

#endif
