/* SPDX-License-Identifier: Apache-2.0 */
/* What operators see: every number of the table moves when its cause happens. */
#include <poll.h>
#include <stdio.h>

#include "api/server_test.h"
#include "base/clock.h"
#include "test/peer.h"

static void must(const char *reply, const char *status)
{
	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s, not %s", reply, status);
	}
}

static void put_rule(struct client *c, const char *key, const char *type, unsigned port,
		     const char *path)
{
	char body[512];

	snprintf(body, sizeof(body),
		 "{\"name\":\"r\",\"eventType\":\"%s\",\"condition\":\"count_gte\",\"threshold\":1,"
		 "\"windowSeconds\":1,\"cooldownSeconds\":0,\"actions\":["
		 "{\"channel\":\"webhook\",\"config\":{\"url\":\"http://127.0.0.1:%u%s\"}}]}",
		 type, port, path);
	must(server_ask(c, "POST", "/api/v1/rules", key, body), "201");
}

/*
 * Metrics that this test cannot move, each with the test or the reason that stands for it. The
 * gauges among them are 0 in a server with nothing to do.
 */
static const enum metric explained[] = {
	/* Nothing is sold here: test/scenario/49_billing. */
	METRIC_BILLING_TAKEN,
	METRIC_BILLING_REPEATED,
	METRIC_BILLING_UNKNOWN,
	METRIC_BILLING_IGNORED,
	METRIC_BILLING_UNSIGNED,
	METRIC_BILLING_CALLED,
	METRIC_BILLING_FAILED,
	METRIC_BILLING_TOLD,
	METRIC_BILLING_LOST,
	METRIC_JOURNAL_SEALED_BYTES, /* needs a whole segment */
	METRIC_JOURNAL_SEALED_RECORDS,
	METRIC_JOURNAL_SEALED_BODIES,
	METRIC_IDEMPOTENCY_SEALED, /* these four: journal/file/keys */
	METRIC_IDEMPOTENCY_TABLES,
	METRIC_IDEMPOTENCY_SHORTENED,
	METRIC_IDEMPOTENCY_OVER_BUDGET,
	METRIC_JOURNAL_SCRUBBED, /* engine/keeper */
	METRIC_JOURNAL_MENDED,
	METRIC_JOURNAL_LOST_BLOCKS, /* journal/file/scrub */
	METRIC_JOURNAL_LOST_RECORDS,
	METRIC_JOURNAL_SEAL_WAITING, /* journal/file/set_aside */
	METRIC_INGEST_RATE_LIMITED,  /* api/rate */
	METRIC_RATE_KEY,
	METRIC_RATE_SESSION,
	METRIC_RATE_ORG,
	METRIC_RATE_ADDRESS,
	METRIC_RATE_ACCOUNT,
	METRIC_RATE_EVICTED,
	METRIC_INGEST_QUOTA,	    /* no plans yet */
	METRIC_OUTCOMES_LOST,	    /* engine/ledger */
	METRIC_QUARANTINED,	    /* engine/poison */
	METRIC_INGEST_OVERLOADED,   /* a stop or a lag: scenario ring */
	METRIC_INGEST_IO,	    /* a failing disk: journal/file/crash */
	METRIC_ENGINE_LAG,	    /* a gauge */
	METRIC_ENGINE_RETRIES,	    /* engine/engine_fault */
	METRIC_DELIVERY_OLDEST,	    /* a gauge */
	METRIC_WORKER_QUEUE,	    /* a gauge */
	METRIC_LIVE_DROPPED,	    /* api/stream */
	METRIC_LIVE_CLIENTS,	    /* api/stream */
	METRIC_LIVE_FRAMES,	    /* api/stream */
	METRIC_SCANS,		    /* api/search */
	METRIC_GUESSES_REFUSED,	    /* api/guess */
	METRIC_HTTP_3XX,	    /* nothing redirects yet */
	METRIC_HTTP_5XX,	    /* a failing disk */
	METRIC_START_TIME,	    /* set by the command line */
	METRIC_CLOCK_OFFSET,	    /* a wall clock that went back: journal_contract */
	METRIC_ALERTS_FIRING,	    /* a gauge; back to 0 when all are over */
	METRIC_ALERTS_RESOLVED,	    /* time has to pass: engine */
	METRIC_TICKS,		    /* likewise */
	METRIC_CONNECTIONS_REFUSED, /* these have tests of their own below */
	METRIC_CUT_HEAD,
	METRIC_CUT_BODY,
	METRIC_CUT_IDLE,
	METRIC_CUT_LINGER,
	METRIC_CUT_WRITE,
	METRIC_CUT_CROWDED,
	METRIC_PURGED_RECORDS, /* engine/purger */
	METRIC_PURGED_BYTES,
	METRIC_PURGED_AT,
	METRIC_PURGE_WAITING,
	METRIC_HEARTBEAT_SENT, /* engine/reporter and engine/heartbeat */
	METRIC_HEARTBEAT_FAILED,
	METRIC_HEARTBEAT_WITHHELD,
	METRIC_REPORT_SENT,
	METRIC_REPORT_FAILED,
	METRIC_REPORT_DROPPED,
};

