/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a request. All checks of a row happen when the head is complete, before a byte of the
 * body is taken: who may not, or may not here, or may not that much, costs nothing. Of a body that
 * takes its time it is asked once more whether its sender still may.
 */
#include "api/api.h"

#include <time.h>

#include "api/caller.h"
#include "api/cors.h"
#include "api/ingest.h"
#include "api/once.h"
#include "api/openapi.h"
#include "api/route_index.h"
#include "base/clock.h"

/*
 * Workers make answers faster than the loop sends them when it has much to do, and each may have
 * ANSWER_BYTES_MAX: so they wait for it. Not for ever: at the end nobody comes.
 */
#define UNSENT_BYTES_MAX ((size_t)8 << 20)
#define UNSENT_NAPS_MAX 1000 /* of a millisecond */
/* A removal is to be felt within a second: a body that comes later than this is asked for again. */
#define BODY_AT_ONCE_US (250 * US_PER_MS)

static bool local_name(struct slice host)
{
	static const struct slice names[] = { { "127.0.0.1", 9 },
					      { "localhost", 9 },
					      { "[::1]", 5 } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_starts(host, names[i]) &&
		    (host.n == names[i].n || host.p[names[i].n] == ':')) {
			return true;
		}
	}
	return false;
}

bool api_is_local(const struct http_request *r)
{
	static const enum http_known foreign[] = {
		HTTP_H_ORIGIN,		 HTTP_H_FORWARDED,	HTTP_H_X_FORWARDED_FOR,
		HTTP_H_X_FORWARDED_HOST, HTTP_H_X_REAL_IP,	HTTP_H_SEC_FETCH_SITE,
		HTTP_H_SEC_FETCH_MODE,	 HTTP_H_SEC_FETCH_DEST,
	};

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		if (http_request_has(r, foreign[i])) {
			return false;
		}
	}
	return r->peer->unix_socket || (r->peer->loopback && local_name(r->host));
}

static void refuse(struct call *c, enum err_kind kind, const char *text)
{
	err_set(&c->err, kind, "%s", text);
	call_problem(c, &c->err);
}

/* Who comes with something else than asked for, may be let in by the handler of some rows. */
static bool find_caller(struct call *c, enum found *found)
{
	*found = NOT_FOUND;
	if (c->route->who == WHO_PUBLIC || c->route->who == WHO_SOCKET) {
		return true;
	}
	*found = caller_find(c, &c->err);
	return *found != FAILED || (c->route->who == WHO_OWN && c->err.kind == ERR_UNAUTHORIZED);
}

/* False when the answer is already set. Whoever is refused is counted, too. */
static bool admit(struct call *c)
{
	enum found found;
	bool may = find_caller(c, &found);
	struct err why = c->err;

	c->err = (struct err) { 0 };
	if ((why.kind == ERR_RATE && !may) || !ingest_has_turn(c, &c->err) ||
	    !rate_admit(c, &c->err)) {
		may = false;
		c->err = c->err.kind == ERR_NONE ? why : c->err;
	} else if (!may) {
		c->err = why;
	} else {
		may = route_admits(c->route, &c->caller, &c->err) && cors_admits(c, &c->err);
	}
	if (!may) {
		call_problem(c, &c->err);
		ingest_turned_away(c, c->err.kind);
	}
	return may;
}

static bool find_route(struct call *c)
{
	bool socket = c->http->peer->unix_socket && api_is_local(c->http);
	bool path_known;
	struct slice allow;

	c->route = route_find(c->api->routes, c->http->method, c->http->path, socket, c->req,
			      c->params, &path_known, &allow);
	if (c->route != NULL) {
		return true;
	}
	if (!path_known) {
		refuse(c, ERR_NOT_FOUND, "there is nothing at this path");
	} else {
		refuse(c, ERR_METHOD, "this path does not take this method");
		call_header(c, S("Allow"), allow);
	}
	return false;
}

/*
 * JSON in any of its names, nothing at all, or what command line tools call a body when nobody told
 * them. Anything else is not read as if it were JSON.
 */
static bool type_is_readable(const struct http_request *r)
{
	static const struct slice words[] = { { "json", 4 },
					      { "application/x-www-form-urlencoded", 33 },
					      { "text/plain", 10 },
					      { "application/octet-stream", 24 } };
	struct slice type = http_request_header(r, HTTP_H_CONTENT_TYPE);

	if (type.n == 0) {
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (memmem(type.p, type.n, words[i].p, words[i].n) != NULL) {
			return true;
		}
	}
	return false;
}

static bool readable(struct call *c)
{
	if (c->route->body_max == 0 || type_is_readable(c->http)) {
		return true;
	}
	ingest_turned_away(c, ERR_UNSUPPORTED);
	refuse(c, ERR_UNSUPPORTED, "the body must be JSON: send Content-Type: application/json");
	return false;
}

static bool well_asked(struct call *c)
{
	if (route_takes(c->route, c->http, c->req, &c->err)) {
		return true;
	}
	ingest_turned_away(c, c->err.kind);
	call_problem(c, &c->err);
	return false;
}

