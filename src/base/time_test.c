/* SPDX-License-Identifier: Apache-2.0 */
/* Times are read as RFC 3339 has them, never invented, and come back as they went in. */
#include "base/time.h"

#include "test/t.h"

#define DAY_US INT64_C(86400000000)

TEST(times_are_read)
{
	static const struct {
		const char *text;
		int64_t us;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T00:00:00.000001Z", 1 },
		{ "1969-12-31T23:59:59.999999Z", -1 },
		{ "2000-02-29T12:30:45.5Z", 951827445500000 },
		{ "2026-11-21T03:31:06+01:30", 1795226466000000 },
		{ "2026-11-20T20:31:06-05:30", 1795226466000000 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "1970-01-01T00:00:00.123456789Z", 123456 },
		{ "1990-12-31T23:59:60Z", 662687999999999 },
		{ "1990-12-31T15:59:60-08:00", 662687999999999 },
		{ "0001-01-01T00:00:00Z", TIME_US_MIN },
		{ "9999-12-31T23:59:59.999999Z", TIME_US_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us;

		if (!time_parse(slice_of(rows[i].text), &us)) {
			fail_msg("refused %s", rows[i].text);
		}
		T_INT(us, rows[i].us);
	}
}

TEST(what_is_no_time_is_refused)
{
	static const char *const rows[] = {
		"",
		"2026",
		"2026-01-01",
		"2026-01-01T00:00:00",
		"2026-01-01T00:00Z",
		"2026-01-01 00:00:00Z",
		"2026-1-01T00:00:00Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2026-02-30T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:60Z",
		"2026-01-01T23:59:60+01:00",
		"2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00.1234567890Z",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+01:60",
		"2026-01-01T00:00:00+0100",
		"2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00Zx",
		"0000-01-01T00:00:00Z",
		"0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"-2026-01-01T00:00:00Z",
		"12026-01-01T00:00:00Z",
		"+026-01-01T00:00:00Z",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t us;

		if (time_parse(slice_of(rows[i]), &us)) {
			fail_msg("took %s", rows[i]);
		}
	}
}

/* Every day of the calendar follows the one before it, and text comes back as the same time. */
TEST(every_day_comes_back)
{
	struct time_civil want = { .year = 1, .month = 1, .day = 1, .weekday = 1 };

	for (int64_t us = TIME_US_MIN; us < TIME_US_MAX; us += DAY_US) {
		struct time_civil c = time_to_civil(us);

		T_TRUE(c.year == want.year && c.month == want.month && c.day == want.day);
		T_INT(c.weekday, want.weekday);
		T_TRUE(time_from_civil(&c) == us);
		want.weekday = (want.weekday + 1) % 7;
		if (++want.day > time_month_days(want.year, want.month)) {
			want.day = 1;
			want.month = want.month % 12 + 1;
			want.year += want.month == 1;
		}
	}
	T_INT(want.year, 10000);
}

TEST(times_are_written)
{
	char out[TIME_TEXT_MAX];
	int64_t us;

	T_SLICE(time_format(951827445512345, TIME_SECONDS, out), "2000-02-29T12:30:45Z");
	T_SLICE(time_format(951827445512345, TIME_MILLIS, out), "2000-02-29T12:30:45.512Z");
	T_SLICE(time_format(951827445512345, TIME_MICROS, out), "2000-02-29T12:30:45.512345Z");
	T_SLICE(time_format(-1, TIME_MICROS, out), "1969-12-31T23:59:59.999999Z");
	T_SLICE(time_format(TIME_US_MIN, TIME_MILLIS, out), "0001-01-01T00:00:00.000Z");
	T_SLICE(time_format(TIME_US_MAX, TIME_MICROS, out), "9999-12-31T23:59:59.999999Z");
	for (int64_t v = TIME_US_MIN; v < TIME_US_MAX - DAY_US * 97;
	     v += DAY_US * 97 + 12345678901) {
		T_TRUE(time_parse(time_format(v, TIME_MICROS, out), &us));
		T_TRUE(us == v);
	}
}

T_MAIN(T(times_are_read), T(what_is_no_time_is_refused), T(every_day_comes_back),
       T(times_are_written))
