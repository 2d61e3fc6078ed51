/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shared read buffer for all connections: replies are read where they land and never stored
 * whole.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cli.h"

#define READ_BYTES (256 * 1024)

struct sockaddr_in client_address(const char *host_port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *colon = strrchr(host_port, ':');
	char host[64];
	unsigned long port;
	char *end;

	if (colon == NULL || (size_t)(colon - host_port) >= sizeof(host)) {
		die("\"%s\" is not HOST:PORT", host_port);
	}
	memcpy(host, host_port, (size_t)(colon - host_port));
	host[colon - host_port] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535 ||
	    inet_pton(AF_INET, host, &to.sin_addr) != 1) {
		die("\"%s\" is not an IPv4 address and a port", host_port);
	}
	to.sin_port = htons((uint16_t)port);
	return to;
}

static void ready(struct watch *w, uint32_t events);

static bool try_connect(struct client *c)
{
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&c->to, sizeof(c->to)) != 0) {
		if (fd >= 0) {
			close(fd);
		}
		return false;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->watch = (struct watch) { .fd = fd, .ready = ready };
	poller_add(c->loop, &c->watch, EPOLLIN);
	reply_clear(&c->reply);
	return true;
}

void client_open(struct client *c, struct poller *loop, const struct sockaddr_in *to)
{
	c->loop = loop;
	c->to = *to;
	c->busy = false;
	if (!try_connect(c)) {
		die("connect to port %u: %s", ntohs(to->sin_port), strerror(errno));
	}
}

void client_close(struct client *c)
{
	if (c->watch.fd >= 0) {
		poller_drop(c->loop, &c->watch);
		close(c->watch.fd);
		c->watch.fd = -1;
	}
}

static void failed(struct client *c)
{
	client_close(c);
	if (c->busy) {
		c->busy = false;
		c->status = 0;
		c->replied(c, 0);
	}
}

static void write_some(struct client *c)
{
	ssize_t n = send(c->watch.fd, c->out, c->out_left, MSG_NOSIGNAL | MSG_DONTWAIT);
	bool all;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		failed(c);
		return;
	}
	n = n < 0 ? 0 : n;
	all = (size_t)n == c->out_left;
	c->out += n;
	c->out_left -= (size_t)n;
	if (!all) {
		poller_change(c->loop, &c->watch, EPOLLIN | EPOLLOUT);
	}
}

static void done(struct client *c)
{
	c->busy = false;
	c->status = c->reply.status;
	if (c->reply.close || c->out_left > 0) {
		/* A reply before the whole request was out ends the connection as well. */
		client_close(c);
	}
	c->replied(c, c->status);
}

static void read_some(struct client *c)
{
	static char buf[READ_BYTES];
	ssize_t n = recv(c->watch.fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0 || !c->busy) {
		failed(c);
		return;
	}
	switch (reply_feed(&c->reply, buf, (size_t)n, &used)) {
	case REPLY_MORE:
		return;
	case REPLY_DONE:
		if (used != (size_t)n) {
			failed(c); /* more bytes than one reply */
			return;
		}
		done(c);
		return;
	case REPLY_BAD:
		failed(c);
		return;
	}
}

static void ready(struct watch *w, uint32_t events)
{
	struct client *c = (struct client *)w;

	if ((events & EPOLLOUT) != 0 && c->out_left > 0) {
		write_some(c);
		if (c->watch.fd >= 0 && c->out_left == 0) {
			poller_change(c->loop, &c->watch, EPOLLIN);
		}
	}
	if ((events & ~(uint32_t)EPOLLOUT) != 0 && c->watch.fd >= 0) {
		read_some(c);
	}
}

void client_send(struct client *c, const char *bytes, size_t len, int64_t at_ns)
{
	ensure(!c->busy);
	c->busy = true;
	c->sent_ns = at_ns;
	c->out = bytes;
	c->out_left = len;
	if (c->watch.fd < 0 && !try_connect(c)) {
		failed(c);
		return;
	}
	reply_clear(&c->reply);
	write_some(c);
}

static void call_done(struct client *c UNUSED, int status UNUSED)
{
}

int client_call(struct client *c, const char *bytes, size_t len)
{
	void (*before)(struct client *, int) = c->replied;

	c->replied = call_done;
	client_send(c, bytes, len, now_ns());
	while (c->busy) {
		turn_until(c->loop, now_ns() + 1000000000);
	}
	c->replied = before;
	return c->status;
}