/* A call that is known and not there yet says where its description is, not that it is unknown. */
static bool is_there(struct call *c)
{
	const struct route *r = c->route;

	if (r->later == NULL) {
		return true;
	}
	err_set(&c->err, ERR_NOT_IMPLEMENTED, "this call waits for %s; see /api/docs#%s", r->later,
		r->name);
	call_problem(c, &c->err);
	call_header(c, S("Link"), arena_printf(c->req, "</api/docs#%s>; rel=\"help\"", r->name));
	return false;
}

static size_t on_head(void *ctx, struct http_exchange *x)
{
	struct arena *req = http_exchange_arena(x);
	struct call *c = arena_new(req, struct call);

	*c = (struct call) { .api = ctx,
			     .x = x,
			     .http = http_exchange_request(x),
			     .req = req,
			     .now_us = clock_wall_us() };
	http_exchange_set_user(x, c);
	if (cors_is_preflight(c->http)) {
		cors_preflight(c);
		return 0;
	}
	if (!find_route(c) || !admit(c) || !is_there(c) || !readable(c) || !well_asked(c)) {
		call_send(c);
		return 0;
	}
	c->awaited = true;
	return c->route->body_max;
}

/*
 * Who may is decided when the head is there; the body may take minutes after that, and what was
 * taken away meanwhile is gone. Most bodies come at once, and cost nothing here.
 */
static bool still_may(struct call *c, int64_t head_us)
{
	int64_t waited_us = c->now_us - head_us;

	if ((waited_us >= 0 && waited_us < BODY_AT_ONCE_US) || !caller_is_known(&c->caller) ||
	    caller_is_alive(c->api, &c->caller)) {
		return true;
	}
	ingest_turned_away(c, ERR_UNAUTHORIZED);
	refuse(c, ERR_UNAUTHORIZED, "this key or session has lost the right to do this meanwhile");
	call_send(c);
	return false;
}

static void on_request(void *ctx UNUSED, struct http_exchange *x)
{
	struct call *c = http_exchange_user(x);
	int64_t head_us = c->now_us;

	c->now_us = clock_wall_us();
	c->awaited = false;
	if (!still_may(c, head_us)) {
		return;
	}
	if (c->route->limit == LIMIT_INGEST && c->route->loop != NULL) {
		ingest_in_turn(c);
	} else if (c->route->loop != NULL) {
		c->route->loop(c);
	} else {
		c->work = c->route->work;
		api_submit(c);
	}
}

static void send_posted(void *arg)
{
	struct call *c = arg;
	struct api *api = c->api;
	size_t bytes = call_bytes(c);

	call_send(c);
	__atomic_sub_fetch(&api->unsent, bytes, __ATOMIC_RELEASE);
}

void api_end(struct api *api)
{
	__atomic_store_n(&api->ended, 1, __ATOMIC_RELEASE);
}

static bool has_ended(const struct api *api)
{
	return __atomic_load_n(&api->ended, __ATOMIC_ACQUIRE) != 0;
}

static void wait_for_loop(struct api *api)
{
	struct timespec nap = { .tv_nsec = 1000 * 1000 };

	for (int i = 0; i < UNSENT_NAPS_MAX && !has_ended(api); i++) {
		if (__atomic_load_n(&api->unsent, __ATOMIC_ACQUIRE) <= UNSENT_BYTES_MAX) {
			return;
		}
		nanosleep(&nap, NULL);
	}
}

void api_post(struct api *api, loop_fn fn, void *arg)
{
	loop_post_wait(api->loop, fn, arg);
}

static bool do_work(struct call *c)
{
	if (has_ended(c->api)) {
		return err_set(&c->err, ERR_SHUTTING_DOWN, "the server is stopping");
	}
	return once_do(c, c->work, &c->err);
}

/* A change that went well without a word to the audit log is a mistake, though not the caller's. */
static void check_audited(const struct call *c)
{
	bool replayed = c->once != NULL && !c->once->kept;

	if (c->route->audits[0] != AUDIT_NONE && !c->audited && !replayed &&
	    c->answer.status < 300) {
		log_error("audit_missing", log_str("route", c->route->name),
			  log_slice("cid", c->http->id));
	}
}

static void work(struct job *job, void *local)
{
	struct call *c = CONTAINER_OF(job, struct call, job);

	wait_for_loop(c->api);
	c->db = local;
	if (do_work(c)) {
		check_audited(c);
	} else {
		db_rollback(c->db);
		call_problem(c, &c->err);
		if (err_info(c->err.kind)->level >= LOG_WARN) {
			log_warn("request_failed", log_slice("cid", c->http->id),
				 log_str("code", err_info(c->err.kind)->code),
				 log_str("error", c->err.text));
		}
	}
	call_pack(c);
	__atomic_add_fetch(&c->api->unsent, call_bytes(c), __ATOMIC_RELAXED);
	api_post(c->api, send_posted, c);
}

void api_submit(struct call *c)
{
	c->job = (struct job) { .run = work, .wait = { .flow = c->caller.org.v } };
	if (!workers_submit(c->api->workers, &c->job)) {
		refuse(c, ERR_OVERLOADED, "too many requests wait for a worker");
		call_send(c);
	}
}

