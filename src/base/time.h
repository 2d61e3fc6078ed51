/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/slice.h"

/*
 * Dates and times as text, and the calendar behind them. A time is a count of microseconds since
 * 1970-01-01 UTC and may be negative; the calendar is the proleptic Gregorian one, years 1 to 9999.
 * No function of libc and no locale takes part. Pure; any thread.
 */
#define TIME_US_MIN INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define TIME_US_MAX INT64_C(253402300799999999) /* the last microsecond of 9999 */
#define TIME_TEXT_MAX 28			/* "9999-12-31T23:59:59.999999Z" and a 0 byte */

struct time_civil {
	int year;  /* 1 to 9999 */
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
	int hour, minute, second, us;
	int weekday; /* 0 is Sunday; not read by time_from_civil */
};
enum time_digits { TIME_SECONDS, TIME_MILLIS, TIME_MICROS };

/*
 * RFC 3339 section 5.6, upper or lower case "T" and "Z", any offset. At most nine digits of a
 * fraction, of which six are kept. The leap second 23:59:60 UTC is read as the last microsecond in
 * front of midnight, because the count has no place for it. False for all else: dates that do not
 * exist, a missing offset, years outside of 1 to 9999.
 */
NODISCARD bool time_parse(struct slice s, int64_t *us);
/* In UTC, "2026-03-01T12:00:00.250Z", terminated; us is in TIME_US_MIN..TIME_US_MAX. */
struct slice time_format(int64_t us, enum time_digits digits, char out[TIME_TEXT_MAX]);

/* Days since 1970-01-01. The date exists. */
int64_t time_days(int year, int month, int day);
int time_month_days(int year, int month);
struct time_civil time_to_civil(int64_t us);
int64_t time_from_civil(const struct time_civil *c);

#endif
