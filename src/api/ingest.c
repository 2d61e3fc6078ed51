/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event per request: the path that most requests take, so it allocates nothing but what the
 * request's arena already has. The reply waits for the flush; the engine is never waited for.
 */
#include "api/ingest.h"

#include <stdio.h>

#include "api/api.h"
#include "api/caller.h"
#include "api/cors.h"
#include "api/route.h"
#include "api/shapes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/json_put.h"
#include "base/utf8.h"

struct single {
	struct journal_batch batch;
	struct journal_result result;
	struct call *call;
	const struct ingest_form *form;
	struct event event;
	bool over_soft;
};

struct id_text ingest_event_id(struct api *api, uint64_t seq, int64_t received_at_us)
{
	struct log_id id = { .at_ms = received_at_us / US_PER_MS, .number = seq };

	return log_id_format(&journal_meta(api->journal)->cipher, ID_EVENT, id);
}

bool ingest_busy(struct call *c, struct err *err)
{
	struct api *api = c->api;
	uint64_t applied = engine_applied(api->engine); /* before what it chases */
	struct lag lag = {
		.records = journal_flushed(api->journal) - applied,
		.applied = applied,
		.since_us = engine_behind_since(api->engine),
		.last_us = journal_last_received_at(api->journal),
	};

	if (api->stopping) {
		return !err_set(err, ERR_SHUTTING_DOWN, "the server is stopping");
	}
	if (lag_gate_closed(&api->lag, &lag, loop_now_us(api->loop))) {
		return !err_set(err, ERR_ENGINE_LAG,
				"the rules are behind the log; try again soon");
	}
	return false;
}

static void fail(struct call *c, const struct err *err)
{
	ingest_outcome(c, outcome_of(err->kind), 1);
	call_problem(c, err);
	call_send(c);
}

bool ingest_header_key(struct call *c, struct slice *key, struct err *err)
{
	*key = http_request_header(c->http, HTTP_H_IDEMPOTENCY_KEY);
	if (!http_request_has(c->http, HTTP_H_IDEMPOTENCY_KEY)) {
		return true;
	}
	if (key->n == 0 || key->n > EVENT_IDEMPOTENCY_KEY_BYTES_MAX || !utf8_valid(*key)) {
		return err_field(err, ERR_INVALID, "Idempotency-Key",
				 "\"Idempotency-Key\" must be 1 to %d bytes of UTF-8",
				 EVENT_IDEMPOTENCY_KEY_BYTES_MAX);
	}
	return true;
}

static bool merge_key(struct call *c, const struct ingest_form *form, struct event *event,
		      struct err *err)
{
	struct slice key;

	if (!form->header_key) {
		return true;
	}
	if (!ingest_header_key(c, &key, err)) {
		return false;
	}
	if (key.n > 0 && event->idempotency_key.n > 0 && !slice_eq(key, event->idempotency_key)) {
		return err_field(err, ERR_INVALID, "idempotencyKey",
				 "\"idempotencyKey\" and the header Idempotency-Key differ");
	}
	if (key.n > 0) {
		event->idempotency_key = key;
	}
	return true;
}

/* The key of the body counts as the caller's credential, with the scope of the route. */
static bool body_caller(struct call *c, struct slice secret, struct err *err)
{
	static const struct route by_body = { .who = WHO_CALLER, .scope = SCOPE_EVENTS_WRITE };

	if (!caller_by_key(c, secret, err)) {
		return false;
	}
	ingest_received(c, 1);
	return rate_admit(c, err) && route_allows(&by_body, &c->caller, err) && cors_admits(c, err);
}

static bool read_form(struct single *s, struct slice *key, struct err *err)
{
	struct call *c = s->call;
	struct source_extra extra;
	struct json_scan scan;

	if (s->form->read != NULL) {
		return s->form->read(c, &s->event, key, err);
	}
	buf_cut(&c->api->raw, 0);
	json_scan_init(&scan, c->http->body, JSON_DEPTH_MAX, c->req);
	if (!source_read(s->form->source, &scan, c->req, &c->api->raw, "", &s->event, &extra,
			 err) ||
	    !json_end(&scan, err)) {
		return false;
	}
	*key = extra.api_key;
	return true;
}

static bool read_event(struct single *s, struct err *err)
{
	struct call *c = s->call;
	struct slice key = { 0 };

	if (c->http->body.n == 0) {
		return err_set(err, ERR_MALFORMED, "the body is empty; a JSON object is needed");
	}
	if (!read_form(s, &key, err)) {
		return false;
	}
	if (s->form->body_key && !body_caller(c, key, err)) {
		return false;
	}
	return merge_key(c, s->form, &s->event, err);
}

