/* SPDX-License-Identifier: Apache-2.0 */
/* Searches and exports over a real socket: what they say, how they end, and whom they keep out. */
#include <poll.h>
#include <stdio.h>

#include "api/server_test.h"
#include "base/clock.h"
#include "engine/metrics.h"

#define EVENTS 30

struct stage {
	struct fixture *f;
	struct client c;
	const char *key, *other;
};

static const char *ask(struct stage *s, const char *method, const char *path, const char *body,
		       const char *status)
{
	const char *reply = server_ask(&s->c, method, path, s->key, body);

	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s %s: %s, not %s", method, path, reply, status);
	}
	return reply;
}

static void stage_init(struct stage *s)
{
	char body[256];

	s->f = server_new(NULL);
	s->c = client_open(s->f);
	s->key = server_key(s->f, "acme", ~0u);
	s->other = server_key(s->f, "other", ~0u);
	for (int i = 1; i <= EVENTS; i++) {
		snprintf(body, sizeof(body),
			 "{\"type\":\"shop.%s\",\"severity\":\"%s\",\"source\":\"web\",\"message\":"
			 "\"=Timeout %d\",\"payload\":{\"n\":%d,\"t\":\"caf\\u00e9\"}}",
			 i % 3 == 0 ? "sold" : "seen", i % 2 == 0 ? "high" : "low", i, i);
		ask(s, "POST", "/api/v1/events", body, "201");
	}
}

static void stage_release(struct stage *s)
{
	client_close(&s->c);
	server_free(&s->f);
}

/* A whole answer, to its end, with the chunks' frames in it. */
static const char *whole(struct stage *s, const char *path, const char *more)
{
	struct client c = client_open(s->f);
	static char out[1 << 16];

	server_say(&c, "GET", path, s->key, more, "");
	snprintf(out, sizeof(out), "%s", client_rest(&c));
	client_close(&c);
	return out;
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) {
		n++;
	}
	return n;
}

#define HAS(text, part) T_TRUE(strstr((text), (part)) != NULL)
#define LACKS(text, part) T_TRUE(strstr((text), (part)) == NULL)

TEST(a_search_shows_events_and_counts_all)
{
	struct stage s;
	const char *got;

	stage_init(&s);
	got = whole(&s, "/api/v1/events/search?q=timeout+CAF%C3%89&limit=2", "");
	HAS(got, "HTTP/1.1 200 OK\r\n");
	HAS(got, "\r\nTransfer-Encoding: chunked\r\n");
	HAS(got, "\r\nContent-Type: application/x-ndjson\r\n");
	HAS(got, "\"query\":[{\"text\":\"timeout\"},{\"text\":\"CAFÉ\"}]");
	T_INT(count(got, "{\"event\":"), 2);
	HAS(got, "\"message\":\"=Timeout 30\"");
	HAS(got, "\"message\":\"=Timeout 29\"");
	T_INT(count(got, "{\"page\":{\"nextCursor\":\"evt_"), 1);
	HAS(got, "{\"value\":\"shop.seen\",\"count\":20},{\"value\":\"shop.sold\",\"count\":10}");
	HAS(got, "\"severity\":{\"values\":[{\"value\":\"high\",\"count\":15}");
	HAS(got, "\"source\":{\"values\":[{\"value\":\"web\",\"count\":30}],\"other\":0}");
	HAS(got, "\"environment\":{\"values\":[{\"value\":null,\"count\":30}],\"other\":0}");
	HAS(got, "{\"done\":{\"percent\":100,\"matched\":30,\"looked\":30,");
	HAS(got, "\r\n0\r\n\r\n");
	got = whole(&s, "/api/v1/events/search?q=nowhere", "");
	HAS(got, "{\"page\":{\"nextCursor\":null}}");
	HAS(got, "{\"done\":{\"percent\":100,\"matched\":0,\"looked\":30,");
	got = whole(&s, "/api/v1/events/search?order=asc&limit=1&counts=false&type=shop.sold", "");
	HAS(got, "\"message\":\"=Timeout 3\"");
	T_INT(count(got, "{\"event\":"), 1);
	LACKS(got, "{\"counts\":");
	s.key = s.other;
	got = whole(&s, "/api/v1/events/search?q=timeout", "");
	HAS(got, "{\"done\":{\"percent\":100,\"matched\":0,\"looked\":0,");
	stage_release(&s);
}

