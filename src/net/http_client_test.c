/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls end in one known way whatever the peer does, and no name, redirect, header or environment
 * leads one to an address that the policy does not open.
 */
#include "net/http_client.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "test/peer.h"
#include "test/t.h"

/*
 * The resolver of these tests: it stands in for the C library's, so that a name can mean something
 * else at each look-up, as a hostile name server makes it.
 */
struct name {
	const char *name;
	const char *answers[3][3]; /* by look-up (the last repeats): addresses */
	atomic_uint lookups;
};
static struct name names[] = {
	{ .name = "peer.test", .answers = { { "127.0.0.1" } } },
	{ .name = "rebind.test", .answers = { { "127.0.0.1" }, { "127.0.0.2" } } },
	{ .name = "mixed.test", .answers = { { "127.0.0.2", "10.0.0.1", "127.0.0.1" } } },
	{ .name = "inside.test", .answers = { { "127.0.0.2" } } },
	{ .name = "mapped.test", .answers = { { "::ffff:127.0.0.2" } } },
	{ .name = "zero.test", .answers = { { "0.0.0.0", "::" } } },
	{ .name = "meta.test", .answers = { { "169.254.169.254" }, { "fd00:ec2::254" } } },
	{ .name = "nat64.test", .answers = { { "64:ff9b::127.0.0.2" } } },
	{ .name = "lan.test", .answers = { { "10.1.2.3", "192.168.0.1", "fd00::1" } } },
};

/* Look-ups of stuck.test, which end when the test lets them. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned stuck;
	bool released;
} stuck = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void wait_for_release(void)
{
	pthread_mutex_lock(&stuck.lock);
	stuck.stuck++;
	while (!stuck.released) {
		pthread_cond_wait(&stuck.changed, &stuck.lock);
	}
	stuck.stuck--;
	pthread_cond_broadcast(&stuck.changed);
	pthread_mutex_unlock(&stuck.lock);
}

static void release_and_join(void)
{
	pthread_mutex_lock(&stuck.lock);
	stuck.released = true;
	pthread_cond_broadcast(&stuck.changed);
	while (stuck.stuck > 0) {
		pthread_cond_wait(&stuck.changed, &stuck.lock);
	}
	pthread_mutex_unlock(&stuck.lock);
}

static struct addrinfo *make_info(const char *address, const char *service, struct addrinfo *next)
{
	struct addrinfo *info = mem_alloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
	struct sockaddr_in *in = (void *)(info + 1);
	struct sockaddr_in6 *in6 = (void *)(info + 1);
	uint16_t port = htons((uint16_t)strtoul(service, NULL, 10));

	*info = (struct addrinfo) { .ai_socktype = SOCK_STREAM,
				    .ai_protocol = IPPROTO_TCP,
				    .ai_addr = (void *)(info + 1),
				    .ai_next = next };
	if (strchr(address, ':') == NULL) {
		*in = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = port };
		ensure(inet_pton(AF_INET, address, &in->sin_addr) == 1);
		info->ai_family = AF_INET;
		info->ai_addrlen = sizeof(*in);
	} else {
		*in6 = (struct sockaddr_in6) { .sin6_family = AF_INET6, .sin6_port = port };
		ensure(inet_pton(AF_INET6, address, &in6->sin6_addr) == 1);
		info->ai_family = AF_INET6;
		info->ai_addrlen = sizeof(*in6);
	}
	return info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints UNUSED,
		struct addrinfo **out)
{
	*out = NULL;
	if (strcmp(name, "stuck.test") == 0) {
		wait_for_release();
		return EAI_AGAIN;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i].name) != 0) {
			continue;
		}
		unsigned at = atomic_fetch_add(&names[i].lookups, 1);
		while (at > 0 && (at > 2 || names[i].answers[at][0] == NULL)) {
			at--;
		}
		for (size_t k = 3; k > 0; k--) {
			if (names[i].answers[at][k - 1] != NULL) {
				*out = make_info(names[i].answers[at][k - 1], service, *out);
			}
		}
		return 0;
	}
	return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info)
{
	while (info != NULL) {
		struct addrinfo *next = info->ai_next;
		free(info);
		info = next;
	}
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

static char long_head[40000];

static const struct peer_answer script[] = {
	{ "/200", OK_HEAD "Content-Length: 2\r\n\r\nok", 0, PEER_KEEP },
	{ "/close", OK_HEAD "Content-Length: 2\r\nConnection: close\r\n\r\nok", 0, PEER_CLOSE },
	{ "/quiet-close", OK_HEAD "Content-Length: 2\r\n\r\nok", 0, PEER_CLOSE },
	{ "/chunked", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 0,
	  PEER_KEEP },
	{ "/early",
	  "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" OK_HEAD
	  "Content-Length: 2\r\n\r\nok",
	  0, PEER_KEEP },
	{ "/204", "HTTP/1.1 204 No Content\r\n\r\n", 0, PEER_KEEP },
	{ "/302",
	  "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/in\r\nContent-Length: 0\r\n\r\n", 0,
	  PEER_KEEP },
	{ "/410", "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 0, PEER_KEEP },
	{ "/429", "HTTP/1.1 429 Slow Down\r\nretry-after:  7 \r\nContent-Length: 0\r\n\r\n", 0,
	  PEER_KEEP },
	{ "/500", "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", 0, PEER_KEEP },
	{ "/hang", "", 0, PEER_HANG },
	{ "/reset", "", 0, PEER_RESET },
	{ "/half", "", 0, PEER_HALF },
	{ "/head-reset", "HTTP/1.1 200 OK\r\nContent-Le", 0, PEER_RESET },
	{ "/body-reset", OK_HEAD "Content-Length: 10\r\n\r\nok", 0, PEER_CLOSE },
	{ "/body-slow", OK_HEAD "Content-Length: 10\r\n\r\nok", 0, PEER_HANG },
	{ "/huge", OK_HEAD "Content-Length: 1000000\r\n\r\n", 1000000, PEER_CLOSE },
	{ "/head-close", "HTTP/1.1 200 OK\r\nX: ", 10, PEER_CLOSE },
	{ "/long-line", "HTTP/1.1 200 OK\r\nX: ", 1000000, PEER_CLOSE },
	{ "/long-head", long_head, 0, PEER_CLOSE },
	{ "/100-for-ever", "HTTP/1.1 100 Continue\r\n\r\n", 0, PEER_HANG },
	{ "/http2", "HTTP/2 200 \r\n\r\n", 0, PEER_CLOSE },
	{ "/ftp", "220 welcome\r\n", 0, PEER_CLOSE },
	{ "/upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", 0, PEER_HANG },
	{ "/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
	  0, PEER_KEEP },
	{ "/cookie", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", 0,
	  PEER_KEEP },
};

static struct peer *peer;
static struct peer *canary; /* 127.0.0.2, the same port, not allowed by the policy of the tests */
static struct http_client *client;

