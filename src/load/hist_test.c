/* SPDX-License-Identifier: Apache-2.0 */
#include "load/hist.h"

#include "test/t.h"

static struct hist h;

/* The answer may lie above the true value, but only by one part in 128 (never below). */
static void near(uint64_t got, uint64_t want)
{
	T_TRUE(got >= want);
	T_TRUE(got - want <= want / HIST_SUB);
}

TEST(an_empty_histogram_says_zero)
{
	hist_init(&h);
	T_INT(hist_at(&h, 0.5), 0);
	T_TRUE(hist_mean(&h) <= 0.0);
}

TEST(small_values_are_exact)
{
	hist_init(&h);
	for (uint64_t v = 1; v <= 100; v++) {
		hist_add(&h, v);
	}
	T_INT(hist_at(&h, 0.0), 1);
	T_INT(hist_at(&h, 0.50), 50);
	T_INT(hist_at(&h, 0.90), 90);
	T_INT(hist_at(&h, 0.99), 99);
	T_INT(hist_at(&h, 1.0), 100);
	T_INT(h.min, 1);
	T_TRUE(hist_mean(&h) > 50.4 && hist_mean(&h) < 50.6);
}

TEST(percentiles_of_a_million_values_are_right_to_a_bucket)
{
	hist_init(&h);
	for (uint64_t v = 1; v <= 1000000; v++) {
		hist_add(&h, v * 1000);
	}
	near(hist_at(&h, 0.50), 500000000);
	near(hist_at(&h, 0.90), 900000000);
	near(hist_at(&h, 0.99), 990000000);
	near(hist_at(&h, 0.999), 999000000);
	T_INT(hist_at(&h, 1.0), 1000000000);
}

TEST(a_rare_slow_value_shows_only_beyond_its_share)
{
	hist_init(&h);
	for (int i = 0; i < 999; i++) {
		hist_add(&h, 1000);
	}
	hist_add(&h, 50000000);
	near(hist_at(&h, 0.999), 1000);
	T_INT(hist_at(&h, 0.9999), 50000000);
	T_INT(h.max, 50000000);
}

TEST(every_power_of_two_lands_in_its_own_place)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t v = (UINT64_C(1) << bit) + (uint64_t)(int64_t)off;

			hist_init(&h);
			hist_add(&h, v);
			hist_add(&h, UINT64_MAX);
			near(hist_at(&h, 0.5), v);
		}
	}
}

T_MAIN(T(an_empty_histogram_says_zero), T(small_values_are_exact),
       T(percentiles_of_a_million_values_are_right_to_a_bucket),
       T(a_rare_slow_value_shows_only_beyond_its_share),
       T(every_power_of_two_lands_in_its_own_place))
