/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ORG_PURGE_H
#define STORE_ORG_PURGE_H

#include "store/orgs.h"

/*
 * How the rows of an org go that is gone for good: a slice at a time from every table that has any,
 * and the row of the org itself last. For the keeper alone; each function is for one org.
 *
 * Which tables there are is asked of the schema by a test: one with an org_id that is missing here
 * fails it.
 */
#define ORG_PURGE_ROWS 2000 /* of a table, in one transaction: some ten milliseconds */

/*
 * From here on it cannot stay: NOT_FOUND when it was taken back, or is not due at now_us. What it
 * has is counted, and kept until its end as the settings of its row, a JSON object. In a
 * transaction.
 */
NODISCARD enum found store_org_purge_begin(struct org_id org, struct db *db, int64_t now_us,
					   struct arena *tick, struct err *err);
/*
 * Remove a slice of its rows, and of its projects what was kept apart. FOUND: there was some.
 * NOT_FOUND: nothing is left but the row of the org, and the few that store_org_purge_end removes.
 * Not in a transaction, unless nothing is expected to be left.
 */
NODISCARD enum found store_org_purge_rows(struct org_id org, struct db *db, struct err *err);
/*
 * The last of it: its row, and what retention.h and billing.h have. ERR_CONFLICT when others are
 * left. In a transaction.
 */
NODISCARD bool store_org_purge_end(struct org_id org, struct db *db, struct err *err);

/* The tables that rows are removed from, for the test; NULL ends. Pure. */
extern const char *const org_purge_tables[];

#endif
