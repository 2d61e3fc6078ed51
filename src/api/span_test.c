/* SPDX-License-Identifier: Apache-2.0 */
/* What a query of counts may ask for. */
#include "api/span.h"

#include "base/clock.h"
#include "test/t.h"

#define NOW INT64_C(1700000123456789)
#define MINUTE (60 * US_PER_S)
#define HOUR (3600 * US_PER_S)

TEST(without_times_it_is_the_last_hour_or_day)
{
	struct span span = { .step = SPAN_MINUTE };
	struct err err;

	T_OK(span_check(&span, NOW, &err));
	T_TRUE(span.to_us > NOW && span.to_us - NOW <= MINUTE);
	T_INT((span.to_us - span.from_us) / MINUTE, 61);
	span = (struct span) { .step = SPAN_HOUR };
	T_OK(span_check(&span, NOW, &err));
	T_TRUE(span.to_us > NOW && span.to_us - NOW <= HOUR);
	T_INT((span.to_us - span.from_us) / HOUR, 25);
}

TEST(bounds_are_those_of_buckets)
{
	struct span span = { .from_us = NOW, .to_us = NOW + 1 };
	struct err err;

	T_OK(span_check(&span, NOW, &err));
	T_INT(span.from_us % MINUTE, 0);
	T_INT(span.to_us - span.from_us, MINUTE);
	/* The end of a bucket is not the next one. */
	span = (struct span) { .from_us = span.from_us, .to_us = span.to_us };
	T_OK(span_check(&span, NOW, &err));
	T_INT(span.to_us - span.from_us, MINUTE);
}

TEST(too_many_buckets_and_times_that_go_back_are_refused)
{
	struct span span = { .from_us = NOW, .to_us = NOW };
	struct err err;

	T_FAIL(span_check(&span, NOW, &err), ERR_INVALID);
	span = (struct span) { .from_us = HOUR, .to_us = HOUR + SPAN_BUCKETS_MAX * MINUTE };
	T_OK(span_check(&span, NOW, &err));
	span = (struct span) { .from_us = HOUR, .to_us = HOUR + SPAN_BUCKETS_MAX * MINUTE + 1 };
	T_FAIL(span_check(&span, NOW, &err), ERR_INVALID);
	T_STR(err.field, "from");
	T_TRUE(strstr(err.text, "3000 minutes") != NULL);
	span = (struct span) { .to_us = 1 };
	T_FAIL(span_check(&span, NOW, &err), ERR_INVALID);
	/* The last moment that can be written is no way around. */
	span = (struct span) { .from_us = 1, .to_us = INT64_C(253402300799999999) };
	T_FAIL(span_check(&span, NOW, &err), ERR_INVALID);
}

T_MAIN(T(without_times_it_is_the_last_hour_or_day), T(bounds_are_those_of_buckets),
       T(too_many_buckets_and_times_that_go_back_are_refused))
