/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_MEMBERS_H
#define API_ACCOUNT_MEMBERS_H

#include "api/account/account.h"

/*
 * Who is in the caller's org, in which role. Each change is committed with its entry in the audit
 * log and told to memory before the answer leaves, so that whoever is removed is so from the next
 * request on, with the streams that are open. Worker threads; everything may block on the store.
 */
#define MEMBER_ROLE_FIELD(S, m, ...) \
	FIELD_STR(S, m, "role", .min = 1, .max = 10, .example = "member", __VA_ARGS__)
/* A role in any case: ERR_INVALID. */
NODISCARD bool member_read_role(struct slice word, enum role *out, struct err *err);
/* To make somebody an owner takes the proof of the one who does it: ERR_PROOF. */
NODISCARD bool member_check_proof(const struct call *c, enum role to, struct err *err);

/* The member of the caller's org with this public id: ERR_NOT_FOUND. */
NODISCARD bool member_find(struct call *c, struct slice id, struct member_row *out,
			   struct err *err);
/*
 * Change or remove (ROLE_NONE) a member in the name of the caller, and commit (of a POST with the
 * answer as it is then: once.h): ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_PROOF, ERR_CONFLICT for the last
 * owner. row is as member_find gave it.
 */
NODISCARD bool member_change_role(struct call *c, const struct member_row *row, enum role to,
				  struct err *err);
/*
 * The member of the path gets the role of the body {"role"}, as above; *row is he as he is then.
 * member_role_fields describes the body. ERR_INVALID besides.
 */
NODISCARD bool member_patch(struct call *c, struct member_row *row, struct err *err);
extern const struct field_set member_role_fields;
/* Memory hears that a user is .role in the org; after the commit. */
void member_tell(struct call *c, struct org_id org, struct user_id user, enum role role);
/*
 * Whether the plan has seats for the members that there are in this transaction, and so many more.
 * Lock the org first. ERR_LIMIT.
 */
NODISCARD bool member_has_seat(struct call *c, struct org_id org, uint64_t more, struct err *err);

/* A member as replies show it, an object. */
void member_write(const struct member_row *row, struct json_w *w);
extern const struct shape shape_member;

#endif
