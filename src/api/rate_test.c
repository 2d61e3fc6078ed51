/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks too often is told so, by whose budget and until when; nobody else is; and nobody gets
 * another budget by saying that he is somebody else.
 */
#include "api/rate.h"

#include <stdio.h>

#include "api/route.h"
#include "api/server_test.h"
#include "base/clock.h"

#define EVENT "{\"type\":\"order_paid\"}"

/* The number that a text begins with. */
static int64_t number(const char *text)
{
	struct slice digits = { text, strspn(text, "0123456789") };
	int64_t v = -1;

	return slice_i64(digits, &v) ? v : -1;
}

static int status(const char *reply)
{
	return (int)number(reply);
}

/* The value of a header of the last reply; "" without one. */
static const char *header(const char *name)
{
	static char values[4][128];
	static unsigned turn;
	char want[64];
	char *out = values[turn++ % 4];
	const char *at;
	size_t n;

	snprintf(want, sizeof(want), "\r\n%s: ", name);
	at = strcasestr(client_head(), want);
	out[0] = '\0';
	if (at != NULL) {
		at += strlen(want);
		n = strcspn(at, "\r");
		memcpy(out, at, n);
		out[n] = '\0';
	}
	return out;
}

static int get(struct visitor *s, const char *path)
{
	return status(server_ask(&s->c, "GET", path, s->key, ""));
}

static int post(struct visitor *s)
{
	return status(server_ask(&s->c, "POST", "/api/v1/events", s->key, EVENT));
}

static int64_t count(struct visitor *s, enum metric id)
{
	return metric_get(server_api(s->f)->metrics, id);
}

TEST(without_a_limit_nothing_is_said_of_one)
{
	struct visitor s;

	visitor_init(&s, NULL);
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_TRUE(strcasestr(client_head(), "ratelimit") == NULL);
	T_INT(post(&s), 201);
	T_TRUE(strcasestr(client_head(), "ratelimit") == NULL);
	visitor_release(&s);
}

TEST(a_reply_says_what_is_left)
{
	struct server_options options = { .rates.api = { .per_minute = 1, .burst = 3 } };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_STR(header("RateLimit-Policy"), "1;w=60;burst=3");
	T_STR(header("RateLimit-Limit"), "3");
	T_STR(header("RateLimit-Remaining"), "2");
	T_STR(header("RateLimit-Reset"), "60");
	T_STR(header("X-RateLimit-Limit"), "3");
	T_STR(header("X-RateLimit-Remaining"), "2");
	T_STR(header("X-RateLimit-Reset"), "60");
	T_INT(get(&s, "/api/v1/rules/none"), 404);
	T_STR(header("RateLimit-Remaining"), "1");
	T_INT(get(&s, "/events"), 200);
	T_STR(header("RateLimit-Remaining"), "0");
	T_STR(header("Retry-After"), "");
	visitor_release(&s);
}

TEST(one_too_many_is_told_when_to_come_back)
{
	struct server_options options = { .rates.api = { .per_minute = 1, .burst = 1 } };
	const char *reply;
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(get(&s, "/api/v1/rules"), 200);
	reply = server_ask(&s.c, "GET", "/api/v1/rules", s.key, "");
	T_INT(status(reply), 429);
	T_STR(server_member(reply, "code"), "rate_limited");
	T_STR(server_member(reply, "retryAfter"), header("Retry-After"));
	T_TRUE(number(header("Retry-After")) >= 50 && number(header("Retry-After")) <= 60);
	T_STR(header("RateLimit-Remaining"), "0");
	T_TRUE(strstr(server_member(reply, "error"), "with this API key") != NULL);
	T_INT(count(&s, METRIC_RATE_KEY), 1);
	visitor_release(&s);
}

TEST(keys_and_classes_have_budgets_of_their_own)
{
	struct server_options options = { .rates = { .api = { 1, 1 }, .ingest = { 1, 2 } } };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_INT(get(&s, "/api/v1/rules"), 429);
	T_INT(post(&s), 201);
	T_STR(header("RateLimit-Limit"), "2");
	T_INT(post(&s), 201);
	T_INT(post(&s), 429);
	T_INT(count(&s, METRIC_INGEST_RATE_LIMITED), 1);
	s.key = server_key(s.f, "acme", ~0u);
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_INT(post(&s), 201);
	T_INT(get(&s, "/health"), 200);
	T_STR(header("RateLimit-Limit"), "");
	visitor_release(&s);
}

