/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear histogram. The index is computed from the bits of the value, so there is no search. */
#include "load/hist.h"

void hist_init(struct hist *h)
{
	*h = (struct hist) { .min = UINT64_MAX };
}

static size_t bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HIST_SUB) {
		return (size_t)value;
	}
	shift = 63 - HIST_SUB_BITS - (unsigned)__builtin_clzll(value);
	return (size_t)shift * HIST_SUB + (size_t)(value >> shift);
}

static uint64_t bucket_end(size_t bucket)
{
	unsigned shift;

	if (bucket < HIST_SUB) {
		return bucket;
	}
	shift = (unsigned)(bucket / HIST_SUB) - 1;
	return ((uint64_t)(bucket % HIST_SUB + HIST_SUB) << shift) + ((UINT64_C(1) << shift) - 1);
}

void hist_add(struct hist *h, uint64_t value)
{
	h->count[bucket_of(value)]++;
	h->n++;
	h->sum += value;
	h->min = value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
}

uint64_t hist_at(const struct hist *h, double part)
{
	uint64_t want = (uint64_t)(part * (double)h->n + 0.999999);
	uint64_t seen = 0;

	if (h->n == 0) {
		return 0;
	}
	want = want < 1 ? 1 : want > h->n ? h->n : want;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += h->count[i];
		if (seen >= want) {
			uint64_t end = bucket_end(i);

			return end < h->max ? end : h->max;
		}
	}
	never("a histogram that holds fewer values than it counted");
}

double hist_mean(const struct hist *h)
{
	return h->n == 0 ? 0.0 : (double)h->sum / (double)h->n;
}
