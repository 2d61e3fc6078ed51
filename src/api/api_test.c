/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that every request passes, over real sockets. */
#include "api/api.h"

#include <poll.h>
#include <stdio.h>

#include "api/ingest.h"
#include "api/route.h"
#include "api/server_test.h"
#include "base/clock.h"

static const char *const methods[HTTP_METHODS] = {
	[HTTP_GET] = "GET",	[HTTP_POST] = "POST",	  [HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
};

TEST(every_route_is_one_row_with_one_handler)
{
	const struct route *a, *b;
	size_t at = 0, n = 0;

	while ((a = route_next(&at)) != NULL) {
		size_t other = at;

		n++;
		T_TRUE(a->path[0] == '/');
		T_TRUE(a->summary[0] != '\0');
		T_TRUE((a->loop != NULL) + (a->work != NULL) == (a->later == NULL));
		T_TRUE(a->who != WHO_UNSAID);
		T_TRUE((a->who != WHO_PUBLIC && a->who != WHO_SOCKET) || a->scope == 0);
		T_TRUE(a->scope == 0 || scope_name((enum scope)a->scope) != NULL);
		T_TRUE(methods[a->method] != NULL);
		T_TRUE(a->method != HTTP_GET || a->body_max == 0);
		while ((b = route_next(&other)) != NULL) {
			if (a->method == b->method && strcmp(a->path, b->path) == 0) {
				fail_msg("%s %s is there twice", methods[a->method], a->path);
			}
		}
	}
	T_TRUE(n > 30);
}

/* "/rules/:id/x" as somebody would call it. */
static void concrete(const char *pattern, char out[256])
{
	size_t n = 0;

	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p == ':') {
			out[n++] = 'x';
			p += strcspn(p, "/") - 1;
		} else {
			out[n++] = *p;
		}
	}
	out[n] = '\0';
}

static int status_of(const char *reply)
{
	return (reply[0] - '0') * 100 + (reply[1] - '0') * 10 + reply[2] - '0';
}

TEST(no_row_lets_anybody_in_without_its_scope)
{
	struct fixture *f = server_new(NULL);
	struct client c = client_open(f);
	const char *reader = server_key(f, "acme", SCOPE_EVENTS_READ);
	const char *writer = server_key(f, "acme", SCOPE_EVENTS_WRITE);
	const char *without;
	const struct route *r;
	size_t at = 0;

	while ((r = route_next(&at)) != NULL) {
		const char *body = r->body_max > 0 ? "{}" : "";
		char path[256];

		if (r->who != WHO_CALLER) {
			continue;
		}
		without = r->scope == SCOPE_EVENTS_READ ? writer : reader;
		concrete(r->path, path);
		T_INT(status_of(server_ask(&c, methods[r->method], path, NULL, body)), 401);
		T_TRUE(strstr(client_head(), "WWW-Authenticate: Bearer") != NULL);
		T_INT(status_of(server_ask(&c, methods[r->method], path, "sk_no", body)), 401);
		T_INT(status_of(server_ask(&c, methods[r->method], path, without, body)), 403);
	}
	client_close(&c);
	server_free(&f);
}

TEST(problems_have_one_shape)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	const char *reply = server_ask(&c, "GET", "/nowhere", NULL, "");

	T_INT(status_of(reply), 404);
	T_STR(server_member(reply, "code"), "not_found");
	T_STR(server_member(reply, "status"), "404");
	T_TRUE(server_member(reply, "error")[0] != '\0');
	T_TRUE(server_member(reply, "requestId")[0] != '\0');
	T_TRUE(strstr(client_head(), "application/problem+json") != NULL);
	reply = server_ask(&c, "DELETE", "/api/v1/rules", key, "");
	T_INT(status_of(reply), 405);
	T_TRUE(strstr(client_head(), "Allow: GET, POST") != NULL);
	reply = server_ask(&c, "GET", "/api/v1/events?limit=0", key, "");
	T_INT(status_of(reply), 400);
	T_STR(server_member(reply, "field"), "limit");
	T_TRUE(strstr(reply, "\"details\":{\"limit\":\"") != NULL);
	reply = server_ask(&c, "GET", "/api/v1/rules/", key, "");
	T_INT(status_of(reply), 404);
	client_close(&c);
	server_free(&f);
}

