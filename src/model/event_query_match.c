/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a query about an event. First its bytes are searched, unparsed, for what a match must
 * hold, which says no to nearly all of them; what is left is walked through value by value.
 */
#include "model/event_query.h"

bool event_query_may_match(const struct event_query *query, struct slice body)
{
	for (size_t i = 0; i < query->n; i++) {
		const struct event_query_term *t = &query->terms[i];

		if (t->negated) {
			continue;
		}
		if (t->member == QUERY_TEXT && !finder_may_be_in(&t->text, body)) {
			return false;
		}
		for (size_t k = 0; k < t->hints_n; k++) {
			if (!finder_may_be_in(&t->hints[k], body)) {
				return false;
			}
		}
	}
	return true;
}

/* Behind the quote that ends the string whose inside starts at at; at most s.n. */
static size_t string_end(struct slice s, size_t at)
{
	while (at < s.n) {
		const char *quote = memchr(s.p + at, '"', s.n - at);
		size_t end = quote == NULL ? s.n : (size_t)(quote - s.p), back = 0;

		while (back < end - at && s.p[end - back - 1] == '\\') {
			back++;
		}
		if (back % 2 == 0) {
			return end < s.n ? end + 1 : s.n;
		}
		at = end + 1;
	}
	return s.n;
}

static bool in_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The inside of a raw string as it is meant. */
static struct slice unescaped(struct slice raw, struct buf *scratch)
{
	if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL) {
		return raw;
	}
	buf_cut(scratch, 0);
	if (buf_room(scratch, raw.n) == NULL) {
		return raw;
	}
	scratch->n = json_unescape(raw, scratch->p);
	return buf_slice(scratch);
}

/* Which texts of the query are still to be found. */
struct texts {
	const struct event_query *query;
	struct buf *scratch;
	uint32_t wanted;   /* bit i: term i */
	uint32_t unwanted; /* negated ones */
	bool refused;
};

/* False: nothing more can change the answer. */
static bool look(struct texts *t, struct slice value)
{
	for (size_t i = 0; i < t->query->n; i++) {
		uint32_t bit = UINT32_C(1) << i;

		if (((t->wanted | t->unwanted) & bit) == 0 ||
		    !finder_in(&t->query->terms[i].text, value)) {
			continue;
		}
		if ((t->unwanted & bit) != 0) {
			t->refused = true;
			return false;
		}
		t->wanted &= ~bit;
	}
	return t->wanted != 0 || t->unwanted != 0;
}

/* Members of the event whose values are not texts. */
static bool is_hidden(struct slice name)
{
	return slice_eq(name, S("kind")) || slice_eq(name, S("severity")) ||
	       slice_eq(name, S("occurredAt"));
}

/*
 * All strings and numbers of the body. Canonical JSON has no blanks: a string with a colon behind
 * it is a name, and kind, severity and occurredAt are scalars.
 */
static void look_through(struct texts *t, struct slice body)
{
	bool more = true, hidden = false;
	size_t depth = 0;

	for (size_t at = 0; at < body.n && more;) {
		char c = body.p[at];
		size_t from = at++;

		if (c == '"') {
			struct slice raw = { .p = body.p + at };

			at = string_end(body, at);
			raw.n = at - from >= 2 ? at - from - 2 : 0;
			if (at < body.n && body.p[at] == ':') {
				hidden = depth == 1 && is_hidden(raw);
			} else if (!hidden) {
				more = look(t, unescaped(raw, t->scratch));
			}
		} else if (in_number(c)) {
			while (at < body.n && in_number(body.p[at])) {
				at++;
			}
			/* The letters of true and false are passed by here, too. */
			if (!hidden && c != 'e') {
				more = look(t, (struct slice) { body.p + from, at - from });
			}
		} else {
			depth += c == '{';
			depth -= c == '}' && depth > 0;
		}
	}
}

static bool texts_match(const struct event_query *query, struct slice body, struct buf *scratch)
{
	struct texts t = { .query = query, .scratch = scratch };

	for (size_t i = 0; i < query->n; i++) {
		if (query->terms[i].member == QUERY_TEXT) {
			*(query->terms[i].negated ? &t.unwanted : &t.wanted) |= UINT32_C(1) << i;
		}
	}
	if ((t.wanted | t.unwanted) == 0) {
		return true;
	}
	look_through(&t, body);
	return t.wanted == 0 && !t.refused;
}

static bool text_is(const struct event_query_term *t, struct slice text)
{
	switch (t->op) {
	case QUERY_IS:
		return slice_eq(text, t->value);
	case QUERY_STARTS:
		return slice_starts(text, t->value);
	case QUERY_EXISTS:
		return true;
	case QUERY_LESS:
	case QUERY_AT_MOST:
	case QUERY_MORE:
	case QUERY_AT_LEAST:
	case QUERY_OPS:
		break;
	}
	return false;
}

