/* SPDX-License-Identifier: Apache-2.0 */
/* A connection carries requests and replies in order, whatever order the replies are made in. */
#include "net/http_server.h"

#include <zlib.h>
#include <zstd.h>

#include "net/http_fixture.h"
#include "test/t.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, n, body) \
	"POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " #n "\r\n\r\n" body

#define CHUNKED(path, body) \
	"POST " path " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body

TEST(a_connection_serves_many_requests)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	for (int i = 0; i < 100; i++) {
		client_say(&c, POST("/echo", 5, "hello"));
		T_STR(client_reply(&c), "200 hello");
	}
	T_TRUE(strstr(client_head(), "\r\nDate: ") != NULL);
	T_TRUE(strstr(client_head(), " GMT\r\n") != NULL);
	T_TRUE(strstr(client_head(), "\r\nX-Request-Id: ") != NULL);
	T_TRUE(strstr(client_head(), "\r\nConnection: ") == NULL);
	client_close(&c);
	T_INT(fixture_stats(f).requests, 100);
	T_INT(fixture_done(f).calls, 100);
	T_INT(fixture_done(f).bytes, 5);
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

TEST(a_pipeline_over_the_limit_waits_and_is_served_whole)
{
	struct http_options options = { .pipeline_max = 3 };
	struct fixture *f = fixture_new(&options);
	struct client c = client_open(f);

	client_say(&c, GET("/hold?1") GET("/hold?2") GET("/hold?3") GET("/hold?4") GET("/hold?5"));
	fixture_wait_held(f, 3);
	T_INT(fixture_stats(f).waiting, 3);
	T_INT(fixture_stats(f).requests, 3);
	fixture_release(f, 0);
	fixture_wait_held(f, 4);
	fixture_release(f, 1);
	fixture_wait_held(f, 5);
	for (size_t i = 2; i < 5; i++) {
		fixture_release(f, i);
	}
	for (char i = '1'; i <= '5'; i++) {
		T_INT(client_reply(&c)[9], i);
	}
	client_close(&c);
	fixture_free(&f);
}

TEST(a_thousand_requests_in_one_write_are_answered_in_order)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);
	struct buf out;

	buf_init(&out, 1 << 20);
	for (int i = 1000; i < 2000; i++) {
		buf_printf(&out, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n%d",
			   i % 3 == 0 ? "/hook" : "/echo", i);
	}
	client_send(&c, buf_slice(&out));
	for (int i = 1000; i < 2000; i++) {
		buf_cut(&out, 0);
		buf_printf(&out, i % 3 == 0 ? "200 hooked" : "200 %d", i);
		buf_putc(&out, '\0');
		T_STR(client_reply(&c), out.p);
	}
	buf_release(&out);
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

TEST(bytes_may_arrive_one_by_one)
{
	static const char all[] = POST("/echo", 3, "abc")
		CHUNKED("/echo", "2\r\nde\r\n1;x\r\nf\r\n0\r\nT: u\r\n\r\n") GET("/empty");
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	for (size_t i = 0; i < sizeof(all) - 1; i++) {
		client_send(&c, (struct slice) { all + i, 1 });
	}
	T_STR(client_reply(&c), "200 abc");
	T_STR(client_reply(&c), "200 def");
	T_STR(client_reply(&c), "204");
	T_TRUE(strstr(client_head(), "Content-Length") == NULL);
	client_close(&c);
	fixture_free(&f);
}

static uint32_t next_random(uint32_t *v)
{
	*v = *v * 1664525 + 1013904223;
	return *v >> 16;
}

/* One request of a random kind to out, and what its reply must be to want. */
static void random_request(uint32_t *v, struct buf *out, struct buf *want)
{
	uint32_t n = next_random(v) % 900;

	switch (next_random(v) % 5) {
	case 0:
		buf_printf(out, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03u",
			   n);
		buf_printf(want, "200 %03u\n", n);
		return;
	case 1:
		buf_printf(out,
			   "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "1;e\r\nx\r\n3\r\n%03u\r\n0\r\nA: b\r\n\r\n",
			   n);
		buf_printf(want, "200 x%03u\n", n);
		return;
	case 2:
		buf_puts(out, S(GET("/hook")));
		buf_puts(want, S("200 hooked\n"));
		return;
	case 3:
		buf_puts(out, S(GET("/post")));
		buf_puts(want, S("200 posted\n"));
		return;
	case 4:
		buf_printf(out, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n%*s",
			   n, (int)n, "");
		buf_puts(want, S("401 no\n"));
		return;
	}
}

