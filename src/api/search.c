/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /api/v1/events/search: lines of JSON while the log is searched, first the events asked for,
 * then counts of all that match, and how far it has come. The connection is the search: closing it
 * ends it, and there is nothing to ask for again or to clear away.
 */
#include <stdlib.h>

#include "api/facets.h"
#include "api/feed.h"
#include "api/route.h"
#include "api/shapes.h"
#include "api/timeline.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "engine/event_json.h"

#define SEARCH_EVENTS_MAX 1000 /* events of one search; counts are of all */
#define PROGRESS_US (250 * US_PER_MS)
#define COUNTS_US US_PER_S /* some ten kilobytes each */

enum facet_member { FACET_TYPE, FACET_SEVERITY, FACET_SOURCE, FACET_ENVIRONMENT, FACETS };
static const char *const facet_names[FACETS] = { "type", "severity", "source", "environment" };

struct search_query {
	int64_t limit;
	int64_t buckets;
	unsigned order;
	bool counts;
};
static const char *const order_words[] = { "desc", "asc", NULL };

static const struct field query_rows[] = {
	FIELD_INT(struct search_query, limit, "limit", .min = 0, .max = SEARCH_EVENTS_MAX,
		  .fallback = "50", .help = "How many events; counts are of all."),
	FIELD_INT(struct search_query, buckets, "buckets", .min = 1, .max = TIMELINE_BUCKETS_MAX,
		  .fallback = "60", .help = "The histogram has at most so many."),
	FIELD_ENUM(struct search_query, order, "order", order_words, .fallback = "desc",
		   .help = "Newest first, or oldest first."),
	FIELD_BOOL(struct search_query, counts, "counts", .fallback = "true",
		   .help = "Search to the end, and count."),
};

struct search {
	struct feed feed;
	struct search_query in;
	uint64_t shown;
	bool paged; /* the page line was written */
	struct timeline timeline;
	struct facet facets[FACETS];
	int64_t progress_us, counts_us; /* monotonic: when they were told */
	uint64_t counted;		/* matches when counts were told */
};

static struct search *search_of(struct feed *f)
{
	return CONTAINER_OF(f, struct search, feed);
}

static void count(struct search *s, const struct record *record, const struct event *event)
{
	timeline_add(&s->timeline, record->received_at_us);
	facet_add(&s->facets[FACET_TYPE], event->type);
	facet_add(&s->facets[FACET_SEVERITY], severity_name(event->severity));
	facet_add(&s->facets[FACET_SOURCE], event->source);
	facet_add(&s->facets[FACET_ENVIRONMENT], event->environment);
}

static void show_event(struct search *s, const struct record *record, const struct event *event)
{
	struct id_text id = event_public_id(journal_meta(s->feed.api->journal), record);
	struct event_view view = { .record = record, .event = event, .id = slice_of(id.p) };
	struct json_w w;

	json_w_init(&w, &s->feed.out);
	json_w_object(&w);
	json_w_key(&w, "event");
	event_json_write(&view, &w);
	json_w_end(&w);
	feed_line(&s->feed);
	s->shown++;
}

/* The events asked for were all shown; next is where others begin, 0: there are no more. */
static void write_page(struct search *s, uint64_t next)
{
	struct id_text cursor = { { 0 } };
	struct json_w w;

	if (s->paged) {
		return;
	}
	s->paged = true;
	if (next != 0) {
		cursor = event_cursor_write(s->feed.api->journal, next);
	}
	json_w_init(&w, &s->feed.out);
	json_w_object(&w);
	json_w_key(&w, "page");
	json_w_object(&w);
	json_put_str_or_null(&w, "nextCursor", slice_of(cursor.p));
	json_w_end(&w);
	json_w_end(&w);
	feed_line(&s->feed);
}

/* One more than the limit says that there are more. */
static bool on_event(struct feed *f, const struct record *record, const struct event *event)
{
	struct search *s = search_of(f);
	uint64_t before = f->scan.reverse ? record->seq + 1 : record->seq;

	if (s->in.counts) {
		count(s, record, event);
	}
	if (s->shown < (uint64_t)s->in.limit) {
		show_event(s, record, event);
		return true;
	}
	write_page(s, before);
	return s->in.counts;
}

static void put_progress(struct search *s, struct json_w *w)
{
	const struct feed *f = &s->feed;

	json_w_key(w, "percent");
	json_w_double(w, feed_percent(f));
	json_put_int(w, "matched", (int64_t)f->matched);
	json_put_int(w, "looked", (int64_t)f->looked);
	json_put_int(w, "bytes", (int64_t)f->bytes);
	json_put_int(w, "lost", (int64_t)f->scan.lost);
	json_put_time_or_null(w, "at", f->seen_us);
}

