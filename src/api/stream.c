/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live streams and their tickets. A browser cannot set headers on a socket, so a ticket stands in
 * for the key: good for one stream within thirty seconds, kept by its hash, in memory alone.
 */
#include "api/stream.h"

#include "api/api.h"
#include "api/caller.h"
#include "api/cors.h"
#include "api/route.h"
#include "api/shapes.h"
#include "api/show.h"
#include "api/tickets.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "net/ws.h"

#define WS_CLOSE_UNAUTHORIZED 4401
#define WS_TRY_AGAIN_LATER 1013
#define CROWDED "too many live streams are open"

static void answer_problem(struct call *c, enum err_kind kind, const char *text)
{
	err_set(&c->err, kind, "%s", text);
	call_problem(c, &c->err);
	call_send(c);
}

void stream_ticket(struct call *c, int status, bool with_expiry)
{
	char ticket[TICKET_LEN];
	struct json_w w;

	if (!tickets_make(c->api->tickets, &c->caller, loop_now_us(c->api->loop), ticket)) {
		answer_problem(c, ERR_OVERLOADED, "too many tickets wait to be used");
		return;
	}
	w = call_json(c, status);
	json_w_object(&w);
	json_put_str(&w, "ticket", (struct slice) { ticket, sizeof(ticket) });
	if (with_expiry) {
		json_put_time(&w, "expiresAt", c->now_us + TICKET_US);
	}
	json_w_end(&w);
	call_send(c);
}

static void post_ticket(struct call *c)
{
	stream_ticket(c, 201, true);
}

/* A ticket is worth what whoever made it is: nothing once that was revoked or has expired. */
static bool ticket_caller(struct call *c, struct slice text, int64_t now_us)
{
	struct caller then;

	return tickets_use(c->api->tickets, text, now_us, &then) && caller_renew(c, &then, &c->err);
}

/* ?token= is a ticket, an access token, or, as the older clients send, a key. */
static bool token_caller(struct call *c, struct slice text, int64_t now_us)
{
	if (slice_starts(text, S("tkt_"))) {
		return ticket_caller(c, text, now_us);
	}
	return slice_starts(text, S("eyJ")) ? caller_by_token(c, text, &c->err)
					    : caller_by_key(c, text, &c->err);
}

/* By header or cookie, else ?ticket=, else ?token=. */
static bool find_caller(struct call *c)
{
	int64_t now_us = loop_now_us(c->api->loop);
	struct slice text;

	if (!caller_is_known(&c->caller)) {
		bool found = call_query(c, "ticket", &text)  ? ticket_caller(c, text, now_us)
			     : call_query(c, "token", &text) ? token_caller(c, text, now_us)
							     : false;
		if (!found) {
			if (c->err.kind == ERR_NONE) {
				err_set(&c->err, ERR_UNAUTHORIZED,
					"an API key is needed, or a ticket from POST "
					"/api/v1/stream/tickets");
			}
			return false;
		}
	}
	return route_allows(c->route, &c->caller, &c->err);
}

static struct live_subscription subscription(struct call *c, enum live_form form)
{
	struct slice last = http_request_header(c->http, HTTP_H_LAST_EVENT_ID);

	if (last.n == 0 && !call_query(c, "lastEventId", &last)) {
		last = (struct slice) { 0 };
	}
	return (struct live_subscription) { .org = c->caller.org,
					    .project = c->caller.project,
					    .key = c->caller.key,
					    .session = c->caller.session,
					    .user = c->caller.user,
					    .expires_at_us = c->caller.expires_at_us,
					    .form = form,
					    .last_id = last };
}

static bool may_have(struct call *c, const struct stream_kind *kind)
{
	return find_caller(c) && (kind->may == NULL || kind->may(c, &c->err));
}

void stream_sse(struct call *c, const struct stream_kind *kind)
{
	struct http_header headers[3 + CORS_HEADERS_MAX] = {
		{ S("Content-Type"), S("text/event-stream") },
		{ S("Cache-Control"), S("no-store") },
		{ S("X-Accel-Buffering"), S("no") },
	};
	struct live_subscription sub;
	struct http_stream *stream;

	if (!may_have(c, kind)) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	if (live_is_crowded(c->api->live, c->caller.org) || c->api->stopping) {
		answer_problem(c, ERR_OVERLOADED, CROWDED);
		return;
	}
	sub = subscription(c, kind->form);
	stream = http_stream_begin(c->x, 200, headers, 3 + cors_headers(c, headers + 3));
	ensure(live_join(c->api->live, stream, &sub));
}

static void get_stream(struct call *c)
{
	static const struct stream_kind kind = { .form = LIVE_SSE };

	stream_sse(c, &kind);
}

static bool is_websocket(const struct call *c)
{
	return c->http->upgrade &&
	       http_list_has(http_request_header(c->http, HTTP_H_UPGRADE), S("websocket"));
}

