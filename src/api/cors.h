/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CORS_H
#define API_CORS_H

#include "api/call.h"

/*
 * Cross-origin requests (Fetch standard, section 3.2). Whom a browser lets read a reply is said by
 * headers; cookies never count for pages of elsewhere, so there is nothing else to protect:
 *
 * - Pages whose origin is in the setting cors-origins may make every call.
 * - Pages on the list of a project may send events with a key of it. A browser asks before it sends
 *   (preflight), without the key, so nobody can know yet which project it is about: it is told that
 *   any page may try, which says nothing of anybody's list. The request itself is refused by its
 *   Origin before anything is stored.
 * - Everybody else gets no header, which makes a browser refuse.
 *
 * Who is no browser sends no Origin, or whatever it likes: keys are what protects events, and the
 * list only says where a key that stands in a page may be used. Loop thread.
 */
#define CORS_HEADERS_MAX 3

/* The headers that a reply to this call gets; returns how many. */
size_t cors_headers(const struct call *c, struct http_header out[CORS_HEADERS_MAX]);
/*
 * Whether the caller, who is known, may send events from where the request comes: ERR_FORBIDDEN for
 * a page that is neither ours nor on a list. Says yes to calls that bring no events.
 */
NODISCARD bool cors_admits(const struct call *c, struct err *err);
/* Whether this is a preflight, to be answered by cors_preflight and nothing else. */
bool cors_is_preflight(const struct http_request *r);
void cors_preflight(struct call *c);

#endif
