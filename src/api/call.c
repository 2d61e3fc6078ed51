/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and the small change of every handler: query parameters, bodies, problems. */
#include "api/call.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/compat/compat.h"
#include "api/cors.h"
#include "api/once.h"
#include "api/rate.h"
#include "base/json_put.h"
#include "base/time.h"
#include "net/http_query.h"

#define TYPE_JSON "application/json"
#define PACK_BYTES ((size_t)32 << 10) /* copying less is done in a few microseconds */
/*
 * What is deprecated has been since 1 November 2026 (RFC 9745, a date of RFC 9651), and goes on
 * working: so there is no Sunset. The page says of each call what it was, and what takes its place.
 */
#define DEPRECATION "@1793491200"
#define DEPRECATION_LINK "</api/docs>; rel=\"deprecation\"; type=\"text/html\""
#define DEPRECATION_HEADERS 2
#define TYPE_PROBLEM "application/problem+json"

static void begin(struct call *c, int status, const char *type)
{
	buf_release(&c->answer.body);
	chunk_unref(&c->answer.packed);
	c->answer = (struct answer) { .status = status, .type = type };
	buf_init(&c->answer.body, ANSWER_BYTES_MAX);
}

struct json_w call_json(struct call *c, int status)
{
	struct json_w w;

	begin(c, status, TYPE_JSON);
	json_w_init(&w, &c->answer.body);
	return w;
}

void call_empty(struct call *c, int status)
{
	begin(c, status, NULL);
}

void call_header(struct call *c, struct slice name, struct slice value)
{
	struct answer *a = &c->answer;

	ensure(a->n_headers < ANSWER_HEADERS_MAX);
	a->headers[a->n_headers++] = (struct http_header) { .name = name, .value = value };
}

static void write_details(struct json_w *w, const struct err *err)
{
	json_put_str(w, "field", slice_of(err->field));
	json_w_key(w, "details");
	json_w_object(w);
	json_w_key(w, err->field);
	json_w_str(w, slice_of(err->text));
	json_w_end(w);
}

/* Faults of ours are told in general words: the log has the particulars, with the request id. */
static struct slice public_text(const struct err *err)
{
	const struct err_info *info = err_info(err->kind);

	return slice_of(info->level == LOG_ERROR ? info->doc : err->text);
}

static void write_members(struct json_w *w, const struct err *err, struct slice request_id,
			  int64_t retry_s)
{
	const struct err_info *info = err_info(err->kind);

	json_put_str(w, "type", S("about:blank"));
	json_put_str(w, "title", slice_of(http_status_text(info->http_status)));
	json_put_int(w, "status", info->http_status);
	json_put_str(w, "error", public_text(err));
	json_put_str(w, "code", slice_of(info->code));
	if (err->field[0] != '\0') {
		write_details(w, err);
	}
	if (retry_s > 0 && info->http_status == 429) {
		json_put_int(w, "retryAfter", retry_s);
	}
	json_put_str(w, "requestId", request_id);
}

void problem_write(struct buf *out, const struct err *err, struct slice request_id, int64_t retry_s)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	write_members(&w, err, request_id, retry_s);
	json_w_end(&w);
}

/* As it was worked out, or as it is for all of this kind. */
static int64_t retry_s(const struct call *c, enum err_kind kind)
{
	int64_t rate_s = kind == ERR_RATE ? rate_retry_s(c) : 0;

	return rate_s > 0 ? rate_s : err_info(kind)->retry_s;
}

static void put_retry_after(struct call *c, enum err_kind kind)
{
	int64_t s = retry_s(c, kind);

	if (s > 0) {
		call_header(c, S("Retry-After"), arena_printf(c->req, "%" PRId64, s));
	}
}

void call_problem(struct call *c, const struct err *err)
{
	const struct err_info *info = err_info(err->kind);
	struct json_w w;

	begin(c, info->http_status, TYPE_PROBLEM);
	json_w_init(&w, &c->answer.body);
	json_w_object(&w);
	write_members(&w, err, c->http->id, retry_s(c, err->kind));
	if (err->kind == ERR_ALREADY_CREATED && c->once->object.n > 0) {
		json_put_str(&w, "id", c->once->object);
	}
	compat_problem(c, info, public_text(err), &w);
	json_w_end(&w);
	put_retry_after(c, err->kind);
	if (info->http_status == 401) {
		call_header(c, S("WWW-Authenticate"), S("Bearer"));
	}
}