static bool is_explained(enum metric id)
{
	for (size_t i = 0; i < ARRAY_LEN(explained); i++) {
		if (explained[i] == id) {
			return true;
		}
	}
	return false;
}

static void cause_all(struct fixture *f, struct client *c, const char *key)
{
	static const struct peer_answer answers[] = {
		{ .path = "/ok", .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
		{ .path = "/no", .bytes = "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n" },
		{ .path = "/bad", .bytes = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" },
	};
	struct peer *peer = peer_new("127.0.0.1", 0, answers, ARRAY_LEN(answers));
	struct metrics *m = server_api(f)->metrics;
	static char large[300000];

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		put_rule(c, key, answers[i].path + 1, peer_port(peer), answers[i].path);
	}
	must(server_ask(c, "POST", "/events", key, "{\"type\":\"ok\",\"idempotencyKey\":\"k\"}"),
	     "201");
	must(server_ask(c, "POST", "/api/v1/events", key,
			"{\"type\":\"ok\",\"idempotencyKey\":\"j\"}"),
	     "201");
	must(server_ask(c, "POST", "/api/v1/events", key,
			"{\"type\":\"ok\",\"idempotencyKey\":\"j\"}"),
	     "201");
	must(server_ask(c, "POST", "/api/v1/events", key,
			"{\"type\":\"no\",\"idempotencyKey\":\"j\"}"),
	     "409");
	must(server_ask(c, "POST", "/api/v1/events", key, "{\"type\":\"no\"}"), "201");
	must(server_ask(c, "POST", "/api/v1/events", key, "{\"type\":\"bad\"}"), "201");
	must(server_ask(c, "POST", "/api/v1/events", key, "{\"type\":7}"), "400");
	must(server_ask(c, "POST", "/api/v1/events", "sk_wrong", "{\"type\":\"ok\"}"), "401");
	snprintf(large, sizeof(large), "{\"type\":\"ok\",\"payload\":{\"s\":\"%0280000d\"}}", 1);
	must(server_ask(c, "POST", "/api/v1/events", key, large), "413");
	while (metric_get(m, METRIC_DELIVERED) == 0 || metric_get(m, METRIC_DELIVERY_RETRY) == 0 ||
	       metric_get(m, METRIC_DELIVERY_DEAD) == 0 ||
	       metric_get(m, METRIC_DELIVERY_QUEUE) == 0) {
		poll(NULL, 0, 1);
	}
	peer_free(&peer);
}

TEST(every_metric_moves_or_is_explained)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	const char *text;

	cause_all(f, &c, key);
	text = server_ask(&c, "GET", "/metrics", NULL, "");
	must(text, "200");
	T_TRUE(strstr(text, "# TYPE tocsin_journal_flush_seconds histogram\n") != NULL);
	T_TRUE(strstr(text, "tocsin_journal_flush_seconds_count 0\n") == NULL);
	for (enum metric id = 0; id < METRICS; id++) {
		if (metric_get(server_api(f)->metrics, id) == 0 && !is_explained(id)) {
			fail_msg("metric %d of metrics.def is still 0", (int)id);
		}
	}
	client_close(&c);
	server_free(&f);
}

struct ends {
	struct fixture *f;
	struct http_server_stats stats;
};

static void read_stats(void *arg)
{
	struct ends *e = arg;

	e->stats = http_server_stats(server_api(e->f)->http);
}