TEST(requests_cut_anywhere_are_answered_in_order)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);
	uint32_t v = 1;

	for (int round = 0; round < 50; round++) {
		struct buf out, want;
		struct slice rest, line;

		buf_init(&out, 1 << 20);
		buf_init(&want, 1 << 20);
		for (int i = 0; i < 20; i++) {
			random_request(&v, &out, &want);
		}
		for (rest = buf_slice(&out); rest.n > 0;) {
			size_t n = next_random(&v) % 400 + 1;

			n = n < rest.n ? n : rest.n;
			client_send(&c, (struct slice) { rest.p, n });
			rest = slice_from(rest, n);
		}
		for (rest = buf_slice(&want); slice_split(&rest, '\n', &line);) {
			assert_true(slice_eq(slice_of(client_reply(&c)), line));
		}
		buf_release(&out);
		buf_release(&want);
	}
	client_close(&c);
	fixture_free(&f);
}

TEST(head_says_the_length_and_no_body)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, "HEAD /big/1234 HTTP/1.1\r\nHost: a\r\n\r\n" POST("/echo", 2, "ok"));
	T_STR(client_reply_head(&c), "200 1234");
	T_STR(client_reply(&c), "200 ok");
	client_close(&c);
	fixture_free(&f);
}

TEST(expectations_are_answered_before_the_body)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: "
		       "100-continue\r\n\r\n");
	T_STR(client_raw(&c, 25), "HTTP/1.1 100 Continue\r\n\r\n");
	client_say(&c, "body");
	T_STR(client_reply(&c), "200 body");
	client_say(&c, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: "
		       "100-continue\r\n\r\n");
	T_STR(client_reply(&c), "401 no");
	T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_free(&f);
}

TEST(an_expectation_behind_an_owed_reply_waits_for_it)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c,
		   GET("/hold?1") "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: "
				  "100-continue\r\n\r\n");
	fixture_wait_held(f, 1);
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held 1");
	T_STR(client_raw(&c, 25), "HTTP/1.1 100 Continue\r\n\r\n");
	client_say(&c, "body");
	T_STR(client_reply(&c), "200 body");
	client_close(&c);
	fixture_free(&f);
}

#define TENS "0123456789"
#define FIFTY TENS TENS TENS TENS TENS

TEST(a_small_unwanted_body_is_dropped)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, POST("/early", 5, "hello") POST("/none", 5, "hello"));
	client_say(&c, POST("/small", 101, FIFTY FIFTY "x") POST("/small", 4, "last"));
	T_STR(client_reply(&c), "401 no");
	T_STR(client_reply(&c),
	      "413 {\"error\":{\"code\":\"too_large\",\"message\":\"the body is over "
	      "0 bytes\"}}\n");
	T_TRUE(strncmp(client_reply(&c), "413 ", 4) == 0);
	T_STR(client_reply(&c), "200 last");
	client_close(&c);
	fixture_free(&f);
}

TEST(a_large_unwanted_body_ends_the_connection)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nxxx");
	T_TRUE(strncmp(client_reply(&c), "413 ", 4) == 0);
	T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
	T_STR(client_rest(&c), "");
	client_close(&c);
	c = client_open(f);
	client_say(&c, CHUNKED("/early", "3\r\nabc\r\n0\r\n\r\n") GET("/echo"));
	T_STR(client_reply(&c), "401 no");
	T_STR(client_rest(&c), "");
	client_close(&c);
	c = client_open(f);
	client_say(&c, CHUNKED("/small", "ffffff\r\n"));
	for (int i = 0; i < 11; i++) {
		client_say(&c, "0123456789");
	}
	T_TRUE(strncmp(client_reply(&c), "413 ", 4) == 0);
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_free(&f);
}

