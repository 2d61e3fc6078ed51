/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of receipt is taken right after the read that completes a request, before anything is
 * parsed.
 */
#include "load/receiver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

struct hook_conn {
	struct watch watch; /* first: the loop hands it back */
	struct receiver *receiver;
	struct hook_conn *next;
	struct hook_conn **prev; /* what points at this one */
	size_t len;
	char buf[HOOK_BYTES_MAX + 1];
};

static void hang_up(struct hook_conn *c)
{
	*c->prev = c->next;
	if (c->next != NULL) {
		c->next->prev = c->prev;
	}
	poller_drop(c->receiver->poller, &c->watch);
	close(c->watch.fd);
	free(c);
}

/* The length of the body, or -1 when the head names none. */
static long body_size(const char *head, const char *end)
{
	static const char name[] = "\r\ncontent-length:";
	const char *p = strcasestr(head, name);

	if (strncmp(head, "POST ", 5) != 0 || p == NULL || p > end) {
		return -1;
	}
	return strtol(p + sizeof(name) - 1, NULL, 10);
}

/*
 * Bytes of the first whole request in the buffer, handed over; 0 when it is not whole yet, -1 when
 * it is no such thing.
 */
static long take_request(struct hook_conn *c, int64_t at_us)
{
	const char *end;
	size_t head;
	long body;

	c->buf[c->len] = '\0';
	end = strstr(c->buf, "\r\n\r\n");
	if (end == NULL) {
		return c->len == HOOK_BYTES_MAX ? -1 : 0;
	}
	head = (size_t)(end - c->buf) + 4;
	body = body_size(c->buf, end);
	if (body < 0 || (size_t)body > HOOK_BYTES_MAX - head) {
		return -1;
	}
	if (c->len < head + (size_t)body) {
		return 0;
	}
	c->receiver->got(c->receiver->owner, c->buf + head, (size_t)body, at_us);
	return (long)head + body;
}

static bool answer(struct hook_conn *c)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	return send(c->watch.fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(ok) - 1;
}

static void hook_ready(struct watch *w, uint32_t events UNUSED)
{
	struct hook_conn *c = (struct hook_conn *)w;
	ssize_t n = recv(w->fd, c->buf + c->len, HOOK_BYTES_MAX - c->len, MSG_DONTWAIT);
	int64_t at_us = clock_mono_us();
	long used;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			hang_up(c);
		}
		return;
	}
	c->len += (size_t)n;
	while ((used = take_request(c, at_us)) > 0) {
		c->len -= (size_t)used;
		memmove(c->buf, c->buf + used, c->len);
		if (!answer(c)) {
			hang_up(c);
			return;
		}
	}
	if (used < 0) {
		c->receiver->refused++;
		hang_up(c);
	}
}

static void accept_ready(struct watch *w, uint32_t events UNUSED)
{
	struct receiver *r = (struct receiver *)w;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	int on = 1;
	struct hook_conn *c;

	if (fd < 0) {
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = mem_alloc(1, sizeof(*c));
	c->watch = (struct watch) { .fd = fd, .ready = hook_ready };
	c->receiver = r;
	c->next = r->conns;
	c->prev = &r->conns;
	if (c->next != NULL) {
		c->next->prev = &c->next;
	}
	r->conns = c;
	poller_add(r->poller, &c->watch, EPOLLIN);
}

static bool listen_at(struct receiver *r, int fd, const char *address, uint16_t port,
		      struct err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t at_n = sizeof(at);
	int on = 1;

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		return err_set(err, ERR_INVALID, "\"%s\" is not an IPv4 address", address);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &at_n) != 0) {
		return err_errno(err, errno, "listen on %s:%u", address, port);
	}
	r->port = ntohs(at.sin_port);
	return true;
}

bool receiver_open(struct receiver *r, struct poller *poller, const char *address, uint16_t port,
		   struct err *err)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		return err_errno(err, errno, "make a socket");
	}
	if (!listen_at(r, fd, address, port, err)) {
		close(fd);
		return false;
	}
	r->watch = (struct watch) { .fd = fd, .ready = accept_ready };
	r->poller = poller;
	poller_add(poller, &r->watch, EPOLLIN);
	return true;
}

void receiver_close(struct receiver *r)
{
	while (r->conns != NULL) {
		hang_up(r->conns);
	}
	poller_drop(r->poller, &r->watch);
	close(r->watch.fd);
}
