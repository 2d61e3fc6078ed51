/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/events/export: every event that matches, a line each, as JSON or CSV, without end as
 * far as memory is concerned. It can be taken up behind any event whose line has arrived. While
 * nothing is found, proxies get something that changes nothing.
 */
#include <stdlib.h>

#include "api/feed.h"
#include "api/route.h"
#include "api/shapes.h"
#include "base/csv.h"
#include "base/json_put.h"
#include "base/time.h"
#include "engine/event_json.h"

enum export_format { EXPORT_UNSAID, EXPORT_NDJSON, EXPORT_CSV };

struct export_query {
	unsigned format; /* enum export_format */
	unsigned order;
};
static const char *const format_words[] = { "", "ndjson", "csv", NULL };
static const char *const order_words[] = { "asc", "desc", NULL };

static const struct field query_rows[] = {
	FIELD_ENUM(struct export_query, format, "format", format_words,
		   .help = "ndjson or csv; else as Accept says."),
	FIELD_ENUM(struct export_query, order, "order", order_words, .fallback = "asc",
		   .help = "Oldest first, or newest first."),
};

struct export
{
	struct feed feed;
	uint64_t next; /* the number to go on with at the end; 0: reversed, there is none */
};

static struct export *export_of(struct feed *f)
{
	return CONTAINER_OF(f, struct export, feed);
}

static bool on_event(struct feed *f, const struct record *record, const struct event *event)
{
	struct id_text id = event_public_id(journal_meta(f->api->journal), record);
	struct event_view view = { .record = record, .event = event, .id = slice_of(id.p) };
	struct json_w w;

	json_w_init(&w, &f->out);
	event_json_write(&view, &w);
	feed_line(f);
	return true;
}

/* The last line, which a cut connection does not have. */
static void on_end(struct feed *f)
{
	struct id_text after;
	struct json_w w;

	if (f->scan.err.kind != ERR_NONE) {
		feed_fail(f);
		return;
	}
	after = event_cursor_write(f->api->journal, export_of(f)->next);
	json_w_init(&w, &f->out);
	json_w_object(&w);
	json_w_key(&w, "end");
	json_w_object(&w);
	json_put_bool(&w, "complete", f->scan.lost == 0);
	json_put_int(&w, "events", (int64_t)f->matched);
	json_put_int(&w, "lost", (int64_t)f->scan.lost);
	json_put_str(&w, "after", slice_of(after.p));
	json_w_end(&w);
	json_w_end(&w);
	feed_line(f);
}

static void put_time(struct buf *out, int64_t us)
{
	char text[TIME_TEXT_MAX];

	csv_plain(out, time_format(us, TIME_MILLIS, text), false);
}

static bool on_csv_event(struct feed *f, const struct record *record, const struct event *e)
{
	struct id_text id = event_public_id(journal_meta(f->api->journal), record);
	struct buf *out = &f->out;

	csv_plain(out, slice_of(id.p), true);
	put_time(out, record->received_at_us);
	put_time(out, e->has_occurred_at ? e->occurred_at_us : record->received_at_us);
	csv_cell(out, e->type, false);
	csv_plain(out, event_kind_name(e->kind), false);
	csv_plain(out, severity_name(e->severity), false);
	csv_cell(out, e->source, false);
	csv_cell(out, e->environment, false);
	csv_cell(out, e->message, false);
	csv_plain(out, e->value, false);
	csv_cell(out, e->fingerprint, false);
	csv_cell(out, e->idempotency_key, false);
	csv_cell(out, e->tags, false);
	csv_cell(out, e->payload, false);
	csv_end(out);
	return true;
}

/* Less than the head or any line has: eighteen minutes of silence. */
#define CSV_KEEP 110
#define CSV_HEAD \
	"id,receivedAt,occurredAt,type,kind,severity,source,environment,message,value," \
	"fingerprint,idempotencyKey,tags,payload\r\n"
static_assert(CSV_KEEP <= sizeof(CSV_HEAD) - 1, "an answer begins with so much");

/* A table has no place for anything else: what is wrong is told by an end that is none. */
static void on_csv_end(struct feed *f)
{
	if (f->scan.err.kind != ERR_NONE || f->scan.lost > 0) {
		size_t before = f->out.n;

		if (f->scan.err.kind == ERR_NONE) {
			err_set(&f->scan.err, ERR_CORRUPT, "some records cannot be read");
		}
		feed_fail(f);
		buf_cut(&f->out, before);
	}
}

