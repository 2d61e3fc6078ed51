/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_POLLER_H
#define LOAD_POLLER_H

/*
 * An epoll loop of one thread for clients that measure: it waits to the nanosecond, so that paced
 * sending does not round to milliseconds as timers of servers may. Everything that waits for a
 * descriptor embeds a struct watch. Level triggered, so that a reply costs one read and not two.
 */
#include <sys/epoll.h>

#include "base/base.h"

struct watch {
	int fd;
	void (*ready)(struct watch *w, uint32_t events);
};

#define POLLER_BATCH 256 /* what one look at the kernel brings at most */

struct poller {
	int epfd;
	struct epoll_event batch[POLLER_BATCH];
	int batch_n; /* of the turn under way */
};

/* Aborts when the kernel has no epoll. */
void poller_init(struct poller *p);
void poller_release(struct poller *p);

/*
 * Start, change or end watching; events are those of epoll. The watch stays at its address while it
 * is watched. Any watch may be dropped, and freed, from inside of ready.
 */
void poller_add(struct poller *p, struct watch *w, uint32_t events);
void poller_change(struct poller *p, struct watch *w, uint32_t events);
void poller_drop(struct poller *p, struct watch *w);

/*
 * Wait for readiness, at most wait_ns (0 or less: only look), and call what is ready. A signal ends
 * the wait.
 */
void poller_turn(struct poller *p, int64_t wait_ns);

#endif
