/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at events: straight from the log, newest first. A page reads a bounded part of the log;
 * when that part had too few matches the page is short and its cursor goes on from there.
 */
#include "api/api.h"
#include "api/route.h"
#include "base/json_put.h"
#include "base/time.h"
#include "engine/event_json.h"

#define PAGE_READ_BYTES_MAX ((size_t)256 << 20)
#define PAGE_DEFAULT 50
#define PAGE_MAX 1000

struct filter {
	struct slice type; /* exact, or a prefix that ends in ".*" */
	struct slice kind, severity, source, environment;
	int64_t from_us, to_us;
};

struct page_walk {
	struct call *c;
	struct filter filter;
	size_t limit, offset;
	size_t bytes_max; /* the page ends with the event that reaches it */
	struct arena one; /* for one event at a time */
	uint64_t before;  /* records below this number; 0: from the newest */
	void (*write)(const struct event_view *view, struct json_w *w,
		      const struct page_walk *walk);
	uint64_t applied;
	uint64_t next; /* where the next page starts; 0: nowhere */
};

static struct slice query_or_empty(struct call *c, const char *name)
{
	struct slice value;

	return call_query(c, name, &value) ? value : (struct slice) { 0 };
}

static bool read_filter(struct call *c, struct filter *f, struct err *err)
{
	enum event_kind kind;

	*f = (struct filter) {
		.type = query_or_empty(c, "type"),
		.kind = query_or_empty(c, "kind"),
		.severity = query_or_empty(c, "severity"),
		.source = query_or_empty(c, "source"),
		.environment = query_or_empty(c, "environment"),
	};
	if (f->kind.n > 0 && !event_kind_parse(f->kind, &kind)) {
		return err_field(err, ERR_INVALID, "kind",
				 "\"kind\" must be event, error or metric");
	}
	if (f->severity.n > 0 && severity_parse(f->severity) == SEVERITY_NONE) {
		return err_field(err, ERR_INVALID, "severity",
				 "\"severity\" must be debug, info, low, medium, high or critical");
	}
	return call_query_time(c, "from", &f->from_us, err) &&
	       call_query_time(c, "to", &f->to_us, err);
}

static bool event_matches(const struct filter *f, const struct event *event)
{
	enum event_kind kind;

	if (f->kind.n > 0 && event_kind_parse(f->kind, &kind) && kind != event->kind) {
		return false;
	}
	if (f->severity.n > 0 && severity_parse(f->severity) != event->severity) {
		return false;
	}
	return (f->source.n == 0 || slice_eq(f->source, event->source)) &&
	       (f->environment.n == 0 || slice_eq(f->environment, event->environment));
}

static bool write_page(struct page_walk *walk, struct journal_iter *iter, struct json_w *w,
		       struct err *err)
{
	const struct journal_meta *meta = journal_meta(walk->c->api->journal);
	struct record record;
	enum found found;
	size_t n = 0;