static void write_progress(struct search *s, const char *name)
{
	struct json_w w;

	json_w_init(&w, &s->feed.out);
	json_w_object(&w);
	json_w_key(&w, name);
	json_w_object(&w);
	put_progress(s, &w);
	json_w_end(&w);
	json_w_end(&w);
	feed_line(&s->feed);
}

static void write_counts(struct search *s)
{
	struct json_w w;

	json_w_init(&w, &s->feed.out);
	json_w_object(&w);
	json_w_key(&w, "counts");
	json_w_object(&w);
	json_put_int(&w, "matched", (int64_t)s->feed.matched);
	json_w_key(&w, "histogram");
	timeline_write(&s->timeline, &w);
	json_w_key(&w, "facets");
	json_w_object(&w);
	for (size_t i = 0; i < FACETS; i++) {
		json_w_key(&w, facet_names[i]);
		facet_write(&s->facets[i], &w);
	}
	json_w_end(&w);
	json_w_end(&w);
	json_w_end(&w);
	feed_line(&s->feed);
}

/* Not while the reader is behind: what is old by the time it arrives is not worth sending. */
static void on_pause(struct feed *f)
{
	struct search *s = search_of(f);
	int64_t now_us = clock_mono_us();

	if (f->out.n >= FEED_PARCEL_BYTES || now_us - s->progress_us < PROGRESS_US) {
		return;
	}
	s->progress_us = now_us;
	write_progress(s, "progress");
	if (s->in.counts && s->counted != f->matched && now_us - s->counts_us >= COUNTS_US) {
		s->counts_us = now_us;
		s->counted = f->matched;
		write_counts(s);
	}
}

static void on_end(struct feed *f)
{
	struct search *s = search_of(f);

	if (f->scan.err.kind != ERR_NONE) {
		feed_fail(f);
		return;
	}
	write_page(s, 0);
	if (s->in.counts) {
		write_counts(s);
	}
	write_progress(s, "done");
}

static void on_release(struct feed *f)
{
	struct search *s = search_of(f);

	for (size_t i = 0; i < FACETS; i++) {
		facet_release(&s->facets[i]);
	}
	free(s);
}

static const struct feed_kind kind = {
	.type = "application/x-ndjson",
	.event = on_event,
	.pause = on_pause,
	.end = on_end,
	.release = on_release,
};

/* What is searched for, as it was understood. */
static void write_head(struct search *s)
{
	const struct event_filter *filter = &s->feed.filter;
	struct json_w w;

	json_w_init(&w, &s->feed.out);
	json_w_object(&w);
	json_w_key(&w, "search");
	json_w_object(&w);
	json_put_time_or_null(&w, "from", filter->from_us);
	json_put_time_or_null(&w, "to", filter->to_us);
	json_put_str(&w, "order", slice_of(order_words[s->in.order]));
	json_put_int(&w, "limit", s->in.limit);
	json_w_key(&w, "query");
	event_query_write(&filter->query, &w);
	json_w_end(&w);
	json_w_end(&w);
	feed_line(&s->feed);
}

/* A cursor is the number behind (oldest first: of) the event that comes next. */
static bool read_search(struct call *c, struct search *s, uint64_t *at, uint64_t *end,
			struct err *err)
{
	struct feed *f = &s->feed;
	bool reverse;

	if (!event_filter_read(c, &f->keep, &f->filter, err) ||
	    !call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &s->in, err)) {
		return false;
	}
	reverse = s->in.order == 0;
	if (event_span_read(c, &f->filter, "cursor", reverse, false, at, end, err) == FAILED) {
		return false;
	}
	timeline_init(&s->timeline, (size_t)s->in.buckets, f->filter.from_us, f->filter.to_us);
	if (reverse) {
		uint64_t last = *end;

		*end = *at;
		*at = last;
	}
	return true;
}

static void get_search(struct call *c)
{
	struct search *s;
	uint64_t at, end;

	if (feed_is_head(c, &kind)) {
		return;
	}
	s = mem_alloc(1, sizeof(*s));
	feed_init(&s->feed, c, &kind);
	for (size_t i = 0; i < FACETS; i++) {
		facet_init(&s->facets[i], &s->feed.keep);
	}
	if (!read_search(c, s, &at, &end, &c->err)) {
		feed_refuse(&s->feed, c);
		return;
	}
	write_head(s);
	feed_start(&s->feed, c, at, end, s->in.order == 0);
}

