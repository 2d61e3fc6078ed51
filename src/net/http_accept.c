/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets and who may come in. Over the total, a connection that does nothing makes room;
 * without one, newcomers wait in the kernel's queue. When descriptors run out, a spare
 * one is given up to take a connection and close it, since a queue that is never emptied would
 * keep the loop awake and the client in doubt.
 */
#include "base/clock.h"
#include "net/http_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 64 /* then the connections that are there get their turn */
#define BACKLOG 1024
#define PAUSE_US (100 * US_PER_MS) /* before trying again without descriptors */
#define LOG_PAUSE_US (60 * US_PER_S)
#define HEAD_GRACE_PART 10

#define TOO_MANY_BODY \
	"{\"code\":\"rate_limited\",\"error\":\"too many connections of one address\"}"
static const char TOO_MANY[] = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 69\r\n"
			       "Content-Type: application/problem+json\r\n"
			       "Retry-After: 5\r\nConnection: close\r\n\r\n" TOO_MANY_BODY;
_Static_assert(sizeof(TOO_MANY_BODY) - 1 == 69, "Content-Length of TOO_MANY");

/* What connections are counted by: an IPv4 address, or the /64 that one IPv6 customer has. */
static struct ip count_key(struct ip ip)
{
	if (!ip_is_v4(ip)) {
		memset(ip.v + 8, 0, 8);
	}
	return ip;
}

/* NULL when the address has its share. */
static struct ip_count *count_in(struct http_server *s, struct ip ip)
{
	struct ip key = count_key(ip);
	struct ip_count *count = map_get(&s->counts, MAP_KEY(key));

	if (count == NULL) {
		count = mem_alloc(1, sizeof(*count));
		count->ip = key;
		map_put(&s->counts, MAP_KEY(count->ip), count);
	}
	if (count->n >= s->options.conns_per_ip && !ip_set_has(&s->options.exempt, ip)) {
		return NULL;
	}
	count->n++;
	return count;
}

void accept_forget(struct conn *c)
{
	struct ip_count *count = c->count;

	c->count = NULL;
	if (count != NULL && --count->n == 0) {
		map_del(&c->server->counts, MAP_KEY(count->ip));
		free(count);
	}
}

static bool addr_of(const struct sockaddr_storage *sa, socklen_t n, struct http_addr *addr)
{
	*addr = (struct http_addr) { 0 };
	if (!ip_from_sockaddr((const struct sockaddr *)sa, n, &addr->ip, &addr->port)) {
		return false;
	}
	addr->text_bytes = ip_format(addr->ip);
	addr->loopback = ip_class(addr->ip) == IP_LOOPBACK;
	return true;
}

/*
 * Who goes when the server is full: the connection idle longest, or else the one that has been at
 * its first lines longest, if that is a tenth of its time: honest heads take milliseconds.
 */
static struct conn *spare(struct http_server *s)
{
	struct conn_clock *idle = &s->clocks[CLOCK_IDLE], *head = &s->clocks[CLOCK_HEAD];
	int64_t grace_us = s->options.head_us / HEAD_GRACE_PART;

	if (idle->next != idle) {
		return idle->next->conn;
	}
	if (head->next != head && loop_now_us(s->loop) - head->next->since_us >= grace_us) {
		return head->next->conn;
	}
	return NULL;
}

static bool has_room(struct http_server *s)
{
	return s->stats.open < s->options.conns_max || spare(s) != NULL;
}

static void make_room(struct http_server *s)
{
	if (s->stats.open >= s->options.conns_max) {
		conn_kill(spare(s));
	}
}