/*
 * From here on the request goes by the id of its event, as alert and delivery will: one id leads
 * through the log. A client that gave its own keeps it, and a line leads from one to the other.
 */
static struct slice name_event(struct call *c, const struct single *s)
{
	struct id_text text = ingest_event_id(c->api, s->result.seq, s->result.received_at_us);
	struct slice id = arena_dup(c->req, slice_of(text.p));

	http_exchange_rename(c->x, id);
	if (log_on(LOG_DEBUG) && !slice_eq(id, c->http->id)) {
		log_debug("event_stored", log_slice("cid", c->http->id), log_slice("eventId", id),
			  log_bool("replayed", s->result.verdict == JOURNAL_DUPLICATE));
	}
	return id;
}

static void single_done(struct journal_batch *batch, const struct err *failure)
{
	struct single *s = batch->arg;
	struct call *c = s->call;
	struct ingest_receipt receipt = {
		.event = &s->event,
		.seq = s->result.seq,
		.received_at_us = s->result.received_at_us,
		.replayed = s->result.verdict == JOURNAL_DUPLICATE,
	};
	struct json_w w;

	if (failure == NULL && s->result.verdict == JOURNAL_CONFLICT) {
		err_set(&c->err, ERR_IDEMPOTENCY,
			"this idempotency key was used with another body");
		failure = &c->err;
	} else if (failure == NULL && s->result.verdict == JOURNAL_UNREADABLE) {
		err_set(&c->err, ERR_CORRUPT, "the record of this idempotency key is damaged");
		failure = &c->err;
	} else if (failure == NULL && s->result.verdict == JOURNAL_OVER) {
		ingest_quota_refuse(c, s->form->over, &c->err);
		failure = &c->err;
	}
	if (failure != NULL) {
		fail(c, failure);
		return;
	}
	if (receipt.replayed) {
		ingest_outcome(c, OUTCOME_DUPLICATE, 1);
	} else {
		ingest_accepted(c, receipt.received_at_us, 1);
	}
	receipt.id = name_event(c, s);
	w = call_json(c, 201);
	if (receipt.replayed) {
		call_header(c, S("Idempotent-Replayed"), S("true"));
	} else if (s->over_soft) {
		ingest_quota_warn(c);
	}
	s->form->reply(c, &receipt, &w);
	call_send(c);
}

struct record ingest_record(struct api *api, const struct caller *caller, const struct event *event,
			    struct slice body)
{
	return (struct record) {
		.kind = RECORD_EVENT,
		.org = caller->org,
		.project = caller->project,
		.key = caller->key.v != 0 ? caller->key : KEY_OF_PEOPLE,
		.severity = (uint8_t)event->severity,
		.hash = hash_sip128(&journal_meta(api->journal)->hash, body),
		.idempotency_key = event->idempotency_key,
		.type = event->type,
		.body = body,
	};
}

static bool append(struct single *s, struct err *err)
{
	struct api *api = s->call->api;
	struct record record;

	buf_cut(&api->encoded, 0);
	event_encode(&s->event, &api->encoded);
	if (api->encoded.overflow || api->encoded.n > EVENT_BYTES_MAX) {
		return err_set(err, ERR_TOO_LARGE, "the event is over %zu bytes", EVENT_BYTES_MAX);
	}
	record = ingest_record(api, &s->call->caller, &s->event, buf_slice(&api->encoded));
	s->batch = (struct journal_batch) {
		.items = &record, .n = 1, .results = &s->result, .done = single_done, .arg = s
	};
	s->over_soft = ingest_quota_ask(s->call, &s->batch);
	if (!journal_append(api->journal, &s->batch, s->call->now_us, loop_now_us(api->loop),
			    err)) {
		return false;
	}
	ingest_quota_count(s->call, &s->batch);
	/* The scratch buffers go to the next request; only this form shows the payload again. */
	s->event.payload = s->form->shows_payload ? arena_dup(s->call->req, s->event.payload)
						  : (struct slice) { 0 };
	s->event.tags = (struct slice) { 0 };
	return true;
}

void ingest_single(struct call *c, const struct ingest_form *form)
{
	struct single *s = arena_new(c->req, struct single);

	s->call = c;
	s->form = form;
	ingest_received(c, 1);
	if (ingest_busy(c, &c->err) || !read_event(s, &c->err) || !append(s, &c->err)) {
		fail(c, &c->err);
	}
}

int64_t ingest_said_time(const struct ingest_receipt *r)
{
	return r->event->has_occurred_at ? r->event->occurred_at_us : r->received_at_us;
}