/* The body is never read: whoever waits for "100 Continue" hears 429 instead. */
TEST(it_is_said_before_the_body)
{
	struct server_options options = { .rates.ingest = { 1, 1 } };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(post(&s), 201);
	server_say(&s.c, "POST", "/api/v1/events", s.key,
		   "Expect: 100-continue\r\nContent-Length: 5000\r\n", "");
	T_INT(status(client_reply(&s.c)), 429);
	visitor_release(&s);
}

TEST(a_key_in_the_body_or_the_query_counts_as_well)
{
	struct server_options options = { .rates = { .ingest = { 1, 1 }, .api = { 1, 1 } } };
	char body[256], path[256];
	const char *reply;
	struct visitor s;

	visitor_init(&s, &options);
	snprintf(body, sizeof(body),
		 "{\"apiKey\":\"%s\",\"type\":\"event\",\"name\":\"a\",\"payload\":{}}", s.key);
	T_INT(status(server_ask(&s.c, "POST", "/ingest", NULL, body)), 201);
	reply = server_ask(&s.c, "POST", "/ingest", NULL, body);
	T_INT(status(reply), 429);
	T_STR(server_member(reply, "success"), "false");
	T_TRUE(number(header("Retry-After")) >= 50);
	snprintf(path, sizeof(path), "/events?apiKey=%s", s.key);
	T_INT(status(server_ask(&s.c, "GET", path, NULL, "")), 200);
	T_INT(status(server_ask(&s.c, "GET", path, NULL, "")), 429);
	visitor_release(&s);
}

TEST(an_org_has_one_budget_for_all_its_keys)
{
	struct server_options options = { .rates = { .org = { 1, 3 }, .api = { 1, 10 } } };
	struct visitor s;
	const char *other;

	visitor_init(&s, &options);
	other = server_key(s.f, "globex", ~0u);
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_STR(header("RateLimit-Limit"), "3");
	T_INT(post(&s), 201);
	s.key = server_key(s.f, "acme", ~0u);
	T_INT(get(&s, "/api/v1/rules"), 200);
	for (int i = 0; i < 5; i++) {
		T_INT(get(&s, "/api/v1/rules"), 429);
	}
	T_INT(count(&s, METRIC_RATE_ORG), 5);
	T_INT(status(server_ask(&s.c, "GET", "/api/v1/rules", other, "")), 200);
	/* What the org refused was not taken from the key: nine are left behind its first one. */
	server_api(s.f)->rates.org = (struct rate) { 0 };
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_STR(header("RateLimit-Remaining"), "8");
	visitor_release(&s);
}

TEST(a_plan_says_how_often_an_org_may_call)
{
	struct plan plan = { .name = S("small"), .display_name = S("Small"), .rate_per_min = 3 };
	struct meter *meter;
	const char *other;
	struct visitor s;

	visitor_init(&s, NULL);
	other = server_key(s.f, "globex", ~0u);
	meter = server_api(s.f)->meter;
	T_TRUE(meter_put_plan(meter, &plan));
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_STR(header("RateLimit-Limit"), "");
	meter_set_default(meter, S("small"));
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_STR(header("RateLimit-Limit"), "3");
	T_INT(post(&s), 201);
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_INT(get(&s, "/api/v1/rules"), 429);
	T_INT(post(&s), 429);
	T_INT(status(server_ask(&s.c, "GET", "/api/v1/rules", other, "")), 200);
	T_INT(count(&s, METRIC_RATE_ORG), 2);
	meter_set_default(meter, S(""));
	T_INT(get(&s, "/api/v1/rules"), 200);
	T_STR(header("RateLimit-Limit"), "");
	visitor_release(&s);
}

static int anonymous(struct visitor *s, const char *more)
{
	server_say(&s->c, "GET", "/api/v1/rules", NULL, more, "");
	return status(client_reply(&s->c));
}

TEST(who_has_no_key_is_counted_by_address)
{
	struct server_options options = { .rates.address = { 1, 2 } };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(anonymous(&s, ""), 401);
	T_STR(header("RateLimit-Remaining"), "1");
	T_INT(anonymous(&s, "Authorization: Bearer sk_no\r\n"), 401);
	T_INT(anonymous(&s, ""), 429);
	T_INT(count(&s, METRIC_RATE_ADDRESS), 1);
	T_INT(get(&s, "/api/v1/rules"), 200);
	visitor_release(&s);
}

TEST(nobody_is_believed_who_is_no_trusted_proxy)
{
	struct server_options options = { .rates.address = { 1, 1 } };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(anonymous(&s, "X-Forwarded-For: 203.0.113.1\r\n"), 401);
	T_INT(anonymous(&s, "X-Forwarded-For: 203.0.113.2\r\n"), 429);
	T_INT(anonymous(&s, "X-Real-IP: 203.0.113.3\r\n"), 429);
	T_INT(anonymous(&s, "Forwarded: for=203.0.113.4\r\n"), 429);
	visitor_release(&s);
}

