/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One comparison against the limit while open, against half of it while closed. How long making up
 * takes follows from the speed that the rules have shown while they were behind, and only then:
 * rules that keep up are as fast as events come, which says nothing of what they could do, and
 * rules that stand still (the state store is away for a moment) may be as fast as ever afterwards.
 */
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

static void measure(struct lag_gate *gate, const struct lag *lag, int64_t us, int64_t mono_us)
{
	int64_t step_us = mono_us - gate->mark_us;

	if (us < LAG_BUSY_US) {
		gate->mark_us = 0;
		gate->per_us = 0;
		return;
	}
	if (gate->mark_us != 0 && step_us < LAG_MEASURE_US_MIN) {
		return;
	}
	if (gate->mark_us != 0 && step_us <= LAG_MEASURE_US_MAX && lag->applied > gate->mark) {
		gate->per_us = (double)(lag->applied - gate->mark) / (double)step_us;
	}
	gate->mark_us = mono_us;
	gate->mark = lag->applied;
}

bool lag_gate_closed(struct lag_gate *gate, const struct lag *lag, int64_t mono_us)
{
	uint64_t records_max = gate->records_max != 0 ? gate->records_max : ENGINE_LAG_RECORDS_MAX;
	int64_t us_max = gate->us_max != 0 ? gate->us_max : ENGINE_LAG_US_MAX;
	double make_up_us_max = (double)ENGINE_MAKE_UP_US_MAX;
	int64_t us = behind_us(gate, lag, mono_us);

	measure(gate, lag, us, mono_us);
	if (gate->closed) {
		records_max /= 2;
		us_max /= 2;
		make_up_us_max /= 2;
	}
	gate->closed = lag->records > records_max || us > us_max ||
		       (gate->per_us > 0 && (double)lag->records > gate->per_us * make_up_us_max);
	return gate->closed;
}