static void reply_native(struct call *c UNUSED, const struct ingest_receipt *r, struct json_w *w)
{
	json_w_object(w);
	json_put_str(w, "id", r->id);
	json_put_str(w, "type", r->event->type);
	json_put_time(w, "receivedAt", r->received_at_us);
	json_put_str(w, "status", S("accepted"));
	json_w_end(w);
}

static const struct ingest_form native = {
	.source = &source_native, .header_key = true, .over = ERR_LIMIT, .reply = reply_native
};

static bool is_ndjson(struct slice type)
{
	return slice_starts(type, S("application/x-ndjson")) ||
	       slice_starts(type, S("application/ndjson")) ||
	       slice_starts(type, S("application/jsonl"));
}

/* An object whose first member is "events" holds many events; any other object is one. */
static bool is_wrapper(struct call *c, struct json_scan *scan)
{
	struct slice key;

	return json_peek(scan) == JSON_OBJECT && json_begin_object(scan, &c->err) &&
	       json_next_key(scan, &key, &c->err) == FOUND && slice_eq(key, S("events"));
}

static void post_events(struct call *c)
{
	struct json_scan scan;

	json_scan_init(&scan, c->http->body, JSON_DEPTH_MAX, c->req);
	if (is_ndjson(http_request_header(c->http, HTTP_H_CONTENT_TYPE))) {
		ingest_batch(c, SHAPE_LINES);
	} else if (json_peek(&scan) == JSON_ARRAY) {
		ingest_batch(c, SHAPE_ARRAY);
	} else if (is_wrapper(c, &scan)) {
		ingest_batch(c, SHAPE_WRAPPER);
	} else {
		ingest_single(c, &native);
	}
}

