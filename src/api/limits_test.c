/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds of the API that no other test crosses: beyond them a call is told so, or waits. */
#include <poll.h>
#include <stdio.h>

#include "api/server_test.h"
#include "base/clock.h"
#include "store/deliveries.h"
#include "store/global.h"
#include "store/store.h"

#define CONNECTIONS 6
#define CALLS 60 /* of each connection: below what may wait for their answers */

static const char *ask(struct visitor *s, const char *method, const char *path, const char *status)
{
	const char *reply = server_ask(&s->c, method, path, s->key, "");

	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s %s: %.200s, not %s", method, path, reply, status);
	}
	return reply;
}

TEST(offsets_have_an_end)
{
	struct visitor s;

	visitor_init(&s, NULL);
	ask(&s, "GET", "/events?offset=100000", "200");
	T_STR(server_member(ask(&s, "GET", "/events?offset=100001", "400"), "field"), "offset");
	ask(&s, "GET", "/notifications?offset=100000", "200");
	ask(&s, "GET", "/notifications?offset=100001", "400");
	visitor_release(&s);
}

static void put_dead(struct visitor *s, size_t n)
{
	struct delivery_row *rows = calloc(n, sizeof(*rows));
	struct db *db = NULL;
	struct caller who;
	struct err err;

	assert_non_null(rows);
	T_TRUE(api_caller_of(server_api(s->f), slice_of(s->key), &who));
	for (size_t i = 0; i < n; i++) {
		rows[i] = (struct delivery_row) { .number = { i + 1 },
						  .org = who.org,
						  .project = who.project,
						  .channel = S("webhook"),
						  .status = DELIVERY_DEAD,
						  .created_us = 1,
						  .done_us = 1 };
	}
	T_OK(store_connect(server_store(s->f), STORE_API, &db, &err));
	T_OK(db_begin(db, &err));
	T_OK(store_deliveries_insert(db, rows, n, &err));
	T_OK(db_commit(db, &err));
	db_close(&db);
	free(rows);
}

TEST(so_many_dead_ones_go_in_one_call)
{
	struct visitor s;

	visitor_init(&s, NULL);
	put_dead(&s, 10001);
	T_STR(server_member(ask(&s, "DELETE", "/api/v1/deliveries/dead", "200"), "purged"),
	      "10000");
	T_STR(server_member(ask(&s, "DELETE", "/api/v1/deliveries/dead", "200"), "purged"), "1");
	T_STR(server_member(ask(&s, "DELETE", "/api/v1/deliveries/dead", "200"), "purged"), "0");
	visitor_release(&s);
}

static struct client follow(struct visitor *s)
{
	struct client c = client_open(s->f);

	server_say(&c, "GET", "/api/v1/stream", s->key, "", "");
	T_STR(client_raw(&c, strlen("HTTP/1.1 200")), "HTTP/1.1 200");
	return c;
}

TEST(so_many_streams_are_open_at_a_time)
{
	struct server_options options = { .live_clients_max = 2 };
	struct metrics *m;
	struct client a, b;
	struct visitor s;

	visitor_init(&s, &options);
	m = server_api(s.f)->metrics;
	a = follow(&s);
	b = follow(&s);
	T_STR(server_member(ask(&s, "GET", "/api/v1/stream", "503"), "code"), "overloaded");
	client_close(&a);
	while (metric_get(m, METRIC_LIVE_CLIENTS) > 1) {
		poll(NULL, 0, 1);
	}
	a = follow(&s);
	client_close(&a);
	client_close(&b);
	visitor_release(&s);
}

/* Of eight places one org has six at most: the others are for those who come late. */
TEST(no_org_has_all_streams)
{
	struct server_options options = { .live_clients_max = 8 };
	struct client six[6], late, socket;
	struct visitor s;

	visitor_init(&s, &options);
	for (size_t i = 0; i < ARRAY_LEN(six); i++) {
		six[i] = follow(&s);
	}
	T_STR(server_member(ask(&s, "GET", "/api/v1/stream", "503"), "code"), "overloaded");
	socket = client_open(s.f);
	server_say(&socket, "GET", "/ws", s.key,
		   "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		   "");
	/* A close frame of two bytes: 1013, try again later. */
	T_TRUE(strstr(client_rest(&socket), "\x88\x02\x03\xf5") != NULL);
	s.key = server_key(s.f, "late", ~0u);
	late = follow(&s);
	client_close(&late);
	client_close(&socket);
	for (size_t i = 0; i < ARRAY_LEN(six); i++) {
		client_close(&six[i]);
	}
	visitor_release(&s);
}

#define MUCH ((size_t)9 << 20)

/* As if answers of that size were made and not sent yet. */
static void hold(struct visitor *s)
{
	__atomic_add_fetch(&server_api(s->f)->unsent, MUCH, __ATOMIC_RELEASE);
}

static void let_go(struct visitor *s)
{
	__atomic_sub_fetch(&server_api(s->f)->unsent, MUCH, __ATOMIC_RELEASE);
}

TEST(workers_wait_for_a_loop_that_has_much_to_send)
{
	int64_t began_us;
	struct visitor s;

	visitor_init(&s, NULL);
	hold(&s);
	began_us = clock_mono_us();
	ask(&s, "GET", "/api/v1/events", "200");
	T_TRUE(clock_mono_us() - began_us >= US_PER_S);
	let_go(&s);
	visitor_release(&s);
}

static size_t count_refused(struct client *c)
{
	size_t refused = 0;

	for (size_t i = 0; i < CALLS; i++) {
		const char *reply = client_reply(c);

		if (strncmp(reply, "503", 3) == 0) {
			T_STR(server_member(reply, "code"), "overloaded");
			T_TRUE(strstr(client_head(), "Retry-After: ") != NULL);
			refused++;
		} else {
			T_TRUE(strncmp(reply, "200", 3) == 0);
		}
	}
	return refused;
}

/* Here 256 may wait, and three workers hold one each. */
TEST(calls_are_refused_when_too_many_wait)
{
	struct client c[CONNECTIONS];
	size_t refused = 0;
	struct visitor s;

	visitor_init(&s, NULL);
	hold(&s);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		c[i] = client_open(s.f);
		for (size_t k = 0; k < CALLS; k++) {
			server_say(&c[i], "GET", "/api/v1/events", s.key, "", "");
		}
	}
	while (metric_get(server_api(s.f)->metrics, METRIC_HTTP_5XX) == 0) {
		poll(NULL, 0, 1);
	}
	let_go(&s);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		refused += count_refused(&c[i]);
		client_close(&c[i]);
	}
	T_TRUE(refused >= 1);
	ask(&s, "GET", "/api/v1/events", "200");
	visitor_release(&s);
}

T_MAIN(T(offsets_have_an_end), T(so_many_dead_ones_go_in_one_call),
       T(so_many_streams_are_open_at_a_time), T(no_org_has_all_streams),
       T(workers_wait_for_a_loop_that_has_much_to_send), T(calls_are_refused_when_too_many_wait))