/* What the last call came to. */
static struct {
	unsigned n;
	enum http_fail fail;
	unsigned status;
	char retry_after[32], location[64], content_type[32], text[256];
	size_t body_n;
	bool sent, connected;
	struct ip address;
	int64_t total_us;
} got;

static void copy(char *to, size_t size, struct slice from)
{
	snprintf(to, size, "%.*s", SARG(from));
}

static void done(void *ctx, const struct http_result *r)
{
	unsigned *count = ctx;

	(*count)++;
	got.fail = r->fail;
	got.status = r->status;
	got.body_n = r->body.n;
	got.sent = r->sent;
	got.connected = r->connected;
	got.address = r->address;
	got.total_us = r->total_us;
	copy(got.retry_after, sizeof(got.retry_after), r->retry_after);
	copy(got.location, sizeof(got.location), r->location);
	copy(got.content_type, sizeof(got.content_type), r->content_type);
	copy(got.text, sizeof(got.text), slice_of(r->text));
}

static struct http_client *make_client(const char *policy, size_t concurrency)
{
	struct http_client_options options = { .concurrency = concurrency };
	struct err err;

	T_OK(ip_policy_parse(slice_of(policy), &options.policy, &err));
	return http_client_new(&options);
}

static int set_up(void **state UNUSED)
{
	signal(SIGPIPE, SIG_IGN);
	memcpy(long_head, "HTTP/1.1 200 OK\r\n", 17);
	for (size_t i = 17; i + 7 < sizeof(long_head); i += 6) {
		memcpy(long_head + i, "X: y\r\n", 6);
	}
	peer = peer_new("127.0.0.1", 0, script, ARRAY_LEN(script));
	canary = peer_new("127.0.0.2", peer_port(peer), script, ARRAY_LEN(script));
	client = make_client("127.0.0.1", 4);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		atomic_store(&names[i].lookups, 0);
	}
	return 0;
}

