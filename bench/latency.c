/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event to webhook: posts single events at a fixed rate and receives the webhooks they cause in the
 * same process, on one clock. A rule of threshold 1 without cooldown, whose webhook goes to our
 * port, is made by the caller. The event's number is found again in the webhook as "<seed>-<12
 * digits>", so the webhook has to carry the payload.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli.h"
#include "client.h"
#include "load/receiver.h"
#include "request.h"
#include "tally.h"

/*
 * Connections to post over: at 50/s one is idle nearly always; a stalled server makes the rest
 * queue.
 */
#define POSTERS 16
/*
 * After the last event, how long to wait for its webhook (both servers' first retry comes earlier).
 */
#define PATIENCE_NS INT64_C(10000000000)
#define COUNT_MAX 1000000

struct options {
	const char *to;
	const char *path;
	const char *header;
	const char *item;
	const char *seed;
	uint64_t port;
	uint64_t count;
	uint64_t warm;
	uint64_t expect;
	double rate;
};

struct poster {
	struct client client;
	struct request request;
	uint64_t n;
};

struct run {
	struct options opt;
	struct poller loop;
	struct receiver receiver;
	struct poster posters[POSTERS];
	struct poster *idle[POSTERS];
	size_t idle_n;
	uint64_t total; /* warm-up and measured events together */
	uint64_t sent;
	uint64_t hooks;
	uint64_t again;
	uint64_t unknown;
	int64_t *sent_ns;
	bool *got;
	char mark[128];
	struct tally accepted;
	struct hist hook_ns;
};

static void replied(struct client *c, int status)
{
	struct run *r = c->owner;
	struct poster *p = (struct poster *)c;

	if (p->n >= r->opt.warm) {
		tally_add(&r->accepted, status, status == (int)r->opt.expect,
			  now_ns() - c->sent_ns);
	}
	r->idle[r->idle_n++] = p;
}

static bool read_mark(const struct run *r, const char *body, size_t len, uint64_t *n)
{
	const char *at = memmem(body, len, r->mark, strlen(r->mark));
	char digits[REQUEST_N_DIGITS + 1] = { 0 };

	if (at == NULL || len - (size_t)(at - body) < strlen(r->mark) + REQUEST_N_DIGITS) {
		return false;
	}
	memcpy(digits, at + strlen(r->mark), REQUEST_N_DIGITS);
	*n = strtoull(digits, NULL, 10);
	return *n < r->total && r->sent_ns[*n] != 0;
}

static void got_hook(void *owner, const char *body, size_t len, int64_t at_us)
{
	struct run *r = owner;
	uint64_t n;

	if (!read_mark(r, body, len, &n)) {
		r->unknown++;
		return;
	}
	if (r->got[n]) {
		r->again++;
		return;
	}
	r->got[n] = true;
	r->hooks++;
	if (n >= r->opt.warm) {
		hist_add(&r->hook_ns, at_us * 1000 > r->sent_ns[n]
					      ? (uint64_t)(at_us * 1000 - r->sent_ns[n])
					      : 0);
	}
}

/* A request that had to wait for a free connection counts from when it was due. */
static void send_due(struct run *r, int64_t due, bool waited)
{
	struct poster *p = r->idle[--r->idle_n];
	int64_t at = waited ? due : now_ns();

	p->n = r->sent++;
	r->sent_ns[p->n] = at;
	request_number(&p->request, p->n);
	client_send(&p->client, p->request.bytes, p->request.len, at);
}

static void post_all(struct run *r)
{
	int64_t from = now_ns() + 1000000;
	bool waited = false;

	while (r->sent < r->total) {
		int64_t due = from + (int64_t)((double)r->sent * 1e9 / r->opt.rate);

		if (now_ns() < due) {
			turn_until(&r->loop, due);
		} else if (r->idle_n > 0) {
			send_due(r, due, waited);
			waited = false;
		} else {
			waited = true;
			turn_until(&r->loop, now_ns() + 1000000);
		}
	}
}

static void wait_for_rest(struct run *r)
{
	int64_t until = now_ns() + PATIENCE_NS;

	while ((r->hooks < r->total || r->idle_n < POSTERS) && now_ns() < until) {
		turn_until(&r->loop, until);
	}
}

