/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_LEAVING_H
#define STORE_LEAVING_H

#include "store/orgs.h"
#include "store/users.h"

/*
 * Users who leave: asked for by the user or an operator, undone for some days, then carried out by
 * the keeper, step by step. The row of the user is the list of what is left to do and goes last, so
 * that a crash loses no step; each step may be repeated. No org comes into it, since a user belongs
 * to the installation (store/global.h lists this among the exceptions).
 */

/*
 * From after_us on the user may be purged; until then it stays, without sessions and one-time
 * tokens. When there are orgs of which nobody but the user is an owner who stays, nothing is done,
 * and sole holds up to PAGE_ROWS_MAX of them; orgs that leave themselves do not count. In a
 * transaction, in which nobody becomes an owner beside it: ERR_NOT_FOUND.
 */
NODISCARD bool store_user_leave(struct db *db, struct user_id id, int64_t after_us,
				struct arena *req, struct org_list *sole, struct err *err);
/* NOT_FOUND also when the user does not leave, or the days are over at now_us. */
NODISCARD enum found store_user_stay(struct db *db, struct user_id id, int64_t now_us,
				     struct err *err);
/* Those who leave, in order of id, up to limit (PAGE_ROWS_MAX) behind after; fewer: the end. */
NODISCARD bool store_users_leaving(struct db *db, struct user_id after, size_t limit,
				   struct arena *boot, struct user_list *out, struct err *err);
/* Whose days are over at now_us: up to limit. */
NODISCARD bool store_users_left(struct db *db, int64_t now_us, size_t limit, struct arena *tick,
				struct user_list *out, struct err *err);

/*
 * The steps of the keeper, none of them for the API. Invites that were sent to the address, up to
 * limit (PAGE_ROWS_MAX), oldest first by id: the audit log names them.
 */
struct sent_invite {
	struct org_id org;
	struct invite_id id;
};
NODISCARD bool store_invites_to(struct db *db, struct slice mail, size_t limit,
				struct sent_invite *out, size_t *n, struct err *err);
NODISCARD bool store_invite_forget(struct db *db, const struct sent_invite *invite,
				   struct err *err);
/*
 * Replies that name the address are kept no longer, only what they made: up to limit. *forgotten
 * counts them. Not in a transaction; one each.
 */
NODISCARD bool store_replies_forget(struct db *db, struct slice mail, size_t limit,
				    uint64_t *forgotten, struct err *err);
/*
 * All that hangs on the user goes: memberships, sessions, tokens, codes, identities, and what the
 * row itself holds. Its mail is the public id from then on. In a transaction.
 */
NODISCARD bool store_user_strip(struct db *db, struct user_id id, struct err *err);
/* The row itself. NOT_FOUND: somebody was faster. */
NODISCARD enum found store_user_remove(struct db *db, struct user_id id, struct err *err);

#endif
