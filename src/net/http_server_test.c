/* SPDX-License-Identifier: Apache-2.0 */
/* A connection carries requests and replies in order, whatever order the replies are made in. */
#include "net/http_server.h"

#include "net/http_fixture.h"
#include "test/t.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, n, body) \
	"POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " #n "\r\n\r\n" body

TEST(a_connection_serves_many_requests)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	for (int i = 0; i < 100; i++) {
		client_say(&c, POST("/echo", 5, "hello"));
		T_STR(client_reply(&c), "200 hello");
	}
	T_TRUE(strstr(client_head(), "\r\nDate: ") != NULL);
	T_TRUE(strstr(client_head(), "\r\nX-Request-Id: ") != NULL);
	T_TRUE(strstr(client_head(), "\r\nConnection: ") == NULL);
	client_close(&c);
	T_INT(fixture_stats(f).requests, 100);
	T_INT(fixture_done(f).calls, 100);
	fixture_free(&f);
}

TEST(pipelined_replies_keep_the_order_of_requests)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/hold?1") GET("/hold?2") POST("/echo", 1, "3") GET("/hold?4"));
	fixture_wait_held(f, 3);
	fixture_release(f, 1);
	fixture_release(f, 2);
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held 1");
	T_STR(client_reply(&c), "200 held 2");
	T_STR(client_reply(&c), "200 3");
	T_STR(client_reply(&c), "200 held 4");
	client_close(&c);
	fixture_free(&f);
}

TEST(replies_of_hooks_and_other_threads_arrive)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/hook") GET("/post") GET("/hook"));
	T_STR(client_reply(&c), "200 hooked");
	T_STR(client_reply(&c), "200 posted");
	T_STR(client_reply(&c), "200 hooked");
	client_close(&c);
	fixture_free(&f);
}

T_MAIN(T(a_connection_serves_many_requests), T(pipelined_replies_keep_the_order_of_requests),
       T(replies_of_hooks_and_other_threads_arrive))
