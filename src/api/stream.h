/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_STREAM_H
#define API_STREAM_H

#include "api/call.h"

/* Live streams and their tickets, which several rows share. Loop thread; each owes the reply. */

/* A ticket for one stream of the caller's project. */
void stream_ticket(struct call *c, int status, bool with_expiry);
/* A WebSocket in SignalDesk's frames, for whoever the header, the ticket or the key names. */
void stream_socket(struct call *c);

extern const struct field_set stream_query; /* of rows that open one */

#endif
