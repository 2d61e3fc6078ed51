/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_USAGE_H
#define API_USAGE_H

#include "api/call.h"
#include "engine/meter.h"

/* What an organization has used in a month: what every form of that answer tells. */
struct usage_sheet {
	int64_t from_us, to_us;
	struct meter_state meter;
	uint64_t counted; /* by the state */
	uint64_t rules;
	uint64_t sent;
};

/* Of the caller's organization, for the month that begins then. On a worker; may block. */
NODISCARD bool usage_read_sheet(struct call *c, int64_t from_us, struct usage_sheet *s,
				struct err *err);
/* What is left of a limit. Pure. */
int64_t usage_left(int64_t limit, uint64_t used);

#endif
