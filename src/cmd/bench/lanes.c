/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways to carry a request behind one face. What goes wrong inside of lanes_send is put aside
 * for lanes_turn, so that done is never called while its owner is sending.
 */
#include "cmd/bench/lanes.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/buf.h"
#include "load/reply.h"
#include "net/url.h"

#define REQUEST_BYTES_MAX ((size_t)64 << 20)
#define CONNECT_MS 5000
#define READ_BYTES ((size_t)256 << 10)

enum lane_state { LANE_CLOSED, LANE_CONNECTING, LANE_OPEN };

struct lane {
	struct watch watch; /* first: the poller hands it back */
	struct lanes *lanes;
	enum lane_state state;
	bool writing; /* the poller waits for room */
	bool busy;
	bool failed; /* waits in lanes->failed */
	const char *problem;
	size_t written;
	struct buf out;
	int64_t sent_us;
	struct reply reply;
	struct far_call call; /* https */
	const char *call_headers[2];
};

struct lanes {
	struct lanes_options o;
	struct arena boot;
	struct url url;
	struct slice target; /* the path of the URL and the path of the requests */
	const char *whole;   /* the URL of the requests */
	const char **authorization;
	struct slice *heads; /* of plain requests, one per key, up to the length of the body */
	struct sockaddr_storage address;
	socklen_t address_n;
	struct lane *v;
	size_t *failed; /* lanes that wait for lanes_turn */
	size_t failed_n;
	uint64_t bytes_out;
	char read[READ_BYTES];
};

static void ready(struct watch *w, uint32_t events);

static size_t index_of(const struct lane *c)
{
	return (size_t)(c - c->lanes->v);
}

static void shut(struct lane *c)
{
	if (c->state != LANE_CLOSED) {
		poller_drop(c->lanes->o.poller, &c->watch);
		close(c->watch.fd);
		c->state = LANE_CLOSED;
	}
}

static void tell(struct lane *c, int status)
{
	struct lanes_answer a = { .status = status,
				  .problem = c->problem,
				  .tail = { c->reply.tail, c->reply.tail_len },
				  .bytes_in = c->reply.body_total,
				  .replayed = c->reply.replayed,
				  .sent_us = c->sent_us,
				  .done_us = clock_mono_us() };

	c->busy = false;
	c->lanes->o.done(c->lanes->o.owner, index_of(c), &a);
}

/* The connection is of no use any more; whoever waits for an answer hears it in the next turn. */
static void fail(struct lane *c, const char *problem)
{
	struct lanes *l = c->lanes;

	shut(c);
	if (c->busy && !c->failed) {
		c->failed = true;
		c->problem = problem;
		l->failed[l->failed_n++] = index_of(c);
	}
}

static bool start_connect(struct lane *c)
{
	struct lanes *l = c->lanes;
	int fd = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0) {
		return false;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&l->address, l->address_n) != 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return false;
	}
	c->watch = (struct watch) { .fd = fd, .ready = ready };
	c->state = LANE_CONNECTING;
	c->writing = true;
	poller_add(l->o.poller, &c->watch, EPOLLIN | EPOLLOUT);
	return true;
}

/* The poller waits for room exactly as long as something is left. */
static void wait_for_room(struct lane *c, bool wanted)
{
	if (c->writing != wanted) {
		c->writing = wanted;
		poller_change(c->lanes->o.poller, &c->watch, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

static void write_some(struct lane *c)
{
	ssize_t n;

	if (c->busy && c->written < c->out.n) {
		n = send(c->watch.fd, c->out.p + c->written, c->out.n - c->written,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			fail(c, "the connection broke while writing");
			return;
		}
		n = n < 0 ? 0 : n;
		c->written += (size_t)n;
		c->lanes->bytes_out += (size_t)n;
	}
	wait_for_room(c, c->busy && c->written < c->out.n);
}

static void answered(struct lane *c)
{
	if (c->reply.close || c->written < c->out.n) {
		/* An answer before the whole request was out ends the connection as well. */
		shut(c);
	}
	tell(c, c->reply.status);
}

static void read_some(struct lane *c)
{
	struct lanes *l = c->lanes;
	ssize_t n = recv(c->watch.fd, l->read, sizeof(l->read), MSG_DONTWAIT);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0 || !c->busy) {
		fail(c, "the server closed the connection");
		return;
	}
	switch (reply_feed(&c->reply, l->read, (size_t)n, &used)) {
	case REPLY_MORE:
		return;
	case REPLY_DONE:
		if (used == (size_t)n) {
			answered(c);
			return;
		}
		break;
	case REPLY_BAD:
		break;
	}
	fail(c, "the answer is no HTTP");
}

static bool connected(struct lane *c)
{
	int problem = 0;
	socklen_t n = sizeof(problem);

	if (c->state == LANE_CONNECTING) {
		if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &problem, &n) != 0 ||
		    problem != 0) {
			fail(c, "no connection");
			return false;
		}
		c->state = LANE_OPEN;
	}
	return true;
}