TEST(pages_of_a_search_follow_each_other)
{
	for (int asc = 0; asc <= 1; asc++) {
		char path[256], want[32], cursor[64] = "";
		struct stage s;
		int next = asc ? 1 : EVENTS, pages = 0;

		stage_init(&s);
		do {
			const char *got, *at;

			snprintf(path, sizeof(path),
				 "/api/v1/events/search?limit=7&counts=false&order=%s%s%s",
				 asc ? "asc" : "desc", cursor[0] == '\0' ? "" : "&cursor=", cursor);
			got = whole(&s, path, "");
			for (at = got; (at = strstr(at, "=Timeout ")) != NULL; at++) {
				snprintf(want, sizeof(want), "=Timeout %d\"", next);
				T_TRUE(strncmp(at, want, strlen(want)) == 0);
				next += asc ? 1 : -1;
			}
			at = strstr(got, "\"nextCursor\":");
			T_TRUE(at != NULL);
			cursor[0] = '\0';
			if (at[13] == '"') {
				snprintf(cursor, sizeof(cursor), "%.30s", at + 14);
			}
			pages++;
		} while (cursor[0] != '\0');
		T_INT(next, asc ? EVENTS + 1 : 0);
		T_INT(pages, 5);
		stage_release(&s);
	}
}

TEST(an_export_has_every_event_and_a_last_line)
{
	struct stage s;
	const char *got, *at;
	char path[256];

	stage_init(&s);
	got = whole(&s, "/api/v1/events/export", "");
	HAS(got, "\r\nContent-Disposition: attachment; filename=\"events.ndjson\"\r\n");
	T_INT(count(got, "{\"id\":\"evt_"), EVENTS);
	HAS(got, "{\"end\":{\"complete\":true,\"events\":30,\"lost\":0,\"after\":\"evt_");
	at = strstr(got, "=Timeout 9\"");
	while (strncmp(at, "{\"id\":\"", 7) != 0) {
		at--;
	}
	snprintf(path, sizeof(path), "/api/v1/events/export?q=payload.n%%3C12&after=%.30s", at + 7);
	got = whole(&s, path, "");
	T_INT(count(got, "{\"id\":\"evt_"), 2);
	HAS(got, "=Timeout 10\"");
	HAS(got, "=Timeout 11\"");
	snprintf(path, sizeof(path), "/api/v1/events/export?after=%.30s",
		 strstr(got, "\"after\":\"") + 9);
	got = whole(&s, path, "");
	HAS(got, "{\"end\":{\"complete\":true,\"events\":0,");
	got = whole(&s, "/api/v1/events/export?order=desc&q=payload.n%3E28", "");
	T_TRUE(strstr(got, "=Timeout 30\"") < strstr(got, "=Timeout 29\""));
	got = whole(&s, "/api/v1/events/export?to=2020-01-01T00:00:00Z", "");
	HAS(got, "\"events\":0,");
	stage_release(&s);
}

TEST(an_export_can_be_a_table)
{
	struct stage s;
	const char *got;

	stage_init(&s);
	got = whole(&s, "/api/v1/events/export?q=payload.n%3E29", "Accept: text/csv\r\n");
	HAS(got, "\r\nContent-Type: text/csv; charset=utf-8; header=present\r\n");
	HAS(got, "id,receivedAt,occurredAt,type,kind,severity,source,");
	HAS(got,
	    ",shop.sold,event,high,web,,'=Timeout 30,,,,,\"{\"\"n\"\":30,\"\"t\"\":\"\"caf\\u00e9"
	    "\"\"}\"\r\n");
	HAS(got, "\r\n0\r\n\r\n");
	got = whole(&s, "/api/v1/events/export?format=ndjson", "Accept: text/csv\r\n");
	HAS(got, "\r\nContent-Type: application/x-ndjson\r\n");
	stage_release(&s);
}

TEST(an_older_client_gets_no_chunks)
{
	struct client c;
	struct stage s;
	const char *got;
	char ask_for[256];

	stage_init(&s);
	c = client_open(s.f);
	snprintf(ask_for, sizeof(ask_for),
		 "GET /api/v1/events/export HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n", s.key);
	client_send(&c, slice_of(ask_for));
	got = client_rest(&c);
	LACKS(got, "Transfer-Encoding");
	HAS(got, "\r\n\r\n{\"id\":\"evt_");
	T_STR(got + strlen(got) - 4, "\"}}\n");
	client_close(&c);
	stage_release(&s);
}

TEST(what_cannot_be_is_refused)
{
	static const char *const bad[] = {
		"search?q=%22",	   "search?limit=1001", "search?buckets=501", "search?order=up",
		"search?cursor=x", "search?from=x",	"export?format=xml",  "export?after=x",
		"export?order=",   "export?kind=x",	"search?counts=many",
	};
	struct stage s;
	char path[128];

	stage_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(path, sizeof(path), "/api/v1/events/%s", bad[i]);
		ask(&s, "GET", path, "", "400");
	}
	s.key = server_key(s.f, "acme", SCOPE_EVENTS_WRITE);
	ask(&s, "GET", "/api/v1/events/search", "", "403");
	ask(&s, "GET", "/api/v1/events/export", "", "403");
	s.key = NULL;
	ask(&s, "GET", "/api/v1/events/export", "", "401");
	stage_release(&s);
}

