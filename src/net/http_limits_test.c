/* SPDX-License-Identifier: Apache-2.0 */
/* Slow and greedy clients cost little: every time and every bound of the server, crossed. */
#include <sys/resource.h>

#include "base/clock.h"
#include "net/http_fixture.h"
#include "test/t.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define SHORT_US (40 * US_PER_MS)

TEST(a_slow_head_is_cut_whatever_it_sends)
{
	struct http_options options = { .head_us = SHORT_US };
	struct fixture *f = fixture_new(&options);
	struct client silent = client_open(f), half = client_open(f), slow = client_open(f);

	client_say(&half, "GET / HT");
	client_say(&slow, "GET /");
	client_trickle(&slow, 'a');
	T_TRUE(strncmp(client_reply(&slow), "408 ", 4) == 0);
	T_TRUE(strncmp(client_reply(&half), "408 ", 4) == 0);
	T_STR(client_rest(&silent), "");
	T_INT(fixture_stats(f).timeouts[HTTP_TIMEOUT_HEAD], 3);
	client_close(&silent);
	client_close(&half);
	client_close(&slow);
	fixture_free(&f);
}

TEST(a_second_head_has_its_own_time)
{
	struct http_options options = { .head_us = SHORT_US };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open(f);

	client_say(&c, GET("/echo") "GET ");
	T_STR(client_reply(&c), "200");
	T_TRUE(strncmp(client_reply(&c), "408 ", 4) == 0);
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_free(&f);
}

TEST(a_body_that_stops_is_cut)
{
	struct http_options options = { .body_us = SHORT_US };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open(f);

	client_say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
	T_TRUE(strncmp(client_reply(&c), "408 ", 4) == 0);
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_free(&f);
}

TEST(a_body_that_trickles_is_cut)
{
	struct http_options options = { .body_us = SHORT_US, .rate_min = 1 << 20 };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open(f);

	client_say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
	client_trickle(&c, 'a');
	T_TRUE(strncmp(client_reply(&c), "408 ", 4) == 0);
	client_close(&c);
	c = client_open(f);
	client_say(&c, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
	T_STR(client_reply(&c), "401 no");
	client_trickle(&c, 'a');
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_free(&f);
}

TEST(idle_connections_are_closed_and_busy_ones_are_not)
{
	struct http_options options = { .idle_us = SHORT_US, .head_us = SHORT_US };
	struct fixture *f = fixture_new(&options);
	struct client idle = client_open(f), busy = client_open(f);

	client_say(&busy, GET("/hold?1"));
	client_say(&idle, GET("/echo"));
	T_STR(client_reply(&idle), "200");
	T_STR(client_rest(&idle), "");
	fixture_wait_held(f, 1);
	fixture_release(f, 0);
	T_STR(client_reply(&busy), "200 held 1");
	T_STR(client_rest(&busy), "");
	client_close(&idle);
	client_close(&busy);
	fixture_free(&f);
}

TEST(a_reply_waits_for_a_reader_that_pauses)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open_slow(f);
	size_t got = 0;

	client_say(&c, GET("/big/20000000") GET("/echo"));
	fixture_wait_open(f, 1);
	T_STR(client_reply_head(&c), "200 20000000");
	while (got < 20000000) {
		size_t n = 20000000 - got < 500000 ? 20000000 - got : 500000;
		const char *p = client_raw(&c, n);

		T_TRUE(p[0] == 'x' && p[n - 1] == 'x');
		got += n;
	}
	T_STR(client_reply(&c), "200");
	client_close(&c);
	fixture_free(&f);
}

TEST(a_reader_that_stops_is_cut)
{
	struct http_options options = { .write_us = SHORT_US };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open_slow(f);

	client_say(&c, GET("/big/50000000"));
	T_STR(client_reply_head(&c), "200 50000000");
	fixture_wait_open(f, 0);
	T_INT(fixture_stats(f).timeouts[HTTP_TIMEOUT_WRITE], 1);
	client_close(&c);
	fixture_free(&f);
}

TEST(a_reader_that_only_sips_is_cut)
{
	struct http_options options = { .write_us = 40 * US_PER_MS, .rate_min = UINT32_MAX };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open_slow(f);
	size_t got = 0;

	client_say(&c, GET("/big/60000000"));
	T_STR(client_reply_head(&c), "200 60000000");
	while (fixture_stats(f).timeouts[HTTP_TIMEOUT_WRITE] == 0) {
		client_raw(&c, 1000);
		got += 1000;
		T_TRUE(got < 60000000);
	}
	client_close(&c);
	fixture_wait_open(f, 0);
	fixture_free(&f);
}

static void read_body(struct client *c, size_t n)
{
	const size_t some = 500000;

	for (; n > 0; n -= n < some ? n : some) {
		client_raw(c, n < some ? n : some);
	}
}

