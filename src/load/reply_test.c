/* SPDX-License-Identifier: Apache-2.0 */
#include "load/reply.h"

#include <stdio.h>
#include <string.h>

#include "test/t.h"

static struct reply r;

/*
 * Feed the text in pieces of `step` bytes; says the last state and how many bytes belonged to the
 * reply.
 */
static enum reply_state feed(const char *text, size_t step, size_t *total)
{
	size_t n = strlen(text);
	enum reply_state state = REPLY_MORE;

	*total = 0;
	reply_clear(&r);
	while (state == REPLY_MORE && *total < n) {
		size_t take = n - *total < step ? n - *total : step;
		size_t used;

		state = reply_feed(&r, text + *total, take, &used);
		*total += used;
	}
	return state;
}

struct good {
	const char *text;
	int status;
	const char *body;
	bool close;
};

static const struct good goods[] = {
	{ "HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello", 202, "hello", false },
	{ "HTTP/1.1 201 Created\r\ncontent-length:0\r\nconnection: close\r\n\r\n", 201, "", true },
	{ "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", 204, "", false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
	  200, "abc0123456789", false },
	{ "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nDigest: q\r\n\r\n",
	  200, "z", false },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno", 503,
	  "no", false },
};

TEST(a_reply_reads_the_same_however_it_is_cut)
{
	for (size_t i = 0; i < ARRAY_LEN(goods); i++) {
		size_t len = strlen(goods[i].text);

		for (size_t step = 1; step <= len; step++) {
			size_t total;

			T_INT(feed(goods[i].text, step, &total), REPLY_DONE);
			T_INT(total, len);
			T_INT(r.status, goods[i].status);
			T_STR(r.body, goods[i].body);
			T_INT(r.close, goods[i].close);
		}
	}
}

TEST(bytes_of_the_next_reply_are_left_alone)
{
	static const char two[] = "HTTP/1.1 202 A\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 500 B\r\n";
	size_t total;

	T_INT(feed(two, sizeof(two), &total), REPLY_DONE);
	T_INT(total, strlen(two) - strlen("HTTP/1.1 500 B\r\n"));
}

TEST(a_replayed_reply_says_so)
{
	size_t total;

	T_INT(feed("HTTP/1.1 201 A\r\nIdempotent-Replayed: true\r\nContent-Length: 0\r\n\r\n", 7,
		   &total),
	      REPLY_DONE);
	T_TRUE(r.replayed);
	T_INT(feed("HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\n", 7, &total), REPLY_DONE);
	T_FALSE(r.replayed);
}

TEST(what_is_no_reply_is_refused)
{
	static const char *const bad[] = {
		"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 2x0 OK\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (size_t step = 1; step <= strlen(bad[i]); step++) {
			size_t total;

			T_INT(feed(bad[i], step, &total), REPLY_BAD);
		}
	}
}

TEST(of_a_long_body_the_beginning_and_the_end_are_kept)
{
	static char text[4096];
	size_t head = (size_t)snprintf(text, sizeof(text),
				       "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
	size_t total;

	memset(text + head, 'b', 3000);
	memcpy(text + head, "begin", 5);
	memcpy(text + head + 1500, "middle", 6);
	memcpy(text + head + 2997, "end", 3);
	for (size_t step = 1; step < 4000; step += 37) {
		T_INT(feed(text, step, &total), REPLY_DONE);
		T_INT(r.body_total, 3000);
		T_INT(strlen(r.body), REPLY_BODY_BYTES_MAX);
		T_TRUE(reply_says(&r, "begin"));
		T_TRUE(reply_says(&r, "bend"));
		T_FALSE(reply_says(&r, "middle"));
	}
}

T_MAIN(T(a_reply_reads_the_same_however_it_is_cut), T(bytes_of_the_next_reply_are_left_alone),
       T(a_replayed_reply_says_so), T(what_is_no_reply_is_refused),
       T(of_a_long_body_the_beginning_and_the_end_are_kept))