static enum metric status_class(int status)
{
	if (status < 300) {
		return METRIC_HTTP_2XX;
	}
	if (status < 400) {
		return METRIC_HTTP_3XX;
	}
	return status < 500 ? METRIC_HTTP_4XX : METRIC_HTTP_5XX;
}

/* A walk through X-Forwarded-For, from its end: over its lines, and the addresses of each. */
struct hops {
	const struct http_request *http;
	size_t at; /* fields that are not looked at yet */
	struct slice list;
};

static bool line_before(struct hops *h)
{
	while (h->at > 0) {
		const struct http_field *f = &h->http->head->fields[--h->at];

		if (slice_eq_nocase(http_span_slice(h->http->head_bytes, f->name),
				    S("x-forwarded-for"))) {
			h->list = http_span_slice(h->http->head_bytes, f->value);
			return true;
		}
	}
	return false;
}

static bool hop_before(struct hops *h, struct slice *hop)
{
	size_t from;

	while (h->list.n == 0) {
		if (!line_before(h)) {
			return false;
		}
	}
	from = h->list.n;
	while (from > 0 && h->list.p[from - 1] != ',') {
		from--;
	}
	*hop = slice_trim(slice_from(h->list, from));
	h->list.n = from == 0 ? 0 : from - 1;
	return true;
}

/* ":" and a number of up to five digits. */
static bool is_port(struct slice s)
{
	uint64_t port;

	return s.n > 1 && s.n <= 6 && s.p[0] == ':' && slice_u64(slice_from(s, 1), &port);
}

/* Some proxies write where it came from as they heard it: 192.0.2.1:4711, [2001:db8::1]:4711. */
static struct slice without_port(struct slice hop)
{
	bool brackets = hop.n > 0 && hop.p[0] == '[';
	size_t end = slice_find(hop, brackets ? ']' : ':');
	struct slice rest = slice_from(hop, brackets ? end + 1 : end);

	if (end == hop.n || (!is_port(rest) && !(brackets && rest.n == 0))) {
		return hop;
	}
	return (struct slice) { hop.p + brackets, end - brackets };
}

/*
 * Backwards, because each proxy adds behind what is there whom it heard, in the same line or in
 * one more. What a client puts there itself stands before that, and is never reached.
 */
static struct slice find_client(const struct api *api, const struct http_request *r, struct ip *out)
{
	struct hops hops = { .http = r, .at = r->head->fields_n };
	struct slice client = r->peer->text, hop;
	struct ip ip = r->peer->ip;

	*out = ip;
	if (!http_request_has(r, HTTP_H_X_FORWARDED_FOR)) {
		return client;
	}
	while (ip_set_has(&api->trusted_proxies, ip) && hop_before(&hops, &hop)) {
		hop = without_port(hop);
		if (!ip_parse(hop, &ip)) {
			return r->peer->text;
		}
		client = hop;
	}
	*out = ip;
	return client;
}

struct slice api_client(const struct api *api, const struct http_request *r)
{
	struct ip ip;

	return find_client(api, r, &ip);
}

bool api_client_ip(const struct api *api, const struct http_request *r, struct ip *out)
{
	(void)find_client(api, r, out);
	return !r->peer->unix_socket;
}

static void on_done(void *ctx, struct http_exchange *x, int status, uint64_t bytes,
		    int64_t duration_us)
{
	const struct http_request *r = http_exchange_request(x);
	struct call *c = http_exchange_user(x);
	struct api *api = ctx;

	if (c != NULL && c->awaited) {
		ingest_broken_off(c, status);
	}
	metric_add(api->metrics, status_class(status), 1);
	metric_time(api->metrics, METRIC_HTTP_TIME, duration_us);
	/* The path only: a query may hold a key or a ticket. */
	log_debug("request", log_slice("cid", r->id), log_slice("method", r->method_text),
		  log_slice("path", r->path), log_int("status", status), log_int("bytes", bytes),
		  log_int("us", duration_us), log_slice("client", api_client(api, r)));
}

static const char *on_refuse(void *ctx UNUSED, const struct err *err, struct slice request_id,
			     struct buf *out)
{
	problem_write(out, err, request_id, err_info(err->kind)->retry_s);
	return "application/problem+json";
}

void api_release(struct api *api)
{
	buf_release(&api->openapi);
	onces_free(&api->onces);
	route_index_free(&api->routes);
}

struct http_handlers api_handlers(struct api *api)
{
	const struct openapi_in in = { .server = api->public_url };

	ensure(pthread_mutex_init(&api->admin, NULL) == 0);
	api->routes = route_index_new();
	api->onces = onces_new(journal_flushed(api->journal));
	buf_init(&api->openapi, OPENAPI_BYTES_MAX);
	openapi_write(&in, &api->openapi);
	ensure(!api->openapi.overflow);
	return (struct http_handlers) {
		.on_head = on_head,
		.on_request = on_request,
		.on_done = on_done,
		.on_refuse = on_refuse,
		.ctx = api,
	};
}
