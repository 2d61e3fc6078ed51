/* SPDX-License-Identifier: Apache-2.0 */
/* Turns: posted calls in order, hooks once behind them, timers when due, none lost. */
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "test/t.h"

struct trace {
	struct loop *loop;
	char text[256];
	int posts;
	int hooks;
	struct loop_timer timers[3];
};

static void note(struct trace *t, const char *what)
{
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s ", what);
}

static void on_a(void *arg)
{
	note(arg, "a");
}

static void on_b(void *arg)
{
	note(arg, "b");
}

static void on_stop(void *arg)
{
	struct trace *t = arg;

	note(t, "stop");
	loop_stop(t->loop);
}

static void on_hook(void *arg)
{
	struct trace *t = arg;

	t->hooks++;
	note(t, "hook");
}

TEST(posts_run_in_order_and_the_hook_once_behind_them)
{
	struct trace t = { .loop = loop_new(8) };

	loop_turn_end(t.loop, on_hook, &t);
	T_TRUE(loop_post(t.loop, on_a, &t));
	T_TRUE(loop_post(t.loop, on_b, &t));
	T_TRUE(loop_post(t.loop, on_stop, &t));
	loop_run(t.loop);
	T_TRUE(strncmp(t.text, "a b stop hook ", 14) == 0);
	T_TRUE(t.hooks >= 1 && t.hooks <= 2); /* stopping is a turn of its own or not */
	loop_free(&t.loop);
	T_TRUE(t.loop == NULL);
}

TEST(a_full_queue_refuses)
{
	struct trace t = { .loop = loop_new(2) };

	T_TRUE(loop_post(t.loop, on_a, &t));
	T_TRUE(loop_post(t.loop, on_stop, &t));
	T_FALSE(loop_post(t.loop, on_b, &t));
	T_INT(loop_posted(t.loop), 2);
	loop_run(t.loop);
	T_INT(loop_posted(t.loop), 0);
	T_STR(t.text, "a stop ");
	loop_free(&t.loop);
}

static void on_again(void *arg)
{
	struct trace *t = arg;

	note(t, "again");
	if (++t->posts == 8) {
		loop_stop(t->loop);
	} else {
		T_TRUE(loop_post(t->loop, on_again, t));
	}
}

TEST(what_arrives_during_a_turn_shares_its_end_up_to_a_bound)
{
	struct trace t = { .loop = loop_new(8) };

	loop_turn_end(t.loop, on_hook, &t);
	T_TRUE(loop_post(t.loop, on_again, &t));
	loop_run(t.loop);
	T_STR(t.text, "again again again hook again again again hook again again hook ");
	loop_free(&t.loop);
}

#define POSTERS 4
#define POSTS 5000

static void on_count(void *arg)
{
	struct trace *t = arg;

	if (++t->posts == POSTERS * POSTS) {
		loop_stop(t->loop);
	}
}

static void *post_many(void *arg)
{
	struct trace *t = arg;

	for (int i = 0; i < POSTS;) {
		i += loop_post(t->loop, on_count, t) ? 1 : 0;
	}
	return NULL;
}

TEST(posts_of_many_threads_all_arrive)
{
	struct trace t = { .loop = loop_new(16) };
	pthread_t threads[POSTERS];

	for (int i = 0; i < POSTERS; i++) {
		T_INT(pthread_create(&threads[i], NULL, post_many, &t), 0);
	}
	loop_run(t.loop);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(threads[i], NULL);
	}
	T_INT(t.posts, POSTERS * POSTS);
	loop_free(&t.loop);
}

TEST(timers_fire_in_order_of_due_time_and_never_early)
{
	struct trace t = { .loop = loop_new(1) };
	int64_t begin_us = clock_mono_us();

	loop_turn_end(t.loop, on_hook, &t);
	loop_timer_init(&t.timers[0], t.loop, on_stop, &t);
	loop_timer_init(&t.timers[1], t.loop, on_a, &t);
	loop_timer_init(&t.timers[2], t.loop, on_b, &t);
	loop_timer_start(&t.timers[0], begin_us + 20000);
	loop_timer_start(&t.timers[1], begin_us + 500000000);
	loop_timer_start(&t.timers[2], begin_us + 10000);
	loop_timer_start(&t.timers[1], begin_us + 5000);
	loop_run(t.loop);
	T_TRUE(clock_mono_us() >= begin_us + 20000);
	T_TRUE(strncmp(t.text, "a hook b hook stop hook ", 24) == 0 ||
	       strncmp(t.text, "a b ", 4) == 0 || strncmp(t.text, "a hook b stop", 13) == 0);
	loop_free(&t.loop);
}

static void on_restart(void *arg)
{
	struct trace *t = arg;

	if (++t->posts == 3) {
		loop_stop(t->loop);
	} else {
		loop_timer_start(&t->timers[0], loop_now_us(t->loop));
	}
}

TEST(a_timer_may_start_itself_again)
{
	struct trace t = { .loop = loop_new(1) };

	loop_timer_init(&t.timers[0], t.loop, on_restart, &t);
	loop_timer_init(&t.timers[1], t.loop, on_a, &t);
	loop_timer_start(&t.timers[0], 1);
	loop_timer_start(&t.timers[1], 1);
	loop_timer_stop(&t.timers[1]);
	loop_run(t.loop);
	T_INT(t.posts, 3);
	T_STR(t.text, "");
	loop_free(&t.loop);
}

static void on_touching_hook(void *arg)
{
	struct trace *t = arg;

	if (++t->hooks == 3) {
		loop_stop(t->loop);
	} else {
		loop_touch(t->loop);
	}
}

TEST(a_touch_in_a_hook_brings_one_more_turn)
{
	struct trace t = { .loop = loop_new(1) };

	loop_turn_end(t.loop, on_touching_hook, &t);
	loop_touch(t.loop);
	loop_run(t.loop);
	T_TRUE(t.hooks >= 3);
	loop_free(&t.loop);
}

TEST(signals_arrive_on_the_loop)
{
	struct trace t = { .loop = loop_new(1) };

	loop_on_signal(t.loop, SIGUSR1, on_stop, &t);
	T_INT(kill(getpid(), SIGUSR1), 0);
	loop_run(t.loop);
	T_STR(t.text, "stop ");
	loop_free(&t.loop);
}

T_MAIN(T(posts_run_in_order_and_the_hook_once_behind_them), T(a_full_queue_refuses),
       T(what_arrives_during_a_turn_shares_its_end_up_to_a_bound),
       T(posts_of_many_threads_all_arrive), T(timers_fire_in_order_of_due_time_and_never_early),
       T(a_timer_may_start_itself_again), T(a_touch_in_a_hook_brings_one_more_turn),
       T(signals_arrive_on_the_loop))
