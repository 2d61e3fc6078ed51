/* SPDX-License-Identifier: Apache-2.0 */
/* What was stored and decided can be looked up, by its own org, in the forms of all routes. */
#include <poll.h>
#include <stdio.h>

#include "api/server_test.h"
#include "store/deliveries.h"
#include "store/global.h"
#include "store/store.h"
#include "test/peer.h"

struct stage {
	struct fixture *f;
	struct client c;
	const char *key, *other;
	struct peer *peer;
	char event[64]; /* the id of the one that fired */
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

static const char *get(struct stage *s, const char *path)
{
	return ask(s, "GET", path, "", "200");
}

static size_t count(const char *reply, const char *part)
{
	size_t n = 0;

	for (const char *at = reply; (at = strstr(at, part)) != NULL; at += strlen(part)) {
		n++;
	}
	return n;
}

/* A rule with a webhook that is refused and an entry in the app; an event fires it. */
static void stage_init(struct stage *s)
{
	static const struct peer_answer answers[] = {
		{ .path = "/no", .bytes = "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n" },
	};
	char body[512];

	s->f = server_new(NULL);
	s->c = client_open(s->f);
	s->key = server_key(s->f, "acme", ~0u);
	s->other = server_key(s->f, "other", ~0u);
	s->peer = peer_new("127.0.0.1", 0, answers, ARRAY_LEN(answers));
	snprintf(body, sizeof(body),
		 "{\"name\":\"r\",\"eventType\":\"fire\",\"condition\":\"count_gte\","
		 "\"threshold\":1,\"windowSeconds\":10,\"actions\":["
		 "{\"channel\":\"webhook\",\"config\":{\"url\":\"http://127.0.0.1:%u/no\"}},"
		 "{\"channel\":\"in_app\",\"config\":{}}]}",
		 peer_port(s->peer));
	ask(s, "POST", "/api/v1/rules", body, "201");
	snprintf(s->event, sizeof(s->event), "%s",
		 server_member(ask(s, "POST", "/api/v1/events",
				   "{\"type\":\"fire\",\"severity\":\"high\",\"source\":\"web\","
				   "\"environment\":\"prod\",\"payload\":{\"n\":1}}",
				   "201"),
			       "id"));
	while (strstr(get(s, "/api/v1/deliveries?status=dead"), "\"id\"") == NULL) {
		poll(NULL, 0, 1);
	}
}

static void stage_release(struct stage *s)
{
	client_close(&s->c);
	server_free(&s->f);
	peer_free(&s->peer);
}

TEST(events_are_listed_by_what_they_are)
{
	struct stage s;
	char path[128];

	stage_init(&s);
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"a.b\",\"kind\":\"error\"}", "201");
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"a.c\"}", "201");
	T_INT(count(get(&s, "/api/v1/events"), "\"id\""), 3);
	T_INT(count(get(&s, "/api/v1/events?type=a.*"), "\"id\""), 2);
	T_INT(count(get(&s, "/api/v1/events?type=a.b"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?kind=error"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?severity=high"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?source=web&environment=prod"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?source=nobody"), "\"id\""), 0);
	T_INT(count(get(&s, "/api/v1/events?to=2020-01-01T00:00:00Z"), "\"id\""), 0);
	T_INT(count(get(&s, "/api/v1/events?from=2020-01-01T00:00:00Z"), "\"id\""), 3);
	T_INT(count(get(&s, "/api/v1/events?q=PROD+web"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?q=type:a.*"), "\"id\""), 2);
	T_INT(count(get(&s, "/api/v1/events?q=-type:a.b+type:a.*"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?q=payload.n%3E0"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?q=severity:%3E%3Dmedium"), "\"id\""), 1);
	T_INT(count(get(&s, "/api/v1/events?q=severity:%3Cmedium"), "\"id\""), 0);
	T_INT(count(get(&s, "/api/v1/events?q=-severity:*"), "\"id\""), 2);
	ask(&s, "GET", "/api/v1/events?q=%22open", "", "400");
	ask(&s, "GET", "/api/v1/events?kind=x", "", "400");
	ask(&s, "GET", "/api/v1/events?severity=x", "", "400");
	ask(&s, "GET", "/api/v1/events?from=x", "", "400");
	ask(&s, "GET", "/api/v1/events?cursor=x", "", "400");
	snprintf(path, sizeof(path), "/api/v1/events?limit=2&cursor=%s",
		 server_member(get(&s, "/api/v1/events?limit=2"), "nextCursor"));
	T_INT(count(get(&s, path), "\"id\""), 1);
	snprintf(path, sizeof(path), "/api/v1/events/%s", s.event);
	T_STR(server_member(get(&s, path), "type"), "fire");
	s.key = s.other;
	ask(&s, "GET", path, "", "404");
	T_INT(count(get(&s, "/api/v1/events"), "\"id\""), 0);
	ask(&s, "GET", "/api/v1/events/evt_0", "", "404");
	stage_release(&s);
}