static int first_key(struct client *c, const char *more, const char *body)
{
	server_say(c, "POST", "/api-keys", NULL, more, body);
	return status_of(client_reply(c));
}

#define NAME "{\"name\":\"first\"}"

TEST(strangers_make_no_first_key)
{
	struct fixture *f = server_new(NULL);
	struct client c = client_open(f);

	T_INT(first_key(&c, "Origin: http://127.0.0.1\r\n", NAME), 401);
	T_INT(first_key(&c, "Sec-Fetch-Site: none\r\n", NAME), 401);
	T_INT(first_key(&c, "X-Forwarded-For: 127.0.0.1\r\n", NAME), 401);
	T_INT(first_key(&c, "Content-Type: text/plain\r\n", NAME), 401);
	T_INT(first_key(&c,
			"X-Setup-Token: wrong\r\n"
			"Origin: http://a\r\n",
			NAME),
	      401);
	T_INT(first_key(&c, "Authorization: Bearer wrong\r\n", NAME), 401);
	/* The token opens what an address does not. */
	T_INT(first_key(&c, "X-Setup-Token: the setup token\r\nOrigin: http://a\r\n", NAME), 201);
	T_INT(first_key(&c, "X-Setup-Token: the setup token\r\n", NAME), 401);
	T_INT(first_key(&c, "", NAME), 401);
	client_close(&c);
	server_free(&f);
}

TEST(there_is_one_first_key)
{
	struct fixture *f = server_new(NULL);
	struct client c[12];
	unsigned made = 0;
	char key[128] = "";

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = client_open(f);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		server_say(&c[i], "POST", "/api-keys", NULL, "", NAME);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		const char *reply = client_reply(&c[i]);

		T_TRUE(status_of(reply) == 201 || status_of(reply) == 401);
		if (status_of(reply) == 201) {
			made++;
			snprintf(key, sizeof(key), "%s", server_member(reply, "key"));
		}
	}
	T_INT(made, 1);
	T_INT(strlen(key), 51);
	T_INT(status_of(server_ask(&c[0], "GET", "/api/v1/keys", key, "")), 200);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		client_close(&c[i]);
	}
	server_free(&f);
}

TEST(a_revoked_key_is_refused_from_then_on)
{
	struct fixture *f = server_new(NULL);
	const char *admin = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	char key[128], path[128];
	const char *reply = server_ask(&c, "POST", "/api/v1/keys", admin,
				       "{\"name\":\"n\",\"scopes\":[\"events:read\"]}");

	T_INT(status_of(reply), 201);
	snprintf(key, sizeof(key), "%s", server_member(reply, "key"));
	snprintf(path, sizeof(path), "/api/v1/keys/%s", server_member(reply, "id"));
	T_INT(status_of(server_ask(&c, "GET", "/api/v1/events", key, "")), 200);
	T_INT(status_of(server_ask(&c, "POST", "/api/v1/events", key, "{\"type\":\"a\"}")), 403);
	/* What nobody knows is refused, but by the older call. */
	T_INT(status_of(server_ask(&c, "POST", "/api/v1/keys", admin,
				   "{\"name\":\"n\",\"scope\":[]}")),
	      400);
	T_INT(status_of(
		      server_ask(&c, "POST", "/api-keys", admin, "{\"name\":\"n\",\"scope\":[]}")),
	      201);
	/* It hands out no more than it has, and nobody else revokes it. */
	T_INT(status_of(server_ask(&c, "POST", "/api/v1/keys", key, "{\"name\":\"n\"}")), 403);
	T_INT(status_of(server_ask(&c, "DELETE", path, server_key(f, "other", ~0u), "")), 404);
	T_INT(status_of(server_ask(&c, "DELETE", path, admin, "")), 204);
	T_INT(status_of(server_ask(&c, "GET", "/api/v1/events", key, "")), 401);
	T_INT(status_of(server_ask(&c, "DELETE", path, admin, "")), 404);
	client_close(&c);
	server_free(&f);
}