TEST(what_waits_for_slow_readers_is_bounded_in_all)
{
	struct http_options options = { .stuck_max = (size_t)40 << 20 };
	struct fixture *f = fixture_new(&options);
	struct client stalled = client_open_slow(f), second = client_open_slow(f);

	/* Alone, a reply of any size may wait. */
	client_say(&stalled, GET("/big/50000000"));
	T_STR(client_reply_head(&stalled), "200 50000000");
	T_INT(fixture_stats(f).crowded, 0);
	/* The next one takes its place, and is not cut itself. */
	client_say(&second, GET("/big/30000000"));
	T_STR(client_reply_head(&second), "200 30000000");
	fixture_wait_open(f, 1);
	T_INT(fixture_stats(f).crowded, 1);
	read_body(&second, 30000000);
	client_say(&second, GET("/echo"));
	T_STR(client_reply(&second), "200");
	/* Its place is free again: two that fit need not make room. */
	client_close(&stalled);
	stalled = client_open_slow(f);
	client_say(&stalled, GET("/big/10000000"));
	T_STR(client_reply_head(&stalled), "200 10000000");
	client_say(&second, GET("/big/10000000"));
	T_STR(client_reply_head(&second), "200 10000000");
	T_INT(fixture_stats(f).open, 2);
	T_INT(fixture_stats(f).crowded, 1);
	client_close(&second);
	client_close(&stalled);
	fixture_wait_open(f, 0);
	fixture_free(&f);
}

TEST(no_more_is_read_while_replies_pile_up)
{
	struct http_options options = { .output_max = 1000 };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open_slow(f);
	struct buf out;

	buf_init(&out, 10000);
	for (int i = 0; i < 40; i++) {
		buf_puts(&out, S(GET("/big/500000")));
	}
	client_send(&c, buf_slice(&out));
	T_STR(client_reply_head(&c), "200 500000");
	/* The kernel takes some MB of the 20; the rest of the requests must wait. */
	T_TRUE(fixture_stats(f).requests < 40);
	client_raw(&c, 500000);
	for (int i = 1; i < 40; i++) {
		T_STR(client_reply_head(&c), "200 500000");
		client_raw(&c, 500000);
	}
	T_INT(fixture_stats(f).requests, 40);
	buf_release(&out);
	client_close(&c);
	fixture_free(&f);
}

TEST(an_address_has_so_many_connections)
{
	struct http_options options = { .conns_per_ip = 2 };
	struct fixture *f = fixture_new(&options);
	struct client a = client_open(f), b = client_open(f), c;

	client_say(&a, GET("/echo"));
	T_STR(client_reply(&a), "200");
	client_say(&b, GET("/echo"));
	T_STR(client_reply(&b), "200");
	c = client_open(f);
	T_STR(client_reply(&c),
	      "429 {\"code\":\"rate_limited\",\"error\":\"too many connections of one address\"}");
	T_TRUE(strstr(client_head(), "Retry-After: 5") != NULL);
	T_STR(client_rest(&c), "");
	T_INT(fixture_stats(f).refused, 1);
	client_close(&c);
	client_close(&a);
	fixture_wait_open(f, 1);
	c = client_open(f);
	client_say(&c, GET("/echo"));
	T_STR(client_reply(&c), "200");
	client_close(&b);
	client_close(&c);
	fixture_free(&f);
}

TEST(the_connection_idle_longest_makes_room)
{
	struct http_options options = { .conns_max = 2 };
	struct fixture *f = fixture_new(&options);
	struct client a = client_open(f), b, c;

	client_say(&a, GET("/echo"));
	T_STR(client_reply(&a), "200");
	b = client_open(f);
	client_say(&b, GET("/echo"));
	T_STR(client_reply(&b), "200");
	c = client_open(f);
	client_say(&c, GET("/echo"));
	T_STR(client_reply(&c), "200");
	T_STR(client_rest(&a), "");
	client_say(&b, GET("/echo"));
	T_STR(client_reply(&b), "200");
	client_close(&a);
	client_close(&b);
	client_close(&c);
	fixture_free(&f);
}

TEST(without_an_idle_one_newcomers_wait)
{
	struct http_options options = { .conns_max = 1 };
	struct fixture *f = fixture_new(&options);
	struct client a = client_open(f), b = client_open(f);

	client_say(&a, GET("/hold?a"));
	fixture_wait_held(f, 1);
	client_say(&b, GET("/echo"));
	T_INT(fixture_stats(f).open, 1);
	fixture_release(f, 0);
	T_STR(client_reply(&a), "200 held a");
	T_STR(client_reply(&b), "200");
	client_close(&a);
	client_close(&b);
	fixture_free(&f);
}

