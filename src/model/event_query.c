/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a query. There is little that can be wrong: what is no member is a word, because people
 * search for "error: timeout" and "http://x" more often than they mistype a member.
 */
#include "model/event_query.h"

#include "base/utf8.h"

static const struct {
	const char *name;
	enum query_member member;
} members[] = {
	{ "type", QUERY_TYPE },
	{ "kind", QUERY_KIND },
	{ "severity", QUERY_SEVERITY },
	{ "source", QUERY_SOURCE },
	{ "environment", QUERY_ENVIRONMENT },
	{ "env", QUERY_ENVIRONMENT },
	{ "message", QUERY_MESSAGE },
	{ "value", QUERY_VALUE },
	{ "fingerprint", QUERY_FINGERPRINT },
	{ "idempotencyKey", QUERY_IDEMPOTENCY_KEY },
};

/* Longer ones first. */
static const struct {
	struct slice text;
	enum query_op op;
} ops[] = {
	{ { ":>=", 3 }, QUERY_AT_LEAST }, { { ":<=", 3 }, QUERY_AT_MOST },
	{ { ":>", 2 }, QUERY_MORE },	  { { ":<", 2 }, QUERY_LESS },
	{ { ">=", 2 }, QUERY_AT_LEAST },  { { "<=", 2 }, QUERY_AT_MOST },
	{ { ">", 1 }, QUERY_MORE },	  { { "<", 1 }, QUERY_LESS },
	{ { ":", 1 }, QUERY_IS },	  { { "=", 1 }, QUERY_IS },
};

struct parse {
	struct slice text;
	size_t at;
	struct arena *req;
	struct err *err;
};

static bool refuse(struct parse *p, const char *what)
{
	return err_field(p->err, ERR_INVALID, "q", "\"q\" %s at character %zu", what,
			 utf8_len((struct slice) { p->text.p, p->at }) + 1);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice rest_of(const struct parse *p)
{
	return slice_from(p->text, p->at);
}

static struct slice take_word(struct parse *p)
{
	struct slice word = rest_of(p);
	size_t n = 0;

	while (n < word.n && !is_blank(word.p[n])) {
		n++;
	}
	p->at += n;
	word.n = n;
	return word;
}

/* Behind the opening quote. */
static bool take_quoted(struct parse *p, struct slice *out)
{
	struct slice rest = rest_of(p);
	char *to = arena_alloc(p->req, rest.n);

	*out = (struct slice) { .p = to };
	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];

		if (c == '"') {
			p->at += i + 1;
			return true;
		}
		if (c == '\\' && i + 1 < rest.n &&
		    (rest.p[i + 1] == '"' || rest.p[i + 1] == '\\')) {
			c = rest.p[++i];
		}
		to[out->n++] = c;
	}
	p->at--;
	return refuse(p, "has a quote that is not closed");
}

static bool find_member(struct slice name, struct event_query_term *term)
{
	struct err ignored;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (slice_eq(name, slice_of(members[i].name))) {
			term->member = members[i].member;
			return true;
		}
	}
	term->member = slice_starts(name, S("tags.")) ? QUERY_TAGS : QUERY_PAYLOAD;
	return (term->member == QUERY_TAGS || slice_starts(name, S("payload."))) &&
	       rule_path_parse(name, "q", &term->path, &ignored);
}

/* "member:", and what kind of comparison it is; p->at is behind it then. */
static bool take_member(struct parse *p, struct event_query_term *term)
{
	struct slice rest = rest_of(p);
	size_t n = 0;

	while (n < rest.n && !is_blank(rest.p[n]) && strchr(":=<>\"", rest.p[n]) == NULL) {
		n++;
	}
	if (n == rest.n || !find_member((struct slice) { rest.p, n }, term)) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		if (slice_starts(slice_from(rest, n), ops[i].text)) {
			term->op = ops[i].op;
			p->at += n + ops[i].text.n;
			return true;
		}
	}
	return false;
}

static void hint(struct event_query_term *term, struct slice text, struct parse *p)
{
	if (text.n > 0 && !term->negated) {
		ensure(term->hints_n < QUERY_HINTS_MAX);
		finder_init(&term->hints[term->hints_n++], text, p->req);
	}
}

/* A number, true, false or null, as JSON has it. */
static bool is_literal(struct slice text, struct parse *p)
{
	struct json_scan scan;
	struct slice raw;
	struct err ignored;

	if (text.n == 0 || text.p[0] == '"' || text.p[0] == '[' || text.p[0] == '{' ||
	    text.p[0] == ' ') {
		return false;
	}
	json_scan_init(&scan, text, 1, p->req);
	return json_raw(&scan, &raw, &ignored) && raw.n == text.n;
}

static void set_key(struct event_query_term *term, struct parse *p)
{
	struct buf key;

	buf_init(&key, term->value.n + 32);
	json_key(term->value, &key);
	term->key = arena_dup(p->req, buf_slice(&key));
	buf_release(&key);
}

static bool set_comparison(struct event_query_term *term, struct parse *p)
{
	bool numbers = term->member == QUERY_VALUE || term->member == QUERY_TAGS ||
		       term->member == QUERY_PAYLOAD;

	if (!numbers) {
		return refuse(p, "compares what is no number");
	}
	return (is_literal(term->value, p) && strchr("-0123456789", term->value.p[0]) != NULL &&
		json_number_double(term->value, &term->number)) ||
	       refuse(p, "needs a number to compare with");
}

/* What the bytes of an event say of a path without following it: its last name. */
static void hint_path(struct event_query_term *term, struct parse *p)
{
	const struct rule_path *path = &term->path;
	struct slice last = path->segments_n == 0 ? (struct slice) { 0 }
						  : path->segments[path->segments_n - 1];
	uint64_t number;

	if (!slice_u64(last, &number)) {
		hint(term, last, p);
	}
}