TEST(an_idempotency_key_outlives_restarts)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u), *other = server_key(f, "other", ~0u);
	const char *body = "{\"type\":\"a\",\"payload\":{\"n\":1},\"idempotencyKey\":\"k\"}";
	struct client c = client_open(f);
	char id[64], at[64];
	const char *reply = server_ask(&c, "POST", "/api/v1/events", key, body);

	T_INT(status_of(reply), 201);
	snprintf(id, sizeof(id), "%s", server_member(reply, "id"));
	snprintf(at, sizeof(at), "%s", server_member(reply, "receivedAt"));
	for (int i = 0; i < 2; i++) {
		reply = server_ask(&c, "POST", "/api/v1/events", key, body);
		T_INT(status_of(reply), 201);
		T_STR(server_member(reply, "id"), id);
		T_STR(server_member(reply, "receivedAt"), at);
		T_TRUE(strstr(client_head(), "Idempotent-Replayed: true") != NULL);
		reply = server_ask(&c, "POST", "/api/v1/events", key,
				   "{\"type\":\"a\",\"payload\":{\"n\":2},"
				   "\"idempotencyKey\":\"k\"}");
		T_INT(status_of(reply), 409);
		client_close(&c);
		server_restart(f);
		c = client_open(f);
	}
	/* Another org has keys of its own. */
	reply = server_ask(&c, "POST", "/api/v1/events", other, body);
	T_INT(status_of(reply), 201);
	T_TRUE(strcmp(server_member(reply, "id"), id) != 0);
	client_close(&c);
	server_free(&f);
}

TEST(one_idempotency_key_from_many_at_once_stores_one_event)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c[20];
	char id[64] = "";
	unsigned fresh = 0;

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = client_open(f);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		server_say(&c[i], "POST", "/api/v1/events", key, "Idempotency-Key: one\r\n",
			   "{\"type\":\"a\"}");
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		const char *reply = client_reply(&c[i]);

		T_INT(status_of(reply), 201);
		fresh += strstr(client_head(), "Idempotent-Replayed") == NULL;
		if (id[0] == '\0') {
			snprintf(id, sizeof(id), "%s", server_member(reply, "id"));
		}
		T_STR(server_member(reply, "id"), id);
		client_close(&c[i]);
	}
	T_INT(fresh, 1);
	T_INT(journal_flushed(server_api(f)->journal), 1);
	server_free(&f);
}

/* The header's key names the whole batch: sent again, each item is known. */
TEST(a_batch_with_a_key_can_be_sent_again)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	const char *reply;

	for (int i = 0; i < 2; i++) {
		server_say(&c, "POST", "/api/v1/events", key, "Idempotency-Key: batch\r\n",
			   "{\"events\":[{\"type\":\"a\"},{\"type\":\"b\"},{\"type\":7}]}");
		reply = client_reply(&c);
		T_INT(status_of(reply), 200);
		T_STR(server_member(reply, "accepted"), i == 0 ? "2" : "0");
		T_STR(server_member(reply, "duplicate"), i == 0 ? "0" : "2");
		T_STR(server_member(reply, "rejected"), "1");
		client_close(&c);
		server_restart(f);
		c = client_open(f);
	}
	/* A line that is no JSON is that line's affair; a list that breaks off stores nothing. */
	server_say(&c, "POST", "/api/v1/events", key, "Content-Type: application/x-ndjson\r\n",
		   "{\"type\":\"a\"}\n\n{broken\r\n{\"type\":\"b\"}\n");
	reply = client_reply(&c);
	T_STR(server_member(reply, "accepted"), "2");
	T_STR(server_member(reply, "rejected"), "1");
	reply = server_ask(&c, "POST", "/api/v1/events", key, "[{\"type\":\"a\"},{\"type\":\"b\"");
	T_INT(status_of(reply), 400);
	T_INT(journal_flushed(server_api(f)->journal), 4);
	client_close(&c);
	server_free(&f);
}

