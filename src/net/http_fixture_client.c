/* SPDX-License-Identifier: Apache-2.0 */
/* The raw client of the tests: blocking sockets with a time limit, replies cut by their length. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/http_fixture.h"
#include "test/t.h"

#define SHOWN_MAX (8 << 20)
#define IN_MAX ((size_t)64 << 20)

static char shown[SHOWN_MAX], head[32768];

static struct client socket_of(int family)
{
	struct timeval limit = { .tv_sec = 25 };
	struct client c = { .fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	assert_true(c.fd >= 0);
	setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	buf_init(&c.in, IN_MAX);
	return c;
}

struct client client_socket(void)
{
	return socket_of(AF_INET);
}

struct client client_open_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct client c = socket_of(AF_UNIX);

	assert_true(strlen(path) < sizeof(sa.sun_path));
	memcpy(sa.sun_path, path, strlen(path));
	assert_int_equal(connect(c.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return c;
}

void client_connect(struct client *c, struct fixture *f)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(fixture_port(f)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

struct client client_open(struct fixture *f)
{
	struct client c = client_socket();

	client_connect(&c, f);
	return c;
}

struct client client_open_slow(struct fixture *f)
{
	struct client c = client_socket();
	int buffer = 4096;

	setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	client_connect(&c, f);
	return c;
}

void client_trickle(struct client *c, char byte)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	for (int i = 0; i < 5000; i++) {
		if (poll(&p, 1, 2) > 0) {
			return;
		}
		client_send(c, (struct slice) { &byte, 1 });
	}
	fail_msg("the server let itself be fed byte by byte for ten seconds");
}

void client_shut(struct client *c)
{
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
}

void client_close(struct client *c)
{
	close(c->fd);
	buf_release(&c->in);
}

void client_send(struct client *c, struct slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			return; /* the server may cut us off while we speak */
		}
		assert_true(n > 0);
		bytes = slice_from(bytes, (size_t)n);
	}
}

/* More bytes; false at the end of the connection. */
static bool fill(struct client *c)
{
	char *to = buf_room(&c->in, 65536);
	ssize_t n;

	assert_non_null(to);
	n = recv(c->fd, to, 65536, 0);
	if (n < 0 && errno == ECONNRESET) {
		c->reset = true;
		n = 0;
	}
	if (n < 0) {
		fail_msg("the server did not answer in time: %s", strerror(errno));
	}
	c->in.n += (size_t)n;
	c->eof = n == 0;
	return n > 0;
}

static const char *show(struct client *c, size_t n)
{
	assert_true(n < SHOWN_MAX);
	memcpy(shown, c->in.p, n);
	shown[n] = '\0';
	buf_shift(&c->in, n);
	return shown;
}

const char *client_raw(struct client *c, size_t n)
{
	while (c->in.n < n) {
		if (!fill(c)) {
			fail_msg("the connection ended after %zu of %zu bytes", c->in.n, n);
		}
	}
	return show(c, n);
}

const char *client_rest(struct client *c)
{
	while (fill(c)) {
	}
	return show(c, c->in.n);
}

/* Take a head into `head`; its status and its Content-Length (-1: none). */
static void take_head(struct client *c, int *status, long *length)
{
	char *end, *field;

	for (;;) {
		end = c->in.n == 0 ? NULL : memmem(c->in.p, c->in.n, "\r\n\r\n", 4);
		if (end != NULL) {
			break;
		}
		if (!fill(c)) {
			fail_msg("the connection ended before a reply");
		}
	}
	assert_true((size_t)(end - c->in.p) + 4 < sizeof(head));
	memcpy(head, c->in.p, (size_t)(end - c->in.p) + 4);
	head[end - c->in.p + 4] = '\0';
	buf_shift(&c->in, (size_t)(end - c->in.p) + 4);
	assert_true(strncmp(head, "HTTP/1.1 ", 9) == 0);
	*status = (int)strtol(head + 9, NULL, 10);
	field = strstr(head, "\r\nContent-Length: ");
	*length = field == NULL ? -1 : strtol(field + 18, NULL, 10);
}

const char *client_reply(struct client *c)
{
	char status[16];
	long length;
	int code;

	take_head(c, &code, &length);
	snprintf(status, sizeof(status), length > 0 ? "%d " : "%d", code);
	client_raw(c, length > 0 ? (size_t)length : 0);
	memmove(shown + strlen(status), shown, strlen(shown) + 1);
	memcpy(shown, status, strlen(status));
	return shown;
}

const char *client_reply_head(struct client *c)
{
	long length;
	int code;

	take_head(c, &code, &length);
	snprintf(shown, sizeof(shown), "%d %ld", code, length);
	return shown;
}

const char *client_head(void)
{
	return head;
}