static int tear_down(void **state UNUSED)
{
	http_client_free(&client);
	peer_free(&peer);
	peer_free(&canary);
	return 0;
}

/* Run one call to its end while others are under way. */
static void finish_beside(const struct http_call *call, size_t others)
{
	unsigned n = 0;

	memset(&got, 0, sizeof(got));
	T_TRUE(http_client_send(client, call, done, &n));
	while (n == 0) {
		http_client_run_once(client, US_PER_S);
	}
	T_INT(n, 1);
	T_INT(http_client_room(client), 4 - others);
}

static void finish_call(const struct http_call *call)
{
	finish_beside(call, 0);
}

static void call_host(const char *host, unsigned port, const char *path)
{
	char url[128];
	struct http_call call = { .body = S("{}"), .total_us = 300 * US_PER_MS };

	snprintf(url, sizeof(url), "http://%s:%u%s", host, port, path);
	call.url = slice_of(url);
	finish_call(&call);
}

static void call_path(const char *path)
{
	call_host("127.0.0.1", peer_port(peer), path);
}

TEST(every_kind_of_answer_ends_the_call_in_a_known_way)
{
	static const struct {
		const char *path;
		enum http_fail fail;
		unsigned status;
		size_t body_n;
	} rows[] = {
		{ "/200", HTTP_FAIL_NONE, 200, 2 },
		{ "/close", HTTP_FAIL_NONE, 200, 2 },
		{ "/chunked", HTTP_FAIL_NONE, 200, 2 },
		{ "/early", HTTP_FAIL_NONE, 200, 2 },
		{ "/204", HTTP_FAIL_NONE, 204, 0 },
		{ "/302", HTTP_FAIL_NONE, 302, 0 },
		{ "/404", HTTP_FAIL_NONE, 404, 0 },
		{ "/410", HTTP_FAIL_NONE, 410, 0 },
		{ "/429", HTTP_FAIL_NONE, 429, 0 },
		{ "/500", HTTP_FAIL_NONE, 500, 4 },
		{ "/gzip", HTTP_FAIL_NONE, 200, 2 },
		{ "/hang", HTTP_FAIL_TIMEOUT, 0, 0 },
		{ "/reset", HTTP_FAIL_RESET, 0, 0 },
		{ "/half", HTTP_FAIL_RESET, 0, 0 },
		{ "/head-reset", HTTP_FAIL_RESET, 0, 0 },
		{ "/body-reset", HTTP_FAIL_RESET, 200, 2 },
		{ "/body-slow", HTTP_FAIL_TIMEOUT, 200, 2 },
		{ "/huge", HTTP_FAIL_TOO_LARGE, 200, HTTP_CALL_RESPONSE_BYTES_MAX },
		{ "/head-close", HTTP_FAIL_RESET, 0, 0 },
		{ "/long-line", HTTP_FAIL_TOO_LARGE, 0, 0 },
		{ "/long-head", HTTP_FAIL_TOO_LARGE, 0, 0 },
		{ "/100-for-ever", HTTP_FAIL_TIMEOUT, 0, 0 },
		{ "/http2", HTTP_FAIL_PROTOCOL, 0, 0 },
		{ "/ftp", HTTP_FAIL_PROTOCOL, 0, 0 },
		{ "/upgrade", HTTP_FAIL_TIMEOUT, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		call_path(rows[i].path);
		if (got.fail != rows[i].fail || got.status != rows[i].status ||
		    got.body_n != rows[i].body_n) {
			fail_msg("%s: %s, status %u, %zu bytes", rows[i].path,
				 http_fail_name(got.fail), got.status, got.body_n);
		}
		T_TRUE(got.sent);
		T_INT(got.text[0] == '\0', got.fail == HTTP_FAIL_NONE);
	}
}

TEST(headers_of_interest_are_kept_of_the_final_answer_only)
{
	call_path("/429");
	T_STR(got.retry_after, "7");
	call_path("/early");
	T_STR(got.retry_after, "");
	T_STR(got.content_type, "text/plain");
	call_path("/302");
	T_STR(got.location, "http://127.0.0.2:1/in");
	call_path("/200");
	T_STR(got.location, "");
}

TEST(the_peer_gets_exactly_what_was_asked)
{
	static const struct http_call_header headers[] = {
		{ S("Content-Type"), S("application/json") },
		{ S("X-Empty"), S("") },
		{ S("X-Long"), S(" a: b;\tc ") },
	};
	char url[64];
	char want[512];
	struct http_call call = { .headers = headers,
				  .headers_n = ARRAY_LEN(headers),
				  .body = S("{\"a\":\0001}") };

	snprintf(url, sizeof(url), "http://peer.test:%u/200?q=%%20#", peer_port(peer));
	call.url = (struct slice) { url, strlen(url) - 1 };
	finish_call(&call);
	T_INT(got.status, 200);
	snprintf(want, sizeof(want),
		 "POST /200?q=%%20 HTTP/1.1\r\nHost: peer.test:%u\r\nUser-Agent: Tocsin/%s\r\n"
		 "Accept: */*\r\nContent-Type: application/json\r\nX-Empty:\r\n"
		 "X-Long: a: b;\tc\r\nContent-Length: 8\r\n\r\n{\"a\":",
		 peer_port(peer), TOCSIN_VERSION);
	T_STR(peer_last(peer), want);
	T_INT(memcmp(peer_last(peer) + strlen(want), "\0001}", 4), 0);
	T_TRUE(got.connected);
	T_STR(ip_format(got.address).p, "127.0.0.1");
	T_TRUE(got.total_us > 0);
}

TEST(methods_and_empty_bodies_are_sent_as_given)
{
	struct http_call call = { 0 };
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/200", peer_port(peer));
	call.url = slice_of(url);
	finish_call(&call);
	T_TRUE(slice_starts(slice_of(peer_last(peer)), S("POST /200 HTTP/1.1\r\n")));
	T_TRUE(strstr(peer_last(peer), "Content-Length: 0\r\n") != NULL);
	T_TRUE(strstr(peer_last(peer), "Content-Type") == NULL);
	call.method = "GET";
	finish_call(&call);
	T_TRUE(slice_starts(slice_of(peer_last(peer)), S("GET /200 HTTP/1.1\r\n")));
	call.method = "PUT";
	call.body = S("x");
	finish_call(&call);
	T_TRUE(slice_starts(slice_of(peer_last(peer)), S("PUT /200 HTTP/1.1\r\n")));
	T_TRUE(slice_ends(slice_of(peer_last(peer)), S("\r\n\r\nx")));
}

TEST(nothing_from_outside_becomes_a_header_of_its_own)
{
	static const struct http_call_header bad[] = {
		{ S("X\r\nEvil"), S("1") },
		{ S("X: y\r\nEvil"), S("1") },
		{ S("X"), S("1\r\nEvil: 2") },
		{ S("X"), S("1\nEvil: 2") },
		{ S("X"), S("1\rEvil: 2") },
		{ S("X"), S("1\0Evil") },
		{ S("X\0"), S("1") },
		{ S(""), S("1") },
		{ S("X "), S("1") },
		{ S("X:"), S("1") },
		{ S("X;"), S("") },
		{ S("X"), S("\x7f") },
		{ S("Host"), S("evil.test") },
		{ S("HOST"), S("evil.test") },
		{ S("Content-Length"), S("0") },
		{ S("Transfer-Encoding"), S("chunked") },
		{ S("Connection"), S("close") },
		{ S("Upgrade"), S("h2c") },
		{ S("TE"), S("trailers") },
		{ S("Expect"), S("100-continue") },
		{ S("Proxy-Connection"), S("x") },
		{ S("Bücher"), S("1") },
	};
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/200", peer_port(peer));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct http_call call = { .url = slice_of(url),
					  .headers = &bad[i],
					  .headers_n = 1 };
		finish_call(&call);
		T_INT(got.fail, HTTP_FAIL_INVALID);
		T_FALSE(got.sent);
	}
	struct http_call call = { .url = slice_of(url), .method = "GET / HTTP/1.1\r\nX:" };
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_INVALID);
	call = (struct http_call) { .url = S("http://127.0.0.1/ HTTP/1.1\r\nX: y") };
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_INVALID);
	T_INT(peer_connections(peer), 0);
}