static int rule_made(struct client *c, const char *key, const char *name)
{
	char body[256];

	snprintf(body, sizeof(body),
		 "{\"name\":\"%s\",\"eventType\":\"a\",\"condition\":\"count_gte\",\"threshold\":1,"
		 "\"windowSeconds\":10,\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}",
		 name);
	return status_of(server_ask(c, "POST", "/api/v1/rules", key, body));
}

TEST(pages_hold_each_row_once_and_their_cursors_fit_one_list)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u), *other = server_key(f, "other", ~0u);
	struct client c = client_open(f);
	char path[256] = "/api/v1/rules?limit=2", cursor[64];
	unsigned seen[7] = { 0 }, refused = 0;

	for (unsigned i = 0; i < ARRAY_LEN(seen); i++) {
		char name[16];

		snprintf(name, sizeof(name), "rule %u", i);
		T_INT(rule_made(&c, key, name), 201);
	}
	for (unsigned pages = 0; pages < 4; pages++) {
		const char *reply = server_ask(&c, "GET", path, key, "");

		T_INT(status_of(reply), 200);
		for (unsigned i = 0; i < ARRAY_LEN(seen); i++) {
			char name[32];

			snprintf(name, sizeof(name), "\"name\":\"rule %u\"", i);
			seen[i] += strstr(reply, name) != NULL;
		}
		snprintf(cursor, sizeof(cursor), "%s", server_member(reply, "nextCursor"));
		T_TRUE((strcmp(cursor, "null") == 0) == (pages == 3));
		if (pages < 3) {
			snprintf(path, sizeof(path), "/api/v1/rules?limit=2&cursor=%s", cursor);
			refused += status_of(server_ask(&c, "GET", path, other, "")) == 400;
			snprintf(path, sizeof(path), "/api/v1/keys?cursor=%s", cursor);
			refused += status_of(server_ask(&c, "GET", path, key, "")) == 400;
			snprintf(path, sizeof(path), "/api/v1/rules?limit=2&cursor=%s", cursor);
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(seen); i++) {
		T_INT(seen[i], 1);
	}
	/* By chance one in thousands opens to some place of the asker's own list. */
	T_TRUE(refused >= 5);
	T_INT(status_of(server_ask(&c, "GET", "/api/v1/rules?cursor=x", key, "")), 400);
	client_close(&c);
	server_free(&f);
}

TEST(a_use_of_a_key_is_noted)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	const char *reply = server_ask(&c, "GET", "/api/v1/keys", key, "");

	T_STR(server_member(reply, "lastUsedAt"), "null");
	client_close(&c);
	/* Notes are written now and then, and at a stop. */
	server_restart(f);
	c = client_open(f);
	reply = server_ask(&c, "GET", "/api/v1/keys", key, "");
	T_INT(strlen(server_member(reply, "lastUsedAt")), strlen("2026-01-01T00:00:00.000Z"));
	client_close(&c);
	server_free(&f);
}