TEST(behind_proxies_it_is_the_last_address_they_heard)
{
	static const char *const used_up[] = {
		/* What the client writes itself stands before what the proxy adds, */
		"X-Forwarded-For: 198.51.100.7, 203.0.113.1\r\n",
		"X-Forwarded-For: 203.0.113.9,203.0.113.1\r\n",
		"X-Forwarded-For: unknown, 203.0.113.1\r\n",
		/* in the same line or in one of its own, */
		"X-Forwarded-For: 198.51.100.8\r\nX-Forwarded-For: 203.0.113.1\r\n",
		"X-Forwarded-For: 198.51.100.8\r\nx-forwarded-for: 203.0.113.1\r\n",
		/* also when there are two of them; and one address has several spellings. */
		"X-Forwarded-For: 198.51.100.9, 203.0.113.1, 127.0.0.2\r\n",
		"X-Forwarded-For: 198.51.100.9, 203.0.113.1\r\nX-Forwarded-For: 127.0.0.2\r\n",
		"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For:\r\n",
		"X-Forwarded-For: ::ffff:203.0.113.1\r\n",
		/* Some proxies add the port. */
		"X-Forwarded-For: 198.51.100.9:80, 203.0.113.1:4711\r\n",
		"X-Forwarded-For: [::ffff:203.0.113.1]:65535\r\n",
		"X-Forwarded-For: [::ffff:203.0.113.1]\r\n",
	};
	struct server_options options = { .rates.address = { 1, 1 },
					  .trusted_proxies = "127.0.0.0/8" };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(anonymous(&s, "X-Forwarded-For: 203.0.113.1\r\n"), 401);
	for (size_t i = 0; i < ARRAY_LEN(used_up); i++) {
		T_INT(anonymous(&s, used_up[i]), 429);
	}
	T_INT(anonymous(&s, "X-Forwarded-For: 203.0.113.2\r\n"), 401);
	T_INT(anonymous(&s, "X-Forwarded-For: 203.0.113.1, 203.0.113.3\r\n"), 401);
	visitor_release(&s);
}

TEST(what_is_no_address_counts_as_the_proxy)
{
	static const char *const used_up[] = {
		"X-Forwarded-For: 1.2.3\r\n",
		"X-Forwarded-For: 203.0.113.1, 203.0.113.1:\r\n",
		"X-Forwarded-For: 203.0.113.1, 203.0.113.1:port\r\n",
		"X-Forwarded-For: 203.0.113.1, 203.0.113.1:123456\r\n",
		"X-Forwarded-For: 203.0.113.1, [203.0.113.1\r\n",
		"X-Forwarded-For: 203.0.113.1, [2001:db8::1]80\r\n",
		"X-Forwarded-For: 203.0.113.1, [2001:db8::1]:80:80\r\n",
		"X-Forwarded-For: 203.0.113.1, fe80::1%eth0\r\n",
		"X-Forwarded-For: 203.0.113.1, []\r\n",
		"X-Forwarded-For: 203.0.113.1, ]\r\n",
		"X-Forwarded-For: 203.0.113.1, :80\r\n",
		"X-Forwarded-For: 203.0.113.1, \"203.0.113.1\"\r\n",
		"",
	};
	struct server_options options = { .rates.address = { 1, 1 },
					  .trusted_proxies = "127.0.0.1" };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(anonymous(&s, "X-Forwarded-For: nobody\r\n"), 401);
	for (size_t i = 0; i < ARRAY_LEN(used_up); i++) {
		T_INT(anonymous(&s, used_up[i]), 429);
	}
	T_INT(anonymous(&s, "X-Forwarded-For: 203.0.113.1\r\n"), 401);
	visitor_release(&s);
}

TEST(an_ipv6_network_is_one_address)
{
	struct server_options options = { .rates.address = { 1, 1 },
					  .trusted_proxies = "127.0.0.1" };
	struct visitor s;

	visitor_init(&s, &options);
	T_INT(anonymous(&s, "X-Forwarded-For: 2001:db8:1:2::1\r\n"), 401);
	T_INT(anonymous(&s, "X-Forwarded-For: 2001:db8:1:2:ffff::9\r\n"), 429);
	T_INT(anonymous(&s, "X-Forwarded-For: 2001:db8:1:3::1\r\n"), 401);
	visitor_release(&s);
}

