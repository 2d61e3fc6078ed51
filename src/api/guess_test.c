/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever tries keys or passwords waits, also over a restart; and those who have theirs do not,
 * though they sit beside him.
 */
#include "api/guess.h"

#include <stdio.h>

#include "api/server_test.h"
#include "base/clock.h"

static bool is(const char *reply, const char *status)
{
	return strncmp(reply, status, 3) == 0;
}

static const char *get(struct visitor *s, const char *key, const char *more)
{
	server_say(&s->c, "GET", "/api/v1/rules", key, more, "");
	return client_reply(&s->c);
}

/* Guess n keys; the status of the last answer, and its own. */
static const char *guess(struct visitor *s, int from, int n, const char *more)
{
	const char *reply = "";
	char key[32];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "sk_%d", from + i);
		reply = get(s, key, more);
	}
	return reply;
}

TEST(guessing_keys_ends_in_waiting)
{
	const char *reply;
	struct visitor s;

	visitor_init(&s, NULL);
	T_TRUE(is(guess(&s, 0, 50, ""), "401"));
	reply = guess(&s, 50, 1, "");
	T_TRUE(is(reply, "429"));
	T_STR(server_member(reply, "code"), "rate_limited");
	T_STR(server_member(reply, "retryAfter"), "1");
	T_TRUE(strstr(client_head(), "\r\nRetry-After: 1\r\n") != NULL);
	T_TRUE(metric_get(server_api(s.f)->metrics, METRIC_GUESSES) == 50);
	T_INT(metric_get(server_api(s.f)->metrics, METRIC_GUESSES_REFUSED), 1);
	visitor_release(&s);
}

TEST(one_wrong_key_over_and_over_is_no_guessing)
{
	struct visitor s;

	visitor_init(&s, NULL);
	for (int i = 0; i < 200; i++) {
		T_TRUE(is(get(&s, "sk_old", ""), "401"));
	}
	T_TRUE(is(get(&s, s.key, ""), "200"));
	visitor_release(&s);
}

TEST(a_key_goes_on_where_it_worked_and_a_new_one_waits)
{
	struct server_options options = { .trusted_proxies = "127.0.0.1" };
	const char *here = "X-Forwarded-For: 203.0.113.1\r\n";
	const char *there = "X-Forwarded-For: 203.0.113.2\r\n";
	const char *other;
	struct visitor s;

	visitor_init(&s, &options);
	other = server_key(s.f, "acme", ~0u);
	T_TRUE(is(get(&s, s.key, here), "200"));
	guess(&s, 0, 60, here);
	T_TRUE(is(get(&s, s.key, here), "200"));
	/* Right or wrong, they hear the same: nothing is learnt by going on. */
	T_TRUE(is(get(&s, other, here), "429"));
	T_TRUE(is(get(&s, "sk_99", here), "429"));
	T_TRUE(is(get(&s, other, there), "200"));
	T_TRUE(is(get(&s, "sk_99", there), "401"));
	visitor_release(&s);
}

TEST(a_lock_outlives_a_restart)
{
	struct visitor s;
	struct client c;

	visitor_init(&s, NULL);
	/* The lock of so many lasts for minutes. */
	for (int i = 0; i < 70; i++) {
		char what[16];

		snprintf(what, sizeof(what), "%d", i);
		guesses_fail(server_api(s.f)->guesses, GUESS_OF_ADDRESS,
			     (struct slice) { "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16 },
			     slice_of(what), clock_wall_us());
	}
	T_TRUE(is(guess(&s, 0, 1, ""), "429"));
	client_close(&s.c);
	server_restart(s.f);
	s.c = client_open(s.f);
	T_TRUE(is(guess(&s, 0, 1, ""), "429"));
	T_TRUE(is(get(&s, s.key, ""), "429"));
	c = server_socket(s.f);
	T_TRUE(is(server_ask(&c, "GET", "/api/v1/rules", s.key, ""), "200"));
	client_close(&c);
	visitor_release(&s);
}

TEST(keys_in_bodies_queries_and_setup_tokens_count_as_well)
{
	char text[128];
	struct visitor s;

	visitor_init(&s, NULL);
	for (int i = 0; i < 17; i++) {
		snprintf(text, sizeof(text),
			 "{\"apiKey\":\"sk_%d\",\"type\":\"event\",\"name\":\"a\",\"payload\":{}}",
			 i);
		T_TRUE(is(server_ask(&s.c, "POST", "/ingest", NULL, text), "401"));
		snprintf(text, sizeof(text), "/events?apiKey=sk_q%d", i);
		T_TRUE(is(server_ask(&s.c, "GET", text, NULL, ""), "401"));
		snprintf(text, sizeof(text), "/api/v1/stream?token=sk_s%d", i);
		T_TRUE(is(server_ask(&s.c, "GET", text, NULL, ""), i < 16 ? "401" : "429"));
	}
	visitor_release(&s);
}

static void log_in(struct call *c, struct slice account, unsigned n, unsigned *went)
{
	for (unsigned i = 0; i < n; i++) {
		*went += guess_login(c, account, &c->err);
	}
}

TEST(logins_wait_by_account_and_by_address)
{
	struct http_head head = { 0 };
	struct http_addr peer = { .ip.v = { [10] = 0xff, [11] = 0xff, [12] = 203 } };
	struct http_request http = { .peer = &peer, .head = &head, .head_bytes = "" };
	struct call c = { .http = &http };
	unsigned went = 0;
	struct visitor s;

	visitor_init(&s, NULL);
	c.api = server_api(s.f);
	log_in(&c, S("ann"), 30, &went);
	T_INT(went, 10);
	T_INT(c.err.kind, ERR_RATE);
	/* From elsewhere it is the same account, */
	peer.ip.v[12] = 204;
	log_in(&c, S("ann"), 3, &went);
	T_INT(went, 10);
	/* and whoever proves that it is his frees it, but not himself from guessing others. */
	log_in(&c, S("eve"), 1, &went);
	guess_right(&c, S("eve"));
	for (unsigned i = 0; i < 60; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%u", i);
		log_in(&c, slice_of(name), 1, &went);
		if (i % 10 == 0 && guess_login(&c, S("eve"), &c.err)) {
			guess_right(&c, S("eve"));
		}
	}
	T_INT(went, 61);
	T_FALSE(guess_login(&c, S("eve"), &c.err));
	visitor_release(&s);
}

T_MAIN(T(guessing_keys_ends_in_waiting), T(one_wrong_key_over_and_over_is_no_guessing),
       T(a_key_goes_on_where_it_worked_and_a_new_one_waits), T(a_lock_outlives_a_restart),
       T(keys_in_bodies_queries_and_setup_tokens_count_as_well),
       T(logins_wait_by_account_and_by_address))