static bool version_is_13(const struct call *c)
{
	struct slice value;
	size_t at = 0;

	return http_request_next(c->http, S("sec-websocket-version"), &at, &value) &&
	       slice_eq(value, S("13"));
}

/*
 * Browsers cannot see the status of a refused handshake, so the refusal is a frame (NULL: none) and
 * a code.
 */
static void refuse_socket(struct http_stream *stream, const char *text, uint16_t code)
{
	const char close[] = { (char)0x88, 2, (char)(code >> 8), (char)(code & 255) };
	struct chunk *c;
	struct buf out;

	buf_init(&out, 1024);
	if (text != NULL) {
		ws_text_frame(&out, slice_of(text));
	}
	buf_put(&out, close, sizeof(close));
	c = chunk_copy(buf_slice(&out));
	if (!http_stream_write(stream, c)) {
		http_stream_abort(stream);
	} else {
		http_stream_end(stream);
	}
	chunk_unref(&c);
	buf_release(&out);
}

void stream_socket(struct call *c, const struct stream_kind *kind)
{
	struct http_header headers[3] = {
		{ S("Upgrade"), S("websocket") },
		{ S("Connection"), S("Upgrade") },
		{ S("Sec-WebSocket-Accept"), { 0 } },
	};
	struct live_subscription sub;
	struct http_stream *stream;
	char accept[WS_ACCEPT_LEN];

	if (!is_websocket(c) || !version_is_13(c)) {
		answer_problem(c, ERR_UPGRADE, "this path speaks WebSocket (version 13) only");
		return;
	}
	if (!ws_accept_key(http_request_header(c->http, HTTP_H_SEC_WEBSOCKET_KEY), accept)) {
		answer_problem(c, ERR_MALFORMED,
			       "\"Sec-WebSocket-Key\" must be 16 bytes in base64");
		return;
	}
	if (live_full(c->api->live) || c->api->stopping) {
		answer_problem(c, ERR_OVERLOADED, CROWDED);
		return;
	}
	headers[2].value = (struct slice) { accept, sizeof(accept) };
	stream = http_stream_begin(c->x, 101, headers, ARRAY_LEN(headers));
	if (!may_have(c, kind)) {
		refuse_socket(stream, kind->refusal, WS_CLOSE_UNAUTHORIZED);
		return;
	}
	if (live_is_crowded(c->api->live, c->caller.org)) {
		refuse_socket(stream, NULL, WS_TRY_AGAIN_LATER);
		return;
	}
	sub = subscription(c, kind->form);
	ensure(live_join(c->api->live, stream, &sub));
}

static const struct prop ticket_props[] = {
	PROP_STR("ticket", .example = "\"tkt_7XVFGFTEDR1CR7XVFGFTEDR1CR7XVFGF\""),
	PROP_TIME("expiresAt"),
};
static const struct shape shape_ticket = { .name = "Ticket",
					   .help = "Opens one live stream, once.",
					   SHAPE_PROPS(ticket_props) };
/* For descriptions and the check of names: find_caller and subscription read them. */
struct stream_query {
	struct slice ticket, token, last_id;
};
static const struct field query_rows[] = {
	FIELD_STR(struct stream_query, ticket, "ticket", .help = "Stands in for a key."),
	FIELD_STR(struct stream_query, token, "token",
		  .help = "A ticket or a key, as older clients send it."),
	FIELD_STR(struct stream_query, last_id, "lastEventId",
		  .help = "As the header Last-Event-ID: go on behind this frame."),
};
const struct field_set stream_query = { query_rows, ARRAY_LEN(query_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/stream",
		.name = "openStream",
		.tag = "Live",
		.summary = "Live events, alerts and notifications (SSE)",
		.who = WHO_OWN,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.doc = "Server-sent events: `event`, `alert`, `delivery` and more. `id` of the "
		       "last frame as Last-Event-ID goes on behind it; what is too long ago answers `resync`.",
		.query = { &stream_query },
		.replies = { { .status = 200,
			       .help = "Frames until one side ends it.",
			       .type = "text/event-stream" } },
		.errors = { ERR_OVERLOADED },
		.loop = get_stream,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/stream/tickets",
		.name = "createStreamTicket",
		.tag = "Live",
		.summary = "A ticket for one live stream",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.no_key = "a ticket is good once, for half a minute, and kept nowhere",
		.body_max = 1024,
		.doc = "For browsers, which cannot send headers with a stream: good once, for 30 "
		       "seconds.",
		.bodies = { { .shape = &shape_ignored, .maybe = true } },
		.replies = { { .status = 201, .help = "The ticket.", .shape = &shape_ticket } },
		.errors = { ERR_OVERLOADED },
		.unaudited = "it opens what its caller may see anyway",
		.loop = post_ticket,
	},
};
const struct route_set routes_stream = { rows, ARRAY_LEN(rows) };
