/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SSO_SSO_H
#define API_SSO_SSO_H

#include "auth/oidc.h"
#include "base/field.h"

/*
 * Issuers of identities, by which people log in: who they are, and asking them. Two things are
 * asked: where to send a browser, and who it is that came back with a code. An ask runs on a thread
 * of its own, never on the loop or a worker, and for SSO_TOTAL_US at most; each issuer has its own
 * number of asks at once, so that a slow one is a matter of its own logins alone. What an issuer
 * says of itself and its keys are kept for an hour; keys are fetched again when a token names one
 * that is not there, once in SSO_KEYS_US at most.
 */
#define SSO_TOTAL_US (INT64_C(10) * 1000000) /* a person waits; then there is the password */
#define SSO_KEYS_US (INT64_C(30) * 1000000)
#define SSO_ASKS_MAX 32 /* of one issuer at once: a morning's logins of some hundred people */
#define SSO_RESPONSE_BYTES_MAX ((size_t)64 << 10)
#define SSO_CALLBACK_PATH "/api/v1/auth/oidc/"

enum sso_kind { SSO_OIDC, SSO_GOOGLE, SSO_GITHUB, SSO_KINDS };

/* All is borrowed for the life of the sso. */
struct sso_issuer_options {
	enum sso_kind kind;
	struct slice name;   /* for people */
	struct slice issuer; /* its URL: of discovery, or GitHub's */
	struct oidc_client client;
};
struct sso_options {
	struct sso_issuer_options issuers[SSO_KINDS];
	size_t n;
	struct field_list domains; /* of mail addresses that may come; none: all */
	struct slice org; /* the slug of the org that roles are of; empty: there are none */
	struct field_map roles;
	struct slice role_claim;
	const char *ca_file; /* NULL: the system's certificates */
	int64_t total_us;    /* 0: SSO_TOTAL_US */
};

struct sso;
struct sso *sso_open(const struct sso_options *options);
/* What is under way ends with ERR_SHUTTING_DOWN; its done is called before this returns. */
void sso_close(struct sso **sso);
const struct sso_options *sso_options(const struct sso *sso);

/* "oidc", "google", "github": the word in paths. */
struct slice sso_word(enum sso_kind kind);
/* The issuer with this word, or NULL. sso may be NULL. Any thread. */
const struct sso_issuer_options *sso_find(const struct sso *sso, struct slice word);
/* Roles of the setting are for people of this issuer. */
bool sso_gives_roles(const struct sso *sso, const struct sso_issuer_options *issuer);

enum sso_what { SSO_WAY, SSO_WHO };
struct sso_ask;
typedef void sso_done(struct sso_ask *ask);

/* Belongs to the thread from sso_submit until done, with the arena. */
struct sso_ask {
	enum sso_what what;
	const struct sso_issuer_options *at;
	struct arena *req;
	sso_done *done; /* on the thread, or within sso_close */
	/* For both. */
	struct slice nonce, verifier;
	bool fresh; /* the user is to log in there anew */
	/* SSO_WAY; then SSO_WHO. */
	struct slice state;
	struct slice code;
	/* Out. */
	struct slice url;	   /* SSO_WAY */
	struct oidc_person person; /* SSO_WHO: who it is there */
	/*
	 * ERR_NONE: it went well. ERR_UPSTREAM, ERR_UPSTREAM_TIMEOUT: the issuer is not to be
	 * reached, or answers what it should not; ERR_UNAUTHORIZED: its token is not believed;
	 * ERR_SHUTTING_DOWN. The text is for the log, and has no secret.
	 */
	struct err err;
	/* The thread's own. */
	struct sso *sso;
	struct sso_step *step;
	struct sso_ask *next;
};
/* ERR_OVERLOADED: too many logins with this issuer are under way. Loop thread. */
NODISCARD bool sso_submit(struct sso *sso, struct sso_ask *ask, struct err *err);

/* Whether this login was not used before; then it is now. Loop thread. */
NODISCARD bool sso_use(struct sso *sso, struct slice state);

#endif
