/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever asks for much waits for himself: others find a thread, a turn and room in the queue,
 * whatever the one does.
 */
#include "base/fair_queue.h"

#include <pthread.h>

#include "test/t.h"

#define NOISY 1
#define QUIET 2
#define MS_US INT64_C(1000)
#define S_US INT64_C(1000000)

static struct fair_item items[20000];
static size_t used;

/* A new item that is in the queue, or NULL. */
static struct fair_item *put(struct fair_queue *q, uint64_t flow)
{
	struct fair_item *item = &items[used++ % ARRAY_LEN(items)];

	*item = (struct fair_item) { .flow = flow };
	return fair_queue_put(q, item) ? item : NULL;
}

static size_t put_many(struct fair_queue *q, uint64_t flow, size_t n)
{
	size_t taken = 0;

	for (size_t i = 0; i < n; i++) {
		taken += put(q, flow) != NULL;
	}
	return taken;
}

/* The flow of the next item, which takes so long; 0: there is none. */
static uint64_t serve(struct fair_queue *q, int64_t took_us)
{
	struct fair_item *item = fair_queue_take(q, false);

	if (item == NULL) {
		return 0;
	}
	fair_queue_done(q, item->flow, took_us);
	return item->flow;
}

static void drain(struct fair_queue *q)
{
	while (serve(q, 1) != 0) {
	}
	T_INT(fair_queue_len(q), 0);
	fair_queue_free(&q);
}

TEST(one_flow_alone_is_served_in_order)
{
	struct fair_queue *q = fair_queue_new(100, 2, FAIR_TURN_US);
	const struct fair_item *first = put(q, NOISY), *second = put(q, NOISY);

	T_TRUE(fair_queue_take(q, true) == first);
	T_TRUE(fair_queue_take(q, true) == second);
	fair_queue_done(q, NOISY, MS_US);
	fair_queue_done(q, NOISY, MS_US);
	T_TRUE(fair_queue_take(q, false) == NULL);
	fair_queue_free(&q);
	T_TRUE(q == NULL);
	fair_queue_free(&q);
}

TEST(who_comes_late_is_next)
{
	struct fair_queue *q = fair_queue_new(1000, 2, FAIR_TURN_US);

	put_many(q, NOISY, 500);
	for (int i = 0; i < 10; i++) {
		T_INT(serve(q, MS_US), NOISY);
	}
	put(q, QUIET);
	T_INT(serve(q, MS_US), QUIET);
	T_INT(serve(q, MS_US), NOISY);
	drain(q);
}

TEST(turns_are_of_time_and_not_of_items)
{
	struct fair_queue *q = fair_queue_new(8000, 2, FAIR_TURN_US);
	int64_t noisy_us = 0, quiet_us = 0;

	T_INT(put_many(q, NOISY, 1000), 1000);
	T_INT(put_many(q, QUIET, 4000), 4000);
	for (int i = 0; i < 2000; i++) {
		struct fair_item *item = fair_queue_take(q, false);
		bool noisy = item->flow == NOISY;

		*(noisy ? &noisy_us : &quiet_us) += noisy ? 10 * MS_US : MS_US;
		fair_queue_done(q, item->flow, noisy ? 10 * MS_US : MS_US);
	}
	T_TRUE(noisy_us < quiet_us + 30 * MS_US && quiet_us < noisy_us + 30 * MS_US);
	drain(q);
}

TEST(nobody_is_fresh_for_ever_by_asking_bit_by_bit)
{
	struct fair_queue *q = fair_queue_new(1000, 2, FAIR_TURN_US);
	size_t served[3] = { 0 };

	put_many(q, NOISY, 200);
	put(q, QUIET);
	for (int i = 0; i < 200; i++) {
		uint64_t flow = serve(q, FAIR_TURN_US);
		served[flow]++;
		if (flow == QUIET) {
			put(q, QUIET);
		}
	}
	T_TRUE(served[NOISY] >= 95);
	T_TRUE(served[QUIET] >= 95);
	drain(q);
}

TEST(one_flow_never_has_all_threads)
{
	struct fair_queue *q = fair_queue_new(100, 3, FAIR_TURN_US);

	put_many(q, NOISY, 10);
	for (int i = 0; i < 3; i++) {
		T_INT(fair_queue_take(q, false)->flow, NOISY);
	}
	T_TRUE(fair_queue_take(q, false) == NULL);
	put(q, QUIET);
	T_INT(fair_queue_take(q, false)->flow, QUIET);
	T_TRUE(fair_queue_take(q, false) == NULL);
	fair_queue_done(q, NOISY, MS_US);
	T_INT(fair_queue_take(q, false)->flow, NOISY);
	for (int i = 0; i < 3; i++) {
		fair_queue_done(q, NOISY, MS_US);
	}
	fair_queue_done(q, QUIET, MS_US);
	drain(q);
}

TEST(the_last_of_the_room_is_for_others)
{
	struct fair_queue *q = fair_queue_new(1024, 3, FAIR_TURN_US);

	T_INT(put_many(q, NOISY, 5000), 768);
	T_INT(put_many(q, QUIET, 5000), 192);
	T_INT(put_many(q, 3, 5000), 48);
	T_TRUE(put(q, 4) != NULL);
	T_TRUE(put(q, NOISY) == NULL);
	drain(q);
}

