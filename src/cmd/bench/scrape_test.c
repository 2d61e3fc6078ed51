/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench/scrape.h"

#include "test/t.h"

#define TEXT \
	"# HELP tocsin_ingest_events_total Events by what became of them.\n" \
	"# TYPE tocsin_ingest_events_total counter\n" \
	"tocsin_ingest_events_total{outcome=\"stored\"} 12\n" \
	"tocsin_ingest_events_total{outcome=\"duplicate\"} 3\n" \
	"somebody_elses_number{a=\"b c\"} NaN\n" \
	"tocsin_engine_lag_records 7\n" \
	"process_cpu_seconds_total 1.250000\n" \
	"tocsin_journal_flush_seconds_bucket{le=\"5e-05\"} 0\n" \
	"tocsin_journal_flush_seconds_bucket{le=\"0.001\"} 90\n" \
	"tocsin_journal_flush_seconds_bucket{le=\"+Inf\"} 100\n" \
	"tocsin_journal_flush_seconds_sum 0.5\n" \
	"\n" \
	"no number\n"

TEST(what_is_known_is_read_and_the_rest_passed_over)
{
	struct sample s;

	scrape_parse(S(TEXT), &s);
	T_INT((int)s.v[SCRAPED_STORED], 12);
	T_INT((int)s.v[SCRAPED_DUPLICATE], 3);
	T_INT((int)s.v[SCRAPED_LAG], 7);
	T_INT((int)(s.v[SCRAPED_CPU] * 1000), 1250);
	T_INT((int)(s.v[SCRAPED_FLUSH_SUM] * 1000), 500);
	T_TRUE((s.has >> SCRAPED_LAG & 1) != 0);
	T_TRUE((s.has >> SCRAPED_RSS & 1) == 0);
	T_INT(s.flushes.n, 3);
	T_INT((int)s.flushes.count[1], 90);
	T_TRUE(s.flushes.upto_s[1] > 0.00099 && s.flushes.upto_s[1] < 0.00101);
}

TEST(a_gain_and_a_share_are_of_the_time_between_first_and_last)
{
	struct sample samples[2];
	struct scrape s = { .samples = samples, .n = 2 };

	scrape_parse(S(TEXT), &samples[0]);
	samples[1] = samples[0];
	samples[1].v[SCRAPED_STORED] = 112;
	/* Nine more took up to 1 ms, and one took longer. */
	samples[1].flushes.count[1] = 99;
	samples[1].flushes.count[2] = 110;
	T_INT((int)scrape_gain(&s, SCRAPED_STORED), 100);
	T_TRUE(scrape_flush_s(&s, 0.9) < 0.0011);
	T_TRUE(scrape_flush_s(&s, 0.99) > 1e6);
	s.n = 0;
	T_INT((int)scrape_gain(&s, SCRAPED_STORED), 0);
	T_TRUE(scrape_flush_s(&s, 0.5) < 0);
}

TEST(a_server_that_began_anew_is_seen)
{
	struct sample samples[3] = { { .v[SCRAPED_STARTED] = 10 },
				     { .v[SCRAPED_STARTED] = 10 },
				     { .v[SCRAPED_STARTED] = 10 } };
	struct scrape s = { .samples = samples, .n = 3 };

	T_FALSE(scrape_restarted(&s));
	samples[2].v[SCRAPED_STARTED] = 13.5;
	T_TRUE(scrape_restarted(&s));
}

T_MAIN(T(what_is_known_is_read_and_the_rest_passed_over),
       T(a_gain_and_a_share_are_of_the_time_between_first_and_last),
       T(a_server_that_began_anew_is_seen))