TEST(nothing_behind_a_malformed_request_is_read)
{
	static const char *const evil[] = {
		"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: "
		"chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"GET /echo HTTP/1.1\nHost: a\n\n",
		CHUNKED("/echo", "zz\r\n"),
		CHUNKED("/echo", "1\r\nab\r\n0\r\n\r\n"),
	};
	struct fixture *f = fixture_new(NULL);

	for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
		struct client c = client_open(f);

		client_say(&c, POST("/echo", 4, "good"));
		client_send(&c, slice_of(evil[i]));
		client_say(&c, GET("/hold?smuggled"));
		T_STR(client_reply(&c), "200 good");
		T_TRUE(strncmp(client_reply(&c), "400 ", 4) == 0);
		T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
		T_STR(client_rest(&c), "");
		client_close(&c);
	}
	T_INT(fixture_stats(f).bad_requests, ARRAY_LEN(evil));
	T_INT(fixture_stats(f).waiting, 0);
	fixture_free(&f);
}

TEST(other_refusals_have_their_status)
{
	static const struct {
		const char *head;
		const char *want;
	} rows[] = {
		{ "GET / HTTP/2.0\r\n\r\n", "505 " },
		{ "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "417 " },
		{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501 " },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
		  "415 " },
	};
	struct fixture *f = fixture_new(NULL);
	static char filler[20000];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client c = client_open(f);

		client_send(&c, slice_of(rows[i].head));
		T_TRUE(strncmp(client_reply(&c), rows[i].want, 4) == 0);
		client_close(&c);
	}
	memset(filler, 'a', sizeof(filler));
	for (int i = 0; i < 2; i++) {
		struct client c = client_open(f);

		client_send(&c, i == 0 ? S("GET /") : S("GET / HTTP/1.1\r\nHost: a\r\nX: "));
		client_send(&c, (struct slice) { filler, sizeof(filler) });
		T_TRUE(strncmp(client_reply(&c), i == 0 ? "414 " : "431 ", 4) == 0);
		T_STR(client_rest(&c), "");
		client_close(&c);
	}
	fixture_free(&f);
}

TEST(connections_end_when_the_client_says_so)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/hold"));
	T_STR(client_reply(&c), "200");
	T_TRUE(strstr(client_head(), "\r\nConnection: close\r\n") != NULL);
	T_STR(client_rest(&c), "");
	client_close(&c);
	c = client_open(f);
	client_say(&c, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	T_STR(client_reply(&c), "200");
	T_TRUE(strstr(client_head(), "\r\nConnection: keep-alive\r\n") != NULL);
	client_say(&c, "GET /echo HTTP/1.0\r\n\r\n");
	T_STR(client_reply(&c), "200");
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_free(&f);
}

TEST(half_closed_clients_get_their_replies)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/hold?1") POST("/echo", 1, "2") "GET /cut");
	client_shut(&c);
	fixture_wait_held(f, 1);
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held 1");
	T_STR(client_reply(&c), "200 2");
	T_STR(client_rest(&c), "");
	client_close(&c);
	fixture_wait_open(f, 0);
	fixture_free(&f);
}

TEST(an_exchange_outlives_its_connection)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/hold?first") GET("/hold?second"));
	fixture_wait_held(f, 2);
	/* Unread input turns this close into a reset. */
	client_say(&c, GET("/big/100000"));
	client_close(&c);
	fixture_release(f, 0);
	fixture_release(f, 1);
	fixture_wait_open(f, 0);
	T_INT(fixture_stats(f).waiting, 0);
	fixture_free(&f);
}

TEST(a_request_id_is_taken_over_when_well_formed)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, "GET /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: aZ9._-\r\n\r\n"
		       "GET /echo HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\r\n\r\n");
	T_STR(client_reply(&c), "200");
	T_TRUE(strstr(client_head(), "\r\nX-Request-Id: aZ9._-\r\n") != NULL);
	T_STR(client_reply(&c), "200");
	T_TRUE(strstr(client_head(), "\r\nX-Request-Id: a b\r\n") == NULL);
	T_TRUE(strstr(client_head(), "\r\nX-Request-Id: ") != NULL);
	client_close(&c);
	fixture_free(&f);
}

