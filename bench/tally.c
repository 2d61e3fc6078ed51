/* SPDX-License-Identifier: Apache-2.0 */
/* The part of every result that is the same: statuses and latencies as JSON. */
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>

void tally_init(struct tally *t)
{
	*t = (struct tally) { 0 };
	hist_init(&t->taken_ns);
}

void tally_add(struct tally *t, int status, bool good, int64_t taken_ns)
{
	t->status[status >= 0 && status < STATUS_MAX ? status : 0]++;
	t->good += good ? 1 : 0;
	t->bad += good ? 0 : 1;
	hist_add(&t->taken_ns, taken_ns < 0 ? 0 : (uint64_t)taken_ns);
}

static const struct {
	const char *name;
	double part;
} points[] = {
	{ "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1.0 },
};

void tally_print_hist(const char *name, const struct hist *h)
{
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		printf("\"%s_%s_us\":%.1f,", name, points[i].name,
		       (double)hist_at(h, points[i].part) / 1e3);
	}
	printf("\"%s_mean_us\":%.1f,", name, hist_mean(h) / 1e3);
}

void tally_print(const struct tally *t)
{
	const char *comma = "";

	tally_print_hist("reply", &t->taken_ns);
	printf("\"statuses\":{");
	for (int i = 0; i < STATUS_MAX; i++) {
		if (t->status[i] != 0) {
			printf("%s\"%d\":%" PRIu64, comma, i, t->status[i]);
			comma = ",";
		}
	}
	printf("},\"unexpected\":%" PRIu64, t->bad);
}
