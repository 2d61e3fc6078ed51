/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at events: straight from the log, newest first. A page reads a bounded part of the log;
 * when that part had too few matches the page is short and its cursor goes on from there.
 */
#include "api/events.h"

#include "api/api.h"
#include "api/route.h"
#include "api/page.h"
#include "api/shapes.h"
#include "base/json_put.h"
#include "engine/event_json.h"

#define PAGE_READ_BYTES_MAX ((size_t)256 << 20)
#define PAGE_SEARCH_BYTES_MAX ((size_t)32 << 20) /* of the log as stored: less than a second */
#define PAGE_DEFAULT 50
#define PAGE_MAX 1000

static bool write_page(struct event_page *walk, struct journal_iter *iter, struct json_w *w,
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
			log_warn("record_unreadable", log_str("error", err->text));
			walk->lost++;
			continue;
		}
		if (!event_filter_matches(&walk->filter, &record, &walk->one, &walk->scratch,
					  &event)) {
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

/* A search in a list is a short one: what takes longer is not for a worker (see search.c). */
static size_t budget_of(const struct event_page *walk)
{
	size_t budget = walk->c->api->page_read_bytes;

	if (budget != 0) {
		return budget;
	}
	return walk->filter.query.n > 0 ? PAGE_SEARCH_BYTES_MAX : PAGE_READ_BYTES_MAX;
}

bool event_page_walk(struct event_page *walk, struct json_w *w, struct err *err)
{
	struct call *c = walk->c;
	struct journal_filter filter = event_filter_for_journal(&walk->filter, &c->caller, c->req);
	struct journal_iter *iter;
	bool ok;

	if (walk->before == 1) {
		return true;
	}
	iter = journal_iter_where(c->api->journal, walk->before == 0 ? 0 : walk->before - 1, true,
				  &filter);
	journal_iter_set_budget(iter, budget_of(walk));
	arena_init(&walk->one, 0);
	buf_init(&walk->scratch, QUERY_SCRATCH_BYTES);
	ok = write_page(walk, iter, w, err);
	buf_release(&walk->scratch);
	arena_release(&walk->one);
	journal_iter_free(&iter);
	return ok;
}

static void write_native(const struct event_view *view, struct json_w *w,
			 const struct event_page *walk UNUSED)
{
	event_json_write(view, w);
}

static void write_cursor(struct json_w *w, const struct event_page *walk)
{
	struct id_text text;

	if (walk->lost > 0) {
		json_put_int(w, "lost", (int64_t)walk->lost);
	}
	json_w_key(w, "nextCursor");
	if (walk->next == 0) {
		json_w_null(w);
		return;
	}
	text = event_cursor_write(walk->c->api->journal, walk->next + 1);
	json_w_str(w, slice_of(text.p));
}

static bool list_events(struct call *c, struct err *err)
{
	struct event_page walk = { .c = c, .write = write_native, .bytes_max = PAGE_BYTES_MAX };
	struct json_w w;

	if (!event_filter_read(c, c->req, &walk.filter, err) ||
	    event_cursor_read(c, "cursor", &walk.before, err) == FAILED ||
	    !call_query_limit(c, PAGE_DEFAULT, PAGE_MAX, &walk.limit, err)) {
		return false;
	}
	w = call_json(c, 200);
	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	if (!event_page_walk(&walk, &w, err)) {
		return false;
	}
	json_w_end(&w);
	write_cursor(&w, &walk);
	json_w_end(&w);
	return true;
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
	    record->project.v != c->caller.project.v || record->received_at_us / 1000 != id.at_ms ||
	    !journal_kept(c->api->journal, record)) {
		return NOT_FOUND;
	}
	return event_decode(record->body, c->req, event, err) ? FOUND : FAILED;
}

bool events_get(struct call *c, struct record *record, struct event *event, struct err *err)
{
	switch (find_event(c, record, event, err)) {
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "there is no such event");
	case FAILED:
		return false;
	case FOUND:
		return true;
	}
	never("a look-up without a result");
}

static bool get_event(struct call *c, struct err *err)
{
	struct event_view view;
	struct record record;
	struct event event;
	struct json_w w;

	if (!events_get(c, &record, &event, err)) {
		return false;
	}
	view = (struct event_view) { .record = &record, .event = &event, .id = c->params[0] };
	w = call_json(c, 200);
	event_json_write(&view, &w);
	return true;
}

static const struct prop event_props[] = {
	PROP_ID("id", ID_EVENT),
	PROP_STR("type", .example = "\"checkout_failed\""),
	PROP_WORD("kind", event_kind_names),
	PROP_WORD("severity", severity_names, .flags = PROP_NULL),
	PROP_STR("source", .flags = PROP_NULL, .example = "\"shop\""),
	PROP_STR("environment", .flags = PROP_NULL, .example = "\"production\""),
	PROP_STR("message", .flags = PROP_NULL, .example = "\"card declined\""),
	PROP_NUMBER("value", .flags = PROP_NULL, .example = "12.5"),
	PROP_OBJECT("payload", .example = "{\"amount\":1999}"),
	PROP_OBJECT("tags", .example = "{\"region\":\"eu\"}"),
	PROP_STR("fingerprint", .flags = PROP_NULL, .example = "null"),
	PROP_STR("idempotencyKey", .flags = PROP_NULL, .example = "null"),
	PROP_TIME("occurredAt", .help = "When it happened, as the sender said."),
	PROP_TIME("receivedAt", .help = "When it was stored; never goes back."),
	PROP_ID("projectId", ID_PROJECT),
	PROP_ID("keyId", ID_KEY, .flags = PROP_NULL,
		.help = "Which key sent it; null: a person did, or Tocsin itself."),
};
const struct shape shape_event = { .name = "Event",
				   .help = "One thing that happened.",
				   SHAPE_PROPS(event_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/events",
		.name = "listEvents",
		.tag = "Events",
		.summary = "List events, newest first",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.doc = "A page reads a bounded part of the log: it may be short, even empty, while "
		       "nextCursor says that there is more.",
		.query = { &event_filter_query, &page_query },
		.replies = { { .status = 200,
			       .help = "A page of events.",
			       .shape = &shape_event,
			       .page = true } },
		.work = list_events,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/events/:id",
		.name = "getEvent",
		.tag = "Events",
		.summary = "Get one event",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_EVENT) },
		.replies = { { .status = 200, .help = "The event.", .shape = &shape_event } },
		.work = get_event,
	},
};
const struct route_set routes_events = { rows, ARRAY_LEN(rows) };
