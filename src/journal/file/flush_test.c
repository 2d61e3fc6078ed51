/* SPDX-License-Identifier: Apache-2.0 */
/* AUTO flushes inline on a fast disk, on a thread on a slow one, and goes back. */
#include <pthread.h>
#include <stdlib.h>

#include "journal/file/file_journal.h"
#include "journal/file/sim_test.h"
#include "journal/bed_test.h"

static struct journal_stats stats_of(struct bed *bed)
{
	struct journal_stats stats;

	journal_stats(bed->journal, &stats);
	return stats;
}

/* A journal whose flushes take as long as the test says. */
static void open_on(struct bed *bed, struct sim *sim, enum journal_flush flush)
{
	bed_init(bed, flush);
	bed->options.files = &sim_ops;
	bed->options.files_arg = sim;
	bed_open(bed);
}

TEST(slow_flushes_move_to_a_thread_and_back)
{
	struct bed bed;
	struct sim *sim = sim_new(1);

	open_on(&bed, sim, JOURNAL_FLUSH_AUTO);
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

TEST(one_very_slow_flush_is_enough)
{
	struct bed bed;
	struct sim *sim = sim_new(1);

	open_on(&bed, sim, JOURNAL_FLUSH_AUTO);
	sim->flush_us = 60;
	bed_fill(&bed, 1, 20);
	T_FALSE(stats_of(&bed).threaded);
	sim->flush_us = 5001;
	bed_fill(&bed, 21, 21);
	T_TRUE(stats_of(&bed).threaded);
	/* Most are fast again; but as long as that one is remembered, the next may be like it. */
	sim->flush_us = 60;
	bed_fill(&bed, 22, 22 + FLUSH_SAMPLES - 10);
	T_TRUE(stats_of(&bed).threaded);
	bed_fill(&bed, 22 + FLUSH_SAMPLES - 9, 22 + 2 * FLUSH_SAMPLES);
	T_FALSE(stats_of(&bed).threaded);
	bed_check(&bed, 1, 22 + 2 * FLUSH_SAMPLES);
	bed_release(&bed);
	sim_free(&sim);
}

TEST(a_drain_ends_what_is_in_the_air)
{
	static struct request first, second;
	struct bed bed;
	struct err err;

	bed_init(&bed, JOURNAL_FLUSH_THREAD);
	bed_open(&bed);
	request_clear(&first);
	request_add(&first, 1, NULL, S("{\"a\":1}"));
	T_OK(bed_append(&bed, &first, &err));
	journal_turn(bed.journal);
	request_clear(&second);
	request_add(&second, 1, NULL, S("{\"a\":2}"));
	T_OK(bed_append(&bed, &second, &err));
	journal_drain(bed.journal);
	T_TRUE(first.done && first.ok && second.done && second.ok);
	T_INT(journal_flushed(bed.journal), 2);
	/* The flusher's word that comes too late finds nothing to do. */
	journal_complete(bed.journal);
	journal_drain(bed.journal);
	T_INT(first.done, 1);
	bed_release(&bed);
}

TEST(flush_times_are_counted)
{
	struct bed bed;
	struct sim *sim = sim_new(1);
	struct journal_stats stats;

	open_on(&bed, sim, JOURNAL_FLUSH_INLINE);
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

/* Two requests of one event each; the first looks at the flusher when it gets its reply. */
struct watcher {
	struct request request;
	struct request next;
	struct file_journal *journal;
	enum flight at_reply;
};

static void on_first(struct journal_batch *batch, const struct err *failure)
{
	struct watcher *w = CONTAINER_OF(batch, struct watcher, request.batch);

	T_TRUE(failure == NULL);
	pthread_mutex_lock(&w->journal->flight_lock);
	w->at_reply = w->journal->flight_state;
	pthread_mutex_unlock(&w->journal->flight_lock);
}

static void on_next(struct journal_batch *batch, const struct err *failure)
{
	T_TRUE(batch->n == 1 && failure == NULL);
}

static void watch(struct bed *bed, struct request *request, journal_done *done)
{
	struct err err = { 0 };

	request_add(request, 1, NULL, S("{}"));
	request->batch = (struct journal_batch) {
		.items = request->items, .n = 1, .results = request->results, .done = done
	};
	T_OK(journal_append(bed->journal, &request->batch, bed->wall_us, bed->mono_us, &err));
}

TEST(the_next_flight_leaves_before_the_replies_of_the_last)
{
	struct bed bed;
	struct watcher *w = mem_alloc(1, sizeof(*w));

	bed_init(&bed, JOURNAL_FLUSH_THREAD);
	bed_open(&bed);
	w->journal = file_journal(bed.journal);
	watch(&bed, &w->request, on_first);
	journal_turn(bed.journal);
	watch(&bed, &w->next, on_next);
	while (journal_flushed(bed.journal) < 1) {
		journal_complete(bed.journal);
	}
	T_TRUE(w->at_reply != FLIGHT_IDLE);
	while (journal_flushed(bed.journal) < 2) {
		journal_complete(bed.journal);
	}
	bed_release(&bed);
	free(w);
}

T_MAIN(T(the_next_flight_leaves_before_the_replies_of_the_last),
       T(slow_flushes_move_to_a_thread_and_back), T(one_very_slow_flush_is_enough),
       T(a_drain_ends_what_is_in_the_air), T(flush_times_are_counted))
