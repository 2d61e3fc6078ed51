/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_PEOPLE_H
#define ENGINE_PEOPLE_H

#include "model/id.h"
#include "model/role.h"
#include "store/global.h"

/*
 * Who is logged in, and what they may: sessions, memberships and the state of orgs in memory, so
 * that an access token only has to name user and session. What was true when it was made does not
 * count: who is removed, lowered or logged out is so from the next request on.
 *
 * The store has the truth; whoever changes it posts the change here before the answer leaves. Loop
 * thread only, but for people_load, before the loop runs.
 *
 * It grows with what is in the store, never with requests: 1,000 users with two sessions and two
 * memberships each take less than PEOPLE_BYTES_PER_1000. Whoever lets users log in bounds their
 * sessions with people_sessions_of.
 */
struct people;
#define PEOPLE_BYTES_PER_1000 ((size_t)1 << 20) /* measured: about 0.6 MB */

struct people *people_new(void);
void people_free(struct people **p);
/* All that is in the store, in pages; sessions that expired by now_us are left out. Blocks. */
NODISCARD bool people_load(struct people *p, struct db *db, int64_t now_us, struct err *err);

struct people_session {
	struct session_id id;
	struct user_id user;
	struct org_id org; /* in which it acts; 0: none chosen */
	int64_t expires_us;
	int64_t proved_us; /* when password or code were last given; 0: not in this session */
};
/* Add or replace: also for a session that was refreshed, changed its org, or was proved. */
void people_put_session(struct people *p, const struct people_session *session);
/* Does nothing when there is no such session. */
void people_del_session(struct people *p, struct session_id id);
/* All of a user's but one (0: all). */
void people_end_others(struct people *p, struct user_id user, struct session_id keep);
/* How many a user has, expired ones among them. */
size_t people_sessions_of(const struct people *p, struct user_id user);
/* The oldest of them by its end, 0 when there is none: what makes room for another. */
struct session_id people_oldest_of(const struct people *p, struct user_id user);

/*
 * Users who are about to be deleted may log in and look, and are nobody in any org, whatever their
 * memberships say.
 */
void people_put_leaving(struct people *p, struct user_id user, bool leaving);
/* The user is gone, with sessions and memberships. */
void people_del_user(struct people *p, struct user_id user);

/* Add or replace; ROLE_NONE removes. */
void people_put_member(struct people *p, struct org_id org, struct user_id user, enum role role);

struct people_org {
	struct org_id id;
	struct project_id project; /* its default */
	bool suspended;
	bool leaving; /* is to be deleted */
};
/* Add or replace. */
void people_put_org(struct people *p, const struct people_org *org);
/* It is gone: so is every membership in it. */
void people_del_org(struct people *p, struct org_id org);
/* NULL when there is none. Borrowed until the next change. */
const struct people_org *people_org(const struct people *p, struct org_id org);

/* Whether an org's keys open nothing for now: it is suspended, or is to be deleted. */
bool people_org_is_closed(const struct people *p, struct org_id org);

/* Whose call it is. */
struct person {
	struct user_id user;
	struct session_id session;
	struct org_id org; /* 0: none chosen, or no longer a member there; then role is ROLE_NONE */
	enum role role;
	struct project_id project; /* the org's default */
	bool suspended;		   /* the org */
	bool leaving;		   /* likewise */
	bool user_leaving;	   /* the user; then org is 0 */
	int64_t expires_us;	   /* of the session */
	int64_t proved_us;
};
/*
 * The person behind a session, marked as used. False when the session has ended or expired, or is
 * not this user's. A session whose org has lost the user acts nowhere: in no case in another org.
 */
bool people_caller(struct people *p, struct session_id session, struct user_id user, int64_t now_us,
		   struct person *out);
/*
 * What this user is in an org, whatever org the session acts in: for choosing another. ROLE_NONE:
 * nothing.
 */
enum role people_role(const struct people *p, struct org_id org, struct user_id user);

/* Take up to max sessions used since the last call, for the lazy last-used update. */
size_t people_uses(struct people *p, struct session_use *uses, size_t max);
/* Forget up to max sessions that expired by now_us. Returns how many. */
size_t people_sweep(struct people *p, int64_t now_us, size_t max);

struct people_counts {
	size_t users; /* who have a session or a membership, or leave */
	size_t sessions;
	size_t members;
	size_t orgs;
};
struct people_counts people_counts(const struct people *p);

#endif
