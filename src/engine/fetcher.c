/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of tasks in front of an HTTP client, on a thread that waits for either. */
#include "engine/fetcher.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/queue.h"

#define TASKS_MAX 1024 /* they are short: this many wait for milliseconds */
#define IDLE_US US_PER_S

struct fetcher {
	struct http_client *client;
	struct queue *tasks;
	pthread_t thread;
	int stopping; /* atomic */
};

static bool is_stopping(const struct fetcher *f)
{
	return __atomic_load_n(&f->stopping, __ATOMIC_ACQUIRE) != 0;
}

static void run_tasks(struct fetcher *f)
{
	struct fetch_task *task;

	while ((task = queue_take(f->tasks, 0)) != NULL) {
		task->run(task);
	}
}

static void *run(void *arg)
{
	struct fetcher *f = arg;

	while (!is_stopping(f)) {
		run_tasks(f);
		http_client_run_once(f->client, IDLE_US);
	}
	run_tasks(f);
	return NULL;
}

static void wake(void *arg)
{
	http_client_wake(((struct fetcher *)arg)->client);
}

struct fetcher *fetcher_open(size_t concurrency, const char *ca_file)
{
	struct http_client_options options = { .policy = { .all = true },
					       .concurrency = concurrency,
					       .ca_file = ca_file };
	struct fetcher *f = mem_alloc(1, sizeof(*f));

	f->client = http_client_new(&options);
	f->tasks = queue_new(TASKS_MAX, wake, f);
	ensure(pthread_create(&f->thread, NULL, run, f) == 0);
	return f;
}

void fetcher_close(struct fetcher **fp)
{
	struct fetcher *f = *fp;

	if (f == NULL) {
		return;
	}
	queue_close(f->tasks);
	__atomic_store_n(&f->stopping, 1, __ATOMIC_RELEASE);
	http_client_wake(f->client);
	pthread_join(f->thread, NULL);
	http_client_free(&f->client);
	queue_free(&f->tasks);
	free(f);
	*fp = NULL;
}

bool fetcher_submit(struct fetcher *f, struct fetch_task *task)
{
	return queue_put(f->tasks, task);
}

bool fetcher_send(struct fetcher *f, const struct http_call *call, http_done *done, void *ctx)
{
	return !is_stopping(f) && http_client_send(f->client, call, done, ctx);
}
