/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin shell around a curl multi handle. Every option that lets a response or the environment
 * choose where bytes go is switched off, and the two callbacks that say where a socket goes ask the
 * policy. Calls live in a fixed array of slots, each with a reusable easy handle.
 */
#include "net/http_client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "net/url.h"

#define CONCURRENCY_MAX 4096
#define HEADER_BYTES_KEPT 512			   /* a Location that is worth showing fits */
#define RESPONSE_HEAD_BYTES_MAX ((size_t)32 << 10) /* with all 1xx answers */
#define CONNECTION_IDLE_S 60  /* peers close idle connections after 60 s or more */
#define CONNECTION_LIFE_S 600 /* names move: look them up again some time */
#define WAIT_US_MAX 60000000

struct header_copy {
	char p[HEADER_BYTES_KEPT];
	size_t n;
};

struct slot {
	struct http_client *client;
	struct slot *next; /* in the list of free or of failed slots */
	CURL *easy;
	struct curl_slist *headers;
	http_done *done;
	void *ctx;
	struct buf body;
	struct header_copy retry_after, location, content_type;
	size_t head_bytes;
	unsigned status;
	unsigned opened; /* sockets made */
	unsigned refused;
	enum ip_class refused_class;
	enum http_fail early;
	bool busy;
	bool sent;
	bool too_large;
	char text[256];
};

struct http_client {
	CURLM *multi;
	struct ip_policy policy;
	char user_agent[128];
	const char *ca_file;
	struct slot *slots;
	size_t slots_n;
	size_t room;
	struct slot *free;
	struct slot *failed; /* calls that ended before they began */
	bool closing;
};

/* Options are constants and copies of bounded strings: setting one fails only without memory. */
#define SET(easy, option, value) ensure(curl_easy_setopt((easy), (option), (value)) == CURLE_OK)

static bool policy_allows(struct slot *s, struct ip ip, uint16_t port)
{
	if (ip_policy_allows(&s->client->policy, ip) && !url_port_blocked(port)) {
		return true;
	}
	s->refused++;
	s->refused_class = ip_class(ip);
	return false;
}

/* The address given here is the one that curl connects the socket to, byte for byte. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct slot *s = ctx;
	struct ip ip;
	uint16_t port;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !ip_from_sockaddr(&to->addr, to->addrlen, &ip, &port) || !policy_allows(s, ip, port)) {
		return CURL_SOCKET_BAD;
	}
	s->opened++;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* Connected, new or kept alive; the next thing to happen is that the request is written. */
static int before_request(void *ctx, char *peer, char *local UNUSED, int port,
			  int local_port UNUSED)
{
	struct slot *s = ctx;
	struct ip ip;

	if (!ip_parse(slice_of(peer), &ip) || port <= 0 || port > UINT16_MAX ||
	    !policy_allows(s, ip, (uint16_t)port)) {
		return CURL_PREREQFUNC_ABORT;
	}
	s->sent = true;
	return CURL_PREREQFUNC_OK;
}

static void keep_header(struct header_copy *to, struct slice value)
{
	to->n = value.n < sizeof(to->p) ? value.n : sizeof(to->p);
	if (to->n > 0) {
		memcpy(to->p, value.p, to->n);
	}
}

static struct slice trim_line(struct slice line)
{
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r')) {
		line.n--;
	}
	return slice_trim(line);
}

/* False when the peer does not speak HTTP/1. */
static bool header_line(struct slot *s, struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = { .p = line.p, .n = colon };
	struct slice value = trim_line(slice_from(line, colon + 1));
	long status = 0;

	if (slice_starts(line, S("HTTP/"))) {
		if (!slice_starts(line, S("HTTP/1."))) {
			return false;
		}
		s->retry_after.n = s->location.n = s->content_type.n = 0;
	} else if (trim_line(line).n == 0) {
		curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
		s->status = status >= 200 ? (unsigned)status : 0;
	} else if (slice_eq_nocase(name, S("retry-after"))) {
		keep_header(&s->retry_after, value);
	} else if (slice_eq_nocase(name, S("location"))) {
		keep_header(&s->location, value);
	} else if (slice_eq_nocase(name, S("content-type"))) {
		keep_header(&s->content_type, value);
	}
	return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct slot *s = ctx;

	n *= size;
	s->head_bytes += n;
	if (s->head_bytes > RESPONSE_HEAD_BYTES_MAX) {
		s->too_large = true;
		return 0;
	}
	return header_line(s, (struct slice) { .p = p, .n = n }) ? n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct slot *s = ctx;
	size_t room = s->body.max - s->body.n;

	n *= size;
	if (n > room) {
		buf_put(&s->body, p, room);
		s->too_large = true;
		return 0;
	}
	buf_put(&s->body, p, n);
	return n;
}