static void on_release(struct feed *f)
{
	free(export_of(f));
}

static const struct feed_kind ndjson = {
	.type = "application/x-ndjson",
	.event = on_event,
	.end = on_end,
	.release = on_release,
	.filler = " ", /* RFC 8259 section 2: JSON may have it in front */
};
static const struct feed_kind csv = {
	.type = "text/csv; charset=utf-8; header=present",
	.event = on_csv_event,
	.end = on_csv_end,
	.release = on_release,
	/* A table has no place for what means nothing, so its last line comes letter by letter. */
	.filler = "\r\n",
	.keep = CSV_KEEP,
};

static bool wants_csv(struct call *c, const struct export_query *in)
{
	struct slice accept = http_request_header(c->http, HTTP_H_ACCEPT);

	if (in->format == EXPORT_UNSAID) {
		return accept.n > 0 && memmem(accept.p, accept.n, "text/csv", 8) != NULL;
	}
	return in->format == EXPORT_CSV;
}

static void start(struct call *c, struct export *e, const struct export_query *in)
{
	bool reverse = in->order != 0;
	enum found resumed = FAILED;
	uint64_t first, last;

	if (event_filter_read(c, &e->feed.keep, &e->feed.filter, &c->err)) {
		resumed = event_span_read(c, &e->feed.filter, "after", reverse, true, &first, &last,
					  &c->err);
	}
	if (resumed == FAILED) {
		feed_refuse(&e->feed, c);
		return;
	}
	e->next = reverse ? first : journal_flushed(c->api->journal);
	call_header(c, S("Content-Disposition"),
		    e->feed.kind == &csv ? S("attachment; filename=\"events.csv\"")
					 : S("attachment; filename=\"events.ndjson\""));
	if (e->feed.kind == &csv && resumed == NOT_FOUND) {
		buf_puts(&e->feed.out, S(CSV_HEAD));
	}
	feed_start(&e->feed, c, reverse ? last : first, reverse ? first : last, reverse);
}

static void get_export(struct call *c)
{
	struct export_query in = { 0 };
	const struct feed_kind *kind;
	struct export *e;

	if (!call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &in, &c->err)) {
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	kind = wants_csv(c, &in) ? &csv : &ndjson;
	if (feed_is_head(c, kind)) {
		return;
	}
	e = mem_alloc(1, sizeof(*e));
	feed_init(&e->feed, c, kind);
	start(c, e, &in);
}

static const struct prop end_props[] = {
	PROP_BOOL("complete", .help = "Nothing on the way was unreadable."),
	PROP_INT("events"),
	PROP_INT("lost"),
	PROP_STR("after", .help = "For after, to get what comes later."),
};
static const struct shape shape_end = { SHAPE_PROPS(end_props) };
static const struct prop end_line_props[] = { PROP_SHAPE("end", &shape_end) };
static const struct shape shape_end_line = { .name = "ExportEnd",
					     .help = "The last line; a cut connection has none.",
					     SHAPE_PROPS(end_line_props) };
static const struct prop any_line_props[] = {
	PROP_SHAPE(NULL, &shape_event),
	PROP_SHAPE(NULL, &shape_end_line),
	PROP_SHAPE(NULL, &shape_scan_failed),
};
static const struct shape shape_any_line = { .one_of = true, SHAPE_PROPS(any_line_props) };

struct after_query {
	struct slice after;
};
static const struct field after_rows[] = {
	FIELD_STR(struct after_query, after, "after",
		  .help = "The id of the last event that arrived: go on behind it."),
};
static const struct field_set after_query = { after_rows, ARRAY_LEN(after_rows) };
static const struct field_set export_query = { query_rows, ARRAY_LEN(query_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/events/export",
		.name = "exportEvents",
		.tag = "Events",
		.summary = "All events, a line each (NDJSON, CSV)",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.query = { &event_filter_query, &export_query, &after_query },
		.replies = { { .status = 200,
			       .help = "An event a line.",
			       .type = "application/x-ndjson",
			       .shape = &shape_any_line },
			     { .status = 200, .help = "A table.", .type = "text/csv" } },
		.errors = { ERR_SEARCHES, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.loop = get_export,
	},
};
const struct route_set routes_export = { rows, ARRAY_LEN(rows) };
