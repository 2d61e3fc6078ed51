/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_DELIVERIES_H
#define API_DELIVERIES_H

#include "api/call.h"
#include "api/shape.h"
#include "channel/notice.h"
#include "store/deliveries.h"

/* Single deliveries and what they tell, which several rows show. On a worker; may block. */

/* The delivery that the path names, if it is the caller's: else ERR_NOT_FOUND. */
NODISCARD bool deliveries_find(struct call *c, struct delivery_row *row, struct err *err);
/* What was told; a purged delivery has forgotten it, and leaves *notice zeroed. */
NODISCARD bool deliveries_notice(struct call *c, const struct delivery_row *row,
				 struct notice *notice, struct err *err);
/* As streams show it, as the member name; absent is the JSON for what was purged. */
void deliveries_write_notice(const struct delivery_row *row, const struct notice *notice,
			     const char *name, const char *absent, struct json_w *w);

extern const struct shape shape_notice;

#endif
