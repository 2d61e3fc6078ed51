/* SPDX-License-Identifier: Apache-2.0 */
/* Months begin where the calendar says, in UTC, and leave no moment out. */
#include "model/month.h"

#include "base/time.h"
#include "test/t.h"

static int64_t at(const char *text)
{
	int64_t us;

	T_TRUE(time_parse(slice_of(text), &us));
	return us;
}

TEST(a_month_is_from_its_first_moment_to_that_of_the_next)
{
	static const char *const rows[][3] = {
		{ "2026-11-21T13:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z" },
		{ "2026-12-31T23:59:59.999999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z" },
		{ "2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z" },
		{ "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z" },
		{ "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z" },
		/* Elsewhere it is March already. */
		{ "2026-03-01T05:00:00+09:00", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z" },
		{ "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_TRUE(month_start_us(at(rows[i][0])) == at(rows[i][1]));
		T_TRUE(month_end_us(at(rows[i][0])) == at(rows[i][2]));
	}
}

TEST(months_follow_each_other_without_a_gap)
{
	int64_t us = 0;

	for (int i = 0; i < 12 * 200; i++) {
		int64_t end_us = month_end_us(us);

		T_TRUE(month_start_us(end_us) == end_us);
		T_TRUE(month_start_us(end_us - 1) == us);
		T_TRUE(end_us - us <= MONTH_DAYS_MAX * DAY_US);
		us = end_us;
	}
	T_TRUE(us == at("2170-01-01T00:00:00Z"));
}

TEST(a_day_begins_at_midnight)
{
	T_TRUE(day_start_us(at("2026-11-21T13:00:00Z")) == at("2026-11-21T00:00:00Z"));
	T_TRUE(day_start_us(at("2026-11-21T23:59:59.999999Z")) == at("2026-11-21T00:00:00Z"));
	T_TRUE(day_start_us(at("2026-11-22T00:00:00Z")) == at("2026-11-22T00:00:00Z"));
}

TEST(a_month_is_written_and_read)
{
	static const char *const wrong[] = { "",	"2026",	   "2026-13",  "2026-00",
					     "2026-1",	"26-11",   "2026/11",  "2026-11-01",
					     "1969-12", "abcd-ef", "2026-1\0", "+026-11" };
	char text[MONTH_TEXT_MAX];
	int64_t us;

	T_SLICE(month_format(at("2026-03-31T23:59:59Z"), text), "2026-03");
	T_TRUE(month_parse(S("2026-03"), &us));
	T_TRUE(us == at("2026-03-01T00:00:00Z"));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		T_FALSE(month_parse(slice_of(wrong[i]), &us));
	}
}

T_MAIN(T(a_month_is_from_its_first_moment_to_that_of_the_next),
       T(months_follow_each_other_without_a_gap), T(a_day_begins_at_midnight),
       T(a_month_is_written_and_read))
