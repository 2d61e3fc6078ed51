/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_OIDC_H
#define AUTH_OIDC_H

#include "base/json.h"

/*
 * What is said between us, a browser and an issuer of identities when somebody logs in there: the
 * code flow of OpenID Connect Core 1.0 section 3.1 with PKCE (RFC 7636), and GitHub's variant of
 * it. Texts in, texts out: who sends them is api/sso/. All that comes in is hostile. Pure; any
 * thread.
 */
#define OIDC_URL_BYTES_MAX 2048	  /* of an address that an issuer names */
#define OIDC_CODE_BYTES_MAX 4096  /* a code that a browser brings; the largest known are 2 KiB */
#define OIDC_TOKEN_BYTES_MAX 8192 /* an access token, which we carry in a header */
#define OIDC_DEPTH_MAX 16	  /* of JSON from an issuer */

/* 32 random bytes as text: state, nonce and verifier are that. */
#define OIDC_RANDOM_CHARS 43
struct slice oidc_random(struct arena *req);
/* What an issuer sees of a verifier first: RFC 7636 section 4.2, S256. */
struct slice oidc_challenge(struct slice verifier, struct arena *req);

/* What an issuer says of itself: OpenID Connect Discovery 1.0 section 4. */
struct oidc_metadata {
	struct slice authorize; /* where browsers go */
	struct slice token;
	struct slice keys;
	struct slice userinfo; /* empty: there is none */
	bool secret_in_body;   /* the client's secret does not go into a header */
};
/* Where it says so, for an issuer as the operator wrote it. */
struct slice oidc_metadata_url(struct slice issuer, struct arena *req);
/*
 * All of out is in arena or text. ERR_UPSTREAM: it is no such document, it is of another issuer, or
 * names an address that is no https one (http only where the issuer's own is).
 */
NODISCARD bool oidc_metadata_read(struct slice text, struct slice issuer, struct arena *arena,
				  struct oidc_metadata *out, struct err *err);

struct oidc_client {
	struct slice id;
	struct slice secret; /* empty: there is none */
	struct slice redirect_uri;
};
/* Where to send a browser. nonce empty: none is asked for. fresh: the user logs in there anew. */
struct oidc_way {
	struct slice to;
	struct slice scope;
	struct slice state;
	struct slice nonce;
	struct slice challenge;
	bool fresh;
};
struct slice oidc_way_url(const struct oidc_client *client, const struct oidc_way *way,
			  struct arena *req);

/* The body that changes a code for tokens: RFC 6749 section 4.1.3. */
struct slice oidc_exchange(const struct oidc_client *client, struct slice code,
			   struct slice verifier, bool secret_in_body, struct arena *req);
/* The value of Authorization where the secret is not in the body: RFC 6749 section 2.3.1. */
struct slice oidc_basic(const struct oidc_client *client, struct arena *req);

struct oidc_tokens {
	struct slice access; /* fit for a header, at most OIDC_TOKEN_BYTES_MAX */
	struct slice id;     /* empty: there is none */
};
/* ERR_UPSTREAM; of what the issuer says in its own words only the error's name is in err. */
NODISCARD bool oidc_tokens_read(struct slice text, struct arena *req, struct oidc_tokens *out,
				struct err *err);

/* Who somebody is there. Texts are as they came: judge them. */
struct oidc_person {
	struct slice subject; /* the issuer's word for him, which stays */
	struct slice mail;    /* may be empty */
	bool mail_verified;
	struct slice name;
	int64_t auth_s; /* when he last proved it there, seconds since the epoch; 0: unsaid */
	const struct json *roles; /* the claim that roles are made of; NULL: it is not there */
};
#define OIDC_SUBJECT_BYTES_MAX 255
#define OIDC_NAME_BYTES_MAX 400 /* 100 characters; longer ones are cut */
/*
 * From the claims of a token that was checked. role_claim is the name of a member, or a path of
 * such with dots between; empty: nothing is looked for.
 */
void oidc_person_read(const struct json *claims, struct slice role_claim, struct oidc_person *out);
/* Fill what is not known yet from userinfo. ERR_UPSTREAM: it is none, or of somebody else. */
NODISCARD bool oidc_userinfo_read(struct slice text, struct slice role_claim, struct arena *req,
				  struct oidc_person *person, struct err *err);
/* GitHub's own: GET /user, then GET /user/emails, of which the primary one counts. */
NODISCARD bool github_user_read(struct slice text, struct arena *req, struct oidc_person *out,
				struct err *err);
NODISCARD bool github_mails_read(struct slice text, struct arena *req, struct oidc_person *out,
				 struct err *err);

#endif
