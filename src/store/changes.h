/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include "model/id.h"
#include "store/db.h"

/*
 * What live streams tell: one row per visible change, numbered per org from 1 without gaps, in the
 * order of commits. Whoever has seen number n asks for what came after it. Kept for a day.
 */
struct change_row {
	struct org_id org;
	struct project_id project; /* 0: of the whole org */
	uint64_t number;	   /* given by store_changes_insert */
	struct slice kind;	   /* "alert", "delivery", "rule" ... */
	struct slice body;	   /* JSON of the frame */
	int64_t created_us;
};
struct change_list {
	struct change_row *rows;
	size_t n;
};
/* Both 0 when the org never had a change. oldest > newest: all were pruned. */
struct change_bounds {
	uint64_t oldest;
	uint64_t newest;
};

/*
 * Up to limit changes with a number above after, in order. project 0: of all projects; else those
 * of the project and of the whole org. Changes pruned meanwhile are not there: compare with the
 * bounds first.
 */
NODISCARD bool store_changes_after(struct org_id org, struct db *db, struct project_id project,
				   uint64_t after, size_t limit, struct arena *req,
				   struct change_list *out, struct err *err);
NODISCARD bool store_changes_bounds(struct org_id org, struct db *db, struct change_bounds *out,
				    struct err *err);

#endif
