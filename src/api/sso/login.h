/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SSO_LOGIN_H
#define API_SSO_LOGIN_H

#include "api/call.h"
#include "api/sso/sso.h"
#include "api/sso/state.h"

/* What the calls of logins elsewhere share. Loop thread. */

/* Something asked of an issuer for a call. */
struct sso_call {
	struct call *c;
	struct sso_ask ask;
	struct sso_state state;
	void (*then)(struct sso_call *in); /* on the loop, when the issuer has answered */
};

/* The issuer that the path or a body names: ERR_NOT_FOUND. */
NODISCARD bool sso_read_issuer(struct call *c, struct slice word,
			       const struct sso_issuer_options **out, struct err *err);
/* Where a browser goes afterwards, "/" when nothing is said: ERR_INVALID. */
NODISCARD bool sso_read_redirect(struct slice text, struct slice *out, struct err *err);
/*
 * Ask where to send a browser; in->state has issuer, redirect, and whom it is for. then is called
 * with in->ask.url, or with an error there. ERR_OVERLOADED.
 */
NODISCARD bool sso_begin(struct sso_call *in, const struct sso_issuer_options *issuer,
			 struct err *err);
/* The browser that is to come back keeps this. */
void sso_keep_state(struct sso_call *in);

#endif