/* Two change one rule from the same version: one wins, the other hears of it. */
TEST(a_rule_is_changed_only_from_the_version_that_was_seen)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	char path[128];
	const char *reply;

	T_INT(rule_made(&c, key, "a"), 201);
	reply = server_ask(&c, "GET", "/api/v1/rules", key, "");
	snprintf(path, sizeof(path), "/api/v1/rules/%s", server_member(reply, "id"));
	server_say(&c, "PATCH", path, key, "If-Match: \"1\"\r\n", "{\"threshold\":2}");
	reply = client_reply(&c);
	T_INT(status_of(reply), 200);
	T_TRUE(strstr(client_head(), "ETag: \"2\"") != NULL);
	server_say(&c, "PATCH", path, key, "If-Match: \"1\"\r\n", "{\"threshold\":3}");
	T_INT(status_of(client_reply(&c)), 412);
	server_say(&c, "DELETE", path, key, "If-Match: \"1\"\r\n", "");
	T_INT(status_of(client_reply(&c)), 412);
	reply = server_ask(&c, "GET", path, key, "");
	T_STR(server_member(reply, "threshold"), "2");
	/* It is still so after a restart, and an org that is not its own sees none of it. */
	client_close(&c);
	server_restart(f);
	c = client_open(f);
	T_STR(server_member(server_ask(&c, "GET", path, key, ""), "version"), "2");
	key = server_key(f, "other", ~0u);
	T_INT(status_of(server_ask(&c, "GET", path, key, "")), 404);
	T_INT(status_of(server_ask(&c, "PATCH", path, key, "{\"threshold\":9}")), 404);
	T_INT(status_of(server_ask(&c, "DELETE", path, key, "")), 404);
	client_close(&c);
	server_free(&f);
}

static void ask_cors(struct client *c, const char *method, const char *more)
{
	server_say(c, method, "/health", NULL, more, "");
	(void)client_reply(c);
}

TEST(other_origins_are_let_in_by_the_list)
{
	struct server_options options = { .cors_origins = "https://a.example, https://b.example" };
	struct fixture *f = server_new(&options);
	struct client c = client_open(f);

	ask_cors(&c, "GET", "Origin: https://b.example\r\n");
	T_TRUE(strstr(client_head(), "Access-Control-Allow-Origin: https://b.example") != NULL);
	T_TRUE(strstr(client_head(), "Vary: Origin") != NULL);
	ask_cors(&c, "GET", "Origin: https://c.example\r\n");
	T_TRUE(strstr(client_head(), "Access-Control-Allow-Origin") == NULL);
	ask_cors(&c, "GET", "");
	T_TRUE(strstr(client_head(), "Access-Control-Allow-Origin") == NULL);
	ask_cors(&c, "OPTIONS",
		 "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n");
	T_TRUE(strstr(client_head(), "Access-Control-Allow-Methods: GET, POST") != NULL);
	T_TRUE(strstr(client_head(), "Idempotency-Key") != NULL);
	ask_cors(&c, "OPTIONS",
		 "Origin: https://c.example\r\nAccess-Control-Request-Method: POST\r\n");
	T_TRUE(strstr(client_head(), "Access-Control-Allow-Methods") == NULL);
	client_close(&c);
	server_free(&f);
}

/* A page asks before it sends, and cannot say with which key: any may try. */
TEST(any_page_may_ask_to_send_events_and_nothing_else)
{
	static const struct {
		const char *method, *path;
		bool may;
	} asked[] = {
		{ "POST", "/api/v1/events", true },    { "POST", "/ingest", true },
		{ "POST", "/events", true },	       { "POST", "/api/events", true },
		{ "DELETE", "/api/v1/events", false }, { "GET", "/api/v1/events", false },
		{ "POST", "/api/v1/rules", false },    { "POST", "/api/v1/keys", false },
		{ "POST", "/nowhere", false },
	};
	struct fixture *f = server_new(NULL);
	struct client c = client_open(f);

	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		char more[128];

		snprintf(more, sizeof(more),
			 "Origin: https://x.example\r\nAccess-Control-Request-Method: %s\r\n",
			 asked[i].method);
		server_say(&c, "OPTIONS", asked[i].path, NULL, more, "");
		T_INT(status_of(client_reply(&c)), 204);
		T_TRUE((strstr(client_head(), "Access-Control-Allow-Origin: https://x.example") !=
			NULL) == asked[i].may);
		T_TRUE((strstr(client_head(), "Access-Control-Allow-Methods: POST\r") != NULL) ==
		       asked[i].may);
		T_TRUE(strstr(client_head(), "Access-Control-Allow-Credentials") == NULL);
	}
	client_close(&c);
	server_free(&f);
}

