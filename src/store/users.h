/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Users: people who log in. A user may be a member of many orgs and is found by mail before any org
 * is known, so users belong to the installation and these functions take no org (store/global.h
 * lists them among the exceptions). What an org may see of them is in store/members.h.
 *
 * mail is in its one form (model/mail.h). password is a hash, totp is sealed; empty: there is none.
 */
enum user_status { USER_ACTIVE, USER_DISABLED, USER_STATUSES };
const char *user_status_name(enum user_status status);

struct user_row {
	struct user_id id;
	struct slice mail; /* unique in the installation */
	struct slice name;
	struct slice password;
	int64_t password_us; /* when it was set; 0: never */
	enum user_status status;
	int64_t mail_verified_us; /* 0: not */
	struct slice totp;
	int64_t totp_us;   /* since when codes are asked for; 0: not, it may be being set up */
	int64_t totp_step; /* the newest step of a code that was taken */
	int64_t created_us;
	int64_t login_us;	 /* 0: never */
	int64_t delete_after_us; /* 0: stays; see store/leaving.h */
};
struct user_list {
	struct user_row *rows;
	size_t n;
	struct page_at next;
};

/* ERR_CONFLICT when id or mail is taken. */
NODISCARD bool store_user_insert(struct db *db, const struct user_row *row, struct err *err);
NODISCARD enum found store_user_get(struct db *db, struct user_id id, struct arena *req,
				    struct user_row *out, struct err *err);
/* The same, and nobody else changes the user until the transaction ends. In a transaction. */
NODISCARD enum found store_user_lock(struct db *db, struct user_id id, struct arena *req,
				     struct user_row *out, struct err *err);
NODISCARD enum found store_user_by_mail(struct db *db, struct slice mail, struct arena *req,
					struct user_row *out, struct err *err);
/* Operators list all. Newest first. */
NODISCARD bool store_user_list(struct db *db, const struct page *page, struct arena *req,
			       struct user_list *out, struct err *err);
/* The first user of an installation is special. */
NODISCARD bool store_user_count(struct db *db, uint64_t *out, struct err *err);

/* Each NOT_FOUND when there is no such user. */
NODISCARD enum found store_user_set_password(struct db *db, struct user_id id, struct slice hash,
					     int64_t now_us, struct err *err);
NODISCARD enum found store_user_set_name(struct db *db, struct user_id id, struct slice name,
					 struct err *err);
/* verified_us 0: it is not. FAILED with ERR_CONFLICT when another user has the mail. */
NODISCARD enum found store_user_set_mail(struct db *db, struct user_id id, struct slice mail,
					 int64_t verified_us, struct err *err);
/* sealed empty: codes are not asked for any more. at_us 0: it is being set up. */
NODISCARD enum found store_user_set_totp(struct db *db, struct user_id id, struct slice sealed,
					 int64_t at_us, struct err *err);
/* NOT_FOUND when a code of this step or a later one was taken before: each is good once. */
NODISCARD enum found store_user_take_totp(struct db *db, struct user_id id, int64_t step,
					  struct err *err);
/* NOT_FOUND also when the user is disabled, be it since a moment ago. */
NODISCARD enum found store_user_logged_in(struct db *db, struct user_id id, int64_t now_us,
					  struct err *err);
/* Disabling ends the user's sessions and one-time tokens with it. In a transaction. */
NODISCARD enum found store_user_set_status(struct db *db, struct user_id id,
					   enum user_status status, struct err *err);

/* Who a user is at an issuer of identities; one user per issuer and subject. */
struct link_row {
	struct slice issuer;
	struct slice subject;
	struct user_id user;
	struct slice mail;
	int64_t created_us;
	int64_t login_us; /* 0: never */
};
struct link_list {
	struct link_row *rows;
	size_t n;
};
#define USER_LINKS_MAX 100 /* identities of one user; a list of them is never longer */

/* ERR_CONFLICT when the subject is somebody's already, or there is no such user. */
NODISCARD bool store_link_insert(struct db *db, const struct link_row *row, struct err *err);
NODISCARD enum found store_link_get(struct db *db, struct slice issuer, struct slice subject,
				    struct arena *req, struct link_row *out, struct err *err);
NODISCARD enum found store_link_used(struct db *db, struct slice issuer, struct slice subject,
				     int64_t now_us, struct err *err);
/* Oldest first, at most USER_LINKS_MAX. */
NODISCARD bool store_link_list(struct db *db, struct user_id user, struct arena *req,
			       struct link_list *out, struct err *err);
NODISCARD enum found store_link_delete(struct db *db, struct user_id user, struct slice issuer,
				       struct err *err);

#endif
