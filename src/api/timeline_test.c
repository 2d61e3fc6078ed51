/* SPDX-License-Identifier: Apache-2.0 */
/* Every event is in the bucket of its time, whatever the scale became. */
#include "api/timeline.h"

#include <stdio.h>

#include "base/clock.h"
#include "test/t.h"

#define S_(seconds) ((seconds)*US_PER_S)

static const char *shown(const struct timeline *t)
{
	static char out[4096];
	struct json_w w;
	struct buf b;

	buf_init(&b, sizeof(out) - 1);
	json_w_init(&w, &b);
	timeline_write(t, &w);
	snprintf(out, sizeof(out), "%.*s", SARG(buf_slice(&b)));
	buf_release(&b);
	return out;
}

TEST(an_empty_one_has_no_buckets)
{
	struct timeline t;

	timeline_init(&t, 10, 0, 0);
	T_STR(shown(&t), "{\"step\":1,\"buckets\":[]}");
}

TEST(seconds_become_longer_when_there_are_too_many)
{
	struct timeline t;

	timeline_init(&t, 4, 0, 0);
	timeline_add(&t, S_(3) + 999999);
	timeline_add(&t, S_(0));
	T_STR(shown(&t), "{\"step\":1,\"buckets\":[{\"start\":\"1970-01-01T00:00:00.000Z\","
			 "\"count\":1},{\"start\":\"1970-01-01T00:00:03.000Z\",\"count\":1}]}");
	timeline_add(&t, S_(4));
	T_STR(shown(&t), "{\"step\":5,\"buckets\":[{\"start\":\"1970-01-01T00:00:00.000Z\","
			 "\"count\":3}]}");
	timeline_add(&t, S_(19));
	T_INT(t.step_s, 5);
	timeline_add(&t, S_(20));
	T_INT(t.step_s, 10);
	T_INT(t.n, 3);
	T_INT(t.counts[0], 3);
	T_INT(t.counts[1], 1);
	T_INT(t.counts[2], 1);
}

TEST(a_known_range_has_its_step_at_once)
{
	struct timeline t;

	timeline_init(&t, 60, S_(3600), S_(7200));
	T_INT(t.step_s, 60);
	timeline_init(&t, 60, S_(3601), S_(7201));
	T_INT(t.step_s, 300);
	timeline_init(&t, 500, S_(0) + 1, S_(INT64_C(86400) * 365 * 100));
	T_INT(t.step_s, 86400 * 128);
	timeline_init(&t, 1, S_(5), S_(6));
	T_INT(t.step_s, 1);
}

TEST(counts_agree_with_counting_at_the_end)
{
	uint64_t seed = 3;

	for (size_t max = 1; max <= TIMELINE_BUCKETS_MAX; max += 83) {
		int64_t at[300];
		struct timeline t;
		uint64_t sum = 0;

		timeline_init(&t, max, 0, 0);
		for (size_t i = 0; i < ARRAY_LEN(at); i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			at[i] = (int64_t)(seed >> 20) % S_(INT64_C(1) << (i / 12));
			timeline_add(&t, at[i]);
			T_TRUE(t.n <= max);
		}
		for (size_t k = 0; k < t.n; k++) {
			uint64_t want = 0;

			for (size_t i = 0; i < ARRAY_LEN(at); i++) {
				want += at[i] / S_(t.step_s) == t.first + (int64_t)k;
			}
			assert_int_equal(t.counts[k], want);
			sum += want;
		}
		T_INT(sum, ARRAY_LEN(at));
	}
}

T_MAIN(T(an_empty_one_has_no_buckets), T(seconds_become_longer_when_there_are_too_many),
       T(a_known_range_has_its_step_at_once), T(counts_agree_with_counting_at_the_end))
