/* SPDX-License-Identifier: Apache-2.0 */
/* One comparison against the limit while open, against half of it while closed. */
#include "api/lag.h"

bool lag_gate_closed(struct lag_gate *gate, uint64_t applied, uint64_t stored, int64_t lag_us)
{
	uint64_t records_max = gate->records_max != 0 ? gate->records_max : ENGINE_LAG_RECORDS_MAX;
	int64_t us_max = gate->us_max != 0 ? gate->us_max : ENGINE_LAG_US_MAX;
	uint64_t records = stored > applied ? stored - applied : 0;

	if (gate->closed) {
		records_max /= 2;
		us_max /= 2;
	}
	gate->closed = records > records_max || lag_us > us_max;
	return gate->closed;
}