void call_pack(struct call *c)
{
	struct answer *a = &c->answer;

	if (a->body.n > PACK_BYTES && !a->body.overflow) {
		a->packed = chunk_copy(buf_slice(&a->body));
		buf_release(&a->body);
	}
}

size_t call_bytes(const struct call *c)
{
	return c->answer.packed != NULL ? c->answer.packed->n : c->answer.body.n;
}

static size_t deprecation_headers(const struct call *c, struct http_header out[DEPRECATION_HEADERS])
{
	if (c->route == NULL || !(c->route->deprecated || c->by_query)) {
		return 0;
	}
	out[0] = (struct http_header) { S("Deprecation"), S(DEPRECATION) };
	out[1] = (struct http_header) { S("Link"), S(DEPRECATION_LINK) };
	return DEPRECATION_HEADERS;
}

void call_send(struct call *c)
{
	struct answer *a = &c->answer;
	struct http_header headers[ANSWER_HEADERS_MAX + CORS_HEADERS_MAX + RATE_HEADERS_MAX +
				   DEPRECATION_HEADERS + 2];
	size_t n = 0;

	if (a->body.overflow) {
		struct err err;

		err_set(&err, ERR_TOO_LARGE, "the answer is too large; ask for fewer items");
		call_problem(c, &err);
	}
	if (a->type != NULL) {
		headers[n++] = (struct http_header) { S("Content-Type"), slice_of(a->type) };
	}
	headers[n++] = (struct http_header) { S("Cache-Control"),
					      slice_of(a->cache != NULL ? a->cache : "no-store") };
	for (size_t i = 0; i < a->n_headers; i++) {
		headers[n++] = a->headers[i];
	}
	n += deprecation_headers(c, headers + n);
	n += rate_headers(c, headers + n);
	n += cors_headers(c, headers + n);
	if (a->packed != NULL) {
		http_reply_chunk(c->x, a->status, headers, n, a->packed);
	} else {
		http_reply(c->x, a->status, headers, n, buf_slice(&a->body));
	}
	buf_release(&a->body);
	chunk_unref(&a->packed);
}

bool call_query(struct call *c, const char *name, struct slice *value)
{
	return http_query_get(c->http->query, name, c->req, value);
}

bool call_query_limit(struct call *c, size_t def, size_t max, size_t *out, struct err *err)
{
	struct slice text;
	uint64_t v;

	*out = def;
	if (!call_query(c, "limit", &text)) {
		return true;
	}
	if (!slice_u64(text, &v) || v < 1 || v > max) {
		return err_field(err, ERR_INVALID, "limit", "\"limit\" must be between 1 and %zu",
				 max);
	}
	*out = (size_t)v;
	return true;
}

bool call_query_offset(struct call *c, size_t *out, struct err *err)
{
	struct slice text;
	uint64_t v;

	*out = 0;
	if (!call_query(c, "offset", &text)) {
		return true;
	}
	if (!slice_u64(text, &v) || v > OFFSET_MAX) {
		return err_field(err, ERR_INVALID, "offset", "\"offset\" must be between 0 and %d",
				 OFFSET_MAX);
	}
	*out = (size_t)v;
	return true;
}

bool call_query_time(struct call *c, const char *name, int64_t *out_us, struct err *err)
{
	struct slice text;

	*out_us = 0;
	if (!call_query(c, name, &text)) {
		return true;
	}
	if (!time_parse(text, out_us)) {
		return err_field(err, ERR_INVALID, name,
				 "\"%s\" must be a time such as 2026-01-31T09:30:00Z", name);
	}
	return true;
}

bool call_query_fields(struct call *c, const struct field *rows, size_t n, void *out,
		       struct err *err)
{
	struct slice text;

	fields_defaults(rows, n, out, c->req);
	for (size_t i = 0; i < n; i++) {
		if (call_query(c, rows[i].name, &text) &&
		    !field_parse_text(&rows[i], text, out, c->req, err)) {
			return false;
		}
	}
	return true;
}

bool call_body(struct call *c, const struct json **out, struct err *err)
{
	if (c->http->body.n == 0) {
		return err_set(err, ERR_MALFORMED, "the body is empty; a JSON object is needed");
	}
	return json_parse(c->req, c->http->body, JSON_DEPTH_MAX, out, err);
}
