/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CALLER_H
#define API_CALLER_H

#include "api/call.h"

/*
 * Who sent a call: a key, a person who is logged in, or nobody. What a person may is looked up for
 * each call (engine/people.h); a token or a cookie only says which session it is. Loop thread.
 *
 * A browser sends cookies for whatever page asks it to. So a call that changes something and comes
 * with a cookie has to come from a page of this server, as the browser says in Origin or
 * Sec-Fetch-Site, or carry X-Requested-With, which no page elsewhere can add without asking first.
 */
#define CALLER_ACCESS_COOKIE "access_token"
#define CALLER_REFRESH_COOKIE "refresh_token"
#define CALLER_PROOF_US (10 * INT64_C(60) * 1000000) /* what was proved counts so long */

static inline bool caller_is_known(const struct caller *c)
{
	return c->key.v != 0 || c->user.v != 0;
}

/*
 * Who sent the head that is there, into c->caller. NOT_FOUND: it has no credential. FAILED:
 * ERR_UNAUTHORIZED, the credential is worth nothing; ERR_FORBIDDEN, the cookie comes from
 * elsewhere; ERR_NOT_FOUND, the project is none of the org's; ERR_RATE, this address has guessed
 * too often.
 */
NODISCARD enum found caller_find(struct call *c, struct err *err);
/*
 * The same by a key that came another way (body of an ingest call, query of a socket):
 * ERR_UNAUTHORIZED, ERR_RATE.
 */
NODISCARD bool caller_by_key(struct call *c, struct slice secret, struct err *err);
/* The same by an access token. */
NODISCARD bool caller_by_token(struct call *c, struct slice token, struct err *err);
/* Whether a caller who was known a while ago still is; for tickets. Brings it up to date. */
NODISCARD bool caller_renew(struct call *c, const struct caller *then, struct err *err);

/*
 * Whether key or session, and with it the place in the org, are still there, and the org is no more
 * closed than it was.
 */
bool caller_is_alive(const struct api *api, const struct caller *caller);

/* A cookie of the request; false when there is none. */
bool caller_cookie(const struct http_request *r, struct slice name, struct slice *value);
/* Whether the request comes from a page of this server, or from no page: see above. */
NODISCARD bool caller_is_at_home(const struct call *c, struct err *err);

#endif
