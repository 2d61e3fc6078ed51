/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_pwait2 takes nanoseconds, so that paced sending does not round to milliseconds. */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define EVENTS_MAX 256

void loop_init(struct loop *loop)
{
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		die("epoll_create1: %s", strerror(errno));
	}
}

void loop_release(struct loop *loop)
{
	close(loop->epfd);
	loop->epfd = -1;
}

static void control(struct loop *loop, int op, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(loop->epfd, op, w->fd, &ev) != 0) {
		die("epoll_ctl: %s", strerror(errno));
	}
}

void loop_add(struct loop *loop, struct watch *w, uint32_t events)
{
	control(loop, EPOLL_CTL_ADD, w, events);
}

void loop_change(struct loop *loop, struct watch *w, uint32_t events)
{
	control(loop, EPOLL_CTL_MOD, w, events);
}

void loop_drop(struct loop *loop, struct watch *w)
{
	control(loop, EPOLL_CTL_DEL, w, 0);
}

void loop_turn(struct loop *loop, int64_t until_ns)
{
	struct epoll_event ready[EVENTS_MAX];
	int64_t left = until_ns - now_ns();
	struct timespec wait = { 0 };
	int n;

	if (left > 0) {
		wait.tv_sec = left / 1000000000;
		wait.tv_nsec = left % 1000000000;
	}
	n = epoll_pwait2(loop->epfd, ready, EVENTS_MAX, &wait, NULL);
	if (n < 0 && errno != EINTR) {
		die("epoll_pwait2: %s", strerror(errno));
	}
	for (int i = 0; i < n; i++) {
		struct watch *w = ready[i].data.ptr;

		w->ready(w, ready[i].events);
	}
}