TEST(sizes_are_bounded_before_anything_is_sent)
{
	static struct http_call_header many[HTTP_CALL_HEADERS_MAX + 1];
	static char big[HTTP_CALL_BODY_BYTES_MAX + 1];
	struct http_call call = { .url = S("http://127.0.0.1/"), .headers = many };

	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct http_call_header) { S("X"), S("1") };
	}
	call.headers_n = ARRAY_LEN(many);
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_INVALID);
	call.headers_n = 1;
	many[0].value = (struct slice) { big, HTTP_CALL_HEAD_BYTES_MAX };
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_INVALID);
	call.headers_n = 0;
	call.body = (struct slice) { big, sizeof(big) };
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_INVALID);
	T_INT(peer_connections(peer), 0);
}

TEST(addresses_that_a_name_resolves_to_are_held_against_the_policy)
{
	static const char *const hosts[] = { "inside.test", "mapped.test", "zero.test", "meta.test",
					     "meta.test",   "nat64.test",  "lan.test" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		call_host(hosts[i], peer_port(peer), "/200");
		T_INT(got.fail, HTTP_FAIL_BLOCKED);
		T_FALSE(got.sent);
		T_TRUE(strstr(got.text, "address") != NULL);
		T_TRUE(strpbrk(got.text, "0123456789:") == strchr(got.text, ':'));
	}
	T_INT(names[6].lookups, 2);
	T_INT(peer_connections(peer), 0);
	T_INT(peer_connections(canary), 0);
}

