/* SPDX-License-Identifier: Apache-2.0 */
/* The queue keeps order and bound, and wakes whoever waits, also at its end. */
#include "base/queue.h"

#include <pthread.h>
#include <sched.h>

#include "test/t.h"

#define ITEMS 20000
#define WAIT_US INT64_C(10000000) /* far longer than any machine takes; never waited for in full */

static int numbers[ITEMS];

static void count_wake(void *arg)
{
	++*(int *)arg;
}

TEST(order_and_bound_are_kept)
{
	struct queue *q;
	int wakes = 0;

	q = queue_new(3, count_wake, &wakes);
	T_TRUE(queue_take(q, 0) == NULL);
	T_TRUE(queue_take(q, 1) == NULL);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++) {
			T_TRUE(queue_put(q, &numbers[i]));
		}
		T_FALSE(queue_put(q, &numbers[3]));
		T_INT(queue_len(q), 3);
		T_TRUE(queue_take(q, -1) == &numbers[0]);
		T_TRUE(queue_put(q, &numbers[3]));
		for (int i = 1; i <= 3; i++) {
			T_TRUE(queue_take(q, 0) == &numbers[i]);
		}
	}
	T_INT(wakes, 20);
	queue_free(&q);
	T_TRUE(q == NULL);
	queue_free(&q);
}

TEST(a_closed_queue_drains)
{
	struct queue *q = queue_new(3, NULL, NULL);

	T_TRUE(queue_put(q, &numbers[0]));
	queue_close(q);
	T_FALSE(queue_put(q, &numbers[1]));
	T_TRUE(queue_take(q, -1) == &numbers[0]);
	T_TRUE(queue_take(q, -1) == NULL);
	queue_free(&q);
}

/* Puts all numbers in order; a full queue is tried again. */
static void *produce(void *arg)
{
	struct queue *q = arg;

	for (int i = 0; i < ITEMS; i++) {
		while (!queue_put(q, &numbers[i])) {
			sched_yield();
		}
	}
	return NULL;
}

TEST(two_threads_meet_in_it)
{
	struct queue *q = queue_new(7, NULL, NULL);
	pthread_t thread;

	T_INT(pthread_create(&thread, NULL, produce, q), 0);
	for (int i = 0; i < ITEMS; i++) {
		T_TRUE(queue_take(q, i % 2 == 0 ? -1 : WAIT_US) == &numbers[i]);
	}
	T_INT(pthread_join(thread, NULL), 0);
	T_INT(queue_len(q), 0);
	queue_free(&q);
}

static void *take_for_ever(void *arg)
{
	return queue_take(arg, -1);
}

TEST(closing_wakes_all_who_wait)
{
	struct queue *q = queue_new(1, NULL, NULL);
	pthread_t threads[4];
	void *got;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		T_INT(pthread_create(&threads[i], NULL, take_for_ever, q), 0);
	}
	queue_close(q);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		T_INT(pthread_join(threads[i], &got), 0);
		T_TRUE(got == NULL);
	}
	queue_free(&q);
}

T_MAIN(T(order_and_bound_are_kept), T(a_closed_queue_drains), T(two_threads_meet_in_it),
       T(closing_wakes_all_who_wait))