static bool order_is(enum query_op op, double have, double want)
{
	switch (op) {
	case QUERY_LESS:
		return have < want;
	case QUERY_AT_MOST:
		return have <= want;
	case QUERY_MORE:
		return have > want;
	case QUERY_AT_LEAST:
		return have >= want;
	case QUERY_IS:
		return have >= want && have <= want;
	case QUERY_EXISTS:
		return true;
	case QUERY_STARTS:
	case QUERY_OPS:
		break;
	}
	return false;
}

/* A number, true, false or null. */
static bool scalar_is(const struct event_query_term *t, struct slice raw, struct buf *scratch)
{
	bool number = in_number(raw.p[0]);
	double value;

	if (t->op == QUERY_STARTS) {
		return number && slice_starts(raw, t->value);
	}
	if (t->op == QUERY_EXISTS) {
		return raw.p[0] != 'n';
	}
	if (t->op != QUERY_IS) {
		return number && json_number_double(raw, &value) &&
		       order_is(t->op, value, t->number);
	}
	if (t->key.n == 0) {
		return false;
	}
	buf_cut(scratch, 0);
	json_key(raw, scratch);
	return slice_eq(buf_slice(scratch), t->key);
}

/* Behind the value that starts at at, which is not a string. */
static size_t value_end(struct slice s, size_t at)
{
	size_t depth = 0;

	for (; at < s.n; at++) {
		char c = s.p[at];

		if (c == '"') {
			at = string_end(s, at + 1) - 1;
		} else if (c == '[' || c == '{') {
			depth++;
		} else if (c == ']' || c == '}') {
			if (depth == 0) {
				return at;
			}
			if (--depth == 0) {
				return at + 1;
			}
		} else if (depth == 0 && c == ',') {
			return at;
		}
	}
	return s.n;
}

/* One value that is no array, or, of an array, any item. */
static bool raw_is(const struct event_query_term *t, struct slice raw, struct buf *scratch,
		   bool inside)
{
	if (raw.n == 0) {
		return false;
	}
	if (raw.p[0] == '"') {
		raw = (struct slice) { raw.p + 1, raw.n < 2 ? 0 : raw.n - 2 };
		return text_is(t, unescaped(raw, scratch));
	}
	if (raw.p[0] == '{' || (raw.p[0] == '[' && (inside || t->op == QUERY_EXISTS))) {
		return t->op == QUERY_EXISTS;
	}
	if (raw.p[0] != '[') {
		return scalar_is(t, raw, scratch);
	}
	for (size_t at = 1; at < raw.n && raw.p[at] != ']';) {
		size_t end = raw.p[at] == '"' ? string_end(raw, at + 1) : value_end(raw, at);

		if (raw_is(t, (struct slice) { raw.p + at, end - at }, scratch, true)) {
			return true;
		}
		at = end < raw.n && raw.p[end] == ',' ? end + 1 : end;
	}
	return false;
}

static bool path_is(const struct event_query_term *t, struct slice raw, struct buf *scratch)
{
	struct slice value;

	return raw.n > 0 && json_path(raw, t->path.segments, t->path.segments_n, &value) &&
	       raw_is(t, value, scratch, false);
}

static bool severity_is(const struct event_query_term *t, enum severity severity)
{
	return severity != SEVERITY_NONE && order_is(t->op, severity, t->severity);
}

bool event_query_severity_is(const struct event_query_term *t, enum severity severity)
{
	return severity_is(t, severity) != t->negated;
}

static bool term_is(const struct event_query_term *t, const struct event *e, struct buf *scratch)
{
	switch (t->member) {
	case QUERY_TYPE:
		return text_is(t, e->type);
	case QUERY_KIND:
		return t->op == QUERY_EXISTS || e->kind == t->kind;
	case QUERY_SEVERITY:
		return severity_is(t, e->severity);
	case QUERY_SOURCE:
		return e->source.n > 0 && text_is(t, e->source);
	case QUERY_ENVIRONMENT:
		return e->environment.n > 0 && text_is(t, e->environment);
	case QUERY_MESSAGE:
		return e->message.n > 0 && text_is(t, e->message);
	case QUERY_VALUE:
		return raw_is(t, e->value, scratch, true);
	case QUERY_FINGERPRINT:
		return e->fingerprint.n > 0 && text_is(t, e->fingerprint);
	case QUERY_IDEMPOTENCY_KEY:
		return e->idempotency_key.n > 0 && text_is(t, e->idempotency_key);
	case QUERY_TAGS:
		return path_is(t, e->tags, scratch);
	case QUERY_PAYLOAD:
		return path_is(t, e->payload, scratch);
	case QUERY_TEXT:
	case QUERY_MEMBERS:
		break;
	}
	never("a text has no member");
}

bool event_query_matches(const struct event_query *query, struct slice body,
			 const struct event *event, struct buf *scratch)
{
	for (size_t i = 0; i < query->n; i++) {
		const struct event_query_term *t = &query->terms[i];

		if (t->member != QUERY_TEXT && term_is(t, event, scratch) == t->negated) {
			return false;
		}
	}
	return texts_match(query, body, scratch);
}
