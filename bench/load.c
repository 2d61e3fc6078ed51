/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load client: N keep-alive connections that each send the next request as soon as the last one
 * is answered (closed loop), or together keep a fixed rate (--rate; latency then counts from the
 * moment a request was due). Every event has its own number, so its own idempotency key. Prints one
 * JSON object. The requests are made beforehand and the clock is read once per reply, because this
 * program shares its two cores with the server it measures.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli.h"
#include "client.h"
#include "request.h"
#include "tally.h"

/* A server that does not answer ends the run instead of keeping us busy with connecting. */
#define UNANSWERED_MAX 200
/* How long to wait for the last replies after the end of the measured time. */
#define DRAIN_NS INT64_C(10000000000)
#define CONNECTIONS_MAX 4096
#define BATCH_MAX 10000

struct options {
	const char *to;
	const char *path;
	const char *method;
	const char *header;
	const char *item;
	const char *seed;
	const char *expect_body;
	uint64_t connections;
	uint64_t batch;
	uint64_t count;
	uint64_t expect;
	double seconds;
	double warm_seconds;
	double rate;
};

struct sender {
	struct client client;
	struct request request;
};

struct load {
	struct options opt;
	struct poller loop;
	struct sender *senders;
	struct sender **idle;
	size_t idle_n;
	uint64_t started; /* requests begun in all phases */
	uint64_t limit;	  /* no more than so many of them */
	int64_t paced_from_ns;
	uint64_t paced;
	struct tally *tally; /* of the phase that runs */
	struct tally warm;
	struct tally measured;
	struct tally late;
};

static int64_t due_ns(const struct load *l)
{
	return l->paced_from_ns + (int64_t)((double)l->paced * 1e9 / l->opt.rate);
}

static void send_next(struct load *l, int64_t at_ns)
{
	struct sender *s = l->idle[--l->idle_n];

	request_number(&s->request, l->started * s->request.items);
	l->started++;
	client_send(&s->client, s->request.bytes, s->request.len, at_ns);
}

/* Send all that may be sent now. */
static void pump(struct load *l, int64_t now)
{
	while (l->idle_n > 0 && l->started < l->limit) {
		int64_t at = now;

		if (l->opt.rate > 0) {
			at = due_ns(l);
			if (at > now) {
				return;
			}
			l->paced++;
		}
		send_next(l, at);
	}
}

static bool as_expected(const struct load *l, const struct client *c, int status)
{
	return status == (int)l->opt.expect &&
	       (l->opt.expect_body[0] == '\0' || reply_says(&c->reply, l->opt.expect_body));
}

static void replied(struct client *c, int status)
{
	struct load *l = c->owner;
	int64_t now = now_ns();

	tally_add(l->tally, status, as_expected(l, c, status), now - c->sent_ns);
	l->idle[l->idle_n++] = (struct sender *)c;
	if (l->tally->status[0] > UNANSWERED_MAX) {
		l->limit = 0;
	}
	pump(l, now);
}

static bool exhausted(const struct load *l)
{
	return l->started >= l->limit && l->idle_n == l->opt.connections;
}

static void run_until(struct load *l, int64_t end_ns)
{
	for (;;) {
		int64_t now = now_ns();
		int64_t until = end_ns;

		if (now >= end_ns || exhausted(l)) {
			return;
		}
		pump(l, now);
		if (l->opt.rate > 0 && l->started < l->limit && l->idle_n > 0 &&
		    due_ns(l) < until) {
			until = due_ns(l);
		}
		turn_until(&l->loop, until);
	}
}

static void open_all(struct load *l)
{
	const struct options *o = &l->opt;
	struct sockaddr_in to = client_address(o->to);
	struct request_spec spec = { .method = o->method,
				     .path = o->path,
				     .host = o->to,
				     .header = o->header,
				     .item = o->item,
				     .seed = o->seed,
				     .batch = o->batch };

	l->senders = mem_alloc(o->connections, sizeof(struct sender));
	l->idle = mem_alloc(o->connections, sizeof(struct sender *));
	for (size_t i = 0; i < o->connections; i++) {
		struct sender *s = &l->senders[i];

		request_init(&s->request, &spec);
		s->client.replied = replied;
		s->client.owner = l;
		client_open(&s->client, &l->loop, &to);
		l->idle[l->idle_n++] = s;
	}
}

static void close_all(struct load *l)
{
	for (size_t i = 0; i < l->opt.connections; i++) {
		client_close(&l->senders[i].client);
		request_release(&l->senders[i].request);
	}
	poller_release(&l->loop);
	free(l->senders);
	free(l->idle);
}

static void start_phase(struct load *l, struct tally *t, int64_t now)
{
	tally_init(t);
	l->tally = t;
	l->paced_from_ns = now;
	l->paced = 0;
}

