/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include "model/id.h"
#include "store/db.h"
#include "store/page.h"

/*
 * Where users are logged in. A session is a user's and outlives a change of org, so these functions
 * take no org (store/global.h lists them among the exceptions). Tokens are here as hashes, 64 hex
 * digits. The server holds all sessions in memory (engine/people.h); whoever changes one here posts
 * the change there before it answers.
 */
struct session_row {
	struct session_id id;
	struct user_id user;
	struct org_id org; /* in which it acts; 0: none chosen */
	struct slice refresh_hash;
	struct slice previous_hash; /* the one before; empty: none yet */
	int64_t created_us;
	int64_t refreshed_us;
	int64_t expires_us;
	int64_t proved_us; /* when password or code were last given; 0: not in this session */
	int64_t used_us;   /* 0: not yet */
	struct slice address;
	struct slice agent;
};
struct session_list {
	struct session_row *rows;
	size_t n;
	struct page_at next;
};

/* ERR_CONFLICT when id or hash is taken, or there is no such user. */
NODISCARD bool store_session_insert(struct db *db, const struct session_row *row, struct err *err);
NODISCARD enum found store_session_get(struct db *db, struct session_id id, struct arena *req,
				       struct session_row *out, struct err *err);
/* Newest first, expired ones not yet swept among them. */
NODISCARD bool store_session_list(struct db *db, struct user_id user, const struct page *page,
				  struct arena *req, struct session_list *out, struct err *err);

/* One use of a refresh token. */
struct session_refresh {
	struct slice hash; /* of the token that came */
	struct slice next; /* of the one that takes its place */
	int64_t now_us;
	int64_t expires_us; /* of the session from now on */
	int64_t race_us;    /* two tabs may send one token so shortly after each other; 0: never */
	struct slice address;
	struct slice agent;
};
enum session_turn {
	SESSION_UNKNOWN, /* no session, or it has expired */
	SESSION_TURNED,	 /* the next token is in force */
	SESSION_RACED, /* it was turned less than race_us ago: nothing changed, nothing is given */
	SESSION_REUSED /* an old token came back: somebody has a copy; the session has ended */
};
/*
 * Turn a session to its next token, or end it. In a transaction, which is committed whatever the
 * outcome is. out is the session as it is now, or as it was when it ended; not for SESSION_UNKNOWN.
 * Of two that send one token at the same time one turns the session.
 */
NODISCARD bool store_session_refresh(struct db *db, const struct session_refresh *in,
				     struct arena *req, struct session_row *out,
				     enum session_turn *turn, struct err *err);

/* Each NOT_FOUND when this user has no such session. */
NODISCARD enum found store_session_set_org(struct db *db, struct user_id user, struct session_id id,
					   struct org_id org, struct err *err);
NODISCARD enum found store_session_prove(struct db *db, struct user_id user, struct session_id id,
					 int64_t now_us, struct err *err);
NODISCARD enum found store_session_end(struct db *db, struct user_id user, struct session_id id,
				       struct err *err);
/* All of a user's but one (0: all). *ended (may be NULL) counts them. */
NODISCARD bool store_session_end_others(struct db *db, struct user_id user, struct session_id keep,
					uint64_t *ended, struct err *err);

/* Notes of last use are collected in memory and written together. In a transaction. */
struct session_use {
	struct session_id id;
	int64_t at_us;
};
NODISCARD bool store_sessions_touch(struct db *db, const struct session_use *uses, size_t n,
				    struct err *err);
/* The keeper removes up to limit of those that expired before now_us. *swept may be NULL. */
NODISCARD bool store_sessions_sweep(struct db *db, int64_t now_us, size_t limit, uint64_t *swept,
				    struct err *err);
/*
 * A request's session is looked up in memory: all that expire after now_us, in order of id, up to
 * limit (PAGE_ROWS_MAX) with an id above after; fewer: the end.
 */
NODISCARD bool store_sessions_all(struct db *db, struct session_id after, int64_t now_us,
				  size_t limit, struct arena *boot, struct session_list *out,
				  struct err *err);

#endif
