/* SPDX-License-Identifier: Apache-2.0 */
/* The buckets that a query is about. */
#include "api/span.h"

#include "base/clock.h"
#include "base/json_put.h"

const char *const span_words[] = { "minute", "hour", NULL };

static const struct {
	int64_t step_us;
	int64_t usual_us; /* when nothing else is asked for */
} steps[] = {
	[SPAN_MINUTE] = { 60 * US_PER_S, 3600 * US_PER_S },
	[SPAN_HOUR] = { 3600 * US_PER_S, 24 * 3600 * US_PER_S },
};

int64_t span_step_us(const struct span *span)
{
	ensure(span->step < ARRAY_LEN(steps));
	return steps[span->step].step_us;
}

bool span_check(struct span *span, int64_t now_us, struct err *err)
{
	int64_t step_us = span_step_us(span);

	if (span->to_us == 0) {
		span->to_us = now_us + 1;
	}
	if (span->from_us == 0) {
		span->from_us = span->to_us - steps[span->step].usual_us;
	}
	if (span->from_us < 0 || span->from_us >= span->to_us) {
		return err_field(err, ERR_INVALID, "from", "\"from\" must be before \"to\"");
	}
	span->from_us -= span->from_us % step_us;
	span->to_us += (step_us - span->to_us % step_us) % step_us;
	if ((span->to_us - span->from_us) / step_us > SPAN_BUCKETS_MAX) {
		return err_field(err, ERR_INVALID, "from",
				 "\"from\" and \"to\" must be at most %d %ss apart",
				 SPAN_BUCKETS_MAX, span_words[span->step]);
	}
	return true;
}

void span_write(struct json_w *w, const struct span *span)
{
	json_put_time(w, "from", span->from_us);
	json_put_time(w, "to", span->to_us);
	json_put_str(w, "step", slice_of(span_words[span->step]));
}
