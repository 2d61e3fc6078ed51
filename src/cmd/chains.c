/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are read before the end of the chain is, and once more when others have been added since:
 * so a server may go on writing, and a cut end still shows.
 */
#include "cmd/chains.h"

#define ROWS_PER_READ 500
#define CHAINS_PER_READ 100

static bool walk(struct db *db, struct audit_check *c, uint64_t to, struct err *err)
{
	struct audit_list list;
	struct arena tick;
	bool more = true, ok = true;

	arena_init(&tick, 0);
	while (more && ok) {
		ok = store_audit_walk(c->org, db, NULL, c->last, to, ROWS_PER_READ, &tick, &list,
				      &more, err);
		for (size_t i = 0; ok && i < list.n; i++) {
			audit_check_entry(c, &list.rows[i]);
		}
		arena_clear(&tick);
	}
	arena_release(&tick);
	return ok;
}

bool chains_check(struct db *db, struct audit_check *c, struct err *err)
{
	audit_check_init(c);
	if (!walk(db, c, INT64_MAX, err) ||
	    !store_audit_head(c->org, db, &c->keep, &c->head, err) ||
	    (c->head.number > c->last && !walk(db, c, c->head.number, err))) {
		return false;
	}
	(void)audit_check_end(c);
	return true;
}

bool chains_each(struct db *db, bool (*each)(void *arg, struct org_id org, struct err *err),
		 void *arg, struct err *err)
{
	int64_t after = -1;
	size_t n = CHAINS_PER_READ;
	struct arena tick;
	bool ok = true;

	arena_init(&tick, 0);
	while (ok && n == CHAINS_PER_READ) {
		struct org_id *orgs;

		ok = store_audit_chains(db, after, CHAINS_PER_READ, &tick, &orgs, &n, err);
		for (size_t i = 0; ok && i < n; i++) {
			after = (int64_t)orgs[i].v;
			ok = each(arg, orgs[i], err);
		}
		arena_clear(&tick);
	}
	arena_release(&tick);
	return ok;
}