static void ready(struct watch *w, uint32_t events)
{
	struct lane *c = (struct lane *)w;

	if (!connected(c)) {
		return;
	}
	if ((events & EPOLLOUT) != 0) {
		write_some(c);
	}
	if (c->state == LANE_OPEN && (events & ~(uint32_t)EPOLLOUT) != 0) {
		read_some(c);
	}
}

static void far_bytes(struct far_call *call, struct slice bytes)
{
	struct lane *c = call->owner;

	reply_keep(&c->reply, bytes.p, bytes.n);
}

static void far_done(struct far_call *call, int status, const char *problem)
{
	struct lane *c = call->owner;

	c->problem = problem;
	c->reply.replayed = far_has_header(call, "Idempotent-Replayed", S("true"));
	tell(c, status);
}

static void send_far(struct lane *c, size_t key, struct slice body)
{
	struct lanes *l = c->lanes;

	buf_cut(&c->out, 0);
	buf_puts(&c->out, body);
	l->bytes_out += body.n;
	c->call_headers[0] = "Content-Type: application/json";
	c->call_headers[1] = l->authorization[key];
	c->call.method = "POST";
	c->call.url = l->whole;
	c->call.headers = c->call_headers;
	c->call.headers_n = 2;
	c->call.body = buf_slice(&c->out);
	c->call.bytes = far_bytes;
	c->call.done = far_done;
	c->call.owner = c;
	far_start(l->o.far, &c->call);
}

static void send_plain(struct lane *c, size_t key, struct slice body)
{
	const struct lanes *l = c->lanes;

	buf_cut(&c->out, 0);
	buf_puts(&c->out, l->heads[key]);
	buf_printf(&c->out, "%zu\r\n\r\n", body.n);
	buf_puts(&c->out, body);
	ensure(!c->out.overflow);
	c->written = 0;
	if (c->state == LANE_CLOSED && !start_connect(c)) {
		fail(c, "no connection");
	} else if (c->state == LANE_OPEN) {
		write_some(c);
	}
}

void lanes_send(struct lanes *l, size_t lane, size_t key, struct slice body, int64_t now_us)
{
	struct lane *c = &l->v[lane];

	ensure(!c->busy && key < l->o.keys);
	c->busy = true;
	c->sent_us = now_us;
	reply_clear(&c->reply);
	if (l->url.tls) {
		send_far(c, key, body);
	} else {
		send_plain(c, key, body);
	}
}

void lanes_expire(struct lanes *l, int64_t then_us)
{
	for (size_t i = 0; i < l->o.n; i++) {
		struct lane *c = &l->v[i];

		if (!c->busy || c->failed || c->sent_us >= then_us) {
			continue;
		}
		if (l->url.tls) {
			far_end(l->o.far, &c->call);
		}
		fail(c, "no answer in time");
	}
}

void lanes_turn(struct lanes *l)
{
	/* What done starts may fail at once: that is for the next turn. */
	size_t n = l->failed_n;

	for (size_t i = 0; i < n; i++) {
		struct lane *c = &l->v[l->failed[i]];

		c->failed = false;
		tell(c, 0);
	}
	memmove(l->failed, l->failed + n, (l->failed_n - n) * sizeof(*l->failed));
	l->failed_n -= n;
}

bool lanes_pending(const struct lanes *l)
{
	return l->failed_n > 0;
}

uint64_t lanes_bytes_out(const struct lanes *l)
{
	return l->bytes_out;
}

static bool no_server(const struct lanes *l, int errnum, struct err *err)
{
	(void)err_errno(err, errnum, "connect to \"%.*s\"", SARG(l->o.url));
	err->kind = ERR_UPSTREAM;
	return false;
}

