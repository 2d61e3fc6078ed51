/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Civil time by counting days from 1 March of the year 0: with the leap day at the end of a year,
 * days of a month follow one line (153 days in five months) and 400 years are one cycle.
 */
#include "base/time.h"

#include <stdio.h>

#define DAYS_PER_CYCLE 146097 /* 400 years */
#define DAYS_TO_1970 719468   /* from 0000-03-01 */
#define US_PER_DAY INT64_C(86400000000)

int64_t time_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t cycle = y / 400, of_cycle = y % 400;
	int64_t month_from_march = (month + 9) % 12;
	int64_t of_year = (153 * month_from_march + 2) / 5 + day - 1;

	return cycle * DAYS_PER_CYCLE + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year -
	       DAYS_TO_1970;
}

int time_month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	ensure(month >= 1 && month <= 12);
	return days[month - 1] + (month == 2 && leap);
}

static void date_of(int64_t days, struct time_civil *c)
{
	int64_t since = days + DAYS_TO_1970;
	int64_t cycle = since / DAYS_PER_CYCLE, of_cycle = since % DAYS_PER_CYCLE;
	int64_t year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
	int64_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; /* from March */

	c->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	c->month = (int)(month < 10 ? month + 3 : month - 9);
	c->year = (int)(cycle * 400 + year + (c->month <= 2));
	c->weekday = (int)((since + 3) % 7);
}

struct time_civil time_to_civil(int64_t us)
{
	int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
	struct time_civil c = { 0 };

	ensure(us >= TIME_US_MIN && us <= TIME_US_MAX);
	if (rest < 0) {
		days--;
		rest += US_PER_DAY;
	}
	date_of(days, &c);
	c.us = (int)(rest % 1000000);
	rest /= 1000000;
	c.second = (int)(rest % 60);
	c.minute = (int)(rest / 60 % 60);
	c.hour = (int)(rest / 3600);
	return c;
}

int64_t time_from_civil(const struct time_civil *c)
{
	int64_t days = time_days(c->year, c->month, c->day);

	return ((days * 24 + c->hour) * 60 + c->minute) * INT64_C(60000000) +
	       c->second * INT64_C(1000000) + c->us;
}

/* Exactly n digits off the front of *s, as a number in [lo, hi]. */
static bool take_number(struct slice *s, size_t n, int lo, int hi, int *out)
{
	uint64_t v;

	if (s->n < n || !slice_u64((struct slice) { .p = s->p, .n = n }, &v) || (int)v < lo ||
	    (int)v > hi) {
		return false;
	}
	*out = (int)v;
	*s = slice_from(*s, n);
	return true;
}

/* Either spelling of one byte off the front of *s. */
static bool take(struct slice *s, char a, char b)
{
	if (s->n == 0 || (*s->p != a && *s->p != b)) {
		return false;
	}
	*s = slice_from(*s, 1);
	return true;
}

/* ".5" and the like; keeps microseconds and drops finer digits. */
static bool take_fraction(struct slice *s, int *us)
{
	size_t n = 0;

	*us = 0;
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
		n++;
	}
	if (n == 0 || n > 9) {
		return false;
	}
	for (size_t i = 0; i < 6; i++) {
		*us = *us * 10 + (i < n ? s->p[i] - '0' : 0);
	}
	*s = slice_from(*s, n);
	return true;
}

static bool take_offset(struct slice *s, int *minutes)
{
	bool west = s->n > 0 && *s->p == '-';
	int h, m;

	*minutes = 0;
	if (take(s, 'Z', 'z')) {
		return true;
	}
	if (!take(s, '+', '-') || !take_number(s, 2, 0, 23, &h) || !take(s, ':', ':') ||
	    !take_number(s, 2, 0, 59, &m)) {
		return false;
	}
	*minutes = west ? -(h * 60 + m) : h * 60 + m;
	return true;
}

static bool take_date(struct slice *s, struct time_civil *c)
{
	return take_number(s, 4, 1, 9999, &c->year) && take(s, '-', '-') &&
	       take_number(s, 2, 1, 12, &c->month) && take(s, '-', '-') &&
	       take_number(s, 2, 1, 31, &c->day) && c->day <= time_month_days(c->year, c->month);
}

static bool take_clock(struct slice *s, struct time_civil *c)
{
	return take_number(s, 2, 0, 23, &c->hour) && take(s, ':', ':') &&
	       take_number(s, 2, 0, 59, &c->minute) && take(s, ':', ':') &&
	       take_number(s, 2, 0, 60, &c->second) &&
	       (!take(s, '.', '.') || take_fraction(s, &c->us));
}

bool time_parse(struct slice s, int64_t *us)
{
	struct time_civil c = { 0 };
	bool leap_second;
	int64_t v;
	int offset;

	if (!take_date(&s, &c) || !take(&s, 'T', 't') || !take_clock(&s, &c) ||
	    !take_offset(&s, &offset) || s.n > 0) {
		return false;
	}
	leap_second = c.second == 60;
	if (leap_second) {
		c.second = 59;
		c.us = 999999;
	}
	v = time_from_civil(&c) - offset * INT64_C(60000000);
	if (v < TIME_US_MIN || v > TIME_US_MAX) {
		return false;
	}
	*us = v;
	return !leap_second || (v + 1) % US_PER_DAY == 0;
}

struct slice time_format(int64_t us, enum time_digits digits, char out[TIME_TEXT_MAX])
{
	struct time_civil c = time_to_civil(us);
	int n = snprintf(out, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u",
			 (unsigned)c.year % 10000, (unsigned)c.month % 100, (unsigned)c.day % 100,
			 (unsigned)c.hour % 100, (unsigned)c.minute % 100,
			 (unsigned)c.second % 100);
	size_t left = TIME_TEXT_MAX - (size_t)n;

	switch (digits) {
	case TIME_SECONDS:
		n += snprintf(out + n, left, "Z");
		break;
	case TIME_MILLIS:
		n += snprintf(out + n, left, ".%03uZ", (unsigned)c.us / 1000 % 1000);
		break;
	case TIME_MICROS:
		n += snprintf(out + n, left, ".%06uZ", (unsigned)c.us % 1000000);
		break;
	}
	return (struct slice) { .p = out, .n = (size_t)n };
}
