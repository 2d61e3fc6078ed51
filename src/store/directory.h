/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "store/members.h"
#include "store/orgs.h"

/*
 * Orgs, projects and members of the whole installation: what the server loads into memory to know
 * whose call it is (engine/people.h), so they cross organizations (store/global.h lists them among
 * the exceptions). Each in order of id, up to limit (PAGE_ROWS_MAX) behind the one given; fewer:
 * the end.
 */
NODISCARD bool store_orgs_all(struct db *db, struct org_id after, size_t limit, struct arena *boot,
			      struct org_list *out, struct err *err);
NODISCARD bool store_projects_all(struct db *db, struct project_id after, size_t limit,
				  struct arena *boot, struct project_list *out, struct err *err);
/* In order of user and org; without mail and name. */
NODISCARD bool store_members_all(struct db *db, struct user_id after, struct org_id after_org,
				 size_t limit, struct arena *boot, struct member_list *out,
				 struct err *err);
/* A user chooses among the orgs he is in: those with an id above after, up to limit. */
NODISCARD bool store_members_of(struct db *db, struct user_id user, struct org_id after,
				size_t limit, struct arena *req, struct member_list *out,
				struct err *err);
/* Whose messages are not sent any more: all that are to be deleted, in order of id. */
NODISCARD bool store_orgs_going(struct db *db, struct arena *tick, struct org_id **orgs, size_t *n,
				struct err *err);
/* Whose days of grace are over, for the keeper: up to limit. */
NODISCARD bool store_orgs_leaving(struct db *db, int64_t now_us, size_t limit, struct arena *tick,
				  struct org_list *out, struct err *err);

#endif
