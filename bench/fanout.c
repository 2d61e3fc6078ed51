/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live fan-out: connects N WebSocket clients (a ticket each), then posts a burst of events in
 * batches and counts what every client receives until all have all of it. The rate that counts is
 * from the first request to the last message; from the first message on is printed as well. What
 * the first client receives is kept and must hold every event's number exactly once, behind --mark.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "request.h"
#include "wsread.h"

#define CLIENTS_MAX 4096
/* Requests of the burst that are under way at once. */
#define POSTERS 4
/* What a server sends on connecting is waited for and not counted. */
#define SETTLE_NS INT64_C(300000000)
#define READ_BYTES (256 * 1024)
/* Both servers' frames for one event stay below this. */
#define FRAME_BYTES_MAX 1024
#define EVENTS_MAX 100000

struct options {
	const char *to;
	const char *header;
	const char *ticket_path;
	const char *ws_path;
	const char *path;
	const char *item;
	const char *seed;
	const char *mark;
	uint64_t clients;
	uint64_t events;
	uint64_t batch;
	uint64_t expect;
	double patience;
};

struct viewer {
	struct watch watch; /* first: the loop hands it back */
	struct run *run;
	struct wsread ws;
	uint64_t before; /* messages that came before the burst */
};

struct poster {
	struct client client;
	struct request request;
};

struct run {
	struct options opt;
	struct poller loop;
	struct sockaddr_in to;
	struct viewer *viewers;
	struct poster posters[POSTERS];
	uint64_t batches;
	uint64_t begun;
	uint64_t answered;
	uint64_t bad;
	uint64_t messages;
	uint64_t bytes;
	uint64_t lost; /* connections that ended */
	char *kept;    /* what the first viewer received, as far as it fits */
	size_t kept_n;
	int64_t first_ns;
	int64_t last_ns;
};

static void lose(struct viewer *v)
{
	poller_drop(&v->run->loop, &v->watch);
	close(v->watch.fd);
	v->watch.fd = -1;
	v->run->lost++;
}

static void keep(struct run *r, const unsigned char *p, size_t n)
{
	size_t room = r->opt.events * FRAME_BYTES_MAX - r->kept_n;
	size_t take = n < room ? n : room;

	memcpy(r->kept + r->kept_n, p, take);
	r->kept_n += take;
}

static void viewer_ready(struct watch *w, uint32_t events UNUSED)
{
	static unsigned char buf[READ_BYTES];
	struct viewer *v = (struct viewer *)w;
	uint64_t before = v->ws.messages;
	ssize_t n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		lose(v);
		return;
	}
	wsread_feed(&v->ws, buf, (size_t)n);
	if (v == v->run->viewers) {
		keep(v->run, buf, (size_t)n);
	}
	if (v->ws.messages != before) {
		v->run->messages += v->ws.messages - before;
		v->run->last_ns = now_ns();
		v->run->first_ns = v->run->first_ns == 0 ? v->run->last_ns : v->run->first_ns;
	}
	v->run->bytes += (uint64_t)n;
	if (v->ws.closed || v->ws.broken) {
		lose(v);
	}
}

/* Read up to the end of the reply's head, byte by byte: what follows are frames. */
static bool read_upgrade(int fd)
{
	char head[4096];
	size_t len = 0;

	while (len < sizeof(head) && recv(fd, head + len, 1, 0) == 1) {
		len++;
		if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0) {
			return memcmp(head, "HTTP/1.1 101", 12) == 0;
		}
	}
	return false;
}

