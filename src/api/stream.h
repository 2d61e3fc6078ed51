/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_STREAM_H
#define API_STREAM_H

#include "api/call.h"
#include "engine/live.h"

/* Live streams and their tickets, which several rows share. Loop thread; each owes the reply. */

/* A ticket for one stream of the caller's project. */
void stream_ticket(struct call *c, int status, bool with_expiry);
/* What a stream shows, and to whom. */
struct stream_kind {
	enum live_form form;
	const char *refusal; /* of a socket: the last frame, before code 4401 */
	/* Whether the caller may have what the path names; NULL: it names nothing. */
	bool (*may)(struct call *c, struct err *err);
};
/* For whoever the header, the cookie, the ticket or the key names. */
void stream_sse(struct call *c, const struct stream_kind *kind);
void stream_socket(struct call *c, const struct stream_kind *kind);

extern const struct field_set stream_query; /* of rows that open one */

#endif
