/* SPDX-License-Identifier: Apache-2.0 */
/* A worker hears the verdict of its own record, once, or gives up without leaving a trace. */
#include "engine/waiters.h"

#include <pthread.h>

#include "test/t.h"

struct settler {
	struct waiters *w;
	uint64_t ticket;
};

static void *store_and_settle(void *arg)
{
	struct settler *s = arg;
	struct verdict verdict = { .ok = true, .version = 3 };

	waiters_stored(s->w, s->ticket, 41);
	waiters_settle(s->w, 40, &(struct verdict) { 0 });
	waiters_settle(s->w, 41, &verdict);
	return NULL;
}

TEST(the_verdict_of_its_record_reaches_the_waiter)
{
	struct waiters *w = waiters_new();
	struct wait wait;
	struct settler s = { .w = w, .ticket = waiters_begin(w, &wait) };
	pthread_t thread;

	T_INT(pthread_create(&thread, NULL, store_and_settle, &s), 0);
	T_TRUE(waiters_wait(w, &wait, INT64_C(10000000)));
	T_TRUE(wait.verdict.ok);
	T_INT(wait.verdict.version, 3);
	pthread_join(thread, NULL);
	waiters_free(&w);
}

TEST(a_record_that_was_not_stored_is_told)
{
	struct waiters *w = waiters_new();
	struct wait wait;
	uint64_t ticket = waiters_begin(w, &wait);
	struct err err;

	err_set(&err, ERR_DISK_FULL, "no room");
	waiters_refused(w, ticket, &err);
	T_TRUE(waiters_wait(w, &wait, 0));
	T_FALSE(wait.verdict.ok);
	T_INT(wait.verdict.err.kind, ERR_DISK_FULL);
	waiters_free(&w);
}

TEST(a_late_verdict_finds_nobody)
{
	struct waiters *w = waiters_new();
	struct wait wait;
	uint64_t ticket = waiters_begin(w, &wait);

	T_FALSE(waiters_wait(w, &wait, 0));
	waiters_stored(w, ticket, 9);
	waiters_settle(w, 9, &(struct verdict) { .ok = true });
	T_FALSE(wait.settled);
	waiters_free(&w);
}

T_MAIN(T(the_verdict_of_its_record_reaches_the_waiter), T(a_record_that_was_not_stored_is_told),
       T(a_late_verdict_finds_nobody))
