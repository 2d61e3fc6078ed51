/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_ACCOUNT_H
#define API_ACCOUNT_ACCOUNT_H

#include "api/account/session.h"
#include "base/field.h"

/*
 * What the calls of people share. Worker threads; everything may block on the store.
 */

/* The body as the rows say; unknown members are refused but where the route says it is open. */
NODISCARD bool account_read(struct call *c, const struct field *rows, size_t n, void *in,
			    struct err *err);
/* Tokens go into cookies only for pages of this server: ERR_FORBIDDEN. */
NODISCARD bool account_cookie_is_right(struct call *c, bool cookie, struct err *err);
/* Begin l->user's session, proved by a password, in the org of the oldest membership; answer. */
NODISCARD bool account_begin(struct call *c, int status, struct login *l, struct err *err);
/*
 * The calls of logging in and out, which several rows share. Each answers in the shape of its row;
 * account_logout leaves the answer to its caller, and is ERR_INVALID when nothing names a session.
 */
NODISCARD bool account_login(struct call *c, struct err *err);
NODISCARD bool account_refresh(struct call *c, struct err *err);
NODISCARD bool account_logout(struct call *c, struct err *err);
/* On the loop thread; owes the reply. */
void account_signup(struct call *c);

/*
 * Tell the audit log of a login that was refused: in the chain of the user's first org, where its
 * admins see it; of user 0, nobody, in that of the installation. after may be empty. Outside of a
 * transaction; a log that cannot be written changes no answer.
 */
void account_note_refusal(struct call *c, struct user_id user, struct slice mail,
			  struct slice after);

/* What the client says it is, cut to what a session keeps. */
struct slice account_agent(const struct call *c);

/*
 * Whether the password is that of the user who calls; counts tries as a login does.
 * ERR_UNAUTHORIZED.
 */
NODISCARD bool account_check_password(struct call *c, const struct user_row *user,
				      struct slice password, struct err *err);
/*
 * Use up a code of the authenticator, or a recovery code: ERR_UNAUTHORIZED when it is none that is
 * good now.
 */
NODISCARD bool account_take_code(struct call *c, const struct user_row *user, struct slice code,
				 struct err *err);
/* The same for the user who calls; counts tries as a login does. */
NODISCARD bool account_check_code(struct call *c, const struct user_row *user, struct slice code,
				  struct err *err);
/* The context that a user's secret for codes is sealed under. */
struct slice account_totp_context(struct call *c, struct user_id user);
/* A user's codes are asked for no longer, and recovery codes are gone. In a transaction. */
NODISCARD bool account_totp_off(struct call *c, const struct user_row *user, struct err *err);
/* A user, whom nobody else changes until the transaction ends. ERR_NOT_FOUND. */
NODISCARD bool account_lock(struct call *c, struct user_id id, struct user_row *out,
			    struct err *err);
/* What a change of a user found: ERR_NOT_FOUND when he is gone. */
NODISCARD bool account_found(enum found found, struct err *err);
/* The user who calls. */
NODISCARD bool account_me(struct call *c, struct user_row *out, struct err *err);
/* A new hash of a password that this mail may have. */
NODISCARD bool account_hash(struct call *c, struct slice password, struct slice mail,
			    struct slice *hash, struct err *err);
/*
 * A user has another password: his sessions but keep (0: all) and all his links end. In a
 * transaction; account_tell_end after the commit.
 */
NODISCARD bool account_set_password(struct call *c, struct user_id user, struct slice hash,
				    struct session_id keep, struct err *err);
/* All of a user's sessions but keep (0: all) end in memory, with their streams. */
void account_tell_end(struct call *c, struct user_id user, struct session_id keep);

/* One of a user's sessions, and one of his orgs with his role, as replies show them: an object. */
void account_write_session(struct call *c, const struct session_row *row, struct json_w *w);
NODISCARD bool account_write_org(struct call *c, const struct member_row *member, struct json_w *w,
				 struct err *err);
extern const struct shape shape_session;

/*
 * Links that are good once, and for some time: they are what a user gets by mail. There is no mail
 * yet, so whoever runs the server prints them and hands them on.
 */
struct account_link {
	enum token_purpose purpose;
	struct slice data;
	int64_t life_us;    /* 0: as long as such a link is good by itself */
	struct slice text;  /* out: the link; empty when there is nobody to get it */
	int64_t expires_us; /* out */
};
/* Make one in the place of an older one of its purpose. In a transaction, or not. */
NODISCARD bool account_link(struct call *c, struct user_id user, struct account_link *link,
			    struct err *err);
/*
 * The address is the user's from now on, be it another one, which ends all links, or the same. In a
 * transaction. ERR_CONFLICT: somebody else has it.
 */
NODISCARD bool account_set_mail(struct call *c, const struct user_row *user, struct slice mail,
				struct err *err);
/* The org whose audit log tells of a user who acts without being logged in: his oldest, or 0. */
NODISCARD bool account_chain(struct call *c, const struct user_row *user, struct org_id *org,
			     struct err *err);

/*
 * The two halves of a forgotten password, for calls of any system. The first answers with what the
 * row says and shape_account_message, the same and after the same time whether there is such a user
 * or not. The second takes the token of a link, ERR_INVALID when it is none or not any more, and
 * leaves the answer to the caller. What their bodies hold is in the fields.
 */
NODISCARD bool account_forgot(struct call *c, struct err *err);
extern const struct field_set account_forgot_fields;
NODISCARD bool account_reset(struct call *c, struct err *err);
extern const struct field_set account_reset_fields;
extern const struct shape shape_account_message; /* {"message"} */
#define ACCOUNT_NO_MAIL \
	"this server sends no mail: whoever runs it can make the link, with the command "

#endif
