/* SPDX-License-Identifier: Apache-2.0 */
/* From parameters to a filter of the log, and what is left to ask of each event. */
#include "api/event_filter.h"

#include "api/api.h"
#include "base/time.h"

/*
 * For descriptions and the check of names only: what is read by hand, because a severity has many
 * spellings and a query a grammar.
 */
struct filter_words {
	struct slice type, source, environment, q;
	int64_t from_us, to_us;
	unsigned kind, severity;
};

static const struct field rows[] = {
	FIELD_STR(struct filter_words, type, "type", .max = EVENT_TYPE_BYTES_MAX,
		  .help = "Only this type, or with .* at the end all that begin so. Events of the "
			  "server itself are shown to who asks for them: tocsin.*"),
	FIELD_ENUM(struct filter_words, kind, "kind", event_kind_names, .help = "Only this kind."),
	FIELD_ENUM(struct filter_words, severity, "severity", severity_names,
		   .help = "Only this severity, in any known spelling."),
	FIELD_STR(struct filter_words, source, "source", .help = "Only this source."),
	FIELD_STR(struct filter_words, environment, "environment",
		  .help = "Only this environment."),
	FIELD_TIME(struct filter_words, from_us, "from", .help = "Received at this time or later."),
	FIELD_TIME(struct filter_words, to_us, "to", .help = "Received before this time."),
	FIELD_TEXT(struct filter_words, q, "q", .max = QUERY_BYTES_MAX,
		   .help = "Words and member:value terms that an event has to match."),
};
const struct field_set event_filter_query = { rows, ARRAY_LEN(rows) };

static struct slice text_of(struct call *c, const char *name, struct arena *keep)
{
	struct slice value;

	return call_query(c, name, &value) ? arena_dup(keep, value) : (struct slice) { 0 };
}

static bool read_words(struct call *c, struct event_filter *f, struct arena *keep, struct err *err)
{
	struct slice kind = text_of(c, "kind", keep), severity = text_of(c, "severity", keep);

	if (kind.n > 0 && !event_kind_parse(kind, &f->kind)) {
		return err_field(err, ERR_INVALID, "kind",
				 "\"kind\" must be event, error or metric");
	}
	f->has_kind = kind.n > 0;
	f->severity = severity_parse(severity);
	if (severity.n > 0 && f->severity == SEVERITY_NONE) {
		return err_field(err, ERR_INVALID, "severity",
				 "\"severity\" must be debug, info, low, medium, high or critical");
	}
	return true;
}

static bool asks_for_system(const struct event_filter *f)
{
	bool asks = event_type_is_system(f->type);

	for (size_t i = 0; i < f->query.n; i++) {
		const struct event_query_term *t = &f->query.terms[i];

		asks |= t->member == QUERY_TYPE && !t->negated && event_type_is_system(t->value);
	}
	return asks;
}

bool event_filter_read(struct call *c, struct arena *keep, struct event_filter *f, struct err *err)
{
	*f = (struct event_filter) {
		.type = text_of(c, "type", keep),
		.source = text_of(c, "source", keep),
		.environment = text_of(c, "environment", keep),
	};
	if (!read_words(c, f, keep, err) || !call_query_time(c, "from", &f->from_us, err) ||
	    !call_query_time(c, "to", &f->to_us, err) ||
	    !event_query_parse(text_of(c, "q", keep), keep, &f->query, err)) {
		return false;
	}
	f->system = asks_for_system(f);
	return true;
}

/* A type that every match has, by the words of the query. */
static struct slice type_by_query(const struct event_query *q, struct arena *keep)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct event_query_term *t = &q->terms[i];

		if (t->member != QUERY_TYPE || t->negated) {
			continue;
		}
		if (t->op == QUERY_IS) {
			return t->value;
		}
		if (t->op == QUERY_STARTS && slice_ends(t->value, S("."))) {
			return arena_printf(keep, "%.*s*", SARG(t->value));
		}
	}
	return (struct slice) { 0 };
}

static bool severity_passes(const struct event_filter *f, enum severity severity)
{
	if (f->severity != SEVERITY_NONE && severity != f->severity) {
		return false;
	}
	for (size_t i = 0; i < f->query.n; i++) {
		const struct event_query_term *t = &f->query.terms[i];

		if (t->member == QUERY_SEVERITY && !event_query_severity_is(t, severity)) {
			return false;
		}
	}
	return true;
}

/*
 * Records of before severities were noted beside them say none: they are read and looked into. 0
 * is all of them.
 */
static uint32_t severities(const struct event_filter *f)
{
	uint32_t all = (UINT32_C(1) << SEVERITIES) - 1, some = UINT32_C(1) << SEVERITY_NONE;

	for (enum severity s = SEVERITY_DEBUG; s < SEVERITIES; s++) {
		some |= severity_passes(f, s) ? UINT32_C(1) << s : 0;
	}
	return some == all ? 0 : some;
}

struct journal_filter event_filter_for_journal(const struct event_filter *f,
					       const struct caller *caller, struct arena *keep)
{
	return (struct journal_filter) {
		.one_project = true,
		.org = caller->org,
		.project = caller->project,
		.from_us = f->from_us,
		.to_us = f->to_us,
		.severities = severities(f),
		.kinds = UINT32_C(1) << RECORD_EVENT,
		.type = f->type.n > 0 ? f->type : type_by_query(&f->query, keep),
	};
}

bool event_filter_matches(const struct event_filter *f, const struct record *record,
			  struct arena *one, struct buf *scratch, struct event *event)
{
	struct err ignored;

	if ((record_is_system(record) && !f->system) ||
	    !event_query_may_match(&f->query, record->body)) {
		return false;
	}
	arena_clear(one);
	if (!event_decode(record->body, one, event, &ignored) ||
	    (f->has_kind && event->kind != f->kind) ||
	    (f->severity != SEVERITY_NONE && event->severity != f->severity) ||
	    (f->source.n > 0 && !slice_eq(f->source, event->source)) ||
	    (f->environment.n > 0 && !slice_eq(f->environment, event->environment))) {
		return false;
	}
	return event_query_matches(&f->query, record->body, event, scratch);
}

enum found event_cursor_read(struct call *c, const char *name, uint64_t *seq, struct err *err)
{
	struct slice text;
	struct log_id id;

	if (!call_query(c, name, &text)) {
		return NOT_FOUND;
	}
	if (!log_id_parse(&journal_meta(c->api->journal)->cipher, ID_EVENT, text, &id) ||
	    id.number == 0 || id.number > journal_flushed(c->api->journal) + 1) {
		err_field(err, ERR_INVALID, name, "\"%s\" is not one of ours", name);
		return FAILED;
	}
	*seq = id.number;
	return FOUND;
}

enum found event_span_read(struct call *c, const struct event_filter *f, const char *name,
			   bool reverse, bool behind, uint64_t *first, uint64_t *last,
			   struct err *err)
{
	uint64_t cursor;
	enum found found = event_cursor_read(c, name, &cursor, err);

	journal_bounds(c->api->journal, f->from_us, f->to_us, first, last);
	if (found != FOUND) {
		return found;
	}
	if (reverse) {
		*last = cursor - 1 < *last ? cursor - 1 : *last;
	} else {
		cursor += behind;
		*first = cursor > *first ? cursor : *first;
	}
	return FOUND;
}

struct id_text event_cursor_write(const struct journal *journal, uint64_t seq)
{
	struct log_id id = { .at_ms = 0, .number = seq };

	return log_id_format(&journal_meta(journal)->cipher, ID_EVENT, id);
}