TEST(a_header_value_cannot_split_a_reply)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	client_say(&c, GET("/header"));
	T_STR(client_reply(&c), "200");
	T_TRUE(strstr(client_head(), "\r\nX-Echo: a  X-Evil: b\r\n") != NULL);
	client_close(&c);
	fixture_free(&f);
}

static void post_coded(struct client *c, const char *coding, struct slice body)
{
	struct buf head;

	buf_init(&head, 1000);
	buf_printf(&head,
		   "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: %s\r\nContent-Length: "
		   "%zu\r\n\r\n",
		   coding, body.n);
	client_send(c, buf_slice(&head));
	client_send(c, body);
	buf_release(&head);
}

static struct slice zipped(const void *p, size_t n, unsigned char *to, size_t room)
{
	uLongf got = room;

	assert_int_equal(compress(to, &got, p, n), Z_OK);
	return (struct slice) { (char *)to, got };
}

TEST(compressed_bodies_are_decoded)
{
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);
	unsigned char to[256];
	struct slice z = zipped("hello hello", 11, to, sizeof(to));

	post_coded(&c, "deflate", z);
	T_STR(client_reply(&c), "200 hello hello");
	post_coded(&c, "zstd",
		   (struct slice) { (char *)to, ZSTD_compress(to, sizeof(to), "zs zs", 5, 3) });
	T_STR(client_reply(&c), "200 zs zs");
	post_coded(&c, "identity", S("plain"));
	T_STR(client_reply(&c), "200 plain");
	post_coded(&c, "gzip", S("not gzip at all"));
	T_TRUE(strncmp(client_reply(&c), "400 ", 4) == 0);
	client_close(&c);
	c = client_open(f);
	z = zipped("hello hello", 11, to, sizeof(to));
	post_coded(&c, "deflate", (struct slice) { z.p, z.n - 1 });
	T_TRUE(strncmp(client_reply(&c), "400 ", 4) == 0);
	client_say(&c, GET("/echo"));
	T_STR(client_reply(&c), "200");
	client_close(&c);
	fixture_free(&f);
}

TEST(compressed_bombs_are_too_large)
{
	static unsigned char to[1 << 16];
	size_t zeros_n = (size_t)8 << 20;
	char *zeros = mem_alloc(zeros_n, 1);
	struct fixture *f = fixture_new(NULL);
	struct client c = client_open(f);

	post_coded(&c, "deflate", zipped(zeros, zeros_n, to, sizeof(to)));
	T_TRUE(strncmp(client_reply(&c), "413 ", 4) == 0);
	T_STR(client_rest(&c), "");
	client_close(&c);
	c = client_open(f);
	post_coded(&c, "zstd",
		   (struct slice) { (char *)to, ZSTD_compress(to, sizeof(to), zeros, zeros_n, 3) });
	T_TRUE(strncmp(client_reply(&c), "413 ", 4) == 0);
	client_close(&c);
	free(zeros);
	fixture_free(&f);
}

T_MAIN(T(a_connection_serves_many_requests), T(pipelined_replies_keep_the_order_of_requests),
       T(a_pipeline_over_the_limit_waits_and_is_served_whole),
       T(a_thousand_requests_in_one_write_are_answered_in_order),
       T(replies_of_hooks_and_other_threads_arrive), T(bytes_may_arrive_one_by_one),
       T(requests_cut_anywhere_are_answered_in_order), T(head_says_the_length_and_no_body),
       T(expectations_are_answered_before_the_body),
       T(an_expectation_behind_an_owed_reply_waits_for_it), T(a_small_unwanted_body_is_dropped),
       T(a_large_unwanted_body_ends_the_connection), T(nothing_behind_a_malformed_request_is_read),
       T(other_refusals_have_their_status), T(connections_end_when_the_client_says_so),
       T(half_closed_clients_get_their_replies), T(an_exchange_outlives_its_connection),
       T(a_request_id_is_taken_over_when_well_formed), T(a_header_value_cannot_split_a_reply),
       T(compressed_bodies_are_decoded), T(compressed_bombs_are_too_large))
