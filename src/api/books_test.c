/* SPDX-License-Identifier: Apache-2.0 */
/* Promise 12: what came in is what became of it, to the last item, for each tenant. */
#include <poll.h>
#include <stdio.h>

#include "api/server_test.h"

struct stage {
	struct fixture *f;
	struct client c;
	const char *key, *other, *reader;
};

static void stage_init(struct stage *s)
{
	s->f = server_new(NULL);
	s->c = client_open(s->f);
	s->key = server_key(s->f, "acme", ~0u);
	s->other = server_key(s->f, "other", ~0u);
	s->reader = server_key(s->f, "acme", SCOPE_EVENTS_READ);
}

static void stage_release(struct stage *s)
{
	client_close(&s->c);
	server_free(&s->f);
}

static void post(struct stage *s, const char *key, const char *path, const char *body,
		 const char *status)
{
	const char *reply = server_ask(&s->c, "POST", path, key, body);

	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s: %s, not %s", body, reply, status);
	}
}

/* The books of a tenant are saved within a second; wait for what they must say in the end. */
static void expect(struct stage *s, const char *key, const char *want)
{
	const char *total = NULL, *reply = "";

	for (int i = 0; i < 2000 && (total == NULL || strstr(total, want) == NULL); i++) {
		poll(NULL, 0, 5);
		reply = server_ask(&s->c, "GET", "/api/v1/outcomes?step=hour", key, "");
		total = strstr(reply, "\"total\"");
	}
	if (total == NULL || strstr(total, want) == NULL) {
		fail_msg("%s, not %s", reply, want);
	}
}

TEST(every_way_in_is_booked)
{
	static const char ok[] = "{\"type\":\"a\",\"idempotencyKey\":\"k1\"}";
	struct stage s;
	char body[512];

	stage_init(&s);
	post(&s, s.key, "/api/v1/events", ok, "201");
	post(&s, s.key, "/api/v1/events", ok, "201");
	post(&s, s.key, "/api/v1/events", "{\"type\":\"b\",\"idempotencyKey\":\"k1\"}", "409");
	post(&s, s.key, "/api/v1/events", "{\"type\":\"\"}", "400");
	post(&s, s.key, "/api/v1/events", "{\"type\"", "400");
	post(&s, s.reader, "/api/v1/events", ok, "403");
	post(&s, s.key, "/events", "{\"type\":\"c\"}", "201");
	snprintf(body, sizeof(body),
		 "{\"apiKey\":\"%s\",\"type\":\"event\",\"name\":\"d\",\"payload\":{}}", s.key);
	post(&s, NULL, "/ingest", body, "201");
	snprintf(body, sizeof(body),
		 "{\"apiKey\":\"%s\",\"type\":\"event\",\"name\":\"d\",\"payload\":{}}", s.reader);
	post(&s, NULL, "/ingest", body, "403");
	expect(&s, s.key,
	       "{\"received\":9,\"accepted\":3,\"duplicate\":1,\"refused\":{\"conflict\":1,"
	       "\"invalid\":2,\"unauthorized\":2},\"open\":0}");
	/* What nobody can be found for is nobody's. */
	post(&s, NULL, "/api/v1/events", ok, "401");
	post(&s, "sk_unknown", "/api/v1/events", ok, "401");
	post(&s, NULL, "/ingest",
	     "{\"apiKey\":\"x\",\"type\":\"event\",\"name\":\"d\",\"payload\":{}}", "401");
	post(&s, s.other, "/api/v1/events", ok, "201");
	expect(&s, s.other,
	       "{\"received\":1,\"accepted\":1,\"duplicate\":0,\"refused\":{},\"open\":0}");
	expect(&s, s.key, "{\"received\":9,");
	stage_release(&s);
}

TEST(batches_count_by_item)
{
	struct stage s;

	stage_init(&s);
	post(&s, s.key, "/api/v1/events",
	     "[{\"type\":\"a\"},{\"type\":\"\"},{\"type\":\"b\",\"idempotencyKey\":\"k\"},"
	     "{\"type\":\"b\",\"idempotencyKey\":\"k\"},{\"type\":\"c\",\"idempotencyKey\":\"k\"}]",
	     "200");
	expect(&s, s.key,
	       "{\"received\":5,\"accepted\":2,\"duplicate\":1,"
	       "\"refused\":{\"conflict\":1,\"invalid\":1},\"open\":0}");
	/* Refused as a whole: what was read of it, or one. */
	post(&s, s.key, "/api/v1/events", "[{\"type\":\"a\"},{\"type\":\"a\"},nonsense", "400");
	post(&s, s.key, "/api/v1/events", "[nonsense", "400");
	post(&s, s.key, "/api/v1/events", "[]", "200");
	expect(&s, s.key,
	       "{\"received\":9,\"accepted\":2,\"duplicate\":1,"
	       "\"refused\":{\"conflict\":1,\"invalid\":5},\"open\":0}");
	stage_release(&s);
}

TEST(what_the_network_refuses_is_booked)
{
	struct stage s;
	struct client c;

	stage_init(&s);
	/* Over the limit by its length, over it after unpacking is the same; then a bad type. */
	c = client_open(s.f);
	server_say(&c, "POST", "/api/v1/events", s.key,
		   "Content-Type: application/json\r\nContent-Length: 20000000\r\n", "");
	T_TRUE(strncmp(client_reply(&c), "413", 3) == 0);
	client_close(&c);
	c = client_open(s.f);
	server_say(&c, "POST", "/api/v1/events", s.key,
		   "Content-Type: image/png\r\nContent-Length: 2\r\n", "");
	T_TRUE(strncmp(client_reply(&c), "415", 3) == 0);
	client_close(&c);
	expect(&s, s.key,
	       "{\"received\":2,\"accepted\":0,\"duplicate\":0,"
	       "\"refused\":{\"invalid\":1,\"too_large\":1},\"open\":0}");
	stage_release(&s);
}

TEST(a_stop_loses_nothing_of_the_books)
{
	struct stage s;

	stage_init(&s);
	for (int i = 0; i < 50; i++) {
		post(&s, s.key, "/api/v1/events", "{\"type\":\"a\"}", "201");
		post(&s, s.key, "/api/v1/events", "{\"type\":\"\"}", "400");
		if (i == 20) {
			client_close(&s.c);
			server_restart(s.f);
			s.c = client_open(s.f);
		}
	}
	client_close(&s.c);
	server_restart(s.f);
	s.c = client_open(s.f);
	expect(&s, s.key,
	       "{\"received\":100,\"accepted\":50,\"duplicate\":0,"
	       "\"refused\":{\"invalid\":50},\"open\":0}");
	stage_release(&s);
}

T_MAIN(T(every_way_in_is_booked), T(batches_count_by_item), T(what_the_network_refuses_is_booked),
       T(a_stop_loses_nothing_of_the_books))