static void wait_for_ends(struct ends *e, size_t open)
{
	do {
		poll(NULL, 0, 1);
		server_on_loop(e->f, read_stats, e);
	} while (e->stats.open > open);
}

/* Events enough for an answer that no socket takes at once. */
static void store_much(struct fixture *f, const char *key)
{
	static char large[260000];
	struct client c = client_open(f);

	snprintf(large, sizeof(large), "{\"type\":\"ok\",\"metadata\":{\"s\":\"%0250000d\"}}", 1);
	for (int i = 0; i < 60; i++) {
		must(server_ask(&c, "POST", "/events", key, large), "201");
	}
	client_close(&c);
}

static void ask_slowly(struct client *c, struct fixture *f, const char *key)
{
	*c = client_open_slow(f);
	server_say(c, "GET", "/events?limit=100", key, "", "");
	T_TRUE(strncmp(client_reply_head(c), "200", 3) == 0);
}

static struct client say_to(struct fixture *f, const char *text)
{
	struct client c = client_open(f);

	client_send(&c, slice_of(text));
	return c;
}

/* Each reason a number of times that no other has. */
TEST(ends_of_connections_are_counted_by_reason)
{
	struct server_options options = { .http = { .head_us = US_PER_S,
						    .body_us = US_PER_S,
						    .idle_us = US_PER_S,
						    .write_us = US_PER_S,
						    .linger_us = US_PER_S,
						    .stuck_max = (size_t)1 << 20 } };
	struct ends e = { .f = server_new(&options) };
	const char *key = server_key(e.f, "acme", ~0u);
	struct metrics *m = server_api(e.f)->metrics;
	struct client c[12];
	size_t n = 0;

	store_much(e.f, key);
	wait_for_ends(&e, 0);
	ask_slowly(&c[n++], e.f, key); /* crowded by the next one, which takes nothing */
	ask_slowly(&c[n++], e.f, key);
	while (n < 4) { /* silent heads */
		c[n++] = client_open(e.f);
	}
	while (n < 7) { /* half heads: a head and, since they do not close, a linger each */
		c[n++] = say_to(e.f, "GET / HT");
	}
	while (n < 9) { /* bodies, likewise */
		c[n++] = say_to(e.f, "POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
				     "Content-Type: application/json\r\n\r\n{");
	}
	while (n < 12) {
		c[n++] = say_to(e.f, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	wait_for_ends(&e, 0);
	for (size_t i = 0; i < n; i++) {
		client_close(&c[i]);
	}
	wait_for_ends(&e, 0);
	c[0] = client_open(e.f);
	must(server_ask(&c[0], "GET", "/metrics", NULL, ""), "200");
	T_INT(metric_get(m, METRIC_CUT_CROWDED), 1);
	T_INT(metric_get(m, METRIC_CUT_WRITE), 1);
	T_INT(metric_get(m, METRIC_CUT_HEAD), 5);
	T_INT(metric_get(m, METRIC_CUT_BODY), 2);
	T_INT(metric_get(m, METRIC_CUT_LINGER), 5);
	T_INT(metric_get(m, METRIC_CUT_IDLE), 3);
	client_close(&c[0]);
	server_free(&e.f);
}

TEST(connections_are_counted_and_refused_ones_too)
{
	struct server_options options = { .http.conns_per_ip = 2 };
	struct fixture *f = server_new(&options);
	struct metrics *m = server_api(f)->metrics;
	struct client a = client_open(f), b = client_open(f), c;

	must(server_ask(&a, "GET", "/health", NULL, ""), "200");
	must(server_ask(&b, "GET", "/health", NULL, ""), "200");
	c = client_open(f);
	must(client_reply(&c), "429");
	must(server_ask(&a, "GET", "/metrics", NULL, ""), "200");
	T_INT(metric_get(m, METRIC_CONNECTIONS), 2);
	T_INT(metric_get(m, METRIC_CONNECTIONS_ACCEPTED), 2);
	T_INT(metric_get(m, METRIC_CONNECTIONS_REFUSED), 1);
	client_close(&a);
	client_close(&b);
	client_close(&c);
	server_free(&f);
}

/* received = accepted + refused by reason. */
TEST(the_books_of_ingest_balance)
{
	static const struct {
		const char *body, *status;
		enum metric metric;
	} cases[] = {
		{ "{\"type\":\"a\"}", "201", METRIC_INGEST_STORED },
		{ "{\"type\":\"a\"", "400", METRIC_INGEST_INVALID },
		{ "{\"type\":\"\"}", "400", METRIC_INGEST_INVALID },
		{ "[]", "200", METRICS },
		{ "[{\"type\":\"a\"},{\"type\":1},{\"type\":\"b\"}]", "200", METRICS },
	};
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct metrics *m = server_api(f)->metrics;
	struct client c = client_open(f);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t before = cases[i].metric < METRICS ? metric_get(m, cases[i].metric) : 0;

		must(server_ask(&c, "POST", "/api/v1/events", key, cases[i].body), cases[i].status);
		T_TRUE(cases[i].metric == METRICS || metric_get(m, cases[i].metric) == before + 1);
	}
	T_INT(metric_get(m, METRIC_INGEST_STORED), 3);
	T_INT(metric_get(m, METRIC_INGEST_INVALID), 3);
	must(server_ask(&c, "POST", "/api/v1/events", NULL, "{}"), "401");
	must(server_ask(&c, "POST", "/ingest", NULL,
			"{\"apiKey\":\"x\",\"type\":\"event\","
			"\"name\":\"n\",\"payload\":{}}"),
	     "401");
	must(server_ask(&c, "POST", "/events", server_key(f, "acme", SCOPE_EVENTS_READ), "{}"),
	     "403");
	T_INT(metric_get(m, METRIC_INGEST_UNAUTHORIZED), 3);
	client_close(&c);
	server_free(&f);
}

TEST(metrics_are_for_this_machine_or_for_the_token)
{
	struct server_options options = { .metrics_token = "secret" };
	struct fixture *f = server_new(NULL);
	struct client c = client_open(f);

	must(server_ask(&c, "GET", "/metrics", NULL, ""), "200");
	server_say(&c, "GET", "/metrics", NULL, "X-Forwarded-For: 10.0.0.1\r\n", "");
	must(client_reply(&c), "403");
	client_close(&c);
	server_free(&f);
	f = server_new(&options);
	c = client_open(f);
	must(server_ask(&c, "GET", "/metrics", NULL, ""), "403");
	must(server_ask(&c, "GET", "/metrics", "secrex", ""), "403");
	must(server_ask(&c, "GET", "/metrics", "secret", ""), "200");
	must(server_ask(&c, "GET", "/health", NULL, ""), "200");
	must(server_ask(&c, "GET", "/ready", NULL, ""), "200");
	client_close(&c);
	server_free(&f);
}

/* One batch with more keys than memory is for. */
static void send_keys(struct client *c, const char *key)
{
	struct buf body;

	buf_init(&body, (size_t)1 << 20);
	for (int i = 0; i < 1000; i++) {
		buf_printf(&body, "{\"type\":\"a\",\"idempotencyKey\":\"k%d\"}\n", i);
	}
	buf_putc(&body, '\0');
	server_say(c, "POST", "/api/v1/events", key, "Content-Type: application/x-ndjson\r\n",
		   body.p);
	must(client_reply(c), "200");
	buf_release(&body);
}

TEST(keys_that_are_forgotten_early_are_told)
{
	struct server_options options = { .idempotency_bytes_max = 9000 };
	struct fixture *f = server_new(&options);
	struct client c = client_open(f);
	const char *reply = server_ask(&c, "GET", "/ready", NULL, "");

	T_STR(reply, "200 {\"status\":\"ready\"}");
	send_keys(&c, server_key(f, "acme", ~0u));
	reply = server_ask(&c, "GET", "/ready", NULL, "");
	must(reply, "200");
	T_TRUE(strstr(server_member(reply, "note"), "`idempotency_keys_forgotten`") != NULL);
	must(server_ask(&c, "GET", "/metrics", NULL, ""), "200");
	T_TRUE(metric_get(server_api(f)->metrics, METRIC_IDEMPOTENCY_SHORTENED) > 500);
	client_close(&c);
	server_free(&f);
}

T_MAIN(T(every_metric_moves_or_is_explained), T(ends_of_connections_are_counted_by_reason),
       T(connections_are_counted_and_refused_ones_too), T(the_books_of_ingest_balance),
       T(keys_that_are_forgotten_early_are_told), T(metrics_are_for_this_machine_or_for_the_token))