/* Counts come once a second. */
static const char *stats(struct stage *s, const char *query, const char *want)
{
	const char *reply;
	char path[256];

	snprintf(path, sizeof(path), "/api/v1/stats/events%s", query);
	do {
		reply = get(s, path);
	} while (strstr(reply, want) == NULL && poll(NULL, 0, 5) == 0);
	return reply;
}

TEST(events_are_counted)
{
	struct stage s;
	const char *reply;

	stage_init(&s);
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"a.b\",\"severity\":\"low\"}", "201");
	ask(&s, "POST", "/api/v1/events", "{\"type\":\"a.c\"}", "201");
	stats(&s, "?step=hour", "\"total\":3,");
	reply = stats(&s, "", "\"total\":3,");
	T_TRUE(strstr(reply, "\"step\":\"minute\"") != NULL);
	T_TRUE(strstr(reply, "\"high\":1") != NULL && strstr(reply, "\"none\":1") != NULL);
	T_TRUE(strstr(get(&s, "/api/v1/stats/events?type=a.*"), "\"total\":2,") != NULL);
	T_TRUE(strstr(get(&s, "/api/v1/stats/events?type=a.b"), "\"total\":1,") != NULL);
	T_TRUE(strstr(get(&s, "/api/v1/stats/events?type=a"), "\"total\":0,\"data\":[]") != NULL);
	T_TRUE(strstr(get(&s, "/api/v1/stats/events?severity=low"), "\"total\":1,") != NULL);
	T_TRUE(strstr(get(&s, "/api/v1/stats/events?to=2020-01-01T00:00:00Z"), "\"total\":0") !=
	       NULL);
	ask(&s, "GET", "/api/v1/stats/events?step=day", "", "400");
	ask(&s, "GET", "/api/v1/stats/events?severity=bad", "", "400");
	ask(&s, "GET", "/api/v1/stats/events?from=2020-01-01T00:00:00Z", "", "400");
	ask(&s, "GET", "/api/v1/stats/events?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z", "",
	    "400");
	s.key = server_key(s.f, "acme", SCOPE_EVENTS_WRITE);
	ask(&s, "GET", "/api/v1/stats/events", "", "403");
	s.key = s.other;
	T_TRUE(strstr(get(&s, "/api/v1/stats/events"), "\"total\":0,\"data\":[]") != NULL);
	stage_release(&s);
}