static void start(struct http_server *s, int fd, const struct sockaddr_storage *sa, socklen_t n)
{
	struct sockaddr_storage local;
	socklen_t local_n = sizeof(local);
	struct http_addr peer_addr, local_addr;
	struct ip_count *count;
	int one = 1;

	if (getsockname(fd, (struct sockaddr *)&local, &local_n) != 0 ||
	    !addr_of(sa, n, &peer_addr) || !addr_of(&local, local_n, &local_addr)) {
		close(fd);
		return;
	}
	count = count_in(s, peer_addr.ip);
	if (count == NULL) {
		s->stats.refused++;
		/* Best effort: it is told why if its buffer takes it, as it will. */
		(void)!send(fd, TOO_MANY, sizeof(TOO_MANY) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	make_room(s);
	conn_start(s, fd, &peer_addr, &local_addr, count);
}

static void start_unix(struct http_server *s, int fd)
{
	struct http_addr addr = unix_addr();

	make_room(s);
	conn_start(s, fd, &addr, &addr, NULL);
}

static void out_of_fds(struct http_server *s, int listen_fd, int why)
{
	int64_t now_us = loop_now_us(s->loop);
	int fd;

	close(s->reserve_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		close(fd);
	}
	s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->accept_after_us = now_us + PAUSE_US;
	if (s->fds_logged_us == 0 || now_us - s->fds_logged_us >= LOG_PAUSE_US) {
		s->fds_logged_us = now_us;
		log_error("accept_failed", log_str("error", strerrorname_np(why)),
			  log_int("connections", s->stats.open));
	}
}

static void on_listen(uv_poll_t *handle, int status UNUSED, int events UNUSED)
{
	struct listener *ln = handle->data;
	struct http_server *s = ln->server;

	loop_touch(s->loop);
	for (int i = 0; i < ACCEPTS_PER_EVENT && has_room(s); i++) {
		struct sockaddr_storage sa;
		socklen_t n = sizeof(sa);
		int fd = accept4(ln->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && ln->path != NULL) {
			start_unix(s, fd);
		} else if (fd >= 0) {
			start(s, fd, &sa, n);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			out_of_fds(s, ln->fd, errno);
			break;
		} else if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) {
			break;
		}
	}
	accept_watch(s);
}

void accept_watch(struct http_server *s)
{
	bool on = !s->draining && loop_now_us(s->loop) >= s->accept_after_us && has_room(s);

	for (size_t i = 0; i < s->listeners_n; i++) {
		struct listener *ln = s->listeners[i];

		if (ln->on != on) {
			ln->on = on;
			if (on) {
				uv_poll_start(&ln->poll, UV_READABLE, on_listen);
			} else {
				uv_poll_stop(&ln->poll);
			}
		}
	}
	if (!on && !s->draining && s->sweep.node.pos == 0) {
		loop_timer_start(&s->sweep, loop_now_us(s->loop) + s->sweep_us);
	}
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void accept_stop(struct http_server *s)
{
	for (size_t i = 0; i < s->listeners_n; i++) {
		struct listener *ln = s->listeners[i];

		uv_close((uv_handle_t *)&ln->poll, on_closed);
		close(ln->fd);
		if (ln->path != NULL) {
			unix_forget(ln);
		}
	}
	s->listeners_n = 0;
}

struct listener *accept_add(struct http_server *s, int fd)
{
	struct listener *ln = mem_alloc(1, sizeof(*ln));

	ensure(s->listeners_n < HTTP_LISTENERS_MAX);
	*ln = (struct listener) { .server = s, .fd = fd };
	ensure(uv_poll_init(loop_uv(s->loop), &ln->poll, fd) == 0);
	ln->poll.data = ln;
	s->listeners[s->listeners_n++] = ln;
	accept_watch(s);
	return ln;
}

static socklen_t sockaddr_of(struct ip ip, uint16_t port, struct sockaddr_storage *sa)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	if (ip_is_v4(ip)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, ip.v + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, ip.v, 16);
	return sizeof(*v6);
}

/* A listening socket, or -1 and errno. *port becomes the real one. */
static int listen_on(struct ip ip, uint16_t *port)
{
	struct sockaddr_storage sa;
	socklen_t n = sockaddr_of(ip, *port, &sa);
	int one = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int why;

	if (fd < 0) {
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa.ss_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	if (bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sa, &n) == 0) {
		*port = ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
						      : ((struct sockaddr_in6 *)&sa)->sin6_port);
		return fd;
	}
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

bool http_server_listen(struct http_server *s, const char *host, uint16_t port, struct err *err)
{
	struct slice text = slice_of(host);
	struct ip ip;
	int fd;

	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
		text = (struct slice) { text.p + 1, text.n - 2 };
	}
	if (!ip_parse(text, &ip)) {
		return err_set(err, ERR_INVALID, "\"%s\" is not an IP address to listen on", host);
	}
	if (s->listeners_n == HTTP_LISTENERS_MAX) {
		return err_set(err, ERR_INVALID, "at most %d addresses to listen on",
			       HTTP_LISTENERS_MAX);
	}
	fd = listen_on(ip, &port);
	if (fd < 0) {
		return err_errno(err, errno, "listen on %s port %u", host, port);
	}
	accept_add(s, fd);
	s->port = port;
	return true;
}
