/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_MONTH_H
#define MODEL_MONTH_H

#include "base/slice.h"

/*
 * What usage is counted by: days and calendar months, in UTC whatever the server's own zone is. A
 * period holds its first microsecond and not its last, which is the next one's first. Times are
 * microseconds since 1970 and not negative. Pure; any thread.
 */
#define DAY_US (INT64_C(86400) * 1000000)
#define MONTH_DAYS_MAX 31
#define MONTH_TEXT_MAX 8 /* "2026-03" and a 0 byte */

int64_t day_start_us(int64_t at_us);
/* Of the month that a time is in. */
int64_t month_start_us(int64_t at_us);
int64_t month_end_us(int64_t at_us);

/* "2026-03", terminated; at_us is at most TIME_US_MAX. */
struct slice month_format(int64_t at_us, char out[MONTH_TEXT_MAX]);
/* The start of a month from 1970 on; false for any other text. */
NODISCARD bool month_parse(struct slice text, int64_t *start_us);

#endif
