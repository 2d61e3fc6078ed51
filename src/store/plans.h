/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_PLANS_H
#define STORE_PLANS_H

#include "model/id.h"
#include "model/plan.h"
#include "store/db.h"

/*
 * Which plan an organization is on, and limits of its own. The plans themselves belong to the
 * installation (global.h); all of it is in memory (engine/meter.h), so nothing here is read for a
 * request.
 */
struct org_plan_row {
	struct org_id org;
	struct slice plan;   /* name; empty: the default one */
	int64_t events_soft; /* PLAN_KEEP: the plan's */
	int64_t events_hard;
	int64_t updated_us;
};

/* Set or replace. */
NODISCARD bool store_org_plan_set(struct org_id org, struct db *db, const struct org_plan_row *row,
				  struct err *err);

#endif