static long to_ms(int64_t us, int64_t fallback_us)
{
	int64_t ms = ((us == 0 ? fallback_us : us) + 999) / 1000;

	return ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (long)ms;
}

static void set_method(CURL *easy, const char *method)
{
	if (strcmp(method, "GET") == 0) {
		SET(easy, CURLOPT_HTTPGET, 1L);
	} else if (strcmp(method, "HEAD") == 0) {
		SET(easy, CURLOPT_NOBODY, 1L);
	} else {
		SET(easy, CURLOPT_CUSTOMREQUEST, method);
	}
}

/* curl takes "Name: value", "Name;" for an empty value, and "Name:" for leaving its own out. */
static struct curl_slist *add_header(struct curl_slist *list, struct slice name, struct slice value)
{
	size_t bytes = name.n + value.n + 4;
	char *line = mem_alloc(bytes, 1);
	struct curl_slist *grown;

	value = slice_trim(value);
	if (value.n == 0) {
		snprintf(line, bytes, "%.*s;", SARG(name));
	} else {
		snprintf(line, bytes, "%.*s: %.*s", SARG(name), SARG(value));
	}
	grown = curl_slist_append(list, line);
	ensure(grown != NULL);
	free(line);
	return grown;
}

static void set_headers(struct slot *s, const struct http_call *call)
{
	bool typed = false;

	for (size_t i = 0; i < call->headers_n; i++) {
		const struct http_call_header *h = &call->headers[i];
		typed = typed || slice_eq_nocase(h->name, S("content-type"));
		s->headers = add_header(s->headers, h->name, h->value);
	}
	s->headers = curl_slist_append(s->headers, "Expect:");
	ensure(s->headers != NULL);
	if (!typed) {
		s->headers = curl_slist_append(s->headers, "Content-Type:");
		ensure(s->headers != NULL);
	}
	SET(s->easy, CURLOPT_HTTPHEADER, s->headers);
}