struct listing {
	struct api *api;
	const char *secret, *origins;
};

/* The project of the key gets this list. */
static void list_origins(void *arg)
{
	const struct listing *l = arg;
	const struct api_key *key;
	struct project_row row;

	key = keyring_find(l->api->keys, slice_of(l->secret), 1);
	row = (struct project_row) { .id = key->project,
				     .org = key->org,
				     .origins = slice_of(l->origins) };
	project_set_put(l->api->projects, &row);
}

static int page_sends(struct client *c, const char *key, const char *origin, const char *body)
{
	char more[128] = "";

	if (origin[0] != '\0') {
		snprintf(more, sizeof(more), "Origin: %s\r\n", origin);
	}
	server_say(c, "POST", key == NULL ? "/ingest" : "/api/v1/events", key, more, body);
	return status_of(client_reply(c));
}

static bool is_readable(void)
{
	return strstr(client_head(), "Access-Control-Allow-Origin") != NULL;
}

TEST(pages_on_the_list_of_a_project_send_events_with_its_key)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	const char *other = server_key(f, "bolt", ~0u);
	struct listing listing = { server_api(f), key, "[\"https://shop.example\"]" };
	struct client c = client_open(f);
	uint64_t before = journal_flushed(server_api(f)->journal);
	char body[256];

	snprintf(body, sizeof(body),
		 "{\"apiKey\":\"%s\",\"type\":\"event\",\"name\":\"a\",\"payload\":{}}", key);
	T_INT(page_sends(&c, key, "https://shop.example", "{\"type\":\"a\"}"), 403);
	T_TRUE(!is_readable());
	server_on_loop(f, list_origins, &listing);
	T_INT(page_sends(&c, key, "https://shop.example", "{\"type\":\"a\"}"), 201);
	T_TRUE(is_readable());
	T_INT(page_sends(&c, NULL, "https://shop.example", body), 201);
	T_TRUE(is_readable());
	T_INT(page_sends(&c, key, "https://shop.example", "{}"), 400);
	T_TRUE(is_readable());
	/* Not from elsewhere, by any way, and nothing is stored. */
	T_INT(page_sends(&c, key, "https://evil.example", "{\"type\":\"a\"}"), 403);
	T_TRUE(!is_readable());
	T_INT(page_sends(&c, NULL, "https://evil.example", body), 403);
	T_TRUE(!is_readable());
	T_INT(page_sends(&c, other, "https://shop.example", "{\"type\":\"a\"}"), 403);
	T_INT(page_sends(&c, key, "null", "{\"type\":\"a\"}"), 403);
	/* Whoever is no page is not held up, nor are pages of the server itself. */
	T_INT(page_sends(&c, key, "", "{\"type\":\"a\"}"), 201);
	T_INT(page_sends(&c, key, "http://127.0.0.1", "{\"type\":\"a\"}"), 201);
	/* That a key is unknown, a page may read: it is nobody's. */
	T_INT(page_sends(&c, "sk_nobody", "https://evil.example", "{\"type\":\"a\"}"), 401);
	T_TRUE(is_readable());
	/* The list is for events alone. */
	server_say(&c, "GET", "/api/v1/events", key, "Origin: https://shop.example\r\n", "");
	T_INT(status_of(client_reply(&c)), 200);
	T_TRUE(!is_readable());
	T_INT(journal_flushed(server_api(f)->journal) - before, 4);
	client_close(&c);
	server_free(&f);
}