TEST(literal_addresses_and_ports_of_others_are_refused_at_once)
{
	static const char *const hosts[] = { "127.0.0.2", "[::1]",     "[::ffff:127.0.0.2]",
					     "0.0.0.0",	  "[fe80::1]", "169.254.169.254",
					     "10.0.0.1",  "[::]",      "[64:ff9b::7f00:2]" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		call_host(hosts[i], peer_port(peer), "/200");
		T_INT(got.fail, HTTP_FAIL_BLOCKED);
	}
	call_host("127.0.0.1", 22, "/200");
	T_INT(got.fail, HTTP_FAIL_BLOCKED);
	call_host("peer.test", 6379, "/200");
	T_INT(got.fail, HTTP_FAIL_BLOCKED);
	T_INT(peer_connections(canary), 0);
}

TEST(a_name_that_changes_its_address_gains_nothing)
{
	call_host("rebind.test", peer_port(peer), "/close");
	T_INT(got.status, 200);
	call_host("rebind.test", peer_port(peer), "/close");
	T_INT(got.fail, HTTP_FAIL_BLOCKED);
	call_host("rebind.test", peer_port(peer), "/close");
	T_INT(got.fail, HTTP_FAIL_BLOCKED);
	T_INT(names[1].lookups, 3);
	T_INT(peer_connections(canary), 0);
}

TEST(among_several_addresses_only_allowed_ones_are_tried)
{
	call_host("mixed.test", peer_port(peer), "/200");
	T_INT(got.status, 200);
	T_STR(ip_format(got.address).p, "127.0.0.1");
	T_INT(peer_connections(canary), 0);
}

TEST(redirects_are_told_and_not_followed)
{
	char location[160];
	const struct peer_answer to_canary = { "/go", location, 0, PEER_KEEP };
	struct peer *open = peer_new("127.0.0.1", 0, script, ARRAY_LEN(script));

	for (unsigned status = 301; status <= 308; status++) {
		struct peer *guide;

		snprintf(location, sizeof(location),
			 "HTTP/1.1 %u Go\r\nLocation: http://127.0.0.1:%u/200\r\n"
			 "Refresh: 0;url=http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
			 status, peer_port(open), peer_port(open));
		guide = peer_new("127.0.0.1", 0, &to_canary, 1);
		call_host("127.0.0.1", peer_port(guide), "/go");
		T_INT(got.fail, HTTP_FAIL_NONE);
		T_INT(got.status, status);
		T_TRUE(slice_starts(slice_of(got.location), S("http://127.0.0.1:")));
		T_INT(peer_requests(guide), 1);
		peer_free(&guide);
	}
	T_INT(peer_connections(open), 0);
	peer_free(&open);
}