/* What keeps a call inside HTTP to the one peer that was asked for. */
static void set_walls(struct slot *s)
{
	CURL *easy = s->easy;

	SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	SET(easy, CURLOPT_PROXY, "");
	SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(easy, CURLOPT_PATH_AS_IS, 1L);
	SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	SET(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(easy, CURLOPT_OPENSOCKETDATA, s);
	SET(easy, CURLOPT_PREREQFUNCTION, before_request);
	SET(easy, CURLOPT_PREREQDATA, s);
	SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (s->client->ca_file != NULL) {
		SET(easy, CURLOPT_CAINFO, s->client->ca_file);
	}
}

static void set_call(struct slot *s, const struct http_call *call, const char *url)
{
	const char *method = call->method == NULL ? "POST" : call->method;
	CURL *easy = s->easy;

	SET(easy, CURLOPT_URL, url);
	SET(easy, CURLOPT_NOSIGNAL, 1L);
	/*
	 * A resolver thread that hangs is left to end by itself; waiting for it would stop us all.
	 */
	SET(easy, CURLOPT_QUICK_EXIT, 1L);
	SET(easy, CURLOPT_PRIVATE, s);
	SET(easy, CURLOPT_USERAGENT, s->client->user_agent);
	SET(easy, CURLOPT_CONNECTTIMEOUT_MS, to_ms(call->connect_us, HTTP_CALL_CONNECT_US));
	SET(easy, CURLOPT_TIMEOUT_MS, to_ms(call->total_us, HTTP_CALL_TOTAL_US));
	SET(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
	SET(easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
	SET(easy, CURLOPT_HEADERFUNCTION, on_header);
	SET(easy, CURLOPT_HEADERDATA, s);
	SET(easy, CURLOPT_WRITEFUNCTION, on_body);
	SET(easy, CURLOPT_WRITEDATA, s);
	SET(easy, CURLOPT_ERRORBUFFER, s->text);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
		SET(easy, CURLOPT_COPYPOSTFIELDS, call->body.n == 0 ? "" : call->body.p);
	}
	set_method(easy, method);
	set_headers(s, call);
	set_walls(s);
}

static struct slot *take_slot(struct http_client *client)
{
	struct slot *s = client->free;

	client->free = s->next;
	client->room--;
	s->next = NULL;
	s->busy = true;
	if (s->easy == NULL) {
		s->easy = curl_easy_init();
		ensure(s->easy != NULL);
	}
	return s;
}

/* Back to the start, but for the easy handle, which is costly to make. */
static void give_slot(struct slot *s)
{
	struct http_client *client = s->client;
	CURL *easy = s->easy;

	curl_easy_reset(easy);
	curl_slist_free_all(s->headers);
	buf_release(&s->body);
	*s = (struct slot) { .client = client, .easy = easy, .next = client->free };
	client->free = s;
	client->room++;
}

static void fail_early(struct slot *s, enum http_fail fail, const char *text)
{
	s->early = fail;
	snprintf(s->text, sizeof(s->text), "%s", text);
	s->next = s->client->failed;
	s->client->failed = s;
}

/* Check the call and hand it to curl. */
static void start(struct slot *s, const struct http_call *call)
{
	struct arena tick;
	struct url url;
	struct err err = { 0 };

	arena_init(&tick, 0);
	if (!http_call_check(call, &err)) {
		fail_early(s, HTTP_FAIL_INVALID, err.text);
	} else if (!url_parse(&tick, call->url, &url, &err)) {
		err_wrap(&err, "\"url\"");
		fail_early(s, HTTP_FAIL_INVALID, err.text);
	} else if (!url_allowed(&url, &s->client->policy, &err)) {
		fail_early(s, HTTP_FAIL_BLOCKED, err.text);
	} else {
		set_call(s, call, arena_cstr(&tick, url.text));
		ensure(curl_multi_add_handle(s->client->multi, s->easy) == CURLM_OK);
	}
	arena_release(&tick);
}

static enum http_fail timeout_kind(const struct slot *s)
{
	if (s->sent) {
		return HTTP_FAIL_TIMEOUT;
	}
	if (s->opened > 0) {
		return HTTP_FAIL_CONNECT_TIMEOUT;
	}
	return s->refused > 0 ? HTTP_FAIL_BLOCKED : HTTP_FAIL_DNS;
}

static enum http_fail connect_kind(struct slot *s)
{
	long os_error = 0;

	if (s->opened == 0 && s->refused > 0) {
		return HTTP_FAIL_BLOCKED;
	}
	curl_easy_getinfo(s->easy, CURLINFO_OS_ERRNO, &os_error);
	if (os_error == ECONNREFUSED) {
		return HTTP_FAIL_REFUSED;
	}
	return os_error == ETIMEDOUT ? HTTP_FAIL_CONNECT_TIMEOUT : HTTP_FAIL_UNREACHABLE;
}

static enum http_fail fail_kind(struct slot *s, CURLcode code)
{
	/* curl has hundreds of codes; those not named here cannot tell a caller more. */
	switch ((int)code) {
	case CURLE_OK: /* also when the peer closes in the middle of its head */
		return s->status == 0 ? HTTP_FAIL_RESET : HTTP_FAIL_NONE;
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTP_FAIL_DNS;
	case CURLE_COULDNT_CONNECT:
		return connect_kind(s);
	case CURLE_OPERATION_TIMEDOUT:
		return timeout_kind(s);
	case CURLE_ABORTED_BY_CALLBACK:
		return HTTP_FAIL_BLOCKED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return HTTP_FAIL_TLS;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		return HTTP_FAIL_RESET;
	case CURLE_OUT_OF_MEMORY: /* what curl calls a line of the head over its own limit */
		return HTTP_FAIL_TOO_LARGE;
	case CURLE_WRITE_ERROR:
		return s->too_large ? HTTP_FAIL_TOO_LARGE : HTTP_FAIL_PROTOCOL;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return HTTP_FAIL_PROTOCOL;
	}
	return HTTP_FAIL_OTHER;
}

/* One line for people. A tenant learns what kind of address a name has, but not which one. */
static const char *fail_text(struct slot *s, enum http_fail fail)
{
	static const char *const texts[] = {
		[HTTP_FAIL_NONE] = "",
#define X(kind, code, transient, text) [HTTP_FAIL_##kind] = (text),
#include "net/http_fail.def"
#undef X
	};
	char detail[sizeof(s->text)];

	if (s->early != HTTP_FAIL_NONE) {
		return s->text;
	}
	if (fail == HTTP_FAIL_BLOCKED && s->refused > 0) {
		snprintf(s->text, sizeof(s->text), "%s: %s address", texts[fail],
			 ip_class_name(s->refused_class));
		return s->text;
	}
	if (fail == HTTP_FAIL_TLS && s->text[0] != '\0') {
		snprintf(detail, sizeof(detail), "%s", s->text);
		snprintf(s->text, sizeof(s->text), "%s: %.200s", texts[fail], detail);
		return s->text;
	}
	return texts[fail];
}

static int64_t timing(CURL *easy, CURLINFO info)
{
	curl_off_t us = 0;

	curl_easy_getinfo(easy, info, &us);
	return us;
}

static struct slice kept(const struct header_copy *h)
{
	return (struct slice) { .p = h->p, .n = h->n };
}

/* Tell the caller, then free the slot: what the result points to lives in it. */
static void finish(struct slot *s, enum http_fail fail)
{
	const char *peer = NULL;
	struct http_result r = {
		.fail = fail,
		.status = s->status,
		.retry_after = kept(&s->retry_after),
		.location = kept(&s->location),
		.content_type = kept(&s->content_type),
		.body = buf_slice(&s->body),
		.sent = s->sent,
		.text = fail_text(s, fail),
	};

	if (s->early == HTTP_FAIL_NONE) {
		curl_easy_getinfo(s->easy, CURLINFO_PRIMARY_IP, &peer);
		r.connected = s->sent && ip_parse(slice_of(peer), &r.address);
		r.resolved_us = timing(s->easy, CURLINFO_NAMELOOKUP_TIME_T);
		r.connected_us = timing(s->easy, CURLINFO_CONNECT_TIME_T);
		r.secured_us = timing(s->easy, CURLINFO_APPCONNECT_TIME_T);
		r.first_byte_us = timing(s->easy, CURLINFO_STARTTRANSFER_TIME_T);
		r.total_us = timing(s->easy, CURLINFO_TOTAL_TIME_T);
	}
	s->done(s->ctx, &r);
	give_slot(s);
}

static size_t finish_failed(struct http_client *client)
{
	struct slot *s = client->failed;
	struct slot *next;
	size_t n = 0;

	client->failed = NULL;
	for (; s != NULL; s = next) {
		next = s->next;
		finish(s, s->early);
		n++;
	}
	return n;
}

/* Move all transfers on and tell about those that ended. */
static size_t perform(struct http_client *client)
{
	CURLMsg *message;
	size_t n = 0;
	int count;

	ensure(curl_multi_perform(client->multi, &count) == CURLM_OK);
	while ((message = curl_multi_info_read(client->multi, &count)) != NULL) {
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;
		struct slot *s = NULL;
		if (message->msg != CURLMSG_DONE) {
			continue;
		}
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &s);
		ensure(s != NULL && s->easy == easy && s->busy);
		curl_multi_remove_handle(client->multi, easy);
		finish(s, fail_kind(s, code));
		n++;
	}
	return n;
}

struct http_client *http_client_new(const struct http_client_options *options)
{
	struct http_client *client = mem_alloc(1, sizeof(*client));

	ensure(options->concurrency > 0 && options->concurrency <= CONCURRENCY_MAX);
	ensure(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	client->policy = options->policy;
	client->ca_file = options->ca_file;
	snprintf(client->user_agent, sizeof(client->user_agent), "%s",
		 options->user_agent == NULL ? "Tocsin/" TOCSIN_VERSION : options->user_agent);
	client->multi = curl_multi_init();
	ensure(client->multi != NULL);
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->concurrency);
	curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	client->slots_n = options->concurrency;
	client->slots = mem_alloc(client->slots_n, sizeof(*client->slots));
	client->room = client->slots_n;
	for (size_t i = client->slots_n; i > 0; i--) {
		struct slot *s = &client->slots[i - 1];
		s->client = client;
		s->next = client->free;
		client->free = s;
	}
	return client;
}

void http_client_free(struct http_client **client)
{
	struct http_client *c = *client;

	if (c == NULL) {
		return;
	}
	c->closing = true;
	finish_failed(c);
	for (size_t i = 0; i < c->slots_n; i++) {
		struct slot *s = &c->slots[i];
		if (s->busy) {
			curl_multi_remove_handle(c->multi, s->easy);
			finish(s, HTTP_FAIL_CANCELLED);
		}
		curl_easy_cleanup(s->easy);
	}
	curl_multi_cleanup(c->multi);
	curl_global_cleanup();
	free(c->slots);
	free(c);
	*client = NULL;
}

size_t http_client_room(const struct http_client *client)
{
	return client->closing ? 0 : client->room;
}

bool http_client_send(struct http_client *client, const struct http_call *call, http_done *done,
		      void *ctx)
{
	struct slot *s;

	if (http_client_room(client) == 0) {
		return false;
	}
	s = take_slot(client);
	s->done = done;
	s->ctx = ctx;
	buf_init(&s->body, call->response_bytes_max == 0 ? HTTP_CALL_RESPONSE_BYTES_MAX
							 : call->response_bytes_max);
	start(s, call);
	return true;
}

size_t http_client_run_once(struct http_client *client, int64_t wait_us)
{
	size_t n = finish_failed(client);
	int wait_ms = wait_us < WAIT_US_MAX ? (int)((wait_us + 999) / 1000) : WAIT_US_MAX / 1000;

	n += perform(client);
	if (n > 0 || wait_ms <= 0) {
		return n;
	}
	ensure(curl_multi_poll(client->multi, NULL, 0, wait_ms, NULL) == CURLM_OK);
	return perform(client);
}

void http_client_wake(struct http_client *client)
{
	ensure(curl_multi_wakeup(client->multi) == CURLM_OK);
}
