/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_TICKETS_H
#define API_TICKETS_H

#include "api/call.h"

/*
 * One-time tickets for live streams: each good once, for 30 seconds. Known by hash, lost at a
 * restart. Times are those of the loop (monotonic). Loop thread.
 */
struct tickets;

#define TICKET_LEN 36 /* "tkt_" and 160 bits in base 32 */
#define TICKET_US (30 * INT64_C(1000000))
#define TICKETS_MAX 100000 /* made and neither used nor expired */

struct tickets *tickets_new(void);
void tickets_free(struct tickets **t);
/* False when TICKETS_MAX wait, or so many of the caller's org that others would go short. */
NODISCARD bool tickets_make(struct tickets *t, const struct caller *caller, int64_t now_us,
			    char out[TICKET_LEN]);
/* Use it up. False when it is unknown, used or expired. */
NODISCARD bool tickets_use(struct tickets *t, struct slice text, int64_t now_us,
			   struct caller *out);

#endif