TEST(the_environment_chooses_no_way)
{
	char proxy[64];

	snprintf(proxy, sizeof(proxy), "http://127.0.0.2:%u", peer_port(canary));
	setenv("http_proxy", proxy, 1);
	setenv("all_proxy", proxy, 1);
	setenv("ALL_PROXY", proxy, 1);
	call_path("/200");
	T_INT(got.status, 200);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	T_INT(peer_connections(canary), 0);
}

TEST(connections_are_kept_but_not_what_peers_said_on_them)
{
	call_host("peer.test", peer_port(peer), "/cookie");
	call_host("peer.test", peer_port(peer), "/200");
	call_host("peer.test", peer_port(peer), "/500");
	T_INT(got.status, 500);
	T_INT(peer_connections(peer), 1);
	T_INT(peer_requests(peer), 3);
	T_TRUE(strcasestr(peer_last(peer), "cookie") == NULL);
}

TEST(a_connection_that_the_peer_closed_meanwhile_costs_no_call)
{
	call_path("/quiet-close");
	T_INT(got.status, 200);
	call_path("/quiet-close");
	T_INT(got.status, 200);
	call_path("/200");
	T_INT(got.status, 200);
	T_INT(peer_requests(peer), 3);
	T_INT(peer_connections(peer), 3);
}

TEST(a_name_server_that_hangs_holds_up_nobody)
{
	struct http_call hung = { .url = S("http://stuck.test/"), .connect_us = 100 * US_PER_MS };
	int64_t start_us = clock_mono_us();
	unsigned n = 0;
	struct http_call good = { 0 };
	char url[64];

	finish_call(&hung);
	T_INT(got.fail, HTTP_FAIL_DNS);
	T_FALSE(got.sent);
	hung.connect_us = 0;
	T_TRUE(http_client_send(client, &hung, done, &n));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/200", peer_port(peer));
	good.url = slice_of(url);
	finish_beside(&good, 1);
	T_INT(got.status, 200);
	T_INT(n, 0);
	http_client_free(&client);
	T_INT(n, 1);
	T_INT(got.fail, HTTP_FAIL_CANCELLED);
	T_TRUE(clock_mono_us() - start_us < 3 * US_PER_S);
	release_and_join();
}

TEST(peers_that_are_not_there_say_which_way)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t n = sizeof(in);
	int full = socket(AF_INET, SOCK_STREAM, 0);
	int fill[2];
	struct http_call call = { .url = S("http://no.test/") };
	char url[64];

	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_DNS);
	T_FALSE(got.sent);

	T_INT(inet_pton(AF_INET, "127.0.0.1", &in.sin_addr), 1);
	T_INT(bind(full, (const void *)&in, sizeof(in)), 0);
	T_INT(getsockname(full, (void *)&in, &n), 0);
	call_host("127.0.0.1", ntohs(in.sin_port), "/");
	T_INT(got.fail, HTTP_FAIL_REFUSED);
	T_FALSE(got.sent);

	/* A queue of no length is full after one connection or two; the next SYN gets no answer. */
	T_INT(listen(full, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (const void *)&in, sizeof(in));
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(in.sin_port));
	call = (struct http_call) { .url = slice_of(url), .connect_us = 200 * US_PER_MS };
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_CONNECT_TIMEOUT);
	T_FALSE(got.sent);
	close(fill[0]);
	close(fill[1]);
	close(full);
}

TEST(tls_needs_a_peer_that_speaks_it)
{
	static const struct peer_answer plain = { NULL, "HTTP/1.1 400 Bad\r\n\r\n", 0, PEER_CLOSE };
	struct peer *talker = peer_new("127.0.0.1", 0, &plain, 1);
	struct http_call call = { .total_us = US_PER_S };
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", peer_port(talker));
	call.url = slice_of(url);
	finish_call(&call);
	T_INT(got.fail, HTTP_FAIL_TLS);
	T_FALSE(got.sent);
	T_INT(peer_requests(talker), 0);
	peer_free(&talker);
}

