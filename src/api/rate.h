/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_RATE_H
#define API_RATE_H

#include "bus/limits.h"
#include "net/http_server.h"

/*
 * How often who may call. A row's class (enum route_limit) says which budget a call is taken from,
 * when its head is there and before its body is: that of its key; of its address, when there is no
 * key or what is asked is who one is; and beside the key's that of its org. Whoever is over one is
 * told so with 429, which budget it was, and when to come back. Loop thread, but for rate_login.
 */
struct api;
struct call;

/* A rate without a number is no limit. */
struct rates {
	struct rate ingest;  /* of a key, calls that bring events */
	struct rate api;     /* of a key, all others */
	struct rate org;     /* of all keys of an org, both, where its plan says nothing */
	struct rate address; /* without a key */
	struct rate auth;    /* of an account at an address, calls that prove who one is */
};
/* People behind one address who log in at a time: so many times the rate of an account. */
#define RATE_AUTH_PER_ADDRESS 10

/* Take a call from its budgets. False with ERR_RATE; then nothing was taken. */
NODISCARD bool rate_admit(struct call *c, struct err *err);
/*
 * The same for calls that prove who one is, when their body is there: account is the normalised
 * mail. Any thread, while the call is its.
 */
NODISCARD bool rate_login(struct call *c, struct slice account, struct err *err);

/*
 * Whether another link may go to an account, whoever asks for it, from wherever: so many at once,
 * and one a minute. No error: whoever asks hears the same, or he could find out about an account,
 * and keep its owner from asking. Off where logins are not limited. Any thread, likewise.
 */
#define RATE_LINKS_AT_ONCE 3
NODISCARD bool rate_link(struct call *c, struct slice account);

#define RATE_HEADERS_MAX 7
/* What a reply says of the tightest budget; returns how many. They live in the call's arena. */
size_t rate_headers(const struct call *c, struct http_header out[RATE_HEADERS_MAX]);
/* After how many seconds the call may go; 0: nothing is known. */
int64_t rate_retry_s(const struct call *c);

#endif
