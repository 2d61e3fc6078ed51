/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_INVITES_H
#define STORE_INVITES_H

#include "model/id.h"
#include "model/role.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Invites to an org. The token in the mail is here as a hash; whoever has it and the mail address
 * joins, once. An invite that was accepted, revoked or has expired stays to be seen.
 */
struct invite_row {
	struct invite_id id;
	struct org_id org;
	struct slice mail; /* in its one form */
	enum role role;
	struct slice token_hash;   /* 64 hex digits */
	struct user_id invited_by; /* 0: an operator */
	int64_t created_us;
	int64_t expires_us;
	int64_t sent_us; /* 0: not by mail */
	int64_t sent_count;
	int64_t accepted_us; /* 0: not */
	struct user_id accepted_by;
	int64_t revoked_us; /* 0: not */
};
struct invite_list {
	struct invite_row *rows;
	size_t n;
	struct page_at next;
};

/*
 * In a transaction. An expired invite of this mail gives way. ERR_CONFLICT when one is open, or the
 * mail is a member's.
 */
NODISCARD bool store_invite_insert(struct org_id org, struct db *db, const struct invite_row *row,
				   struct err *err);
NODISCARD enum found store_invite_get(struct org_id org, struct db *db, struct invite_id id,
				      struct arena *req, struct invite_row *out, struct err *err);
/* Newest first. only_open: neither accepted nor revoked; expired ones among them. */
NODISCARD bool store_invite_list(struct org_id org, struct db *db, bool only_open,
				 const struct page *page, struct arena *req,
				 struct invite_list *out, struct err *err);
/* How many are open at now_us: neither accepted, revoked nor expired. */
NODISCARD bool store_invite_count(struct org_id org, struct db *db, int64_t now_us, uint64_t *out,
				  struct err *err);
/*
 * The open invite gets a new token and a later end; the older token is worth nothing. sent_us 0:
 * not by mail. NOT_FOUND: there is none that is open.
 */
NODISCARD enum found store_invite_resend(struct org_id org, struct db *db, struct invite_id id,
					 struct slice token_hash, int64_t sent_us,
					 int64_t expires_us, struct err *err);
/* Likewise. */
NODISCARD enum found store_invite_set_role(struct org_id org, struct db *db, struct invite_id id,
					   enum role role, struct err *err);
/* NOT_FOUND also when it was accepted or revoked before. */
NODISCARD enum found store_invite_revoke(struct org_id org, struct db *db, struct invite_id id,
					 int64_t now_us, struct err *err);

#endif
