/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_FETCHER_H
#define ENGINE_FETCHER_H

#include "net/http_client.h"

/*
 * A thread for outgoing calls that somebody waits for: whoever needs one hands a task to the
 * thread, and neither the loop nor a worker is held meanwhile. Addresses are not restricted: the
 * operator chose where these calls go.
 */
struct fetcher;

/* Work for the thread; it must live until run was called. */
struct fetch_task {
	void (*run)(struct fetch_task *task);
};

/* concurrency: calls at once. ca_file as for http_client_new, borrowed. Starts the thread. */
struct fetcher *fetcher_open(size_t concurrency, const char *ca_file);
/* What waits is run, what is under way ends with CANCELLED, and so does what is sent by then. */
void fetcher_close(struct fetcher **f);
/* Have the thread run a task. False when too many wait; then it never runs. Any thread. */
NODISCARD bool fetcher_submit(struct fetcher *f, struct fetch_task *task);
/*
 * Make a call, as http_client_send does; only from a task or from done. False when there is no room
 * or the fetcher is being closed; then done is never called.
 */
NODISCARD bool fetcher_send(struct fetcher *f, const struct http_call *call, http_done *done,
			    void *ctx);

#endif
