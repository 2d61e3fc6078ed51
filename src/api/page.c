/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors of store lists: two numbers, sealed like stream ids. */
#include "api/page.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "model/month.h"

#define PAGE_DEFAULT "50"
/* Another list's cursor opens to random numbers: hardly one in ten thousand is such a time. */

struct page_query {
	int64_t limit;
	struct slice cursor;
};

static const struct field rows[] = {
	FIELD_INT(struct page_query, limit, "limit", .min = 1, .max = PAGE_ROWS_MAX,
		  .fallback = PAGE_DEFAULT, .help = "How many items a page has at most."),
	FIELD_STR(struct page_query, cursor, "cursor",
		  .help = "Where the page begins: nextCursor of the one before."),
};
const struct field_set page_query = { rows, ARRAY_LEN(rows) };

/* For descriptions: call_query_limit and call_query_offset read them. */
struct older_page_query {
	int64_t limit, offset;
};
static const struct field older_rows[] = {
	FIELD_INT(struct older_page_query, limit, "limit", .min = 1, .max = 100, .fallback = "50",
		  .help = "How many items at most."),
	FIELD_INT(struct older_page_query, offset, "offset", .min = 0, .max = OFFSET_MAX,
		  .fallback = "0", .help = "How many to pass over."),
};
const struct field_set older_page_query = { older_rows, ARRAY_LEN(older_rows) };

/* The kind takes the place of the org: what matters is that another list's cursor is refused. */
static struct org_id seal_of(const struct call *c, enum id_kind kind)
{
	return (struct org_id) { c->caller.org.v ^ ((uint64_t)kind + 1) << 56 };
}

bool page_read(struct call *c, enum id_kind kind, struct page *page, struct err *err)
{
	struct page_query in = { 0 };
	struct live_position at;

	if (!call_query_fields(c, rows, ARRAY_LEN(rows), &in, err)) {
		return false;
	}
	*page = (struct page) { .limit = (size_t)in.limit };
	if (in.cursor.p == NULL) {
		return true;
	}
	if (!live_id_parse(&journal_meta(c->api->journal)->cipher, seal_of(c, kind), in.cursor,
			   &at) ||
	    at.change > INT64_MAX || at.seq > (uint64_t)(c->now_us + DAY_US)) {
		return err_field(err, ERR_INVALID, "cursor", "\"cursor\" is not one of ours");
	}
	page->after = (struct page_at) { .at_us = (int64_t)at.seq, .id = at.change };
	return true;
}

struct json_w page_begin(struct call *c)
{
	struct json_w w = call_json(c, 200);

	json_w_object(&w);
	json_w_key(&w, "data");
	json_w_array(&w);
	return w;
}

void page_end(struct call *c, enum id_kind kind, struct page_at next, struct json_w *w)
{
	struct live_position at = { .seq = (uint64_t)next.at_us, .change = next.id };
	struct id_text text = { { 0 } };

	if (next.id != 0) {
		text = live_id_format(&journal_meta(c->api->journal)->cipher, seal_of(c, kind), at);
	}
	json_w_end(w);
	json_put_str_or_null(w, "nextCursor", slice_of(text.p));
	json_w_end(w);
}
