/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms from one table. Histograms share one list of bounds, wide enough
 * for a flush and for a webhook; that keeps a sample at one addition to one bucket.
 */
#include "engine/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum metric_type { COUNTER, GAUGE, GAUGE_US, HISTOGRAM };

struct row {
	enum metric_type type;
	const char *family;
	const char *labels;
	const char *help;
};

static const struct row rows[METRICS] = {
#define X(id, type_, family_, labels_, help_) [METRIC_##id] = { type_, family_, labels_, help_ },
#include "engine/metrics.def"
#undef X
};

static const int64_t bounds_us[] = {
	50,    100,    250,    500,    1000,	2500,	 5000,	  10000,    25000,
	50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
};
#define BOUNDS ARRAY_LEN(bounds_us)

struct series {
	_Atomic int64_t value;	   /* the sum of a histogram, in microseconds */
	_Atomic uint64_t *buckets; /* BOUNDS + 1, the last one for everything above */
};

struct metrics {
	struct series series[METRICS];
};

struct metrics *metrics_new(void)
{
	struct metrics *m = mem_alloc(1, sizeof(*m));

	for (size_t i = 0; i < METRICS; i++) {
		if (rows[i].type == HISTOGRAM) {
			m->series[i].buckets = mem_alloc(BOUNDS + 1, sizeof(uint64_t));
		}
	}
	return m;
}

void metrics_free(struct metrics **mp)
{
	if (*mp == NULL) {
		return;
	}
	for (size_t i = 0; i < METRICS; i++) {
		free((void *)(*mp)->series[i].buckets);
	}
	free(*mp);
	*mp = NULL;
}

void metric_add(struct metrics *m, enum metric id, uint64_t n)
{
	ensure(rows[id].type == COUNTER);
	atomic_fetch_add_explicit(&m->series[id].value, (int64_t)n, memory_order_relaxed);
}

void metric_set(struct metrics *m, enum metric id, int64_t value)
{
	ensure(rows[id].type == GAUGE || rows[id].type == GAUGE_US);
	atomic_store_explicit(&m->series[id].value, value, memory_order_relaxed);
}

void metric_time(struct metrics *m, enum metric id, int64_t us)
{
	struct series *s = &m->series[id];
	size_t b = 0;

	ensure(rows[id].type == HISTOGRAM);
	while (b < BOUNDS && us > bounds_us[b]) {
		b++;
	}
	atomic_fetch_add_explicit(&s->buckets[b], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->value, us, memory_order_relaxed);
}

void metric_total(struct metrics *m, enum metric id, uint64_t total)
{
	ensure(rows[id].type == COUNTER);
	atomic_store_explicit(&m->series[id].value, (int64_t)total, memory_order_relaxed);
}

void metric_load(struct metrics *m, enum metric id, const uint64_t *counts, size_t n,
		 int64_t below_us, int64_t sum_us)
{
	struct series *s = &m->series[id];
	uint64_t sums[BOUNDS + 1] = { 0 };
	size_t b = 0;

	ensure(rows[id].type == HISTOGRAM && n > 0);
	for (size_t i = 0; i < n; i++) {
		while (b < BOUNDS && (i + 1 == n || bounds_us[b] < below_us << i)) {
			b++;
		}
		sums[b] += counts[i];
	}
	for (b = 0; b <= BOUNDS; b++) {
		atomic_store_explicit(&s->buckets[b], sums[b], memory_order_relaxed);
	}
	atomic_store_explicit(&s->value, sum_us, memory_order_relaxed);
}

static uint64_t samples(const struct series *s)
{
	uint64_t n = 0;

	for (size_t b = 0; b <= BOUNDS; b++) {
		n += atomic_load_explicit(&s->buckets[b], memory_order_relaxed);
	}
	return n;
}

int64_t metric_get(const struct metrics *m, enum metric id)
{
	const struct series *s = &m->series[id];

	if (rows[id].type == HISTOGRAM) {
		return (int64_t)samples(s);
	}
	return atomic_load_explicit(&s->value, memory_order_relaxed);
}

int64_t metric_quantile_us(const struct metrics *m, enum metric id, double share)
{
	const struct series *s = &m->series[id];
	double want = (double)samples(s) * share;
	uint64_t seen = 0;

	for (size_t b = 0; b < BOUNDS; b++) {
		seen += atomic_load_explicit(&s->buckets[b], memory_order_relaxed);
		if ((double)seen >= want) {
			return bounds_us[b];
		}
	}
	return bounds_us[BOUNDS - 1];
}

static void put_seconds(struct buf *out, int64_t us)
{
	buf_printf(out, "%s%" PRId64 ".%06" PRId64, us < 0 ? "-" : "",
		   (us < 0 ? -us : us) / 1000000, (us < 0 ? -us : us) % 1000000);
}

static void put_name(struct buf *out, const struct row *r, const char *suffix, const char *more)
{
	bool both = r->labels[0] != '\0' && more[0] != '\0';

	buf_printf(out, "%s%s", r->family, suffix);
	if (r->labels[0] != '\0' || more[0] != '\0') {
		buf_printf(out, "{%s%s%s}", r->labels, both ? "," : "", more);
	}
	buf_putc(out, ' ');
}

static void write_histogram(struct buf *out, const struct row *r, const struct series *s)
{
	uint64_t seen = 0;

	for (size_t b = 0; b <= BOUNDS; b++) {
		char le[32] = "le=\"+Inf\"";

		if (b < BOUNDS) {
			snprintf(le, sizeof(le), "le=\"%g\"", (double)bounds_us[b] / 1e6);
		}
		seen += atomic_load_explicit(&s->buckets[b], memory_order_relaxed);
		put_name(out, r, "_bucket", le);
		buf_printf(out, "%" PRIu64 "\n", seen);
	}
	put_name(out, r, "_sum", "");
	put_seconds(out, atomic_load_explicit(&s->value, memory_order_relaxed));
	buf_putc(out, '\n');
	put_name(out, r, "_count", "");
	buf_printf(out, "%" PRIu64 "\n", seen);
}

static void write_head(struct buf *out, const struct row *r)
{
	const char *type = r->type == HISTOGRAM ? "histogram"
			   : r->type == COUNTER ? "counter"
						: "gauge";

	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", r->family, r->help, r->family, type);
}

void metrics_write(const struct metrics *m, struct buf *out)
{
	for (size_t i = 0; i < METRICS; i++) {
		const struct row *r = &rows[i];
		int64_t value = metric_get(m, (enum metric)i);

		if (i == 0 || strcmp(rows[i - 1].family, r->family) != 0) {
			write_head(out, r);
		}
		if (r->type == HISTOGRAM) {
			write_histogram(out, r, &m->series[i]);
			continue;
		}
		put_name(out, r, "", "");
		if (r->type == GAUGE_US) {
			put_seconds(out, value);
		} else {
			buf_printf(out, "%" PRId64, value);
		}
		buf_putc(out, '\n');
	}
}