TEST(a_head_is_all_that_head_gets)
{
	struct stage s;

	stage_init(&s);
	server_say(&s.c, "HEAD", "/api/v1/events/export?format=csv", s.key, "", "");
	T_STR(client_reply_head(&s.c), "200 0");
	ask(&s, "GET", "/api/v1/events?limit=1", "", "200");
	stage_release(&s);
}

/* More than sockets and streams hold, so that an export has to wait for its reader. */
static void fill(struct stage *s, size_t n)
{
	static char body[200000];
	size_t at = (size_t)snprintf(body, sizeof(body), "{\"type\":\"big\",\"payload\":{\"x\":\"");

	memset(body + at, 'x', 150000);
	memcpy(body + at + 150000, "\"}}", 4);
	for (size_t i = 0; i < n; i++) {
		ask(s, "POST", "/api/v1/events", body, "201");
	}
}

static int64_t running(struct stage *s)
{
	return metric_get(server_api(s->f)->metrics, METRIC_SCANS);
}

static void wait_running(struct stage *s, int64_t n)
{
	while (running(s) != n) {
		poll(NULL, 0, 1);
	}
}

static struct client slow_export(struct stage *s)
{
	struct client c = client_open_slow(s->f);

	server_say(&c, "GET", "/api/v1/events/export", s->key, "", "");
	return c;
}

TEST(so_many_run_at_once_and_end_with_their_connection)
{
	struct client slow[SCANS_PER_ORG_MAX];
	struct stage s;

	stage_init(&s);
	fill(&s, 40);
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		slow[i] = slow_export(&s);
	}
	wait_running(&s, SCANS_PER_ORG_MAX);
	T_STR(server_member(ask(&s, "GET", "/api/v1/events/search", "", "429"), "code"),
	      "too_many_searches");
	T_TRUE(strstr(client_head(), "Retry-After: 5") != NULL);
	/* Ingest and lists go on, and so do others. */
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"more\"}", "201");
	ask(&s, "GET", "/api/v1/events?limit=1&type=more", "", "200");
	s.key = s.other;
	HAS(whole(&s, "/api/v1/events/search", ""), "{\"done\":");
	client_close(&slow[0]);
	wait_running(&s, SCANS_PER_ORG_MAX - 1);
	/* What was slow still gets everything. */
	HAS(client_rest(&slow[1]), "{\"end\":{\"complete\":true,\"events\":70,");
	for (size_t i = 1; i < ARRAY_LEN(slow); i++) {
		client_close(&slow[i]);
	}
	wait_running(&s, 0);
	stage_release(&s);
}

TEST(what_is_hidden_is_neither_found_nor_exported)
{
	struct client slow;
	struct stage s;
	const char *got;

	stage_init(&s);
	fill(&s, 45);
	slow = slow_export(&s);
	wait_running(&s, 1);
	server_hide_all(s.f);
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"kept\",\"message\":\"timeout\"}", "201");
	/* What was on its way arrives, nothing else. */
	got = client_rest(&slow);
	HAS(got, "{\"end\":{\"complete\":true,");
	T_TRUE(count(got, "\"type\":\"big\"") < 45);
	client_close(&slow);
	got = whole(&s, "/api/v1/events/search?q=timeout", "");
	HAS(got, "{\"done\":{\"percent\":100,\"matched\":1,\"looked\":1,");
	HAS(got, "{\"type\":{\"values\":[{\"value\":\"kept\",\"count\":1}],\"other\":0},");
	got = whole(&s, "/api/v1/events/export", "");
	T_INT(count(got, "{\"id\":\"evt_"), 1);
	T_INT(count(ask(&s, "GET", "/api/v1/events?q=timeout", "", "200"), "{\"id\":"), 1);
	stage_release(&s);
}

static void revoke(void *arg)
{
	struct stage *s = arg;
	const struct api_key *key = keyring_find(server_api(s->f)->keys, slice_of(s->key),
						 clock_wall_us());

	keyring_del(server_api(s->f)->keys, key->id);
}

TEST(a_revoked_key_exports_no_more)
{
	struct client slow;
	struct stage s;

	stage_init(&s);
	fill(&s, 40);
	slow = slow_export(&s);
	wait_running(&s, 1);
	server_on_loop(s.f, revoke, &s);
	LACKS(client_rest(&slow), "{\"end\":");
	wait_running(&s, 0);
	client_close(&slow);
	stage_release(&s);
}