/* The yardstick of the benchmark: the checks, the body and the reply of an event, and no more. */
static void post_noop(struct call *c)
{
	struct single *s = arena_new(c->req, struct single);
	struct ingest_receipt receipt = { .event = &s->event,
					  .seq = 1,
					  .received_at_us = c->now_us };
	struct json_w w;

	if (!c->api->noop) {
		err_set(&c->err, ERR_NOT_FOUND, "there is nothing at this path");
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	s->event.type = S("checkout_failed");
	s->result = (struct journal_result) { .seq = 1, .received_at_us = c->now_us };
	receipt.id = name_event(c, s);
	w = call_json(c, 201);
	reply_native(c, &receipt, &w);
	call_send(c);
}

/* Members as source/forms.c reads them; the bounds are those of model/event.h, in bytes. */
static const struct prop event_in_props[] = {
	PROP_STR("type", .min = 1, .max = EVENT_TYPE_BYTES_MAX,
		 .help = "What happened; rules look for it.", .example = "\"checkout_failed\""),
	PROP_OBJECT("payload", .flags = PROP_NULL | PROP_MAYBE, .help = "Whatever belongs to it.",
		    .example = "{\"amount\":1999,\"userId\":\"u_17\"}"),
	PROP_STR("idempotencyKey", .flags = PROP_NULL | PROP_MAYBE, .min = 1,
		 .max = EVENT_IDEMPOTENCY_KEY_BYTES_MAX,
		 .help = "The same key again is the same event, stored once."),
	PROP_STR("severity", .flags = PROP_NULL | PROP_MAYBE,
		 .help = "debug, info, low, medium, high or critical, or another known spelling.",
		 .example = "\"high\""),
	PROP_STR("source", .flags = PROP_NULL | PROP_MAYBE, .max = EVENT_SOURCE_BYTES_MAX,
		 .help = "Which program or place it comes from.", .example = "\"shop\""),
	PROP_STR("environment", .flags = PROP_NULL | PROP_MAYBE, .max = EVENT_ENVIRONMENT_BYTES_MAX,
		 .example = "\"production\""),
	PROP_STR("message", .flags = PROP_NULL | PROP_MAYBE, .max = EVENT_MESSAGE_BYTES_MAX,
		 .help = "For people."),
	PROP_NUMBER("value", .flags = PROP_NULL | PROP_MAYBE, .help = "A measurement."),
	PROP_OBJECT("tags", .flags = PROP_NULL | PROP_MAYBE, .help = "Small facts to filter by."),
	PROP_STR("kind", .flags = PROP_NULL | PROP_MAYBE,
		 .help = "event, error or metric, in any case; event when it is not said."),
	PROP_TIME("occurredAt", .flags = PROP_NULL | PROP_MAYBE,
		  .help = "When it happened; rules go by the time it is received."),
	PROP_STR("fingerprint", .flags = PROP_NULL | PROP_MAYBE, .max = EVENT_FINGERPRINT_BYTES_MAX,
		 .help = "What makes two events the same."),
	PROP_OBJECT("metadata", .flags = PROP_NULL | PROP_MAYBE,
		    .help = "Another name of payload."),
};
static const struct shape shape_event_in = { .name = "EventInput",
					     .help = "One thing that happened, as it is sent.",
					     .sent = true,
					     SHAPE_PROPS(event_in_props) };
static const struct prop wrapper_props[] = {
	PROP_SHAPE("events", &shape_event_in, .many = PROP_LIST, .max = INGEST_ITEMS_MAX),
};
static const struct shape shape_wrapper = { .sent = true, SHAPE_PROPS(wrapper_props) };
static const struct prop body_props[] = {
	PROP_SHAPE(NULL, &shape_event_in),
	PROP_SHAPE(NULL, &shape_event_in, .many = PROP_LIST, .max = INGEST_ITEMS_MAX),
	PROP_SHAPE(NULL, &shape_wrapper),
};
static const struct shape shape_body = { .one_of = true, .sent = true, SHAPE_PROPS(body_props) };

static const char *const accepted_words[] = { "accepted", NULL };
static const struct prop receipt_props[] = {
	PROP_ID("id", ID_EVENT),
	PROP_STR("type", .example = "\"checkout_failed\""),
	PROP_TIME("receivedAt"),
	PROP_WORD("status", accepted_words),
};
static const struct shape shape_receipt = { .name = "Receipt",
					    .help = "The event is stored for good.",
					    SHAPE_PROPS(receipt_props) };

static const char *const verdict_words[] = { "accepted", "duplicate", "rejected", NULL };
static const struct prop verdict_props[] = {
	PROP_INT("index", .help = "The place in the batch; the first is 0."),
	PROP_WORD("status", verdict_words),
	PROP_ID("id", ID_EVENT, .flags = PROP_MAYBE),
	PROP_STR("error", .flags = PROP_MAYBE),
	PROP_STR("code", .flags = PROP_MAYBE, .help = "As in problems."),
	PROP_STR("field", .flags = PROP_MAYBE),
};
static const struct shape shape_verdict = { .name = "Verdict",
					    .help = "What became of one item of a batch.",
					    SHAPE_PROPS(verdict_props) };
static const struct prop verdicts_props[] = {
	PROP_SHAPE("data", &shape_verdict, .many = PROP_LIST,
		   .example = "[{\"index\":0,\"status\":\"rejected\",\"error\":\"\\\"type\\\" is "
			      "required\",\"code\":\"invalid\",\"field\":\"[0].type\"}]"),
	PROP_INT("accepted"),
	PROP_INT("duplicate"),
	PROP_INT("rejected"),
};
static const struct shape shape_verdicts = {
	.name = "Verdicts",
	.help = "Good items are stored, whatever the others are.",
	SHAPE_PROPS(verdicts_props)
};

static const struct route rows[] = {
	{
		.method = HTTP_POST,
		.path = "/api/v1/events",
		.name = "ingestEvents",
		.tag = "Events",
		.summary = "Store one event or many",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_WRITE,
		.role = ROLE_MEMBER,
		.limit = LIMIT_INGEST,
		.body_max = INGEST_BODY_BYTES_MAX,
		.doc = "One event is answered 201 once it is flushed to disk. Many, as an array, "
		       "in `events`, or a line each (NDJSON), are answered 200 with a verdict for each.",
		.takes_key = true,
		.bodies = { { .shape = &shape_body },
			    { .type = "application/x-ndjson", .shape = &shape_event_in } },
		.replies = { { .status = 201,
			       .help = "The event is stored.",
			       .shape = &shape_receipt,
			       .headers = REPLY_REPLAYED | REPLY_USAGE },
			     { .status = 200,
			       .help = "Each item has its verdict.",
			       .shape = &shape_verdicts,
			       .headers = REPLY_USAGE } },
		.errors = { ERR_LIMIT },
		.unaudited = "events have a log of their own",
		.loop = post_events,
	},
	{
		.method = HTTP_POST,
		.path = "/api/v1/noop",
		.no_key = "it does nothing, as often as it is asked",
		.name = "noop",
		.tag = "Operation",
		.summary = "Store nothing, for the benchmark",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_WRITE,
		.role = ROLE_MEMBER,
		.limit = LIMIT_INGEST,
		.body_max = INGEST_BODY_BYTES_MAX,
		.doc = "Not there unless the server was started for it.",
		.bodies = { { .shape = &shape_ignored } },
		.replies = { { .status = 201,
			       .help = "As if an event were stored.",
			       .shape = &shape_receipt } },
		.errors = { ERR_NOT_FOUND },
		.unaudited = "it does nothing",
		.loop = post_noop,
	},
};
const struct route_set routes_ingest = { rows, ARRAY_LEN(rows) };
