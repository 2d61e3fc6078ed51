/* SPDX-License-Identifier: Apache-2.0 */
/* One comparison against the limit while open, against half of it while closed. */
#include "api/lag.h"

static int64_t behind_us(struct lag_gate *gate, const struct lag *lag, int64_t mono_us)
{
	int64_t step_us = mono_us - gate->seen_us;
	int64_t span_us = lag->last_us - lag->since_us;

	gate->seen_us = mono_us;
	if (lag->since_us >= lag->last_us) {
		gate->busy_us = 0;
		return 0;
	}
	gate->busy_us += step_us < LAG_STEP_US_MAX ? step_us : LAG_STEP_US_MAX;
	return span_us < gate->busy_us ? span_us : gate->busy_us;
}

bool lag_gate_closed(struct lag_gate *gate, const struct lag *lag, int64_t mono_us)
{
	uint64_t records_max = gate->records_max != 0 ? gate->records_max : ENGINE_LAG_RECORDS_MAX;
	int64_t us_max = gate->us_max != 0 ? gate->us_max : ENGINE_LAG_US_MAX;
	int64_t us = behind_us(gate, lag, mono_us);

	if (gate->closed) {
		records_max /= 2;
		us_max /= 2;
	}
	gate->closed = lag->records > records_max || us > us_max;
	return gate->closed;
}