TEST(older_routes_take_and_show_events)
{
	struct stage s;
	char path[256], body[256], id[64];

	stage_init(&s);
	snprintf(id, sizeof(id), "%s",
		 server_member(ask(&s, "POST", "/events", "{\"type\":\"b\",\"metadata\":{\"n\":2}}",
				   "201"),
			       "id"));
	T_STR(server_member(ask(&s, "POST", "/api/events",
				"{\"type\":\"c\",\"severity\":\"low\",\"message\":\"m\","
				"\"source\":\"s\",\"payload\":{}}",
				"201"),
			    "status"),
	      "enqueued");
	snprintf(body, sizeof(body),
		 "{\"apiKey\":\"%s\",\"type\":\"event\",\"name\":\"d\",\"payload\":{\"n\":3}}",
		 s.key);
	T_STR(server_member(ask(&s, "POST", "/ingest", body, "201"), "success"), "true");
	T_TRUE(count(get(&s, "/events"), "\"id\"") == 4);
	T_TRUE(strstr(client_head(), "Deprecation") == NULL);
	T_INT(count(get(&s, "/events?type=b&limit=1"), "\"id\""), 1);
	T_INT(count(get(&s, "/events?offset=3"), "\"id\""), 1);
	snprintf(path, sizeof(path), "/events/%s", id);
	T_STR(server_member(get(&s, path), "type"), "b");
	snprintf(path, sizeof(path), "/events?apiKey=%s", s.key);
	s.key = NULL;
	T_STR(server_member(get(&s, path), "success"), "true");
	T_TRUE(strstr(client_head(), "\r\nDeprecation: @1793491200\r\n") != NULL);
	T_TRUE(strstr(client_head(),
		      "\r\nLink: </api/docs>; rel=\"deprecation\"; type=\"text/html\"\r\n") !=
	       NULL);
	ask(&s, "GET", "/events", "", "401");
	ask(&s, "GET", "/events?apiKey=no", "", "401");
	stage_release(&s);
}

TEST(notifications_are_listed_replayed_and_dropped)
{
	struct stage s;
	char id[64], path[128];

	stage_init(&s);
	T_INT(count(get(&s, "/api/v1/deliveries"), "\"channel\""), 2);
	T_INT(count(get(&s, "/api/v1/deliveries?channel=in_app"), "\"channel\""), 1);
	T_INT(count(get(&s, "/api/v1/deliveries?status=sent"), "\"channel\""), 1);
	ask(&s, "GET", "/api/v1/deliveries?status=x", "", "400");
	ask(&s, "GET", "/api/v1/deliveries?ruleId=x", "", "400");
	T_INT(count(get(&s, "/notifications?status=failed"), "\"channel\""), 1);
	T_INT(count(get(&s, "/notifications"), "\"channel\""), 2);
	ask(&s, "GET", "/notifications?status=x", "", "400");
	snprintf(id, sizeof(id), "%s",
		 server_member(get(&s, "/api/v1/deliveries?status=dead"), "id"));
	snprintf(path, sizeof(path), "/api/v1/deliveries/%s", id);
	T_STR(server_member(get(&s, path), "status"), "dead");
	T_TRUE(strstr(get(&s, path), "rejected") != NULL);
	ask(&s, "GET", "/notifications?status=sent", "", "200");
	/* Sent again, it is refused again; then it is dropped for good. */
	snprintf(path, sizeof(path), "/api/v1/deliveries/%s/replay", id);
	T_TRUE(server_ask(&s.c, "POST", path, s.key, "")[0] == '2');
	while (peer_requests(s.peer) < 2 ||
	       count(get(&s, "/api/v1/deliveries?status=dead"), "\"channel\"") == 0) {
		poll(NULL, 0, 1);
	}
	snprintf(path, sizeof(path), "/api/v1/deliveries/%s", id);
	T_TRUE(server_ask(&s.c, "DELETE", path, s.other, "")[0] == '4');
	T_TRUE(server_ask(&s.c, "DELETE", path, s.key, "")[0] == '2');
	T_INT(count(get(&s, "/api/v1/deliveries?status=dead"), "\"channel\""), 0);
	T_INT(count(get(&s, "/api/v1/deliveries?status=purged"), "\"channel\""), 1);
	s.key = s.other;
	ask(&s, "GET", path, "", "404");
	T_INT(count(get(&s, "/api/v1/deliveries"), "\"channel\""), 0);
	stage_release(&s);
}

