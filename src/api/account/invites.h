/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_INVITES_H
#define API_ACCOUNT_INVITES_H

#include "api/account/members.h"

/*
 * Invites: a token lets the person with the address that was invited join an org, once, within
 * INVITE_LIFE_US. The token is shown once, in a link, and stored as a hash. In the link it stands
 * behind a #, which browsers keep to themselves, and calls send it in their bodies: so it is in no
 * log. Worker threads; everything may block on the store.
 */
#define INVITE_LIFE_US (7 * INT64_C(86400) * 1000000)
#define INVITES_OPEN_MAX 1000 /* of an org: each may be a mail to somebody who did not ask */
#define INVITE_TOKEN_CHARS_MAX 200
#define INVITE_PATH "/invite/accept#token="

/* Who is invited; a token that was made now. */
struct invite_made {
	struct invite_row row;
	struct slice token; /* empty: it was not made now */
};

/*
 * Invite mail, as a person wrote it, in the name of the caller, and commit. ERR_INVALID;
 * ERR_FORBIDDEN: a role above one's own; ERR_PROOF; ERR_CONFLICT: is a member, or has an open
 * invite; ERR_LIMIT.
 */
NODISCARD bool invite_make(struct call *c, struct slice mail, enum role role,
			   struct invite_made *out, struct err *err);
/* The invite of the caller's org with this public id: ERR_NOT_FOUND. */
NODISCARD bool invite_find(struct call *c, struct slice id, struct invite_row *out,
			   struct err *err);
/* Take an open invite back, and commit. ERR_CONFLICT: it is open no longer. */
NODISCARD bool invite_revoke(struct call *c, const struct invite_row *row, struct err *err);
/* What has become of it: a word of invite_words. */
extern const char *const invite_words[];
const char *invite_status(const struct invite_row *row, int64_t now_us);

/* The token of a body that has these fields. ERR_INVALID. */
NODISCARD bool invite_token(struct call *c, struct slice *out, struct err *err);
extern const struct field_set invite_token_fields;
/*
 * The open invite with this token, and its org. ERR_NOT_FOUND; ERR_GONE: it was accepted or taken
 * back, or has expired; ERR_CLOSED.
 */
NODISCARD bool invite_look(struct call *c, struct slice token, struct invite_row *row,
			   struct org_row *org, struct err *err);
/* The org that an invite is for: ERR_NOT_FOUND, ERR_CLOSED. */
NODISCARD bool invite_find_org(struct call *c, struct org_id id, struct org_row *org,
			       struct err *err);
/* An invite as replies show it, an object. */
void invite_write(struct call *c, const struct invite_row *row, struct json_w *w);
extern const struct shape shape_invite;

/* Makes the answer to who has joined: it is committed with the change (once.h). */
typedef void invite_answer(struct call *c, const struct org_row *org, enum role role);
/*
 * The user who calls joins, and memory knows. Besides invite_look's errors ERR_FORBIDDEN: another
 * address was invited; ERR_CONFLICT: he is a member; ERR_LIMIT.
 */
NODISCARD bool invite_accept(struct call *c, struct slice token, invite_answer *answer,
			     struct err *err);

#endif
