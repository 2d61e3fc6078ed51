/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_COMPAT_COMPAT_H
#define API_COMPAT_COMPAT_H

#include "api/account/session.h"
#include "api/call.h"
#include "api/shape.h"

/*
 * The calls of earlier systems, one file each: rows, and what writes their shapes. What they do is
 * done by the functions of our own calls. Here is what one system's file shares with another's.
 */

/*
 * The members that clients of an earlier system read of its errors, into the open problem. Nothing
 * for our own calls, and for what has no row. Pure.
 */
void compat_problem(const struct call *c, const struct err_info *info, struct slice text,
		    struct json_w *w);

/* ASCII words as SignalCraft spells them: "SENT", "OWNER". */
struct slice compat_upper(struct slice word, struct arena *req);

/*
 * A login, sign-up or refresh by an older row: flat as SignalDesk had it, and once more in
 * PulseBoard's envelope, since their calls have the same names. Tokens are in the reply, and for
 * pages of this server in cookies, too.
 */
void compat_login(struct call *c, int status, const struct login *l, struct slice access);
/* PulseBoard's name of the cookie with the refresh token, on an older row. */
bool compat_refresh_cookie(const struct call *c, struct slice *token);
/* What PulseBoard's way to sign up asks for, and does not: the organization is named after who. */
NODISCARD bool compat_signup(const struct call *c, struct slice name, struct slice *org_name,
			     struct err *err);

/* GET /events with the key in the query: the newest 20. On a worker; may block. */
NODISCARD bool pulseboard_list_events(struct call *c, struct err *err);
extern const struct shape shape_pulseboard_events;

/*
 * The members of the caller's org as an array, each as its system showed them. Their lists had no
 * pages: so it is the largest one. Ours are newest first.
 */
struct member_row;
NODISCARD bool compat_put_members(struct call *c,
				  void (*write)(struct call *c, const struct member_row *row,
						struct json_w *w),
				  bool oldest_first, struct json_w *w, struct err *err);

#endif
