/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_EVENT_FILTER_H
#define API_EVENT_FILTER_H

#include "api/call.h"
#include "journal/journal.h"
#include "model/event_query.h"

/*
 * Which events a list, a search or an export is about: the same parameters everywhere. Read on any
 * thread, then only looked at.
 */
struct event_filter {
	struct slice type; /* exact, or a prefix that ends in ".*"; empty as all that is not said */
	bool has_kind;
	enum event_kind kind;
	enum severity severity;
	struct slice source, environment;
	int64_t from_us, to_us;
	bool system; /* the server's own, too: they were asked for by type */
	struct event_query query;
};

extern const struct field_set event_filter_query; /* for the rows of such routes */
/*
 * type, kind, severity, source, environment, from, to and q of the query. What is kept lives in
 * the arena. ERR_INVALID names the parameter.
 */
NODISCARD bool event_filter_read(struct call *c, struct arena *keep, struct event_filter *f,
				 struct err *err);
/*
 * What of it the log can sort out by itself, for the caller's project. Borrows from f. Everything
 * that reads a tenant's events begins with this and journal_iter_where.
 */
struct journal_filter event_filter_for_journal(const struct event_filter *f,
					       const struct caller *caller, struct arena *keep);
/*
 * Whether a record that the log gave matches the rest; event then is its body, decoded, with the
 * life of one. scratch takes QUERY_SCRATCH_BYTES.
 */
bool event_filter_matches(const struct event_filter *f, const struct record *record,
			  struct arena *one, struct buf *scratch, struct event *event);
/*
 * A cursor: the public id of a record of nobody in particular, sealed by the same cipher. The id of
 * an event is one, too. NOT_FOUND: the parameter is not there. FAILED: ERR_INVALID.
 */
enum found event_cursor_read(struct call *c, const char *name, uint64_t *seq, struct err *err);
/*
 * Which numbers of the log a walk over the filter's time has to look at, both ends included; with
 * *first > *last none. FOUND: and only from the cursor called name on: in reverse from the record
 * before it, forward from it, or with behind from the one after it. NOT_FOUND: there is no cursor.
 * FAILED: ERR_INVALID.
 */
enum found event_span_read(struct call *c, const struct event_filter *f, const char *name,
			   bool reverse, bool behind, uint64_t *first, uint64_t *last,
			   struct err *err);
struct id_text event_cursor_write(const struct journal *journal, uint64_t seq);

#endif