static bool set_words(struct event_query_term *term, struct parse *p)
{
	if (term->op == QUERY_STARTS) {
		return refuse(p, "asks for a beginning of what is one of few words");
	}
	if (term->op == QUERY_EXISTS) {
		return true;
	}
	if (term->member == QUERY_KIND) {
		return (term->op == QUERY_IS && event_kind_parse(term->value, &term->kind)) ||
		       refuse(p, "has no kind event, error or metric");
	}
	term->severity = severity_parse(term->value);
	return term->severity != SEVERITY_NONE ||
	       refuse(p, "has no severity debug, info, low, medium, high or critical");
}

static bool set_value(struct event_query_term *term, bool quoted, struct parse *p)
{
	if (term->member == QUERY_SEVERITY || term->member == QUERY_KIND) {
		return set_words(term, p);
	}
	if (term->member == QUERY_TAGS || term->member == QUERY_PAYLOAD) {
		hint_path(term, p);
	}
	switch (term->op) {
	case QUERY_IS:
		if (!quoted && is_literal(term->value, p)) {
			set_key(term, p);
			return true;
		}
		hint(term, term->value, p);
		return true;
	case QUERY_STARTS:
		hint(term, term->value, p);
		return true;
	case QUERY_EXISTS:
		return true;
	case QUERY_LESS:
	case QUERY_AT_MOST:
	case QUERY_MORE:
	case QUERY_AT_LEAST:
		return set_comparison(term, p);
	case QUERY_OPS:
		break;
	}
	never("no such comparison");
}

/* "web*" begins with it, a lone asterisk asks for anything. */
static void take_asterisk(struct event_query_term *term)
{
	if (term->op == QUERY_IS && slice_ends(term->value, S("*"))) {
		term->value.n--;
		term->op = term->value.n == 0 ? QUERY_EXISTS : QUERY_STARTS;
	}
}

static bool take_value(struct parse *p, struct event_query_term *term)
{
	size_t from = p->at, end;
	bool quoted = slice_starts(rest_of(p), S("\""));

	if (quoted) {
		p->at++;
		if (!take_quoted(p, &term->value)) {
			return false;
		}
	} else {
		term->value = take_word(p);
		if (term->value.n == 0) {
			return refuse(p, "has no value");
		}
		take_asterisk(term);
	}
	/* Complaints are about where the value begins. */
	end = p->at;
	p->at = from;
	if (!set_value(term, quoted, p)) {
		return false;
	}
	p->at = end;
	return true;
}

static bool take_text(struct parse *p, struct event_query_term *term)
{
	term->member = QUERY_TEXT;
	if (slice_starts(rest_of(p), S("\""))) {
		p->at++;
		if (!take_quoted(p, &term->value)) {
			return false;
		}
	} else {
		term->value = take_word(p);
	}
	if (term->value.n == 0) {
		return refuse(p, "has an empty text");
	}
	finder_init(&term->text, term->value, p->req);
	return true;
}

static bool take_term(struct parse *p, struct event_query_term *term)
{
	struct slice rest = rest_of(p);

	*term = (struct event_query_term) { 0 };
	if (rest.p[0] == '-' && rest.n > 1 && !is_blank(rest.p[1])) {
		term->negated = true;
		p->at++;
	}
	return take_member(p, term) ? take_value(p, term) : take_text(p, term);
}

bool event_query_parse(struct slice text, struct arena *req, struct event_query *out,
		       struct err *err)
{
	struct parse p = { .text = arena_dup(req, text), .req = req, .err = err };

	out->n = 0;
	if (text.n > QUERY_BYTES_MAX || !utf8_valid(text)) {
		return err_field(err, ERR_INVALID, "q", "\"q\" must be at most %d bytes of UTF-8",
				 QUERY_BYTES_MAX);
	}
	for (;;) {
		while (p.at < p.text.n && is_blank(p.text.p[p.at])) {
			p.at++;
		}
		if (p.at == p.text.n) {
			return true;
		}
		if (out->n == QUERY_TERMS_MAX) {
			return err_field(err, ERR_INVALID, "q", "\"q\" must have at most %d words",
					 QUERY_TERMS_MAX);
		}
		if (!take_term(&p, &out->terms[out->n])) {
			return false;
		}
		out->n++;
	}
}

static struct slice member_name(const struct event_query_term *term)
{
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (members[i].member == term->member) {
			return slice_of(members[i].name);
		}
	}
	return term->path.text;
}

void event_query_write(const struct event_query *query, struct json_w *w)
{
	static const char *const names[QUERY_OPS] = {
		[QUERY_IS] = "is",	 [QUERY_STARTS] = "starts", [QUERY_EXISTS] = "exists",
		[QUERY_LESS] = "<",	 [QUERY_AT_MOST] = "<=",    [QUERY_MORE] = ">",
		[QUERY_AT_LEAST] = ">=",
	};

	json_w_array(w);
	for (size_t i = 0; i < query->n; i++) {
		const struct event_query_term *t = &query->terms[i];

		json_w_object(w);
		if (t->member == QUERY_TEXT) {
			json_w_key(w, "text");
			json_w_str(w, t->value);
		} else {
			json_w_key(w, "member");
			json_w_str(w, member_name(t));
			json_w_key(w, "op");
			json_w_str(w, slice_of(names[t->op]));
			json_w_key(w, "value");
			json_w_str(w, t->value);
		}
		if (t->negated) {
			json_w_key(w, "not");
			json_w_bool(w, true);
		}
		json_w_end(w);
	}
	json_w_end(w);
}
