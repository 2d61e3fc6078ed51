/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_AUDIT_H
#define API_AUDIT_H

#include "api/call.h"
#include "model/audit.h"

/*
 * What handlers tell the audit log (model/audit.h, store/audit.h). Who, from where and in which
 * request is known by the call; a handler says what it did, to what, and how that was and is:
 *
 * 	struct audit_note note = { .action = AUDIT_KEY_CREATE,
 * 				   AUDIT_OF(c, KEY, row.id.v, row.name),
 * 				   .after = audit_fields(c, &key_shown, &row) };
 *
 * 	return db_begin(c->db, err) && store_key_insert(org, c->db, &row, err) &&
 * 	       audit_put(c, &note, err) && db_commit(c->db, err);
 *
 * Which actions a route may write stands in its row (.audits), or why it writes none (.unaudited).
 * Worker threads, with a database connection in c->db; blocks.
 */
struct audit_note {
	enum audit_action action;
	struct org_id org;   /* in whose chain; 0: of the caller's org, else of the installation */
	bool installation;   /* in the installation's chain, whatever the caller's org is */
	struct user_id user; /* who did it, where the call does not know it yet: a login; or 0 */
	enum audit_target target;
	struct slice target_id; /* as people know it; or empty */
	struct slice target_name;
	/*
	 * JSON objects of the thing as it was and as it is now, or empty. Only what differs is
	 * kept, and of that only the members in shown (ended by NULL; NULL: all): no secret is in
	 * either.
	 */
	struct slice before, after;
	const char *const *shown;
};
/* The target, for a noun with ids that are not of the log. */
#define AUDIT_OF(c, kind, id, name) \
	.target = AUDIT_ON_##kind, .target_id = audit_id((c), ID_##kind, (id)), \
	.target_name = (name)
struct slice audit_id(struct call *c, enum id_kind kind, uint64_t v);

/*
 * Write an entry in the transaction of the change: the last act before the commit, since others who
 * write to the same chain wait from here on. Several in one transaction: in the order of orgs, the
 * installation first.
 */
NODISCARD bool audit_put(struct call *c, const struct audit_note *note, struct err *err);
/*
 * Write an entry about what is no change of the store, or of one long committed. Its own
 * transaction.
 */
NODISCARD bool audit_alone(struct call *c, const struct audit_note *note, struct err *err);
/* The call went well and changed nothing, so there is nothing to tell. */
void audit_nothing(struct call *c);
/* What audit_put would write, for a change that somebody else commits: see change_apply. */
NODISCARD bool audit_compose(struct call *c, const struct audit_note *note, struct audit_entry *out,
			     struct err *err);

/* A JSON object for before and after: of what a table describes, secrets masked; */
struct slice audit_fields(struct call *c, const struct field_set *set, const void *in);
/* with one text: {"role":"admin"}. */
struct slice audit_text(struct call *c, const char *name, struct slice value);
struct slice audit_number(struct call *c, const char *name, int64_t value);

#endif