TEST(heads_that_dawdle_make_room)
{
	struct http_options options = { .conns_max = 2, .head_us = 10 * SHORT_US };
	struct fixture *f = fixture_new(&options);
	struct client a = client_open(f), b = client_open(f), c = client_open(f);

	client_say(&a, "GET /");
	client_say(&b, "GET /");
	client_say(&c, GET("/hold?c"));
	fixture_wait_held(f, 1);
	T_INT(fixture_stats(f).timeouts[HTTP_TIMEOUT_WRITE], 0);
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held c");
	client_close(&a);
	client_close(&b);
	client_close(&c);
	fixture_free(&f);
}

TEST(a_proxy_may_have_more_connections)
{
	struct http_options options = { .conns_per_ip = 1 };
	struct fixture *f;
	struct client c[3];
	struct err err;

	T_OK(ip_set_parse(S("127.0.0.0/8"), &options.exempt, &err));
	f = fixture_new(&options);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = client_open(f);
		client_say(&c[i], GET("/echo"));
		T_STR(client_reply(&c[i]), "200");
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		client_close(&c[i]);
	}
	fixture_free(&f);
}

TEST(without_descriptors_clients_are_turned_away_and_later_served)
{
	struct fixture *f = fixture_new(NULL);
	struct client a = client_socket(), b;
	struct rlimit before, none;

	T_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit) { .rlim_cur = (rlim_t)a.fd + 1, .rlim_max = before.rlim_max };
	T_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
	client_connect(&a, f);
	T_STR(client_rest(&a), "");
	T_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
	b = client_open(f);
	client_say(&b, GET("/echo"));
	T_STR(client_reply(&b), "200");
	client_close(&a);
	client_close(&b);
	fixture_free(&f);
}

TEST(a_drain_finishes_what_is_open)
{
	struct fixture *f = fixture_new(NULL);
	struct client idle = client_open(f), busy = client_open(f), half = client_open(f);

	client_say(&idle, GET("/echo"));
	T_STR(client_reply(&idle), "200");
	client_say(&half, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha");
	client_say(&busy, GET("/hold?1"));
	fixture_wait_held(f, 1);
	fixture_drain(f, 10 * US_PER_S);
	T_STR(client_rest(&idle), "");
	client_say(&half, "lf");
	T_STR(client_reply(&half), "200 half");
	T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
	fixture_release(f, 0);
	T_STR(client_reply(&busy), "200 held 1");
	T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
	T_STR(client_rest(&busy), "");
	fixture_drained(f);
	client_close(&idle);
	client_close(&busy);
	client_close(&half);
	fixture_free(&f);
}

TEST(a_drain_ends_in_time)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/hold?1"));
	fixture_wait_held(f, 1);
	fixture_drain(f, SHORT_US);
	fixture_drained(f);
	T_STR(client_rest(&c), "");
	fixture_release(f, 0);
	client_close(&c);
	fixture_free(&f);
}

static size_t on_head(void *ctx UNUSED, struct http_exchange *x UNUSED)
{
	return 0;
}

static void on_request(void *ctx UNUSED, struct http_exchange *x)
{
	http_reply_json(x, 200, S("{}"));
}

TEST(numeric_addresses_are_listened_on)
{
	struct http_handlers handlers = { .on_head = on_head, .on_request = on_request };
	struct loop *loop = loop_new(1);
	struct http_server *s = http_server_new(loop, NULL, &handlers);
	struct err err;

	T_OK(http_server_listen(s, "[::1]", 0, &err));
	T_TRUE(http_server_port(s) != 0);
	T_OK(http_server_listen(s, "127.0.0.1", http_server_port(s), &err));
	T_FAIL(http_server_listen(s, "127.0.0.1", http_server_port(s), &err), ERR_IO);
	T_FAIL(http_server_listen(s, "localhost", 0, &err), ERR_INVALID);
	T_FAIL(http_server_listen(s, "", 0, &err), ERR_INVALID);
	http_server_free(&s);
	T_TRUE(s == NULL);
	loop_free(&loop);
}

T_MAIN(T(a_slow_head_is_cut_whatever_it_sends), T(a_second_head_has_its_own_time),
       T(a_body_that_stops_is_cut), T(a_body_that_trickles_is_cut),
       T(idle_connections_are_closed_and_busy_ones_are_not),
       T(a_reply_waits_for_a_reader_that_pauses), T(a_reader_that_stops_is_cut),
       T(a_reader_that_only_sips_is_cut), T(what_waits_for_slow_readers_is_bounded_in_all),
       T(no_more_is_read_while_replies_pile_up), T(an_address_has_so_many_connections),
       T(the_connection_idle_longest_makes_room), T(without_an_idle_one_newcomers_wait),
       T(heads_that_dawdle_make_room), T(a_proxy_may_have_more_connections),
       T(without_descriptors_clients_are_turned_away_and_later_served),
       T(a_drain_finishes_what_is_open), T(a_drain_ends_in_time),
       T(numeric_addresses_are_listened_on))
