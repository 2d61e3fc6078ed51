/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Organizations that send at the same time: each gets its answers, in its order, and the one with
 * little is not behind the one with much.
 */
#include <semaphore.h>
#include <stdio.h>

#include "api/server_test.h"

#define CONNECTIONS 6
#define CALLS 50 /* of each connection: below what may wait for their answers */
#define ITEMS 40 /* of a batch: some time of the loop */
#define EVENT "{\"type\":\"order_paid\"}"

struct stage {
	struct fixture *f;
	struct client noisy[CONNECTIONS], quiet;
	const char *noisy_key, *quiet_key;
	sem_t gate, reached;
	char *batch;
};

static void stage_init(struct stage *s)
{
	struct buf b;

	*s = (struct stage) { .f = server_new(NULL) };
	s->noisy_key = server_key(s->f, "noisy", ~0u);
	s->quiet_key = server_key(s->f, "quiet", ~0u);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		s->noisy[i] = client_open(s->f);
	}
	s->quiet = client_open(s->f);
	sem_init(&s->gate, 0, 0);
	sem_init(&s->reached, 0, 0);
	buf_init(&b, 1 << 16);
	for (int i = 0; i < ITEMS; i++) {
		buf_printf(&b, "%s%s", i == 0 ? "[" : ",", EVENT);
	}
	buf_put(&b, "]", 2);
	s->batch = mem_alloc(1, b.n);
	memcpy(s->batch, b.p, b.n);
	buf_release(&b);
}

static void stage_release(struct stage *s)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		client_close(&s->noisy[i]);
	}
	client_close(&s->quiet);
	server_free(&s->f);
	sem_destroy(&s->gate);
	sem_destroy(&s->reached);
	free(s->batch);
}

static void hold(void *arg)
{
	struct stage *s = arg;

	sem_post(&s->reached);
	sem_wait(&s->gate);
}

/* Nothing is read until the gate opens: then all of it is there at once. */
static void hold_loop(struct stage *s)
{
	T_TRUE(loop_post(server_api(s->f)->loop, hold, s));
	sem_wait(&s->reached);
}

static void post(struct client *c, const char *key, const char *body)
{
	server_say(c, "POST", "/api/v1/events", key, "", body);
}

static void both_send_one(struct stage *s)
{
	post(&s->noisy[0], s->noisy_key, EVENT);
	T_TRUE(strncmp(client_reply(&s->noisy[0]), "201", 3) == 0);
	post(&s->quiet, s->quiet_key, EVENT);
	T_TRUE(strncmp(client_reply(&s->quiet), "201", 3) == 0);
}

/* The newest event when this reply was made: times of the log never stand still. */
static void copy_time(const char *reply, char out[64])
{
	snprintf(out, 64, "%s", server_member(reply, "receivedAt"));
	T_TRUE(out[0] != '\0');
}

TEST(who_sends_little_is_not_behind_a_crowd)
{
	char quiet[64], last[CONNECTIONS][64];
	struct stage s;

	stage_init(&s);
	both_send_one(&s);
	hold_loop(&s);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		for (size_t k = 0; k + 1 < CALLS; k++) {
			post(&s.noisy[i], s.noisy_key, s.batch);
		}
		post(&s.noisy[i], s.noisy_key, EVENT);
	}
	post(&s.quiet, s.quiet_key, EVENT);
	sem_post(&s.gate);
	copy_time(client_reply(&s.quiet), quiet);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		for (size_t k = 0; k + 1 < CALLS; k++) {
			T_TRUE(strncmp(client_reply(&s.noisy[i]), "200", 3) == 0);
		}
		copy_time(client_reply(&s.noisy[i]), last[i]);
	}
	/* It came last, and is done before the half of the other's. */
	T_TRUE(strcmp(quiet, last[CONNECTIONS / 2 - 1]) < 0);
	stage_release(&s);
}

TEST(requests_of_a_connection_keep_their_order)
{
	char before[64], now[64];
	struct stage s;

	stage_init(&s);
	both_send_one(&s);
	hold_loop(&s);
	for (size_t k = 0; k < CALLS; k++) {
		post(&s.noisy[0], s.noisy_key, EVENT);
		post(&s.quiet, s.quiet_key, EVENT);
	}
	sem_post(&s.gate);
	copy_time(client_reply(&s.noisy[0]), before);
	for (size_t k = 1; k < CALLS; k++) {
		copy_time(client_reply(&s.noisy[0]), now);
		T_TRUE(strcmp(before, now) <= 0);
		memcpy(before, now, sizeof(before));
		T_TRUE(strncmp(client_reply(&s.quiet), "201", 3) == 0);
	}
	T_TRUE(strncmp(client_reply(&s.quiet), "201", 3) == 0);
	stage_release(&s);
}

T_MAIN(T(who_sends_little_is_not_behind_a_crowd), T(requests_of_a_connection_keep_their_order))
