/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_COMPAT_COMPAT_H
#define API_COMPAT_COMPAT_H

#include "api/call.h"
#include "api/shape.h"

/*
 * The calls of earlier systems, one file each: rows, and what writes their shapes. What they do is
 * done by the functions of our own calls. Here is what one system's file shares with another's.
 */

/*
 * The members that clients of an earlier system read of its errors, into the open problem. Nothing
 * for our own calls, and for what has no row. Pure.
 */
void compat_problem(const struct call *c, const struct err_info *info, struct slice text,
		    struct json_w *w);

/* ASCII words as SignalCraft spells them: "SENT", "OWNER". */
struct slice compat_upper(struct slice word, struct arena *req);

/* GET /events with the key in the query: the newest 20. On a worker; may block. */
NODISCARD bool pulseboard_list_events(struct call *c, struct err *err);
extern const struct shape shape_pulseboard_events;

#endif
