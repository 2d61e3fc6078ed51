/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is dropped while a batch is handed out is taken out of that batch, so that nothing is called
 * that may be gone.
 */
#include "load/poller.h"

#include <errno.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

void poller_init(struct poller *p)
{
	*p = (struct poller) { .epfd = epoll_create1(EPOLL_CLOEXEC) };
	ensure(p->epfd >= 0);
}

void poller_release(struct poller *p)
{
	close(p->epfd);
	p->epfd = -1;
}

static void control(struct poller *p, int op, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	ensure(epoll_ctl(p->epfd, op, w->fd, &ev) == 0);
}

void poller_add(struct poller *p, struct watch *w, uint32_t events)
{
	control(p, EPOLL_CTL_ADD, w, events);
}

void poller_change(struct poller *p, struct watch *w, uint32_t events)
{
	control(p, EPOLL_CTL_MOD, w, events);
}

void poller_drop(struct poller *p, struct watch *w)
{
	/* A descriptor that was closed before is out already. */
	(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < p->batch_n; i++) {
		if (p->batch[i].data.ptr == w) {
			p->batch[i].data.ptr = NULL;
		}
	}
}

void poller_turn(struct poller *p, int64_t wait_ns)
{
	struct timespec wait = { 0 };

	if (wait_ns > 0) {
		wait.tv_sec = wait_ns / NS_PER_S;
		wait.tv_nsec = wait_ns % NS_PER_S;
	}
	p->batch_n = epoll_pwait2(p->epfd, p->batch, POLLER_BATCH, &wait, NULL);
	ensure(p->batch_n >= 0 || errno == EINTR);
	for (int i = 0; i < p->batch_n; i++) {
		struct watch *w = p->batch[i].data.ptr;

		if (w != NULL) {
			w->ready(w, p->batch[i].events);
		}
	}
	p->batch_n = 0;
}
