/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the project that rules leave out, because applying them ended the process again and
 * again. There are none, normally; the list is short, and each entry is read from the log.
 */
#include "api/api.h"
#include "api/page.h"
#include "api/route.h"
#include "base/json_put.h"
#include "engine/event_json.h"
#include "engine/poison.h"

static bool is_ours(const struct call *c, const struct record *record)
{
	return record->org.v == c->caller.org.v && record->project.v == c->caller.project.v;
}

static bool write_entry(struct call *c, const struct poison_entry *entry, struct json_w *w,
			struct err *err)
{
	struct record record, by;
	enum found found = journal_read(c->api->journal, entry->seq, c->req, &record, err);

	if (found == FOUND && is_ours(c, &record) && journal_kept(c->api->journal, &record)) {
		found = journal_read(c->api->journal, entry->by, c->req, &by, err);
	} else if (found == FOUND) {
		found = NOT_FOUND;
	}
	if (found != FOUND) {
		/* Not kept any more, unreadable, or not flushed yet: there is nothing to show. */
		return found == NOT_FOUND || err->kind == ERR_CORRUPT;
	}
	json_w_object(w);
	if (record.kind == RECORD_EVENT) {
		struct id_text id = event_public_id(journal_meta(c->api->journal), &record);

		json_put_str(w, "eventId", slice_of(id.p));
	} else {
		json_put_str_or_null(w, "eventId", (struct slice) { 0 });
	}
	json_put_str(w, "type", record.type);
	json_put_time(w, "receivedAt", record.received_at_us);
	json_put_time(w, "quarantinedAt", by.received_at_us);
	json_put_str(w, "reason", S("applying it ended the process three times"));
	json_w_end(w);
	return true;
}

static bool list_quarantine(struct call *c, struct err *err)
{
	struct poison *p = arena_new(c->req, struct poison);
	struct json_w w;

	if (!poison_load(c->db, c->req, p, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = p->n; i > 0; i--) {
		if (!write_entry(c, &p->items[i - 1], &w, err)) {
			return false;
		}
	}
	page_end(c, ID_EVENT, (struct page_at) { 0 }, &w);
	return true;
}

static const struct prop entry_props[] = {
	PROP_ID("eventId", ID_EVENT, .flags = PROP_NULL, .help = "null: it is no event."),
	PROP_STR("type"),
	PROP_TIME("receivedAt"),
	PROP_TIME("quarantinedAt"),
	PROP_STR("reason"),
};
static const struct shape shape_entry = { .name = "Quarantined",
					  .help = "A record that rules leave out.",
					  SHAPE_PROPS(entry_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/system/quarantine",
		.name = "listQuarantine",
		.tag = "Events",
		.summary = "Records that rules leave out",
		.who = WHO_CALLER,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.replies = { { .status = 200,
			       .help = "All of them, normally none.",
			       .shape = &shape_entry,
			       .page = true } },
		.work = list_quarantine,
	},
};
const struct route_set routes_quarantine = { rows, ARRAY_LEN(rows) };
