/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, one poll over all connections. Callers read what we write, so writes may block; a
 * caller that goes away ends them.
 */
#include "test/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define REQUEST_BYTES_MAX (1 << 16)

struct connection {
	int fd; /* -1: free */
	bool hung;
	size_t n;
	char bytes[REQUEST_BYTES_MAX + 1];
};

struct peer {
	pthread_t thread;
	int listener;
	int stop[2];
	uint16_t port;
	const struct peer_answer *answers;
	size_t answers_n;
	atomic_uint connections;
	atomic_uint requests;
	char last[REQUEST_BYTES_MAX + 1];
	struct connection conns[CONNECTIONS_MAX];
};

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0) {
			return;
		}
		p += sent;
		n -= (size_t)sent;
	}
}

static void hang_up(struct connection *c)
{
	close(c->fd);
	c->fd = -1;
}

static void give_answer(struct connection *c, const struct peer_answer *a)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	char filler[4096];

	memset(filler, 'x', sizeof(filler));
	write_all(c->fd, a->bytes, strlen(a->bytes));
	for (size_t n = a->filler; n > 0;) {
		size_t part = n < sizeof(filler) ? n : sizeof(filler);
		write_all(c->fd, filler, part);
		n -= part;
	}
	switch (a->end) {
	case PEER_KEEP:
		return;
	case PEER_RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		hang_up(c);
		return;
	case PEER_CLOSE:
		hang_up(c);
		return;
	case PEER_HALF:
		shutdown(c->fd, SHUT_WR);
		c->hung = true;
		return;
	case PEER_HANG:
		c->hung = true;
		return;
	}
	never("peer_end");
}

/* path NULL: the greeting. */
static const struct peer_answer *find_answer(const struct peer *peer, const char *path, size_t n)
{
	static const struct peer_answer missing = {
		.bytes = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
	};

	for (size_t i = 0; i < peer->answers_n; i++) {
		const char *p = peer->answers[i].path;
		if (path == NULL ? p == NULL
				 : p != NULL && strlen(p) == n && memcmp(p, path, n) == 0) {
			return &peer->answers[i];
		}
	}
	return path == NULL ? NULL : &missing;
}

static size_t body_bytes(const char *head)
{
	const char *length = strcasestr(head, "\r\ncontent-length:");

	return length == NULL ? 0 : strtoul(length + 17, NULL, 10);
}

/* Answer every whole request at the front of the connection's bytes. */
static void answer_requests(struct peer *peer, struct connection *c)
{
	const char *end;
	const char *path;
	size_t bytes;

	while (c->fd >= 0 && !c->hung && (end = strstr(c->bytes, "\r\n\r\n")) != NULL) {
		bytes = (size_t)(end - c->bytes) + 4 + body_bytes(c->bytes);
		if (c->n < bytes) {
			return;
		}
		memcpy(peer->last, c->bytes, bytes);
		peer->last[bytes] = '\0';
		atomic_fetch_add(&peer->requests, 1);
		path = strchr(peer->last, ' ');
		path = path == NULL ? "" : path + 1;
		memmove(c->bytes, c->bytes + bytes, c->n - bytes + 1);
		c->n -= bytes;
		give_answer(c, find_answer(peer, path, strcspn(path, " ?\r")));
	}
}

static void read_more(struct peer *peer, struct connection *c)
{
	ssize_t n;

	if (c->hung || c->n == REQUEST_BYTES_MAX) {
		c->n = 0;
	}
	n = recv(c->fd, c->bytes + c->n, REQUEST_BYTES_MAX - c->n, 0);
	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->n += (size_t)n;
	c->bytes[c->n] = '\0';
	answer_requests(peer, c);
}

static void take_connection(struct peer *peer)
{
	const struct peer_answer *greeting = find_answer(peer, NULL, 0);
	int fd = accept(peer->listener, NULL, NULL);

	if (fd < 0) {
		return;
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = &peer->conns[i];
		if (c->fd < 0) {
			atomic_fetch_add(&peer->connections, 1);
			c->fd = fd;
			c->n = 0;
			c->hung = false;
			if (greeting != NULL) {
				give_answer(c, greeting);
			}
			return;
		}
	}
	close(fd);
}

static void *run(void *ctx)
{
	struct peer *peer = ctx;
	struct pollfd fds[CONNECTIONS_MAX + 2];

	for (;;) {
		fds[0] = (struct pollfd) { .fd = peer->stop[0], .events = POLLIN };
		fds[1] = (struct pollfd) { .fd = peer->listener, .events = POLLIN };
		for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
			fds[i + 2] = (struct pollfd) { .fd = peer->conns[i].fd, .events = POLLIN };
		}
		if (poll(fds, CONNECTIONS_MAX + 2, -1) < 0 && errno != EINTR) {
			return NULL;
		}
		if (fds[0].revents != 0) {
			return NULL;
		}
		for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
			if (fds[i + 2].revents != 0 && fds[i + 2].fd == peer->conns[i].fd) {
				read_more(peer, &peer->conns[i]);
			}
		}
		if (fds[1].revents != 0) {
			take_connection(peer);
		}
	}
}

static void listen_on(struct peer *peer, const char *address, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t n = sizeof(in);
	int yes = 1;

	ensure(inet_pton(AF_INET, address, &in.sin_addr) == 1);
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ensure(peer->listener >= 0);
	setsockopt(peer->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	ensure(bind(peer->listener, (const void *)&in, sizeof(in)) == 0);
	ensure(listen(peer->listener, CONNECTIONS_MAX) == 0);
	ensure(getsockname(peer->listener, (void *)&in, &n) == 0);
	peer->port = ntohs(in.sin_port);
}

struct peer *peer_new(const char *address, uint16_t port, const struct peer_answer *answers,
		      size_t answers_n)
{
	struct peer *peer = mem_alloc(1, sizeof(*peer));

	peer->answers = answers;
	peer->answers_n = answers_n;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		peer->conns[i].fd = -1;
	}
	listen_on(peer, address, port);
	ensure(pipe(peer->stop) == 0);
	ensure(pthread_create(&peer->thread, NULL, run, peer) == 0);
	return peer;
}

void peer_free(struct peer **peer)
{
	struct peer *p = *peer;

	if (p == NULL) {
		return;
	}
	ensure(write(p->stop[1], "", 1) == 1);
	pthread_join(p->thread, NULL);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (p->conns[i].fd >= 0) {
			close(p->conns[i].fd);
		}
	}
	close(p->listener);
	close(p->stop[0]);
	close(p->stop[1]);
	free(p);
	*peer = NULL;
}

uint16_t peer_port(const struct peer *peer)
{
	return peer->port;
}

unsigned peer_connections(const struct peer *peer)
{
	return atomic_load(&peer->connections);
}

unsigned peer_requests(const struct peer *peer)
{
	return atomic_load(&peer->requests);
}

const char *peer_last(const struct peer *peer)
{
	return peer->last;
}
