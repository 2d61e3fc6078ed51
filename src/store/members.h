/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MEMBERS_H
#define STORE_MEMBERS_H

#include "model/id.h"
#include "model/role.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Members: which users an org has, in which role. Whoever changes them locks the org first, so that
 * two owners who leave at the same time do so one after the other, and the second is the last.
 */
struct member_row {
	struct org_id org;
	struct user_id user;
	enum role role;
	int64_t created_us;
	struct slice mail; /* of the user; not stored here */
	struct slice name; /* likewise */
};
struct member_list {
	struct member_row *rows;
	size_t n;
	struct page_at next;
};

/* ERR_CONFLICT when the user is a member, or there is no such user. mail and name are unused. */
NODISCARD bool store_member_insert(struct org_id org, struct db *db, const struct member_row *row,
				   struct err *err);
NODISCARD enum found store_member_get(struct org_id org, struct db *db, struct user_id user,
				      struct arena *req, struct member_row *out, struct err *err);
/* The member with this mail. */
NODISCARD enum found store_member_by_mail(struct org_id org, struct db *db, struct slice mail,
					  struct arena *req, struct member_row *out,
					  struct err *err);
/* Newest first. */
NODISCARD bool store_member_list(struct org_id org, struct db *db, const struct page *page,
				 struct arena *req, struct member_list *out, struct err *err);
NODISCARD bool store_member_count(struct org_id org, struct db *db, uint64_t *out, struct err *err);

/* An actor of 0 is the operator of the installation, who acts as an owner. */
struct member_ask {
	struct user_id actor;
	struct user_id user;
	enum role to; /* ROLE_NONE: leaves or is removed */
};
/*
 * Change or remove a member, as member_change of model/role.h decides on what the transaction sees.
 * In a transaction. ERR_NOT_FOUND: no such member, or the actor is none; ERR_FORBIDDEN;
 * ERR_CONFLICT: the last owner who stays (store/leaving.h), or a new one who does not.
 */
NODISCARD bool store_member_change(struct org_id org, struct db *db, const struct member_ask *ask,
				   struct err *err);
/* Give the org to another member; the giver becomes admin. Likewise. */
NODISCARD bool store_member_transfer(struct org_id org, struct db *db, struct user_id from,
				     struct user_id to, struct err *err);

#endif
