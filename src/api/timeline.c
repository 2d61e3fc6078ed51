/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram over time that finds its own scale. */
#include "api/timeline.h"

#include "base/clock.h"
#include "base/json_put.h"

/* In seconds; each divides the next. Beyond, they double. */
static const int64_t steps[] = {
	1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400
};

static int64_t next_step(int64_t step_s)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i] > step_s) {
			return steps[i];
		}
	}
	return step_s * 2;
}

void timeline_init(struct timeline *t, size_t max, int64_t from_us, int64_t to_us)
{
	ensure(max > 0 && max <= TIMELINE_BUCKETS_MAX);
	*t = (struct timeline) { .step_s = steps[0], .max = max };
	if (from_us <= 0 || to_us <= from_us) {
		return;
	}
	/* As many as the ends may cut: one more than fit in between. */
	while ((to_us - 1) / US_PER_S / t->step_s - from_us / US_PER_S / t->step_s + 1 >
	       (int64_t)max) {
		t->step_s = next_step(t->step_s);
	}
}

static void join(struct timeline *t)
{
	int64_t step_s = next_step(t->step_s), first = t->first * t->step_s / step_s;
	uint64_t counts[TIMELINE_BUCKETS_MAX] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		n = (size_t)((t->first + (int64_t)i) * t->step_s / step_s - first);
		counts[n] += t->counts[i];
	}
	memcpy(t->counts, counts, sizeof(counts));
	t->first = first;
	t->n = n + 1;
	t->step_s = step_s;
}

/* Make bucket a part of what there is, if it fits. */
static bool reach(struct timeline *t, int64_t bucket)
{
	int64_t first = bucket < t->first ? bucket : t->first;
	int64_t last = t->first + (int64_t)t->n - 1;
	size_t n, shift;

	last = bucket > last ? bucket : last;
	if (last - first >= (int64_t)t->max) {
		return false;
	}
	n = (size_t)(last - first + 1);
	shift = (size_t)(t->first - first);
	memmove(t->counts + shift, t->counts, t->n * sizeof(t->counts[0]));
	memset(t->counts, 0, shift * sizeof(t->counts[0]));
	t->first = first;
	t->n = n;
	return true;
}

void timeline_add(struct timeline *t, int64_t at_us)
{
	int64_t at_s = at_us / US_PER_S;

	ensure(at_us >= 0);
	if (t->n == 0) {
		t->first = at_s / t->step_s;
		t->n = 1;
	}
	while (!reach(t, at_s / t->step_s)) {
		join(t);
	}
	t->counts[at_s / t->step_s - t->first]++;
}

void timeline_write(const struct timeline *t, struct json_w *w)
{
	json_w_object(w);
	json_put_int(w, "step", t->step_s);
	json_w_key(w, "buckets");
	json_w_array(w);
	for (size_t i = 0; i < t->n; i++) {
		if (t->counts[i] == 0) {
			continue;
		}
		json_w_object(w);
		json_put_time(w, "start", (t->first + (int64_t)i) * t->step_s * US_PER_S);
		json_put_int(w, "count", (int64_t)t->counts[i]);
		json_w_end(w);
	}
	json_w_end(w);
	json_w_end(w);
}
