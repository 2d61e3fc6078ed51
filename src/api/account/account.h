/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_ACCOUNT_H
#define API_ACCOUNT_ACCOUNT_H

#include "api/account/session.h"
#include "base/field.h"

/*
 * What the calls of people share. Worker threads; everything may block on the store.
 */

/* The body as the rows say; unknown members are refused but on the older calls. */
NODISCARD bool account_read(struct call *c, const struct field *rows, size_t n, void *in,
			    struct err *err);
/* Tokens go into cookies only for pages of this server: ERR_FORBIDDEN. */
NODISCARD bool account_cookie_is_right(struct call *c, bool cookie, struct err *err);
/* Begin l->user's session, proved by a password, in the org of the oldest membership; answer. */
NODISCARD bool account_begin(struct call *c, int status, struct login *l, struct err *err);
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
/* The user who calls. */
NODISCARD bool account_me(struct call *c, struct user_row *out, struct err *err);
/* A new hash of a password that this mail may have. */
NODISCARD bool account_hash(struct call *c, struct slice password, struct slice mail,
			    struct slice *hash, struct err *err);

#endif
