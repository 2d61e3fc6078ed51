/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SSO_JOIN_H
#define API_SSO_JOIN_H

#include "api/account/session.h"
#include "api/sso/sso.h"
#include "api/sso/state.h"

/*
 * What becomes of somebody whom an issuer has vouched for: whose account it is, whether one is
 * made, what he is in the org that has roles of the issuer. Accounts are found by the issuer's word
 * for the person. An account that has no such word yet is found by mail, once, and only when both
 * sides know that the address is the person's: the issuer says that it is verified, and here it was
 * verified, too. Else whoever made an account with somebody else's address would share it with the
 * owner of that address from his first login on.
 *
 * Worker threads; everything may block on the store.
 */

/* Why somebody does not come in: words that the page of login knows. */
#define SSO_REFUSALS(X) \
	X(DENIED, "denied", "the user, or the issuer, said no") \
	X(EXPIRED, "expired", \
	  "the login took too long, began in another browser, or was ended before") \
	X(UNAVAILABLE, "unavailable", "the issuer cannot be reached, or is too slow") \
	X(REFUSED, "refused", "what the issuer said is not believed") \
	X(MAIL, "mail_unverified", "the issuer vouches for no mail address") \
	X(DOMAIN, "domain", "the mail address is of a domain that may not come") \
	X(NO_ACCOUNT, "no_account", "there is no account, and none may be made") \
	X(UNVERIFIED, "account_unverified", "the account's own mail address was never verified") \
	X(OTHER_LINK, "other_link", "account and identity belong to others already") \
	X(DISABLED, "disabled", "the account is disabled") \
	X(FULL, "no_seat", "the plan of the organization has no seat left") \
	X(NOT_SET_UP, "not_set_up", "the first account of a server is made by signing up") \
	X(FAILED, "failed", "a fault of ours; the log has the request id")
enum sso_refusal {
	SSO_WELCOME,
#define X(kind, word, help) SSO_##kind,
	SSO_REFUSALS(X)
#undef X
		SSO_REFUSAL_KINDS
};
const char *sso_refusal_word(enum sso_refusal refusal);

/* What comes of it. */
struct sso_joining {
	enum sso_refusal refusal;
	struct login login;  /* of a login: a session has begun, unless */
	struct slice access; /* for whoever answers: the token of that session */
	struct slice code;   /* the account asks for a code first: the token for it */
};
#define SSO_CODE_LIFE_US (5 * INT64_C(60) * 1000000)

/*
 * Log person in, and commit; memory knows. False with an error of ours; true with out->refusal
 * else.
 */
NODISCARD bool sso_join(struct call *c, const struct sso_ask *ask, const struct sso_state *state,
			struct sso_joining *out, struct err *err);
/* The same, when state says to whom person is to be linked. There is no session. */
NODISCARD bool sso_link(struct call *c, const struct sso_ask *ask, const struct sso_state *state,
			struct sso_joining *out, struct err *err);

#endif
