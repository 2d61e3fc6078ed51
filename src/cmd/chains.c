/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are read before the end of the chain is, and once more when others have been added since:
 * so a server may go on writing, and a cut end still shows.
 */
#include "cmd/chains.h"

#define ROWS_PER_READ 500
#define CHAINS_PER_READ 100

/* Only people are forgotten, and invites to them; and who was named without an id. */
static bool is_gone(struct db *db, struct org_id org, struct slice text, struct arena *tick,
		    bool *gone, struct err *err)
{
	struct invite_row invite;
	struct user_row user = { 0 };
	enum found found = FOUND;
	uint64_t id;

	if (id_parse(ID_USER, text, &id)) {
		found = store_user_get(db, (struct user_id) { id }, tick, &user, err);
	} else if (id_parse(ID_INVITE, text, &id)) {
		found = store_invite_get(org, db, (struct invite_id) { id }, tick, &invite, err);
	} else if (text.n == 0) {
		found = NOT_FOUND;
	}
	/* The keeper may be at it. */
	*gone = found == NOT_FOUND || user.delete_after_us != 0;
	return found != FAILED;
}

/* What was taken out has to be of somebody who is gone, or the one exception hides a forgery. */
static bool check_people(struct db *db, struct audit_check *c, const struct audit_entry *e,
			 struct arena *tick, struct err *err)
{
	struct audit_fault fault = { .kind = AUDIT_EMPTIED, .from = e->number, .to = e->number };
	bool actor = true, target = true;

	if (e->actor_mark.n == 0) {
		return true;
	}
	if ((e->actor_salt.n == 0 && !is_gone(db, e->org, e->actor_id, tick, &actor, err)) ||
	    (e->target_salt.n == 0 && !is_gone(db, e->org, e->target_id, tick, &target, err))) {
		return false;
	}
	if (!actor || !target) {
		c->faults++;
		c->fault(c->arg, &fault);
	}
	return true;
}

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
			ok = check_people(db, c, &list.rows[i], &tick, err);
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
