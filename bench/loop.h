/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

/*
 * An epoll loop of one thread. Everything that waits for a descriptor embeds a struct watch. Level
 * triggered, so that a reply costs one read and not two.
 */
#include "base/base.h"

struct watch {
	int fd;
	void (*ready)(struct watch *w, uint32_t events);
};

struct loop {
	int epfd;
};

void loop_init(struct loop *loop);
void loop_release(struct loop *loop);

/*
 * Start, change or end watching; events are those of epoll. The watch stays at its address while it
 * is watched.
 */
void loop_add(struct loop *loop, struct watch *w, uint32_t events);
void loop_change(struct loop *loop, struct watch *w, uint32_t events);
void loop_drop(struct loop *loop, struct watch *w);

/* Wait for readiness, but not beyond until_ns of the monotonic clock, and call what is ready. */
void loop_turn(struct loop *loop, int64_t until_ns);

#endif