/* One delivery of each status, tried before and not, none of them due before the year 2100. */
static void put_every_state(struct stage *s)
{
	struct delivery_row rows[2 * DELIVERY_STATUSES];
	struct caller who;
	struct db *db = NULL;
	struct err err;

	T_TRUE(api_caller_of(server_api(s->f), slice_of(s->key), &who));
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		enum delivery_status status = (enum delivery_status)(i / 2);
		bool open = status == DELIVERY_PENDING || status == DELIVERY_SENDING ||
			    status == DELIVERY_RETRYING;

		rows[i] = (struct delivery_row) { .number = { 1000 + i },
						  .org = who.org,
						  .project = who.project,
						  .channel = S("webhook"),
						  .status = status,
						  .attempts_total = i % 2,
						  .created_us = 1,
						  .due_us = open ? INT64_C(4102444800000000) : 0,
						  .done_us = open ? 0 : 1,
						  .claim = status == DELIVERY_SENDING ? 1 : 0 };
	}
	T_OK(store_connect(server_store(s->f), STORE_API, &db, &err));
	T_OK(db_begin(db, &err));
	T_OK(store_deliveries_insert(db, rows, ARRAY_LEN(rows), &err));
	T_OK(db_commit(db, &err));
	db_close(&db);
}

/* The filter yields as many as the whole list shows under the word, and all of them show it. */
static size_t expect_word(struct stage *s, const char *list, const char *word)
{
	char shown[64], path[128];
	size_t want, got;

	snprintf(shown, sizeof(shown), "\"status\":\"%s\"", word);
	snprintf(path, sizeof(path), "%s?limit=100", list);
	want = count(get(s, path), shown);
	snprintf(path, sizeof(path), "%s?limit=100&status=%s", list, word);
	got = count(get(s, path), "\"status\"");
	T_INT(count(get(s, path), shown), got);
	T_INT(got, want);
	T_TRUE(got > 0);
	return got;
}

TEST(a_status_filters_what_shows_it)
{
	static const char *const older[] = { "pending", "retrying", "sent", "failed" };
	struct stage s;
	size_t all = 0;

	stage_init(&s);
	put_every_state(&s);
	for (unsigned i = 0; i < DELIVERY_STATUSES; i++) {
		all += expect_word(&s, "/api/v1/deliveries",
				   delivery_status_name((enum delivery_status)i));
	}
	T_INT(all, 2 * DELIVERY_STATUSES + 2);
	all = 0;
	for (size_t i = 0; i < ARRAY_LEN(older); i++) {
		all += expect_word(&s, "/notifications", older[i]);
	}
	T_INT(all, 2 * DELIVERY_STATUSES + 2);
	stage_release(&s);
}

TEST(alerts_are_listed)
{
	struct stage s;
	char id[64], path[128];

	stage_init(&s);
	T_INT(count(get(&s, "/api/v1/alerts"), "\"severity\""), 1);
	snprintf(id, sizeof(id), "%s", server_member(get(&s, "/api/v1/alerts"), "id"));
	snprintf(path, sizeof(path), "/api/v1/alerts/%s", id);
	T_STR(server_member(get(&s, path), "id"), id);
	ask(&s, "GET", "/api/v1/alerts?ruleId=x", "", "400");
	ask(&s, "GET", "/api/v1/alerts/alr_0", "", "404");
	s.key = s.other;
	ask(&s, "GET", path, "", "404");
	T_INT(count(get(&s, "/api/v1/alerts"), "\"severity\""), 0);
	stage_release(&s);
}

T_MAIN(T(events_are_listed_by_what_they_are), T(events_are_counted),
       T(older_routes_take_and_show_events), T(notifications_are_listed_replayed_and_dropped),
       T(a_status_filters_what_shows_it), T(alerts_are_listed))
