/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Rules as people see them. The journal owns what a rule decides: put and delete are called by the
 * engine alone, when it applies the control record, inside the transaction of its batch.
 */
struct rule_row {
	struct rule_id id;
	struct org_id org;
	struct project_id project;
	struct slice name;
	uint64_t version;
	struct slice definition; /* canonical JSON of the whole rule */
	struct slice event_type; /* "checkout_failed" or "checkout.*" */
	bool enabled;
	int64_t created_us;
	int64_t updated_us;
	int64_t deleted_us; /* 0: not */
	uint64_t seq;	    /* the control record that brought this version */
};
struct rule_list {
	struct rule_row *rows;
	size_t n;
	struct page_at next;
};

/*
 * Insert, or replace the version that is there. created_us and project of an existing rule stay.
 * ERR_CONFLICT when the id belongs to another org.
 */
NODISCARD bool store_rule_put(struct org_id org, struct db *db, const struct rule_row *row,
			      struct err *err);
/* Mark as deleted by control record seq. NOT_FOUND when it is not there (any more). */
NODISCARD enum found store_rule_delete(struct org_id org, struct db *db, struct rule_id id,
				       int64_t now_us, uint64_t seq, struct err *err);
/* Deleted rules are not found. project 0: of any project of the org. */
NODISCARD enum found store_rule_get(struct org_id org, struct db *db, struct project_id project,
				    struct rule_id id, struct arena *req, struct rule_row *out,
				    struct err *err);
/* The oldest rule of this name in the project; deleted ones are not found. */
NODISCARD enum found store_rule_by_name(struct org_id org, struct db *db, struct project_id project,
					struct slice name, struct arena *req, struct rule_row *out,
					struct err *err);
/* Newest first, without deleted ones. project 0: of all projects of the org. */
NODISCARD bool store_rule_list(struct org_id org, struct db *db, struct project_id project,
			       const struct page *page, struct arena *req, struct rule_list *out,
			       struct err *err);
/* Of all projects, without deleted ones. */
NODISCARD bool store_rule_count(struct org_id org, struct db *db, uint64_t *out, struct err *err);

#endif
