/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics keep their families together and print what Prometheus can read. */
#include "engine/metrics.h"

#include "test/t.h"

static bool has(const struct buf *b, const char *text)
{
	return memmem(b->p, b->n, text, strlen(text)) != NULL;
}

TEST(a_counter_a_gauge_and_a_histogram_print)
{
	struct metrics *m = metrics_new();
	struct buf out;

	buf_init(&out, 1 << 20);
	metric_add(m, METRIC_INGEST_STORED, 3);
	metric_set(m, METRIC_DELIVERY_OLDEST, 1500000);
	metric_time(m, METRIC_JOURNAL_FLUSH, 60);
	metric_time(m, METRIC_JOURNAL_FLUSH, 70000000);
	metrics_write(m, &out);
	T_TRUE(has(&out, "tocsin_ingest_events_total{outcome=\"stored\"} 3\n"));
	T_TRUE(has(&out, "tocsin_delivery_queue_oldest_seconds 1.500000\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"5e-05\"} 0\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"0.0001\"} 1\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"+Inf\"} 2\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_sum 70.000060\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_count 2\n"));
	T_INT(metric_quantile_us(m, METRIC_JOURNAL_FLUSH, 0.5), 100);
	buf_release(&out);
	metrics_free(&m);
	T_TRUE(m == NULL);
}

TEST(a_family_has_one_head)
{
	struct metrics *m = metrics_new();
	struct buf out;
	char *at;
	size_t heads = 0;

	buf_init(&out, 1 << 20);
	metrics_write(m, &out);
	buf_putc(&out, '\0');
	for (at = out.p; (at = strstr(at, "# TYPE tocsin_http_requests_total ")) != NULL; at++) {
		heads++;
	}
	T_INT(heads, 1);
	buf_release(&out);
	metrics_free(&m);
}

TEST(a_histogram_can_be_counted_elsewhere)
{
	/* Below 16, 32, 64, 128 microseconds, and the rest. */
	static const uint64_t counts[] = { 1, 2, 4, 8, 16 };
	struct metrics *m = metrics_new();
	struct buf out;

	buf_init(&out, 1 << 20);
	metric_load(m, METRIC_JOURNAL_FLUSH, counts, 3, 16, 1500000);
	metric_load(m, METRIC_JOURNAL_FLUSH, counts, ARRAY_LEN(counts), 16, 2500000);
	metric_total(m, METRIC_JOURNAL_FLUSHES, 31);
	metrics_write(m, &out);
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"5e-05\"} 3\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"0.0001\"} 7\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"0.00025\"} 15\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"30\"} 15\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_bucket{le=\"+Inf\"} 31\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_sum 2.500000\n"));
	T_TRUE(has(&out, "tocsin_journal_flush_seconds_count 31\n"));
	T_TRUE(has(&out, "tocsin_journal_flushes_total 31\n"));
	buf_release(&out);
	metrics_free(&m);
}

T_MAIN(T(a_histogram_can_be_counted_elsewhere), T(a_counter_a_gauge_and_a_histogram_print),
       T(a_family_has_one_head))
