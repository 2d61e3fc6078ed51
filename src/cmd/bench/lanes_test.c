/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench/lanes.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "test/peer.h"
#include "test/t.h"

#define LANES 2
#define PATIENCE_US (20 * US_PER_S)

struct got {
	size_t n;
	size_t lane;
	int status;
	char problem[80];
	char tail[80];
	uint64_t bytes_in;
};

struct bed {
	struct peer *peer;
	struct poller poller;
	struct far *far;
	struct lanes *lanes;
	struct got got;
	char url[64];
};

static void on_answer(void *owner, size_t lane, const struct lanes_answer *a)
{
	struct got *g = owner;

	g->n++;
	g->lane = lane;
	g->status = a->status;
	g->bytes_in = a->bytes_in;
	snprintf(g->problem, sizeof(g->problem), "%s", a->status == 0 ? a->problem : "");
	snprintf(g->tail, sizeof(g->tail), "%.*s", SARG(a->tail));
	T_TRUE(a->done_us >= a->sent_us);
}

static bool open_lanes(struct bed *b, const char *path, struct err *err)
{
	static const struct slice keys[] = { { "Authorization: Bearer k", 23 } };
	struct lanes_options o = { .poller = &b->poller,
				   .far = b->far,
				   .url = slice_of(b->url),
				   .path = slice_of(path),
				   .authorization = keys,
				   .keys = 1,
				   .n = LANES,
				   .done = on_answer,
				   .owner = &b->got };

	return lanes_open(&b->lanes, &o, err);
}

static void set_up(struct bed *b, const char *path)
{
	static const struct peer_answer answers[] = {
		{ .path = "/ok",
		  .bytes = "HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{\"a\":10}" },
		{ .path = "/close",
		  .bytes = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
		  .end = PEER_CLOSE },
		{ .path = "/junk", .bytes = "SSH-2.0-nothing of ours\r\n\r\n" },
		{ .path = "/silent", .bytes = "", .end = PEER_HANG },
	};
	struct err err;

	*b = (struct bed) { .peer = peer_new("127.0.0.1", 0, answers, ARRAY_LEN(answers)) };
	snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%u", peer_port(b->peer));
	poller_init(&b->poller);
	b->far = far_new(&b->poller, NULL);
	T_OK(open_lanes(b, path, &err));
}

static void tear_down(struct bed *b)
{
	lanes_close(&b->lanes);
	far_free(&b->far);
	poller_release(&b->poller);
	peer_free(&b->peer);
}

static void turn_until(struct bed *b, size_t n)
{
	int64_t end_us = clock_mono_us() + PATIENCE_US;

	while (b->got.n < n && clock_mono_us() < end_us) {
		poller_turn(&b->poller, lanes_pending(b->lanes) ? 0 : 1000000);
		lanes_turn(b->lanes);
	}
	T_INT(b->got.n, n);
}

TEST(an_answer_comes_with_its_status_and_its_end)
{
	struct bed b;

	set_up(&b, "/ok");
	for (size_t i = 0; i < 5; i++) {
		lanes_send(b.lanes, i % LANES, 0, S("{\"type\":\"t\"}"), clock_mono_us());
		T_INT(b.got.n, i);
		turn_until(&b, i + 1);
		T_INT(b.got.lane, i % LANES);
		T_INT(b.got.status, 201);
		T_STR(b.got.tail, "{\"a\":10}");
		T_INT(b.got.bytes_in, 8);
	}
	T_TRUE(lanes_bytes_out(b.lanes) > (uint64_t)5 * 12);
	tear_down(&b);
}

TEST(a_connection_that_the_server_closes_is_opened_anew)
{
	struct bed b;

	set_up(&b, "/close");
	for (size_t i = 0; i < 4; i++) {
		lanes_send(b.lanes, 0, 0, S("{}"), clock_mono_us());
		turn_until(&b, i + 1);
		T_INT(b.got.status, 200);
	}
	tear_down(&b);
}

TEST(what_is_no_answer_says_why_and_the_lane_goes_on)
{
	struct bed b;

	set_up(&b, "/junk");
	for (size_t i = 0; i < 3; i++) {
		lanes_send(b.lanes, 1, 0, S("{}"), clock_mono_us());
		turn_until(&b, i + 1);
		T_INT(b.got.status, 0);
		T_STR(b.got.problem, "the answer is no HTTP");
	}
	tear_down(&b);
}

TEST(a_request_without_an_answer_ends_when_it_expires)
{
	struct bed b;
	int64_t sent_us = clock_mono_us();

	set_up(&b, "/silent");
	lanes_send(b.lanes, 0, 0, S("{}"), sent_us);
	lanes_expire(b.lanes, sent_us);
	T_FALSE(lanes_pending(b.lanes));
	lanes_expire(b.lanes, sent_us + 1);
	T_TRUE(lanes_pending(b.lanes));
	T_INT(b.got.n, 0);
	turn_until(&b, 1);
	T_INT(b.got.status, 0);
	T_STR(b.got.problem, "no answer in time");
	tear_down(&b);
}

TEST(without_a_server_there_is_an_error_at_once)
{
	struct bed b;
	struct err err;

	set_up(&b, "/ok");
	lanes_close(&b.lanes);
	peer_free(&b.peer);
	T_FAIL(open_lanes(&b, "/ok", &err), ERR_UPSTREAM);
	T_TRUE(strstr(err.text, "refused") != NULL);
	snprintf(b.url, sizeof(b.url), "ftp://127.0.0.1");
	T_FAIL(open_lanes(&b, "/ok", &err), ERR_INVALID);
	far_free(&b.far);
	poller_release(&b.poller);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_comes_with_its_status_and_its_end),
		T(a_connection_that_the_server_closes_is_opened_anew),
		T(what_is_no_answer_says_why_and_the_lane_goes_on),
		T(a_request_without_an_answer_ends_when_it_expires),
		T(without_a_server_there_is_an_error_at_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
