/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_TOKENS_H
#define STORE_TOKENS_H

#include "model/id.h"
#include "store/db.h"
#include "store/users.h"

/*
 * What works once: tokens in links that are sent to users, and recovery codes. Only hashes are
 * here. They are used by somebody who is not known yet, so no org is named (store/global.h lists
 * these among the exceptions).
 */
enum token_purpose {
	TOKEN_RESET,	   /* set a new password */
	TOKEN_MAIL_CHANGE, /* data: the new mail */
	TOKEN_VERIFY,	   /* the mail is the user's */
	TOKEN_LINK,	   /* tie an identity of elsewhere; data: which */
	TOKEN_SECOND,	   /* the password was right, the code is asked for */
	TOKEN_PURPOSES
};

struct token_row {
	struct slice hash; /* 64 hex digits */
	struct user_id user;
	enum token_purpose purpose;
	struct slice data;
	int64_t created_us;
	int64_t expires_us;
};

/* The user's older token of this purpose ends. ERR_CONFLICT when there is no such user. */
NODISCARD bool store_token_put(struct db *db, const struct token_row *row, struct err *err);
/*
 * Use a token up: FOUND for exactly one caller, and only before it expires. On a connection that is
 * in a transaction the use counts when that commits.
 */
NODISCARD enum found store_token_take(struct db *db, enum token_purpose purpose, struct slice hash,
				      int64_t now_us, struct arena *req, struct token_row *out,
				      struct err *err);
/*
 * The same, and nobody else changes the user until the transaction ends: the user is locked before
 * the token is taken, as by all who change a user and then end the tokens. In a transaction.
 */
NODISCARD enum found store_token_take_user(struct db *db, enum token_purpose purpose,
					   struct slice hash, int64_t now_us, struct arena *req,
					   struct token_row *out, struct user_row *user,
					   struct err *err);
/* What is open for a user: there is one of a purpose at most. */
NODISCARD enum found store_token_of(struct db *db, struct user_id user, enum token_purpose purpose,
				    int64_t now_us, struct arena *req, struct token_row *out,
				    struct err *err);
/* All of a user's tokens end. */
NODISCARD bool store_token_end_all(struct db *db, struct user_id user, struct err *err);
/* The keeper removes up to limit of those that expired before now_us. *swept may be NULL. */
NODISCARD bool store_tokens_sweep(struct db *db, int64_t now_us, size_t limit, uint64_t *swept,
				  struct err *err);

#define RECOVERY_CODES_MAX 32 /* of one user; more would be noted nowhere */
/* In the place of all that the user had; n may be 0. In a transaction. */
NODISCARD bool store_recovery_put(struct db *db, struct user_id user, const struct slice *hashes,
				  size_t n, struct err *err);
/* FOUND once per code. */
NODISCARD enum found store_recovery_take(struct db *db, struct user_id user, struct slice hash,
					 int64_t now_us, struct err *err);
/* How many are not used. */
NODISCARD bool store_recovery_left(struct db *db, struct user_id user, uint64_t *out,
				   struct err *err);

#endif