static void open_all(struct run *r)
{
	const struct options *o = &r->opt;
	struct sockaddr_in to = client_address(o->to);
	struct request_spec spec = { .method = "POST",
				     .path = o->path,
				     .host = o->to,
				     .header = o->header,
				     .item = o->item,
				     .seed = o->seed };
	struct err err;

	r->receiver.got = got_hook;
	r->receiver.owner = r;
	if (!receiver_open(&r->receiver, &r->loop, "127.0.0.1", (uint16_t)o->port, &err)) {
		die("%s", err.text);
	}
	for (size_t i = 0; i < POSTERS; i++) {
		struct poster *p = &r->posters[i];

		request_init(&p->request, &spec);
		p->client.replied = replied;
		p->client.owner = r;
		client_open(&p->client, &r->loop, &to);
		r->idle[r->idle_n++] = p;
	}
}

static void print(const struct run *r, int64_t wall_ns, int64_t used_ns)
{
	bool dirty = r->accepted.bad > 0 || r->hooks != r->total || r->again > 0 ||
		     r->idle_n < POSTERS;

	printf("{\"rate\":%.1f,\"sent\":%" PRIu64 ",\"warm\":%" PRIu64 ",\"hooks\":%" PRIu64 ",",
	       r->opt.rate, r->sent, r->opt.warm, r->hooks);
	printf("\"missing\":%" PRIu64 ",\"repeated\":%" PRIu64 ",\"unknown\":%" PRIu64 ",",
	       r->total - r->hooks, r->again, r->unknown);
	tally_print_hist("hook", &r->hook_ns);
	tally_print(&r->accepted);
	printf(",\"client_cpu_share\":%.3f,\"dirty\":%s}\n", (double)used_ns / (double)wall_ns,
	       dirty ? "true" : "false");
}

static void measure(struct run *r)
{
	int64_t begin = now_ns();
	int64_t used = cpu_ns();

	r->total = r->opt.warm + r->opt.count;
	r->sent_ns = mem_alloc(r->total, sizeof(int64_t));
	r->got = mem_alloc(r->total, sizeof(bool));
	snprintf(r->mark, sizeof(r->mark), "%s-", r->opt.seed);
	tally_init(&r->accepted);
	hist_init(&r->hook_ns);
	post_all(r);
	wait_for_rest(r);
	print(r, now_ns() - begin, cpu_ns() - used);
	free(r->sent_ns);
	free(r->got);
}

int main(int argc, char **argv)
{
	static struct run r = { .opt = { .to = "127.0.0.1:3000",
					 .path = "/events",
					 .header = "",
					 .item = "",
					 .seed = "s",
					 .count = 500,
					 .warm = 50,
					 .expect = 202,
					 .rate = 50 } };
	struct options *o = &r.opt;
	const struct opt opts[] = {
		{ "--to", OPT_TEXT, &o->to, "HOST:PORT of the server (IPv4)" },
		{ "--path", OPT_TEXT, &o->path, "request path" },
		{ "--header", OPT_TEXT, &o->header,
		  "one more header line, such as Authorization: ..." },
		{ "--item", OPT_TEXT, &o->item,
		  "JSON template of an event, with {seed}-{n} in its payload" },
		{ "--seed", OPT_TEXT, &o->seed,
		  "what {seed} stands for; another one for each run" },
		{ "--listen", OPT_COUNT, &o->port, "port of the webhook receiver on 127.0.0.1" },
		{ "--count", OPT_COUNT, &o->count, "events to measure" },
		{ "--warm", OPT_COUNT, &o->warm, "events before those" },
		{ "--rate", OPT_REAL, &o->rate, "events per second" },
		{ "--expect", OPT_COUNT, &o->expect, "the one good status" },
	};

	cli_read(argc, argv, opts, ARRAY_LEN(opts));
	if (o->rate <= 0 || o->count == 0 || o->count + o->warm > COUNT_MAX || o->port == 0 ||
	    o->port > 65535) {
		die("--listen needs a port, --rate more than 0, --count 1 to %d", COUNT_MAX);
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	poller_init(&r.loop);
	open_all(&r);
	measure(&r);
	for (size_t i = 0; i < POSTERS; i++) {
		client_close(&r.posters[i].client);
		request_release(&r.posters[i].request);
	}
	receiver_close(&r.receiver);
	poller_release(&r.loop);
	return 0;
}
