/* SPDX-License-Identifier: Apache-2.0 */
/* AUTO flushes inline on a fast disk, on a thread on a slow one, and goes back. */
#include <pthread.h>

#include "journal/file/sim_test.h"
#include "journal/bed_test.h"

static struct journal_stats stats_of(struct bed *bed)
{
	struct journal_stats stats;

	journal_stats(bed->journal, &stats);
	return stats;
}

TEST(slow_flushes_move_to_a_thread_and_back)
{
	struct bed bed;
	struct sim *sim = sim_new(1);

	bed_init(&bed, JOURNAL_FLUSH_AUTO);
	bed.options.files = &sim_ops;
	bed.options.files_arg = sim;
	bed_open(&bed);
	sim->flush_us = 60;
	bed_fill(&bed, 1, 200);
	T_FALSE(stats_of(&bed).threaded);
	sim->flush_us = 5000;
	bed_fill(&bed, 201, 400);
	T_TRUE(stats_of(&bed).threaded);
	T_INT(journal_flush_quantile(&(struct journal_stats) { .flushes = 0 }, 0.5), 0);
	sim->flush_us = 60;
	bed_fill(&bed, 401, 700);
	T_FALSE(stats_of(&bed).threaded);
	bed_check(&bed, 1, 700);
	bed_release(&bed);
	sim_free(&sim);
}

TEST(flush_times_are_counted)
{
	struct bed bed;
	struct sim *sim = sim_new(1);
	struct journal_stats stats;

	bed_init(&bed, JOURNAL_FLUSH_INLINE);
	bed.options.files = &sim_ops;
	bed.options.files_arg = sim;
	bed_open(&bed);
	sim->flush_us = 60;
	bed_fill(&bed, 1, 95);
	sim->flush_us = 3000;
	bed_fill(&bed, 96, 100);
	stats = stats_of(&bed);
	T_INT(stats.flushes, 100);
	T_INT(stats.records, 100);
	T_INT(stats.flush_us_sum, 95 * 60 + 5 * 3000);
	T_TRUE(journal_flush_quantile(&stats, 0.5) >= 32 &&
	       journal_flush_quantile(&stats, 0.5) <= 64);
	T_TRUE(journal_flush_quantile(&stats, 0.99) >= 2048 &&
	       journal_flush_quantile(&stats, 0.99) <= 4096);
	T_TRUE(stats.file_bytes >= 131072 && stats.segments == 1);
	bed_release(&bed);
	sim_free(&sim);
}

T_MAIN(T(slow_flushes_move_to_a_thread_and_back), T(flush_times_are_counted))