static void print(const struct load *l, int64_t wall_ns, int64_t used_ns)
{
	const struct tally *t = &l->measured;
	uint64_t items = l->senders[0].request.items;
	uint64_t requests = t->good + t->bad;
	double wall = (double)wall_ns / 1e9;
	uint64_t unanswered = l->warm.status[0] + t->status[0] + l->late.status[0];
	uint64_t open = l->opt.connections - l->idle_n;
	uint64_t bad = l->warm.bad + t->bad + l->late.bad;

	printf("{\"connections\":%" PRIu64 ",\"batch\":%" PRIu64 ",\"seconds\":%.3f,",
	       l->opt.connections, l->opt.batch, wall);
	printf("\"requests\":%" PRIu64 ",\"requests_per_s\":%.1f,\"events\":%" PRIu64
	       ",\"events_per_s\":%.1f,",
	       requests, (double)requests / wall, t->good * items,
	       (double)(t->good * items) / wall);
	tally_print(t);
	printf(",\"unanswered\":%" PRIu64 ",\"left_open\":%" PRIu64 ",", unanswered, open);
	printf("\"events_acked_in_all\":%" PRIu64 ",",
	       (l->warm.good + t->good + l->late.good) * items);
	printf("\"client_cpu_share\":%.3f,\"client_cpu_us_per_request\":%.2f,",
	       (double)used_ns / (double)wall_ns,
	       requests == 0 ? 0.0 : (double)used_ns / 1e3 / (double)requests);
	printf("\"dirty\":%s}\n", bad > 0 || open > 0 || requests == 0 ? "true" : "false");
}

static void run(struct load *l)
{
	int64_t begin = now_ns();
	int64_t used;
	int64_t wall;
	int64_t end;

	start_phase(l, &l->warm, begin);
	run_until(l, begin + (int64_t)(l->opt.warm_seconds * 1e9));

	begin = now_ns();
	used = cpu_ns();
	start_phase(l, &l->measured, begin);
	end = l->opt.seconds > 0 ? begin + (int64_t)(l->opt.seconds * 1e9) : INT64_MAX;
	run_until(l, end);
	wall = now_ns() - begin;
	used = cpu_ns() - used;

	l->limit = 0;
	start_phase(l, &l->late, begin);
	run_until(l, now_ns() + DRAIN_NS);
	print(l, wall, used);
}

int main(int argc, char **argv)
{
	static struct load l = { .opt = { .to = "127.0.0.1:3000",
					  .path = "/events",
					  .method = "POST",
					  .header = "",
					  .item = "",
					  .seed = "s",
					  .expect_body = "",
					  .connections = 64,
					  .expect = 202 } };
	struct options *o = &l.opt;
	const struct opt opts[] = {
		{ "--to", OPT_TEXT, &o->to, "HOST:PORT of the server (IPv4)" },
		{ "--path", OPT_TEXT, &o->path, "request path, may hold {n} and {seed}" },
		{ "--method", OPT_TEXT, &o->method, "request method" },
		{ "--header", OPT_TEXT, &o->header,
		  "one more header line, such as Authorization: ..." },
		{ "--item", OPT_TEXT, &o->item, "JSON template of an event: {seed} {n} {u} {a}" },
		{ "--seed", OPT_TEXT, &o->seed,
		  "what {seed} stands for; another one for each run" },
		{ "--batch", OPT_COUNT, &o->batch, "events per request; 0 sends the bare event" },
		{ "--connections", OPT_COUNT, &o->connections, "keep-alive connections" },
		{ "--count", OPT_COUNT, &o->count, "stop after so many requests" },
		{ "--seconds", OPT_REAL, &o->seconds, "measure for so long" },
		{ "--warm", OPT_REAL, &o->warm_seconds,
		  "seconds of the same load before measuring" },
		{ "--rate", OPT_REAL, &o->rate,
		  "requests per second in all; 0 is as fast as answers come" },
		{ "--expect", OPT_COUNT, &o->expect, "the one good status" },
		{ "--expect-body", OPT_TEXT, &o->expect_body,
		  "text that a good reply begins or ends with" },
	};

	cli_read(argc, argv, opts, ARRAY_LEN(opts));
	if (o->connections == 0 || o->connections > CONNECTIONS_MAX || o->batch > BATCH_MAX) {
		die("1 to %d connections and at most %d events a batch, please", CONNECTIONS_MAX,
		    BATCH_MAX);
	}
	if (o->seconds <= 0 && o->count == 0) {
		die("say --seconds or --count");
	}
	prctl(PR_SET_TIMERSLACK, 1UL);
	l.limit = o->count > 0 ? o->count : UINT64_MAX;
	poller_init(&l.loop);
	open_all(&l);
	run(&l);
	close_all(&l);
	return 0;
}
