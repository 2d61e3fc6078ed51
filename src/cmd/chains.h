/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_CHAINS_H
#define CMD_CHAINS_H

#include "store/audit.h"
#include "store/global.h"

/*
 * Chains of the audit log as commands check them: straight from the store, while others may add to
 * it. Main thread; blocks.
 */

/*
 * Walk a chain and tell every fault; c has org, fault and what is expected. False: it could not be
 * read. What was found is in c; release it.
 */
NODISCARD bool chains_check(struct db *db, struct audit_check *c, struct err *err);
/*
 * All chains: each is called with the org. The first false ends it, and is what is returned.
 */
NODISCARD bool chains_each(struct db *db,
			   bool (*each)(void *arg, struct org_id org, struct err *err), void *arg,
			   struct err *err);

#endif