static const struct prop head_props[] = {
	PROP_TIME("from", .flags = PROP_NULL),
	PROP_TIME("to", .flags = PROP_NULL),
	PROP_WORD("order", order_words),
	PROP_INT("limit"),
	PROP_OBJECT("query", .many = PROP_LIST, .help = "The terms of q, as they were understood."),
};
static const struct shape shape_head = { SHAPE_PROPS(head_props) };
static const struct prop page_props[] = { PROP_STR("nextCursor", .flags = PROP_NULL) };
static const struct shape shape_page = { SHAPE_PROPS(page_props) };
static const struct prop progress_props[] = {
	PROP_NUMBER("percent", .min = 0, .max = 100),
	PROP_INT("matched"),
	PROP_INT("looked"),
	PROP_INT("bytes"),
	PROP_INT("lost", .help = "Places on the way that cannot be read."),
	PROP_TIME("at", .flags = PROP_NULL),
};
static const struct shape shape_progress = { SHAPE_PROPS(progress_props) };
static const struct prop bar_props[] = { PROP_TIME("start"), PROP_INT("count") };
static const struct shape shape_bar = { SHAPE_PROPS(bar_props) };
static const struct prop histogram_props[] = {
	PROP_INT("step", .min = 1, .help = "Seconds that a bucket is long."),
	PROP_SHAPE("buckets", &shape_bar, .many = PROP_LIST),
};
static const struct shape shape_histogram = { SHAPE_PROPS(histogram_props) };
static const struct prop value_props[] = { PROP_STR("value", .flags = PROP_NULL),
					   PROP_INT("count") };
static const struct shape shape_value = { SHAPE_PROPS(value_props) };
static const struct prop facet_props[] = {
	PROP_SHAPE("values", &shape_value, .many = PROP_LIST),
	PROP_INT("other"),
};
static const struct shape shape_facet = { SHAPE_PROPS(facet_props) };
static const struct prop counts_props[] = {
	PROP_INT("matched"),
	PROP_SHAPE("histogram", &shape_histogram),
	PROP_SHAPE("facets", &shape_facet, .many = PROP_MAP),
};
static const struct shape shape_counts = { SHAPE_PROPS(counts_props) };
static const struct prop line_props[] = {
	PROP_SHAPE("search", &shape_head, .flags = PROP_MAYBE, .help = "The first line."),
	PROP_SHAPE("event", &shape_event, .flags = PROP_MAYBE),
	PROP_SHAPE("page", &shape_page, .flags = PROP_MAYBE,
		   .help = "The events asked for were all shown."),
	PROP_SHAPE("progress", &shape_progress, .flags = PROP_MAYBE),
	PROP_SHAPE("counts", &shape_counts, .flags = PROP_MAYBE, .help = "Of all so far."),
	PROP_SHAPE("done", &shape_progress, .flags = PROP_MAYBE, .help = "The last line."),
};
static const struct shape shape_line = { .name = "SearchLine",
					 .help = "A line of a search; it has one of these members.",
					 .also = NULL,
					 SHAPE_PROPS(line_props) };
static const struct prop any_line_props[] = {
	PROP_SHAPE(NULL, &shape_line),
	PROP_SHAPE(NULL, &shape_scan_failed),
};
static const struct shape shape_any_line = { .one_of = true, SHAPE_PROPS(any_line_props) };

struct cursor_query {
	struct slice cursor;
};
static const struct field cursor_rows[] = {
	FIELD_STR(struct cursor_query, cursor, "cursor",
		  .help = "Where to go on: nextCursor of the page line before."),
};
static const struct field_set cursor_query = { cursor_rows, ARRAY_LEN(cursor_rows) };
static const struct field_set search_query = { query_rows, ARRAY_LEN(query_rows) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/events/search",
		.name = "searchEvents",
		.tag = "Events",
		.summary = "Search events, with counts (NDJSON)",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.doc = "Lines of JSON while the log is searched: the events asked for, then "
		       "counts of all that match, and how far it has come. Closing the connection "
		       "ends it.",
		.query = { &event_filter_query, &search_query, &cursor_query },
		.replies = { { .status = 200,
			       .help = "Lines until everything was looked at.",
			       .type = "application/x-ndjson",
			       .shape = &shape_any_line } },
		.errors = { ERR_SEARCHES, ERR_OVERLOADED, ERR_SHUTTING_DOWN },
		.loop = get_search,
	},
};
const struct route_set routes_search = { rows, ARRAY_LEN(rows) };
