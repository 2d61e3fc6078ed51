/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_ORIGIN_H
#define MODEL_ORIGIN_H

#include "base/arena.h"

/*
 * Origins of web pages, as browsers say them in the header Origin (RFC 6454 section 6.2): scheme,
 * host, and the port unless it is the scheme's own. In lists of those that may do something, "*."
 * in front of the host is whatever stands below that name, and "*" alone is every page. Pure; any
 * thread.
 */
#define ORIGIN_BYTES_MAX 255 /* a host name has no more, and the rest is short */

/* What is wrong with what somebody wrote as an item of such a list, or NULL. */
const char *origin_check(struct slice item);
/* An item that passed the check, as browsers would write it. */
struct slice origin_plain(struct slice item, struct arena *req);
/* Whether an item lets the origin of a request in. "null" passes * alone. */
bool origin_matches(struct slice item, struct slice origin);

#endif