static void upgrade(struct run *r, struct viewer *v, const char *ticket, size_t ticket_len)
{
	char head[1024];
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(
		head, sizeof(head),
		"GET %s%.*s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n",
		r->opt.ws_path, (int)ticket_len, ticket, r->opt.to);

	if (len < 0 || (size_t)len >= sizeof(head)) {
		die("the ticket or the path is too long");
	}
	if (fd < 0 || connect(fd, (const struct sockaddr *)&r->to, sizeof(r->to)) != 0) {
		die("connect: %s", strerror(errno));
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (send(fd, head, (size_t)len, MSG_NOSIGNAL) != len || !read_upgrade(fd)) {
		die("the server refused to upgrade to a WebSocket");
	}
	v->watch = (struct watch) { .fd = fd, .ready = viewer_ready };
	v->run = r;
	poller_add(&r->loop, &v->watch, EPOLLIN);
}

static void open_viewers(struct run *r)
{
	struct client *c = &r->posters[0].client;
	struct request_spec spec = { .method = "POST",
				     .path = r->opt.ticket_path,
				     .host = r->opt.to,
				     .header = r->opt.header,
				     .item = "",
				     .seed = "" };
	struct request ask;

	request_init(&ask, &spec);
	r->viewers = mem_alloc(r->opt.clients, sizeof(struct viewer));
	for (size_t i = 0; i < r->opt.clients; i++) {
		int status = client_call(c, ask.bytes, ask.len);
		const char *ticket = strstr(c->reply.body, "\"ticket\":\"");

		if (status < 200 || status > 299 || ticket == NULL) {
			die("no ticket: status %d, %s", status, c->reply.body);
		}
		ticket += strlen("\"ticket\":\"");
		upgrade(r, &r->viewers[i], ticket, strcspn(ticket, "\""));
	}
	request_release(&ask);
}

static void post_next(struct run *r, struct poster *p)
{
	if (r->begun < r->batches) {
		request_number(&p->request, r->begun * p->request.items);
		r->begun++;
		client_send(&p->client, p->request.bytes, p->request.len, now_ns());
	}
}

static void replied(struct client *c, int status)
{
	struct run *r = c->owner;

	r->answered++;
	r->bad += status == (int)r->opt.expect ? 0 : 1;
	post_next(r, (struct poster *)c);
}

static void open_posters(struct run *r)
{
	const struct options *o = &r->opt;
	struct request_spec spec = { .method = "POST",
				     .path = o->path,
				     .host = o->to,
				     .header = o->header,
				     .item = o->item,
				     .seed = o->seed,
				     .batch = o->batch };

	for (size_t i = 0; i < POSTERS; i++) {
		request_init(&r->posters[i].request, &spec);
		r->posters[i].client.replied = replied;
		r->posters[i].client.owner = r;
		client_open(&r->posters[i].client, &r->loop, &r->to);
	}
}

static void settle(struct run *r)
{
	int64_t until = now_ns() + SETTLE_NS;

	while (now_ns() < until) {
		turn_until(&r->loop, until);
	}
	for (size_t i = 0; i < r->opt.clients; i++) {
		r->viewers[i].before = r->viewers[i].ws.messages;
	}
	r->messages = 0;
	r->kept_n = 0;
	r->bytes = 0;
	r->first_ns = 0;
}

static void burst(struct run *r)
{
	int64_t until = now_ns() + (int64_t)(r->opt.patience * 1e9);
	uint64_t want = r->opt.clients * r->opt.events;

	for (size_t i = 0; i < POSTERS; i++) {
		post_next(r, &r->posters[i]);
	}
	while ((r->messages < want || r->answered < r->batches) && r->lost < r->opt.clients &&
	       now_ns() < until) {
		turn_until(&r->loop, until);
	}
}

/* How many of the events' numbers the first viewer saw exactly once. */
static uint64_t seen_once(const struct run *r)
{
	size_t mark_n = strlen(r->opt.mark);
	unsigned char *times = mem_alloc(r->opt.events, 1);
	const char *p = r->kept;
	uint64_t once = 0;

	while ((p = memmem(p, r->kept_n - (size_t)(p - r->kept), r->opt.mark, mark_n)) != NULL) {
		char digits[REQUEST_N_DIGITS + 1] = { 0 };
		uint64_t n;

		p += mark_n;
		if (r->kept_n - (size_t)(p - r->kept) < REQUEST_N_DIGITS) {
			break;
		}
		memcpy(digits, p, REQUEST_N_DIGITS);
		n = strtoull(digits, NULL, 10);
		if (n < r->opt.events && times[n] < 2) {
			times[n]++;
		}
	}
	for (size_t i = 0; i < r->opt.events; i++) {
		once += times[i] == 1 ? 1 : 0;
	}
	free(times);
	return once;
}

static void print(const struct run *r, int64_t begin_ns, int64_t used_ns)
{
	uint64_t least = UINT64_MAX;
	uint64_t most = 0;
	double span = (double)(r->last_ns - r->first_ns) / 1e9;
	double whole = (double)(r->last_ns - begin_ns) / 1e9;
	uint64_t once = seen_once(r);
	bool dirty;

	for (size_t i = 0; i < r->opt.clients; i++) {
		uint64_t n = r->viewers[i].ws.messages - r->viewers[i].before;

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	dirty = once != r->opt.events || r->bad > 0 || r->lost > 0 || least != r->opt.events ||
		most != r->opt.events;
	printf("{\"clients\":%" PRIu64 ",\"events\":%" PRIu64 ",\"frames\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",",
	       r->opt.clients, r->opt.events, r->messages, r->bytes);
	printf("\"per_client_min\":%" PRIu64 ",\"per_client_max\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",",
	       least, most, r->lost);
	printf("\"seen_once_by_first\":%" PRIu64 ",", once);
	printf("\"bad_replies\":%" PRIu64 ",\"seconds\":%.4f,\"frames_per_s\":%.0f,", r->bad, span,
	       span > 0 ? (double)r->messages / span : 0.0);
	printf("\"end_to_end_seconds\":%.4f,\"end_to_end_frames_per_s\":%.0f,", whole,
	       whole > 0 ? (double)r->messages / whole : 0.0);
	printf("\"client_cpu_share\":%.3f,\"dirty\":%s}\n",
	       whole > 0 ? (double)used_ns / 1e9 / whole : 0.0, dirty ? "true" : "false");
}

static void run(struct run *r)
{
	int64_t begin;
	int64_t used;

	r->batches = r->opt.events / r->opt.batch;
	r->kept = mem_alloc(r->opt.events, FRAME_BYTES_MAX);
	open_posters(r);
	open_viewers(r);
	settle(r);
	begin = now_ns();
	used = cpu_ns();
	burst(r);
	print(r, begin, cpu_ns() - used);
	for (size_t i = 0; i < POSTERS; i++) {
		client_close(&r->posters[i].client);
		request_release(&r->posters[i].request);
	}
	for (size_t i = 0; i < r->opt.clients; i++) {
		if (r->viewers[i].watch.fd >= 0) {
			close(r->viewers[i].watch.fd);
		}
	}
	free(r->viewers);
	free(r->kept);
}

int main(int argc, char **argv)
{
	static struct run r = { .opt = { .to = "127.0.0.1:3000",
					 .header = "",
					 .ticket_path = "/auth/ws-ticket",
					 .ws_path = "/ws?ticket=",
					 .path = "/events/batch",
					 .item = "",
					 .seed = "s",
					 .mark = "\"c-",
					 .clients = 200,
					 .events = 3000,
					 .batch = 500,
					 .expect = 202,
					 .patience = 30 } };
	struct options *o = &r.opt;
	const struct opt opts[] = {
		{ "--to", OPT_TEXT, &o->to, "HOST:PORT of the server (IPv4)" },
		{ "--header", OPT_TEXT, &o->header,
		  "one more header line, such as Authorization: ..." },
		{ "--ticket-path", OPT_TEXT, &o->ticket_path,
		  "POST here answers {\"ticket\":...}" },
		{ "--ws-path", OPT_TEXT, &o->ws_path,
		  "where to upgrade; the ticket is put behind it" },
		{ "--path", OPT_TEXT, &o->path, "where batches are posted" },
		{ "--item", OPT_TEXT, &o->item, "JSON template of an event: {seed} {n} {u} {a}" },
		{ "--seed", OPT_TEXT, &o->seed,
		  "what {seed} stands for; another one for each run" },
		{ "--mark", OPT_TEXT, &o->mark,
		  "text in front of {n} in the item that the frames repeat" },
		{ "--clients", OPT_COUNT, &o->clients, "WebSocket clients" },
		{ "--events", OPT_COUNT, &o->events, "events of the burst, a multiple of --batch" },
		{ "--batch", OPT_COUNT, &o->batch, "events per request" },
		{ "--expect", OPT_COUNT, &o->expect, "the one good status of a batch" },
		{ "--patience", OPT_REAL, &o->patience, "give up after so many seconds" },
	};

	cli_read(argc, argv, opts, ARRAY_LEN(opts));
	if (o->clients == 0 || o->clients > CLIENTS_MAX || o->batch == 0 ||
	    o->events % o->batch != 0 || o->events > EVENTS_MAX || o->mark[0] == '\0') {
		die("1 to %d clients, and --events a multiple of --batch, please", CLIENTS_MAX);
	}
	poller_init(&r.loop);
	r.to = client_address(o->to);
	run(&r);
	poller_release(&r.loop);
	return 0;
}
