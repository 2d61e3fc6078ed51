/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: bytes in order, shared between many, bounded for each, and always closed once. */
#include "base/clock.h"
#include "net/http_fixture.h"
#include "test/t.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define UPGRADE(path) \
	"GET " path " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define CLIENTS 50

TEST(one_frame_reaches_all_subscribers)
{
	struct fixture *f = fixture_new(NULL);
	struct client c[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++) {
		c[i] = client_open(f);
		client_say(&c[i], GET("/stream"));
		T_STR(client_reply_head(&c[i]), "200 -1");
		T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
		T_TRUE(strstr(client_head(), "\r\nContent-Type: text/event-stream\r\n") != NULL);
	}
	fixture_wait_streams(f, CLIENTS);
	T_INT(fixture_feed(f, 'a', 3), CLIENTS);
	T_INT(fixture_feed(f, 'b', 2), CLIENTS);
	for (size_t i = 0; i < CLIENTS; i++) {
		T_STR(client_raw(&c[i], 5), "aaabb");
	}
	fixture_end_streams(f, false);
	for (size_t i = 0; i < CLIENTS; i++) {
		T_STR(client_rest(&c[i]), "");
		client_close(&c[i]);
	}
	fixture_wait_streams(f, 0);
	T_INT(fixture_done(f).status, 200);
	T_INT(fixture_done(f).bytes, 5);
	fixture_free(&f);
}

TEST(a_slow_subscriber_is_bounded)
{
	struct http_options options = { .stream_max = 100000 };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open_slow(f);
	size_t sent = 0;

	client_say(&c, GET("/stream"));
	fixture_wait_streams(f, 1);
	while (fixture_feed(f, 'x', 9000) == 1) {
		sent++;
		T_TRUE(sent < 10000);
	}
	T_TRUE(sent >= 10);
	T_INT(fixture_feed(f, 'x', 100001), 0);
	fixture_end_streams(f, true);
	fixture_wait_streams(f, 0);
	client_close(&c);
	fixture_free(&f);
}

TEST(a_writer_is_told_of_room_once)
{
	struct http_options options = { .stream_max = 50000000 };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open_slow(f);

	client_say(&c, GET("/stream"));
	fixture_wait_streams(f, 1);
	fixture_ask_room(f, 1000);
	fixture_wait_rooms(f, 1);
	T_INT(fixture_feed(f, 'x', 12000000), 1);
	fixture_ask_room(f, 1000);
	T_INT(fixture_feed(f, 'y', 1), 1);
	T_INT(fixture_ask_room(f, 1000), 1);
	client_reply_head(&c);
	for (size_t i = 0; i < 1200; i++) {
		client_raw(&c, 10000);
	}
	client_raw(&c, 1);
	fixture_wait_rooms(f, 2);
	T_INT(fixture_feed(f, 'z', 1), 1);
	client_raw(&c, 1);
	T_INT(fixture_ask_room(f, 0), 2);
	fixture_wait_rooms(f, 3);
	fixture_end_streams(f, false);
	fixture_wait_streams(f, 0);
	client_close(&c);
	fixture_free(&f);
}

TEST(a_subscriber_that_takes_nothing_is_cut)
{
	struct http_options options = { .write_us = 40 * US_PER_MS, .stream_max = 50000000 };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open_slow(f);

	client_say(&c, GET("/stream"));
	fixture_wait_streams(f, 1);
	T_INT(fixture_feed(f, 'x', 40000000), 1);
	fixture_wait_streams(f, 0);
	T_INT(fixture_stats(f).timeouts[HTTP_TIMEOUT_WRITE], 1);
	client_close(&c);
	fixture_free(&f);
}

TEST(a_subscriber_that_leaves_is_noticed)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/stream") "ignored");
	fixture_wait_streams(f, 1);
	client_close(&c);
	fixture_wait_streams(f, 0);
	fixture_wait_open(f, 0);
	T_INT(fixture_stats(f).waiting, 0);
	fixture_free(&f);
}

TEST(an_upgrade_carries_bytes_both_ways)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, UPGRADE("/ws") "early");
	T_STR(client_reply_head(&c), "101 -1");
	T_TRUE(strstr(client_head(), "\r\nConnection: Upgrade\r\n") != NULL);
	T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") == NULL);
	T_STR(client_raw(&c, 5), "early");
	client_say(&c, "GET / HTTP/1.1\n\n");
	T_STR(client_raw(&c, 16), "GET / HTTP/1.1\n\n");
	client_say(&c, "end");
	T_STR(client_rest(&c), "end");
	client_close(&c);
	fixture_wait_streams(f, 0);
	fixture_free(&f);
}

TEST(a_refused_upgrade_goes_on_as_http)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, UPGRADE("/hold?no") GET("/echo"));
	fixture_wait_held(f, 1);
	T_INT(fixture_stats(f).requests, 1);
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held no");
	T_STR(client_reply(&c), "200");
	client_close(&c);
	fixture_free(&f);
}

TEST(a_stream_waits_for_the_replies_before_it)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/hold?1") GET("/stream"));
	fixture_wait_held(f, 1);
	fixture_wait_streams(f, 1);
	T_INT(fixture_feed(f, 'x', 4), 1);
	fixture_end_streams(f, false);
	T_INT(fixture_feed(f, 'y', 4), 0);
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held 1");
	T_STR(client_reply_head(&c), "200 -1");
	T_STR(client_rest(&c), "xxxx");
	client_close(&c);
	fixture_free(&f);
}

TEST(what_is_pipelined_behind_a_stream_is_dropped)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/stream") GET("/echo"));
	fixture_wait_streams(f, 1);
	T_INT(fixture_feed(f, 'x', 4), 1);
	fixture_end_streams(f, false);
	T_STR(client_reply_head(&c), "200 -1");
	T_STR(client_rest(&c), "xxxx");
	client_close(&c);
	fixture_wait_open(f, 0);
	fixture_free(&f);
}

TEST(streams_are_closed_with_the_server)
{
	struct fixture *f = fixture_new(NULL);
	struct client a = client_open(f), b = client_open(f);

	client_say(&a, GET("/stream"));
	client_say(&b, UPGRADE("/ws"));
	fixture_wait_streams(f, 2);
	fixture_drain(f, 1);
	fixture_drained(f);
	fixture_wait_streams(f, 0);
	client_close(&a);
	client_close(&b);
	fixture_free(&f);
	f = fixture_new(NULL);
	a = client_open(f);
	client_say(&a, GET("/stream"));
	fixture_wait_streams(f, 1);
	fixture_free(&f);
	client_close(&a);
}

T_MAIN(T(one_frame_reaches_all_subscribers), T(a_slow_subscriber_is_bounded),
       T(a_writer_is_told_of_room_once), T(a_subscriber_that_takes_nothing_is_cut),
       T(a_subscriber_that_leaves_is_noticed), T(an_upgrade_carries_bytes_both_ways),
       T(a_refused_upgrade_goes_on_as_http), T(a_stream_waits_for_the_replies_before_it),
       T(what_is_pipelined_behind_a_stream_is_dropped), T(streams_are_closed_with_the_server))