	while (n < walk->limit && w->out->n < walk->bytes_max &&
	       (found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		struct event_view view = { .record = &record };
		struct id_text id;
		struct event event;

		if (found == FAILED && err->kind != ERR_CORRUPT) {
			return false;
		}
		if (found == FAILED) {
			continue;
		}
		arena_clear(&walk->one);
		if (!event_decode(record.body, &walk->one, &event, err) ||
		    !event_matches(&walk->filter, &event)) {
			continue;
		}
		if (walk->offset > 0) {
			walk->offset--;
			continue;
		}
		id = event_public_id(meta, &record);
		view.event = &event;
		view.id = slice_of(id.p);
		walk->write(&view, w, walk);
		n++;
	}
	walk->next = journal_iter_at(iter);
	return true;
}

static bool walk_page(struct page_walk *walk, struct json_w *w, struct err *err)
{
	size_t budget = walk->c->api->page_read_bytes;
	const struct caller *caller = &walk->c->caller;
	struct journal_filter filter = { .one_project = true,
					 .org = caller->org,
					 .project = caller->project,
					 .from_us = walk->filter.from_us,
					 .to_us = walk->filter.to_us,
					 .kinds = UINT32_C(1) << RECORD_EVENT,
					 .type = walk->filter.type };
	struct journal_iter *iter;
	bool ok;

	if (walk->before == 1) {
		return true;
	}
	iter = journal_iter_where(walk->c->api->journal, walk->before == 0 ? 0 : walk->before - 1,
				  true, &filter);
	journal_iter_set_budget(iter, budget == 0 ? PAGE_READ_BYTES_MAX : budget);
	arena_init(&walk->one, 0);
	ok = write_page(walk, iter, w, err);
	arena_release(&walk->one);
	journal_iter_free(&iter);
	return ok;
}

static void write_native(const struct event_view *view, struct json_w *w,
			 const struct page_walk *walk UNUSED)
{
	event_json_write(view, w);
}

static void write_signaldesk(const struct event_view *view, struct json_w *w,
			     const struct page_walk *walk)
{
	bool processed = view->record->seq <= walk->applied;

	event_json_write_signaldesk(view, &processed, w);
}

static void write_pulseboard(const struct event_view *view, struct json_w *w,
			     const struct page_walk *walk UNUSED)
{
	event_json_write_pulseboard(view, w);
}

/* A cursor is the public id of a record of nobody in particular: sealed by the same cipher. */
static bool read_cursor(struct call *c, uint64_t *before, struct err *err)
{
	struct slice text;
	struct log_id id;

	*before = 0;
	if (!call_query(c, "cursor", &text)) {
		return true;
	}
	if (!log_id_parse(&journal_meta(c->api->journal)->cipher, ID_EVENT, text, &id) ||
	    id.number == 0 || id.number > journal_flushed(c->api->journal) + 1) {
		return err_field(err, ERR_INVALID, "cursor", "\"cursor\" is not one of ours");
	}
	*before = id.number;
	return true;
}

static void write_cursor(struct json_w *w, const struct page_walk *walk)
{
	struct log_id id = { .at_ms = 0, .number = walk->next + 1 };
	struct id_text text;

	json_w_key(w, "nextCursor");
	if (walk->next == 0) {
		json_w_null(w);
		return;
	}
	text = log_id_format(&journal_meta(walk->c->api->journal)->cipher, ID_EVENT, id);
	json_w_str(w, slice_of(text.p));
}

static bool list_events(struct call *c, struct err *err)
{
	struct page_walk walk = { .c = c, .write = write_native, .bytes_max = PAGE_BYTES_MAX };
	struct json_w w;

	if (!read_filter(c, &walk.filter, err) || !read_cursor(c, &walk.before, err) ||
	    !call_query_limit(c, PAGE_DEFAULT, PAGE_MAX, &walk.limit, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	if (!walk_page(&walk, &w, err)) {
		return false;
	}
	json_w_end(&w);
	write_cursor(&w, &walk);
	json_w_end(&w);
	return true;
}

static bool list_signaldesk(struct call *c, struct err *err)
{
	struct page_walk walk = { .c = c,
				  .write = write_signaldesk,
				  .bytes_max = ANSWER_BYTES_MAX,
				  .applied = engine_applied(c->api->engine) };
	struct json_w w;

	walk.filter.type = query_or_empty(c, "type");
	if (!call_query_limit(c, 50, 100, &walk.limit, err) ||
	    !call_query_offset(c, &walk.offset, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "events");
	json_w_array(&w);
	if (!walk_page(&walk, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static bool list_pulseboard(struct call *c, struct err *err)
{
	struct page_walk walk = {
		.c = c, .write = write_pulseboard, .limit = 20, .bytes_max = ANSWER_BYTES_MAX
	};
	struct json_w w = call_json(c, 200);

	call_header(c, S("Deprecation"), S("true"));
	json_w_object(&w);
	json_put_bool(&w, "success", true);
	json_w_key(&w, "data");
	json_w_array(&w);
	if (!walk_page(&walk, &w, err)) {
		return false;
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

/* GET /events: a header key means SignalDesk; ?apiKey= means PulseBoard. */
static void get_events_older(struct call *c)
{
	struct slice secret;

	if (c->caller.key.v == 0) {
		if (!call_query(c, "apiKey", &secret) ||
		    !api_caller_of(c->api, secret, &c->caller)) {
			err_set(&c->err, ERR_UNAUTHORIZED,
				"an API key is needed, or this one is unknown");
			call_problem(c, &c->err);
			call_send(c);
			return;
		}
		c->by_query = true;
	}
	if ((c->caller.scopes & SCOPE_EVENTS_READ) == 0) {
		err_set(&c->err, ERR_FORBIDDEN, "this API key lacks the scope \"events:read\"");
		call_problem(c, &c->err);
		call_send(c);
		return;
	}
	c->work = c->by_query ? list_pulseboard : list_signaldesk;
	api_submit(c);
}

/* The record of a public id, if it is the caller's. Somebody else's is as good as none. */
static enum found find_event(struct call *c, struct record *record, struct event *event,
			     struct err *err)
{
	const struct journal_meta *meta = journal_meta(c->api->journal);
	struct log_id id;
	enum found found;

	if (!log_id_parse(&meta->cipher, ID_EVENT, c->params[0], &id)) {
		return NOT_FOUND;
	}
	found = journal_read(c->api->journal, id.number, c->req, record, err);
	if (found != FOUND) {
		return found;
	}
	if (record->kind != RECORD_EVENT || record->org.v != c->caller.org.v ||
	    record->project.v != c->caller.project.v || record->received_at_us / 1000 != id.at_ms) {
		return NOT_FOUND;
	}
	return event_decode(record->body, c->req, event, err) ? FOUND : FAILED;
}

static bool get_one(struct call *c, bool signaldesk, struct err *err)
{
	struct event_view view;
	struct record record;
	struct event event;
	struct json_w w;
	bool processed;

	switch (find_event(c, &record, &event, err)) {
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "there is no such event");
	case FAILED:
		return false;
	case FOUND:
		break;
	}
	view = (struct event_view) { .record = &record, .event = &event, .id = c->params[0] };
	w = call_json(c, 200);
	if (signaldesk) {
		processed = record.seq <= engine_applied(c->api->engine);
		event_json_write_signaldesk(&view, &processed, &w);
	} else {
		event_json_write(&view, &w);
	}
	return true;
}

static bool get_event(struct call *c, struct err *err)
{
	return get_one(c, false, err);
}

static bool get_event_signaldesk(struct call *c, struct err *err)
{
	return get_one(c, true, err);
}

static const struct route rows[] = {
	{ HTTP_GET, "/api/v1/events", "List events, newest first", AUTH_KEY, SCOPE_EVENTS_READ, 0,
	  NULL, list_events },
	{ HTTP_GET, "/api/v1/events/:id", "Get one event", AUTH_KEY, SCOPE_EVENTS_READ, 0, NULL,
	  get_event },
	{ HTTP_GET, "/events", "List events (SignalDesk, PulseBoard)", AUTH_OWN, 0, 0,
	  get_events_older, NULL },
	{ HTTP_GET, "/events/:id", "Get one event (SignalDesk)", AUTH_KEY, SCOPE_EVENTS_READ, 0,
	  NULL, get_event_signaldesk },
};
const struct route_set routes_events = { rows, ARRAY_LEN(rows) };
