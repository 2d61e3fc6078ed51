/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SSO_STATE_H
#define API_SSO_STATE_H

#include "base/seal.h"
#include "model/id.h"

/*
 * A login elsewhere that is under way, as the browser that began it keeps it: sealed, in a cookie
 * that no script reads. So a code is worth nothing in another browser, and this server keeps
 * nothing for logins that never end. Pure; any thread.
 */
#define SSO_STATE_LIFE_US (10 * INT64_C(60) * 1000000) /* to find one's password over there */

struct sso_state {
	struct slice issuer; /* its word */
	struct slice state, nonce, verifier;
	struct slice redirect; /* where it began: sso_path_is_local */
	int64_t made_us;
	bool fresh;		   /* the user was to log in there anew */
	struct user_id user;	   /* to whom it is to be linked; 0: it is a login */
	struct session_id session; /* of that user */
};

/* Text for a cookie. */
struct slice sso_state_wrap(const struct seal *seal, const struct sso_state *state,
			    struct arena *req);
/* False: it is none of ours, or too old. */
bool sso_state_unwrap(const struct seal *seal, struct slice text, int64_t now_us, struct arena *req,
		      struct sso_state *out);

#endif