TEST(whoever_runs_the_server_is_not_limited_at_its_socket)
{
	struct server_options options = { .rates.address = { 1, 1 } };
	struct client c;
	struct visitor s;

	visitor_init(&s, &options);
	c = server_socket(s.f);
	for (int i = 0; i < 5; i++) {
		T_INT(status(server_ask(&c, "GET", "/api/v1/rules", NULL, "")), 401);
	}
	client_close(&c);
	visitor_release(&s);
}

/* A burst of calls at once on several connections: as many go as may, to the last one. */
TEST(parallel_calls_are_counted_exactly)
{
	enum { CLIENTS = 8, CALLS = 50, MAY = 123 };
	struct server_options options = { .rates.ingest = { 1, MAY } };
	struct client clients[CLIENTS];
	struct visitor s;
	int went = 0;

	visitor_init(&s, &options);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = client_open(s.f);
		for (int k = 0; k < CALLS; k++) {
			server_say(&clients[i], "POST", "/api/v1/events", s.key, "", EVENT);
		}
	}
	for (int i = 0; i < CLIENTS; i++) {
		for (int k = 0; k < CALLS; k++) {
			went += status(client_reply(&clients[i])) == 201;
		}
		client_close(&clients[i]);
	}
	T_INT(went, MAY);
	visitor_release(&s);
}

/* As a handler of logins does when it knows for whom. */
struct login {
	struct fixture *f;
	struct call call;
	struct slice account;
	struct err err;
	int went;
};

static void log_in(void *arg)
{
	struct login *l = arg;

	l->call.api = server_api(l->f);
	for (int i = 0; i < 20; i++) {
		l->went += rate_login(&l->call, l->account, &l->err);
	}
}

TEST(logins_are_counted_by_account_and_address)
{
	struct server_options options = { .rates.auth = { .per_minute = 5 } };
	struct http_head head = { 0 };
	struct http_addr peer = { .ip.v = { [10] = 0xff, [11] = 0xff, [12] = 203 } };
	struct http_request http = { .peer = &peer, .head = &head, .head_bytes = "" };
	struct login l = { .call.http = &http, .account = S("ann@example.com") };
	struct visitor s;

	visitor_init(&s, &options);
	l.f = s.f;
	server_on_loop(s.f, log_in, &l);
	T_INT(l.went, 5);
	T_INT(l.err.kind, ERR_RATE);
	T_TRUE(rate_retry_s(&l.call) >= 11 && rate_retry_s(&l.call) <= 12);
	l.account = S("bob@example.com");
	server_on_loop(s.f, log_in, &l);
	T_INT(l.went, 10);
	peer.ip.v[12] = 204;
	server_on_loop(s.f, log_in, &l);
	T_INT(l.went, 15);
	T_INT(count(&s, METRIC_RATE_ACCOUNT), 45);
	visitor_release(&s);
}

static void ask_links(void *arg)
{
	struct login *l = arg;

	l->call.api = server_api(l->f);
	for (int i = 0; i < 20; i++) {
		l->went += rate_link(&l->call, l->account);
	}
}

TEST(links_are_counted_by_account_alone)
{
	struct server_options options = { .rates.auth = { .per_minute = 5 } };
	struct login l = { .account = S("ann@example.com") };
	struct visitor s;

	visitor_init(&s, &options);
	l.f = s.f;
	server_on_loop(s.f, ask_links, &l);
	T_INT(l.went, RATE_LINKS_AT_ONCE);
	l.account = S("bob@example.com");
	server_on_loop(s.f, ask_links, &l);
	T_INT(l.went, 2 * RATE_LINKS_AT_ONCE);
	server_api(l.f)->rates.auth.per_minute = 0;
	server_on_loop(s.f, ask_links, &l);
	T_INT(l.went, 2 * RATE_LINKS_AT_ONCE + 20);
	visitor_release(&s);
}

T_MAIN(T(links_are_counted_by_account_alone), T(without_a_limit_nothing_is_said_of_one),
       T(a_reply_says_what_is_left), T(one_too_many_is_told_when_to_come_back),
       T(keys_and_classes_have_budgets_of_their_own), T(it_is_said_before_the_body),
       T(a_key_in_the_body_or_the_query_counts_as_well), T(an_org_has_one_budget_for_all_its_keys),
       T(a_plan_says_how_often_an_org_may_call), T(who_has_no_key_is_counted_by_address),
       T(nobody_is_believed_who_is_no_trusted_proxy),
       T(behind_proxies_it_is_the_last_address_they_heard),
       T(what_is_no_address_counts_as_the_proxy), T(an_ipv6_network_is_one_address),
       T(whoever_runs_the_server_is_not_limited_at_its_socket),
       T(parallel_calls_are_counted_exactly), T(logins_are_counted_by_account_and_address))