TEST(a_small_queue_is_filled)
{
	struct fair_queue *q = fair_queue_new(2, 1, FAIR_TURN_US);

	T_INT(put_many(q, NOISY, 5), 2);
	drain(q);
}

TEST(debts_are_bounded_and_paid_while_nobody_else_waits)
{
	struct fair_queue *q = fair_queue_new(1000, 2, FAIR_TURN_US);
	int quiet = 0;

	put_many(q, NOISY, 3);
	T_INT(serve(q, 3600 * S_US), NOISY);
	/* The debt is a second: two hundred turns of the other one, and no more. */
	put_many(q, QUIET, 500);
	while (serve(q, FAIR_TURN_US) == QUIET) {
		quiet++;
	}
	T_TRUE(quiet >= 190 && quiet <= 202);
	drain(q);
	q = fair_queue_new(1000, 2, FAIR_TURN_US);
	put(q, NOISY);
	T_INT(serve(q, 3600 * S_US), NOISY);
	put(q, NOISY);
	T_INT(serve(q, MS_US), NOISY);
	drain(q);
}

/*
 * Four threads, in steps of a millisecond: the noisy one keeps the queue as full as it gets with
 * work of 10 ms, the quiet one asks for 1 ms now and then.
 */
struct bench {
	struct fair_queue *q;
	struct {
		uint64_t flow; /* 0: idle */
		int64_t took_us, until_us;
	} threads[4];
};

static void step(struct bench *b, int64_t now_us)
{
	for (size_t i = 0; i < ARRAY_LEN(b->threads); i++) {
		if (b->threads[i].flow != 0 && b->threads[i].until_us <= now_us) {
			fair_queue_done(b->q, b->threads[i].flow, b->threads[i].took_us);
			b->threads[i].flow = 0;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(b->threads); i++) {
		struct fair_item *item = b->threads[i].flow == 0 ? fair_queue_take(b->q, false)
								 : NULL;
		if (item != NULL) {
			b->threads[i].flow = item->flow;
			b->threads[i].took_us = item->flow == NOISY ? 10 * MS_US : MS_US;
			b->threads[i].until_us = now_us + b->threads[i].took_us;
		}
	}
}

TEST(the_quiet_one_waits_no_longer_than_for_a_thread)
{
	struct bench b = { .q = fair_queue_new(1024, 3, FAIR_TURN_US) };
	const struct fair_item *mine = NULL;
	int64_t asked_us = 0, longest_us = 0;

	for (int64_t now_us = 0; now_us < 20 * S_US; now_us += MS_US) {
		put_many(b.q, NOISY, 2);
		if (now_us % (7 * MS_US) == 0) {
			mine = put(b.q, QUIET);
			T_TRUE(mine != NULL);
			asked_us = now_us;
		}
		step(&b, now_us);
		for (size_t i = 0; i < ARRAY_LEN(b.threads); i++) {
			if (b.threads[i].flow == QUIET && now_us - asked_us > longest_us) {
				longest_us = now_us - asked_us;
			}
		}
	}
	T_TRUE(longest_us <= MS_US);
	while (fair_queue_len(b.q) > 0) {
		asked_us += S_US;
		step(&b, 100 * S_US + asked_us);
	}
	step(&b, INT64_MAX);
	fair_queue_free(&b.q);
}

static void *take_all(void *arg)
{
	struct fair_queue *q = arg;
	struct fair_item *item;
	uintptr_t n = 0;

	while ((item = fair_queue_take(q, true)) != NULL) {
		fair_queue_done(q, item->flow, 3);
		n++;
	}
	return (void *)n;
}

TEST(many_threads_lose_nothing)
{
	struct fair_queue *q = fair_queue_new(64, 2, FAIR_TURN_US);
	pthread_t threads[3];
	uintptr_t sum = 0;
	size_t taken = 0;
	void *n;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		T_INT(pthread_create(&threads[i], NULL, take_all, q), 0);
	}
	/* Fewer may be in use than items there are. */
	for (int i = 0; i < 10000; i++) {
		taken += put(q, (uint64_t)i % 7) != NULL;
	}
	fair_queue_close(q);
	T_TRUE(put(q, QUIET) == NULL);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], &n);
		sum += (uintptr_t)n;
	}
	T_TRUE(taken >= 48);
	T_INT(sum, taken);
	fair_queue_free(&q);
}

T_MAIN(T(one_flow_alone_is_served_in_order), T(who_comes_late_is_next),
       T(turns_are_of_time_and_not_of_items), T(nobody_is_fresh_for_ever_by_asking_bit_by_bit),
       T(one_flow_never_has_all_threads), T(the_last_of_the_room_is_for_others),
       T(a_small_queue_is_filled), T(debts_are_bounded_and_paid_while_nobody_else_waits),
       T(the_quiet_one_waits_no_longer_than_for_a_thread), T(many_threads_lose_nothing))