/* The first one alone says whether there is a server; the others follow on their own. */
static bool try_first(struct lanes *l, struct err *err)
{
	struct lane *c = &l->v[0];
	struct pollfd p = { .events = POLLOUT };
	int problem = 0;
	socklen_t n = sizeof(problem);

	if (!start_connect(c)) {
		return no_server(l, errno, err);
	}
	p.fd = c->watch.fd;
	if (poll(&p, 1, CONNECT_MS) <= 0) {
		shut(c);
		return err_set(err, ERR_UPSTREAM_TIMEOUT, "connect to \"%.*s\": no answer",
			       SARG(l->o.url));
	}
	if (getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &problem, &n) != 0 || problem != 0) {
		shut(c);
		return no_server(l, problem, err);
	}
	return true;
}

/* Of several addresses the first that takes a connection. */
static bool find_address(struct lanes *l, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	bool ok = false;
	char port[8];
	int code;

	snprintf(port, sizeof(port), "%u", l->url.port);
	code = getaddrinfo(arena_cstr(&l->boot, l->url.host), port, &hints, &list);
	if (code != 0) {
		return err_set(err, ERR_UPSTREAM, "find \"%.*s\": %s", SARG(l->url.host),
			       gai_strerror(code));
	}
	for (struct addrinfo *a = list; a != NULL && !ok; a = a->ai_next) {
		memcpy(&l->address, a->ai_addr, a->ai_addrlen);
		l->address_n = a->ai_addrlen;
		ok = try_first(l, err);
	}
	freeaddrinfo(list);
	return ok;
}

static void set_heads(struct lanes *l)
{
	bool v6 = slice_find(l->url.host, ':') < l->url.host.n;

	l->authorization = arena_array(&l->boot, l->o.keys, sizeof(*l->authorization));
	l->heads = arena_array(&l->boot, l->o.keys, sizeof(*l->heads));
	for (size_t i = 0; i < l->o.keys; i++) {
		l->authorization[i] = arena_cstr(&l->boot, l->o.authorization[i]);
		l->heads[i] = arena_printf(&l->boot,
					   "POST %.*s HTTP/1.1\r\nHost: %s%.*s%s:%u\r\n%s\r\n"
					   "Content-Type: application/json\r\nContent-Length: ",
					   SARG(l->target), v6 ? "[" : "", SARG(l->url.host),
					   v6 ? "]" : "", l->url.port, l->authorization[i]);
	}
}

static void set_up(struct lanes *l)
{
	l->target = l->url.target;
	while (l->target.n > 0 && l->target.p[l->target.n - 1] == '/') {
		l->target.n--;
	}
	l->target = arena_printf(&l->boot, "%.*s%.*s", SARG(l->target), SARG(l->o.path));
	l->whole = arena_printf(&l->boot, "%.*s%.*s", SARG(l->o.url), SARG(l->o.path)).p;
	set_heads(l);
	l->v = mem_alloc(l->o.n, sizeof(*l->v));
	l->failed = mem_alloc(l->o.n, sizeof(*l->failed));
	for (size_t i = 0; i < l->o.n; i++) {
		l->v[i].lanes = l;
		buf_init(&l->v[i].out, REQUEST_BYTES_MAX);
	}
}

static bool begin(struct lanes *l, struct err *err)
{
	if (!url_parse(&l->boot, l->o.url, &l->url, err)) {
		return err_wrap(err, "\"to\"");
	}
	set_up(l);
	if (l->url.tls) {
		return true;
	}
	if (!find_address(l, err)) {
		return false;
	}
	for (size_t i = 1; i < l->o.n; i++) {
		/* Where this fails, the first request tries again and counts it. */
		(void)start_connect(&l->v[i]);
	}
	return true;
}

bool lanes_open(struct lanes **out, const struct lanes_options *options, struct err *err)
{
	struct lanes *l = mem_alloc(1, sizeof(*l));

	ensure(options->n >= 1 && options->n <= LANES_MAX && options->keys >= 1);
	l->o = *options;
	arena_init(&l->boot, 0);
	*out = l;
	if (begin(l, err)) {
		return true;
	}
	lanes_close(out);
	return false;
}

void lanes_close(struct lanes **lp)
{
	struct lanes *l = *lp;

	if (l == NULL) {
		return;
	}
	for (size_t i = 0; l->v != NULL && i < l->o.n; i++) {
		shut(&l->v[i]);
		far_end(l->o.far, &l->v[i].call);
		buf_release(&l->v[i].out);
	}
	free(l->v);
	free(l->failed);
	arena_release(&l->boot);
	free(l);
	*lp = NULL;
}
