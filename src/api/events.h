/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EVENTS_H
#define API_EVENTS_H

#include "api/event_filter.h"
#include "engine/event_json.h"

/*
 * Reading events for answers: pages, newest first, and single ones. The lists differ by how they
 * write an event and by what frames the page. On a worker; may block.
 */

/* One page under way. */
struct event_page {
	struct call *c;
	struct event_filter filter;
	size_t limit, offset;
	size_t bytes_max;   /* the page ends with the event that reaches it */
	struct arena one;   /* for one event at a time */
	struct buf scratch; /* likewise */
	uint64_t before;    /* records below this number; 0: from the newest */
	void (*write)(const struct event_view *view, struct json_w *w,
		      const struct event_page *page);
	uint64_t applied; /* for the writer: how far the rules have come */
	uint64_t next;	  /* where the next page starts; 0: nowhere */
	uint64_t lost;	  /* places on the way that cannot be read */
};

/*
 * Write the events of the caller's project that the filter takes, from before on, as elements of
 * the open array. The page says what to read: c, filter, limit, bytes_max, write, and offset and
 * before; the rest is filled.
 */
NODISCARD bool event_page_walk(struct event_page *page, struct json_w *w, struct err *err);
/* The event that the path names, if it is the caller's: else ERR_NOT_FOUND. */
NODISCARD bool events_get(struct call *c, struct record *record, struct event *event,
			  struct err *err);

#endif
