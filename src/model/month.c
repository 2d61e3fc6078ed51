/* SPDX-License-Identifier: Apache-2.0 */
/* Days are all of one length in UTC; where a month begins, the calendar says. */
#include "model/month.h"

#include <stdio.h>

#include "base/time.h"

int64_t day_start_us(int64_t at_us)
{
	return at_us - at_us % DAY_US;
}

int64_t month_start_us(int64_t at_us)
{
	struct time_civil c = time_to_civil(at_us);

	return time_days(c.year, c.month, 1) * DAY_US;
}

int64_t month_end_us(int64_t at_us)
{
	struct time_civil c = time_to_civil(at_us);

	return c.month == 12 ? time_days(c.year + 1, 1, 1) * DAY_US
			     : time_days(c.year, c.month + 1, 1) * DAY_US;
}

struct slice month_format(int64_t at_us, char out[MONTH_TEXT_MAX])
{
	char text[TIME_TEXT_MAX];

	(void)time_format(at_us, TIME_SECONDS, text);
	memcpy(out, text, MONTH_TEXT_MAX - 1);
	out[MONTH_TEXT_MAX - 1] = '\0';
	return (struct slice) { out, MONTH_TEXT_MAX - 1 };
}

bool month_parse(struct slice text, int64_t *start_us)
{
	char day[TIME_TEXT_MAX];

	if (text.n != MONTH_TEXT_MAX - 1) {
		return false;
	}
	snprintf(day, sizeof(day), "%.*s-01T00:00:00Z", SARG(text));
	return time_parse(slice_of(day), start_us) && *start_us >= 0;
}
