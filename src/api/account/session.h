/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_SESSION_H
#define API_ACCOUNT_SESSION_H

#include "api/call.h"
#include "api/shape.h"
#include "engine/people.h"
#include "store/global.h"

/*
 * Sessions: where a user is logged in. One begins when somebody has proved who he is, and lives for
 * thirty days after each refresh. What changes in the store is told to memory (engine/people.h)
 * before the answer leaves.
 *
 * Worker threads; everything may block on the store.
 */
#define SESSION_LIFE_US (30 * INT64_C(86400) * 1000000)
#define SESSIONS_PER_USER_MAX 50 /* the oldest one ends for another */
#define ACCOUNT_BODY_BYTES_MAX ((size_t)16 << 10)

/* Something that memory has to hear, in the order of the calls. */
enum people_op {
	PEOPLE_SESSION,	    /* .session is new, or has changed */
	PEOPLE_SESSION_END, /* .session.id has ended */
	PEOPLE_END_OTHERS,  /* all of .session.user but .session.id */
	PEOPLE_LEAVING,	    /* .session.user is to be deleted, or .leaving is not set: no longer */
	PEOPLE_MEMBER,	    /* .session.user is .role in .org.id; ROLE_NONE: no longer */
	PEOPLE_ORG_NEW,	    /* .org was made; nothing changes when it is there */
	PEOPLE_ORG,	    /* .org is new, or has changed */
};
struct people_change {
	enum people_op op;
	struct people_session session;
	struct people_org org;
	enum role role;
	bool leaving;
};
/* After the commit. The changes are copied. */
void people_tell(struct call *c, const struct people_change *changes, size_t n);
/* The same for an org that was made, or was there as it is, and its default project. */
void people_tell_org(struct call *c, struct org_id org, struct project_id project);

/* A login on its way: the user is known, the rest follows. */
struct login {
	struct user_row user;
	struct org_row org; /* in which it acts; id 0: none */
	enum role role;
	struct session_row session;
	struct session_id ended; /* made room for it; or 0 */
	struct slice refresh;	 /* the token */
	bool cookie;		 /* tokens go into cookies, not into the reply */
};

/*
 * The session of l->user that begins now, acting in l->org; older ones end when there are too many.
 * proved: the user gave a password or code for it. In a transaction; session_tell_login after the
 * commit.
 */
NODISCARD bool session_insert(struct call *c, struct login *l, bool proved, struct err *err);
void session_tell_login(struct call *c, const struct login *l);
/* A session has changed: memory hears of it, unless it has ended meanwhile. */
void session_tell(struct call *c, const struct session_row *row);
/*
 * The org in which a user's new session acts: the one of the oldest membership, or none. Who is to
 * be deleted acts in none.
 */
NODISCARD bool session_choose_org(struct call *c, struct login *l, struct err *err);
/* Answer with tokens and whose they are, older rows in their own shape. */
NODISCARD bool session_answer(struct call *c, int status, const struct login *l, struct err *err);
/* The tokens of l as cookies of pages of this server; refresh is the name of that token's. */
void session_set_cookies(struct call *c, const struct login *l, struct slice access,
			 const char *refresh);
/* Forget the cookies. */
void session_clear_cookies(struct call *c);

/* What a token is kept as: 64 hex digits. */
struct slice token_hash(struct slice token, struct arena *req);
/* A new token: a prefix and 64 hex digits. */
struct slice token_make(const char *prefix, struct arena *req);

/* {"id", "email", "name", ...} as a member of that name. */
void show_user(struct json_w *w, const char *name, const struct user_row *user);
/* The same members in the object that is open. */
void show_user_members(struct json_w *w, const struct user_row *user);
/* {"id", "name", "slug", "role"}, or null. */
void show_org(struct json_w *w, const char *name, const struct org_row *org, enum role role);
extern const struct shape shape_user;
extern const struct shape shape_own_org;
extern const struct shape shape_login;

#endif