TEST(a_stop_ends_what_runs_and_says_so)
{
	struct client slow;
	struct stage s;
	const char *rest;

	stage_init(&s);
	fill(&s, 40);
	slow = slow_export(&s);
	wait_running(&s, 1);
	server_restart(s.f);
	rest = client_rest(&slow);
	LACKS(rest, "{\"end\":");
	LACKS(rest, "\r\n0\r\n\r\n");
	client_close(&slow);
	client_close(&s.c);
	s.c = client_open(s.f);
	HAS(whole(&s, "/api/v1/events/search?limit=0", ""), "\"matched\":70,");
	stage_release(&s);
}

/* What the answer says, without head and frames. */
static struct slice content(const char *answer, struct buf *out)
{
	const char *at = strstr(answer, "\r\n\r\n");
	char *end;
	size_t n;

	T_TRUE(at != NULL);
	buf_cut(out, 0);
	for (at += 4; (n = strtoul(at, &end, 16)) > 0; at = end + 2 + n + 2) {
		buf_puts(out, (struct slice) { end + 2, n });
	}
	T_STR(at, "0\r\n\r\n");
	buf_putc(out, '\0');
	return (struct slice) { out->p, out->n - 1 };
}

/* So many events whose every body has to be read before a search knows that it does not match. */
static void put_foreign(struct stage *s, int n)
{
	struct buf body;

	buf_init(&body, (size_t)8 << 20);
	for (int i = 0; i < n; i++) {
		buf_printf(&body, "{\"type\":\"a\",\"payload\":{\"n\":%d}}\n", i);
	}
	buf_putc(&body, '\0');
	server_say(&s->c, "POST", "/api/v1/events", s->key,
		   "Content-Type: application/x-ndjson\r\n", body.p);
	T_INT(strncmp(client_reply(&s->c), "200", 3), 0);
	buf_release(&body);
}

#define RARE "/api/v1/events/export?q=payload.n%3E1000000"

/* Silence is over at once here, so any export that takes more than a slice has to say something. */
TEST(an_export_that_finds_nothing_is_not_silent)
{
	struct buf quiet, awake;
	struct slice lines, line;
	struct stage s;
	char path[256];
	const char *got;

	buf_init(&quiet, 1 << 16);
	buf_init(&awake, 1 << 16);
	stage_init(&s);
	put_foreign(&s, 10000);
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"b\",\"payload\":{\"n\":2000000}}", "201");
	server_api(s.f)->feed_silent_us = 1;
	do {
		put_foreign(&s, 10000);
		got = whole(&s, RARE, "");
		lines = content(got, &awake);
	} while (count(got, "\r\n1\r\n \r\n") == 0);
	while (slice_starts(lines, S(" "))) {
		lines = slice_from(lines, 1);
	}
	T_TRUE(slice_split(&lines, '\n', &line) && slice_starts(line, S("{\"id\":\"evt_")));
	snprintf(path, sizeof(path), "%s&after=%.30s&format=csv", RARE, line.p + 7);
	while (slice_starts(lines, S(" "))) {
		lines = slice_from(lines, 1);
	}
	T_TRUE(slice_starts(lines, S("{\"end\":{\"complete\":true,\"events\":1,")));

	/* A table is the same to the byte, it only comes more slowly. */
	do {
		put_foreign(&s, 10000);
		got = whole(&s, RARE "&format=csv", "");
		lines = content(got, &awake);
	} while (count(got, "\r\n1\r\n") == 0);
	server_api(s.f)->feed_silent_us = INT64_MAX;
	T_TRUE(slice_eq(lines, content(whole(&s, RARE "&format=csv", ""), &quiet)));
	T_INT(count(lines.p, "evt_"), 1);

	/* Nothing came before it that could be kept back. */
	server_api(s.f)->feed_silent_us = 1;
	do {
		put_foreign(&s, 10000);
		lines = content(whole(&s, path, ""), &awake);
	} while (lines.n == 0);
	for (size_t i = 0; i < lines.n; i++) {
		T_INT(lines.p[i], i % 2 == 0 ? '\r' : '\n');
	}
	buf_release(&quiet);
	buf_release(&awake);
	stage_release(&s);
}

T_MAIN(T(a_search_shows_events_and_counts_all), T(pages_of_a_search_follow_each_other),
       T(an_export_has_every_event_and_a_last_line), T(an_export_can_be_a_table),
       T(an_older_client_gets_no_chunks), T(what_cannot_be_is_refused),
       T(a_head_is_all_that_head_gets), T(what_is_hidden_is_neither_found_nor_exported),
       T(so_many_run_at_once_and_end_with_their_connection), T(a_revoked_key_exports_no_more),
       T(a_stop_ends_what_runs_and_says_so), T(an_export_that_finds_nothing_is_not_silent))
