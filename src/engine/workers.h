/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_WORKERS_H
#define ENGINE_WORKERS_H

#include "base/err.h"
#include "base/fair_queue.h"

/*
 * A few threads that may block: API handlers and other jobs that wait for the store or the engine.
 * Each has a local of its own (its database connection), opened before its first job. Customers
 * take turns by the time their jobs take, and none of them has all the threads (fair_queue.h).
 */
struct workers;

/* One unit of work. The caller owns it and must keep it until run was called. */
struct job {
	void (*run)(struct job *job, void *local);
	struct fair_item wait; /* of wait.flow: for whom it is done, an org's id; 0: for nobody */
};

struct worker_local {
	/* Called on the worker's thread. open gives the local or NULL with err filled. */
	void *(*open)(void *arg, struct err *err);
	void (*close)(void *local);
	void *arg;
};

/*
 * threads >= 1, of which a quarter, at least one, is left for others by whoever has much to do;
 * bound: jobs that may wait. False when a local could not be opened.
 */
NODISCARD bool workers_open(struct workers **w, size_t threads, size_t bound,
			    const struct worker_local *local, struct err *err);
/* Runs what is queued, then joins the threads. */
void workers_close(struct workers **w);
/*
 * False when the queue is closing, full, or has no room left for this customer; the job then was
 * not taken. Any thread.
 */
NODISCARD bool workers_submit(struct workers *w, struct job *job);
/* Jobs that wait. Any thread. */
size_t workers_waiting(struct workers *w);

#endif