TEST(more_calls_than_slots_are_refused_and_the_rest_ends)
{
	char url[64];
	struct http_call call = { .total_us = 200 * US_PER_MS };
	unsigned n = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hang", peer_port(peer));
	call.url = slice_of(url);
	for (size_t i = 0; i < 4; i++) {
		T_INT(http_client_room(client), 4 - i);
		T_TRUE(http_client_send(client, &call, done, &n));
	}
	T_FALSE(http_client_send(client, &call, done, &n));
	while (n < 4) {
		http_client_run_once(client, US_PER_S);
	}
	T_INT(n, 4);
	T_INT(http_client_room(client), 4);
	T_INT(peer_connections(peer), 4);
}

TEST(calls_under_way_are_cancelled_with_the_client)
{
	char url[64];
	struct http_call call = { 0 };
	unsigned n = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hang", peer_port(peer));
	call.url = slice_of(url);
	T_TRUE(http_client_send(client, &call, done, &n));
	while (peer_requests(peer) == 0) {
		http_client_run_once(client, US_PER_MS);
	}
	call.url = S("nonsense");
	T_TRUE(http_client_send(client, &call, done, &n));
	T_INT(n, 0);
	http_client_free(&client);
	T_INT(n, 2);
	T_INT(got.fail, HTTP_FAIL_CANCELLED);
	T_TRUE(got.sent);
}

static void *wake(void *ctx)
{
	http_client_wake(ctx);
	return NULL;
}

TEST(a_wake_ends_a_long_wait)
{
	int64_t start_us = clock_mono_us();
	pthread_t thread;

	T_INT(pthread_create(&thread, NULL, wake, client), 0);
	T_INT(http_client_run_once(client, 20 * US_PER_S), 0);
	T_INT(pthread_join(thread, NULL), 0);
	T_TRUE(clock_mono_us() - start_us < 10 * US_PER_S);
}

static void send_again(void *ctx, const struct http_result *r)
{
	unsigned *n = ctx;
	struct http_call call = { .url = S("nonsense") };

	T_INT(r->fail, HTTP_FAIL_INVALID);
	if (++*n < 3) {
		T_TRUE(http_client_send(client, &call, send_again, n));
	}
}

TEST(done_may_send_the_next_call)
{
	struct http_call call = { .url = S("nonsense") };
	unsigned n = 0;

	T_TRUE(http_client_send(client, &call, send_again, &n));
	while (n < 3) {
		T_INT(http_client_run_once(client, US_PER_S), 1);
	}
	T_INT(n, 3);
	T_INT(http_client_room(client), 4);
}

#define T_NET(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

T_MAIN(T_NET(every_kind_of_answer_ends_the_call_in_a_known_way),
       T_NET(headers_of_interest_are_kept_of_the_final_answer_only),
       T_NET(the_peer_gets_exactly_what_was_asked),
       T_NET(methods_and_empty_bodies_are_sent_as_given),
       T_NET(nothing_from_outside_becomes_a_header_of_its_own),
       T_NET(sizes_are_bounded_before_anything_is_sent),
       T_NET(addresses_that_a_name_resolves_to_are_held_against_the_policy),
       T_NET(literal_addresses_and_ports_of_others_are_refused_at_once),
       T_NET(a_name_that_changes_its_address_gains_nothing),
       T_NET(among_several_addresses_only_allowed_ones_are_tried),
       T_NET(redirects_are_told_and_not_followed), T_NET(the_environment_chooses_no_way),
       T_NET(connections_are_kept_but_not_what_peers_said_on_them),
       T_NET(a_connection_that_the_peer_closed_meanwhile_costs_no_call),
       T_NET(a_name_server_that_hangs_holds_up_nobody),
       T_NET(peers_that_are_not_there_say_which_way), T_NET(tls_needs_a_peer_that_speaks_it),
       T_NET(more_calls_than_slots_are_refused_and_the_rest_ends),
       T_NET(calls_under_way_are_cancelled_with_the_client), T_NET(a_wake_ends_a_long_wait),
       T_NET(done_may_send_the_next_call))