TEST(calls_that_wait_at_the_end_are_not_made)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);

	T_INT(strncmp(server_ask(&c, "GET", "/api/v1/rules", key, ""), "200", 3), 0);
	api_end(server_api(f));
	T_INT(strncmp(server_ask(&c, "GET", "/api/v1/rules", key, ""), "503", 3), 0);
	client_close(&c);
	server_free(&f);
}

struct probe {
	struct fixture *f;
	struct loop_timer timer;
	int64_t last_us, worst_us;
	unsigned turns;
};

/* Runs in each turn; how long did the one before take? */
static void on_probe(void *arg)
{
	struct probe *p = arg;
	int64_t now_us = clock_mono_us();

	if (p->last_us != 0 && now_us - p->last_us > p->worst_us) {
		p->worst_us = now_us - p->last_us;
	}
	p->last_us = now_us;
	p->turns++;
	loop_timer_start(&p->timer, loop_now_us(server_api(p->f)->loop));
}

static void start_probe(void *arg)
{
	struct probe *p = arg;

	loop_timer_init(&p->timer, server_api(p->f)->loop, on_probe, p);
	on_probe(p);
}

static void stop_probe(void *arg)
{
	loop_timer_stop(&((struct probe *)arg)->timer);
}

TEST(a_large_batch_lets_others_have_their_turn)
{
	struct fixture *f = server_new(NULL);
	const char *key = server_key(f, "acme", ~0u);
	struct client c = client_open(f);
	struct probe probe = { .f = f };
	const char *reply;
	struct buf body;

	buf_init(&body, INGEST_BODY_BYTES_MAX + 1000);
	buf_putc(&body, '[');
	for (int i = 0; i < 5000; i++) {
		buf_printf(&body,
			   "%s{\"type\":\"checkout_failed\",\"payload\":{\"n\":%d,\"list\":[",
			   i == 0 ? "" : ",", i);
		for (int k = 0; k < 210; k++) {
			buf_printf(&body, "%s%d", k == 0 ? "" : ", ", k * 12345);
		}
		buf_printf(&body, "]}}");
	}
	buf_putc(&body, ']');
	T_TRUE(body.n > (size_t)8 << 20);
	buf_putc(&body, '\0');
	T_FALSE(body.overflow);
	server_on_loop(f, start_probe, &probe);
	reply = server_ask(&c, "POST", "/api/v1/events", key, body.p);
	server_on_loop(f, stop_probe, &probe);
	T_INT(status_of(reply), 200);
	T_STR(server_member(reply, "accepted"), "5000");
	/*
	 * A slice is one millisecond, and the whole takes some dozens of them. How long a turn
	 * takes depends on who else uses the machine, so that bound is a wide one.
	 */
	T_TRUE(probe.turns > 15);
	T_TRUE(probe.worst_us < 500 * INGEST_SLICE_US);
	print_message("# %u turns, the worst took %lld us\n", probe.turns,
		      (long long)probe.worst_us);
	buf_release(&body);
	client_close(&c);
	server_free(&f);
}

T_MAIN(T(every_route_is_one_row_with_one_handler), T(no_row_lets_anybody_in_without_its_scope),
       T(problems_have_one_shape), T(strangers_make_no_first_key), T(there_is_one_first_key),
       T(a_revoked_key_is_refused_from_then_on), T(an_idempotency_key_outlives_restarts),
       T(one_idempotency_key_from_many_at_once_stores_one_event),
       T(a_batch_with_a_key_can_be_sent_again),
       T(pages_hold_each_row_once_and_their_cursors_fit_one_list), T(a_use_of_a_key_is_noted),
       T(a_rule_is_changed_only_from_the_version_that_was_seen),
       T(other_origins_are_let_in_by_the_list), T(any_page_may_ask_to_send_events_and_nothing_else),
       T(pages_on_the_list_of_a_project_send_events_with_its_key),
       T(calls_that_wait_at_the_end_are_not_made), T(a_large_batch_lets_others_have_their_turn))
