/* SPDX-License-Identifier: Apache-2.0 */
/* Workers run every job they took, refuse what is over the bound, and fail as one. */
#include "engine/workers.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "test/t.h"

struct counted {
	struct job job;
	atomic_int *runs;
	sem_t *gate;
};

static void run(struct job *job, void *local UNUSED)
{
	struct counted *c = CONTAINER_OF(job, struct counted, job);

	if (c->gate != NULL) {
		sem_wait(c->gate);
	}
	atomic_fetch_add(c->runs, 1);
}

static void *open_ok(void *arg, struct err *err UNUSED)
{
	return arg;
}

static void *open_bad(void *arg UNUSED, struct err *err)
{
	err_set(err, ERR_IO, "no database");
	return NULL;
}

static void close_local(void *local UNUSED)
{
}

TEST(all_taken_jobs_run_and_more_than_the_bound_is_refused)
{
	int something = 0;
	struct worker_local local = { open_ok, close_local, &something };
	struct counted jobs[4];
	struct workers *w;
	atomic_int runs = 0;
	struct err err;
	sem_t gate;
	int taken = 0;

	sem_init(&gate, 0, 0);
	T_OK(workers_open(&w, 1, 2, &local, &err));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct counted) { { .run = run }, &runs, &gate };
		taken += workers_submit(w, &jobs[i].job);
	}
	/* One may already run while two wait. */
	T_TRUE(taken == 2 || taken == 3);
	for (int i = 0; i < taken; i++) {
		sem_post(&gate);
	}
	workers_close(&w);
	T_INT(atomic_load(&runs), taken);
	T_TRUE(w == NULL);
	sem_destroy(&gate);
}

TEST(one_customer_cannot_have_all_threads)
{
	int something = 0;
	struct worker_local local = { open_ok, close_local, &something };
	struct counted stuck[8], other;
	atomic_int runs = 0, other_runs = 0;
	struct workers *w;
	struct err err;
	sem_t gate;

	sem_init(&gate, 0, 0);
	T_OK(workers_open(&w, 4, 100, &local, &err));
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
		stuck[i] = (struct counted) { { run, { .flow = 1 } }, &runs, &gate };
		T_TRUE(workers_submit(w, &stuck[i].job));
	}
	other = (struct counted) { { run, { .flow = 2 } }, &other_runs, NULL };
	T_TRUE(workers_submit(w, &other.job));
	while (atomic_load(&other_runs) == 0) {
		sched_yield();
	}
	T_INT(atomic_load(&runs), 0);
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
		sem_post(&gate);
	}
	workers_close(&w);
	T_INT(atomic_load(&runs), ARRAY_LEN(stuck));
	sem_destroy(&gate);
}

TEST(a_local_that_cannot_open_fails_the_start)
{
	struct worker_local local = { open_bad, close_local, NULL };
	struct workers *w;
	struct err err;

	T_FAIL(workers_open(&w, 3, 2, &local, &err), ERR_IO);
	T_STR(err.text, "no database");
	T_TRUE(w == NULL);
}

T_MAIN(T(all_taken_jobs_run_and_more_than_the_bound_is_refused),
       T(one_customer_cannot_have_all_threads), T(a_local_that_cannot_open_fails_the_start))
