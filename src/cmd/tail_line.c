/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are written with a pen that knows how many columns are left. Colour says how bad it is, and
 * so do a shape and a word.
 */
#include "cmd/tail_line.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/time.h"
#include "base/utf8.h"
#include "model/rule_def.h"

#define TYPE_COLUMNS 24
#define AGE_COLUMNS 8
#define SEVERITY_COLUMNS 8 /* "critical" */

/* Indexes of the 256 colours of a terminal; 0: as it is. */
enum ink { INK_NONE, INK_MUTED = 245, INK_OK = 78 };

struct shape {
	const char *mark;
	unsigned ink;
};
static const struct shape shapes[SEVERITIES] = {
	[SEVERITY_NONE] = { " ", INK_NONE }, [SEVERITY_DEBUG] = { "◦", 243 },
	[SEVERITY_INFO] = { "•", 247 },	     [SEVERITY_LOW] = { "○", 75 },
	[SEVERITY_MEDIUM] = { "◆", 221 },    [SEVERITY_HIGH] = { "▲", 215 },
	[SEVERITY_CRITICAL] = { "⬢", 203 },
};

struct pen {
	struct buf *out;
	const struct tail_look *look;
	size_t columns; /* used so far */
	size_t owed;	/* where the next text begins: blanks at the end are never written */
	bool cut;
};

/* Filter. */

static struct slice text_at(const struct json *body, const char *name)
{
	const struct json *v = json_get(body, name);

	return v == NULL || v->type != JSON_STRING ? (struct slice) { 0 } : v->text;
}

static bool type_matches(struct slice pattern, struct slice type)
{
	struct slice start;

	switch (rule_match_of(pattern, &start)) {
	case RULE_MATCH_ALL:
		return true;
	case RULE_MATCH_PREFIX:
		return slice_starts(type, start);
	case RULE_MATCH_EXACT:
		break;
	}
	return slice_eq(type, start);
}

static bool is_notification(struct slice name)
{
	return slice_eq(name, S("notification")) || slice_eq(name, S("delivery"));
}

static bool only_wants(enum tail_only only, struct slice name)
{
	switch (only) {
	case TAIL_ALL:
		return true;
	case TAIL_EVENTS:
		return slice_eq(name, S("event"));
	case TAIL_ALERTS:
		return slice_eq(name, S("alert"));
	case TAIL_NOTIFICATIONS:
		return is_notification(name);
	}
	never("a choice that is none");
}

static bool equal_if_asked(struct slice want, struct slice have)
{
	return want.n == 0 || slice_eq(want, have);
}

bool tail_wants(const struct tail_filter *f, struct slice name, const struct json *body)
{
	bool event = slice_eq(name, S("event"));
	struct slice type = text_at(body, event ? "type" : "eventType");

	return only_wants(f->only, name) &&
	       (f->type.n == 0 || (type.n > 0 && type_matches(f->type, type))) &&
	       severity_parse(text_at(body, "severity")) >= f->severity &&
	       equal_if_asked(f->kind, event ? text_at(body, "kind") : (struct slice) { 0 }) &&
	       equal_if_asked(f->source, text_at(body, "source")) &&
	       equal_if_asked(f->environment, text_at(body, "environment"));
}

/* Pen. */

static void ink(struct pen *p, unsigned colour)
{
	if (p->look->colour && colour != INK_NONE) {
		buf_printf(p->out, "\033[38;5;%um", colour);
	}
}

static void bold(struct pen *p)
{
	if (p->look->colour) {
		buf_puts(p->out, S("\033[1m"));
	}
}

static void plain(struct pen *p)
{
	if (p->look->colour) {
		buf_puts(p->out, S("\033[0m"));
	}
}

/* One character that takes a column; past the width one "…" stands for the rest. */
static void put_char(struct pen *p, struct slice c)
{
	if (p->cut) {
		return;
	}
	if (p->look->width > 0 && p->columns + 1 >= p->look->width) {
		p->cut = true;
		c = S("…");
	}
	buf_puts(p->out, c);
	p->columns++;
}

/* What moves the cursor or turns the direction of writing is no part of a line. */
static bool is_unsafe(struct slice c)
{
	unsigned char first = (unsigned char)c.p[0];

	if (c.n == 1) {
		return first < 0x20 || first == 0x7f;
	}
	if (c.n == 2) {
		return first == 0xc2 && (unsigned char)c.p[1] < 0xa0;
	}
	return (c.n == 3 && memcmp(c.p, "\xe2\x80", 2) == 0 && (unsigned char)c.p[2] >= 0xa8 &&
		(unsigned char)c.p[2] <= 0xae) ||
	       (c.n == 3 && memcmp(c.p, "\xe2\x81", 2) == 0 && (unsigned char)c.p[2] >= 0xa6 &&
		(unsigned char)c.p[2] <= 0xa9);
}

static void put(struct pen *p, struct slice text)
{
	while (text.n > 0 && p->columns < p->owed && !p->cut) {
		put_char(p, S(" "));
	}
	while (text.n > 0 && !p->cut) {
		size_t n = utf8_seq(text);
		struct slice c = { text.p, n == 0 ? 1 : n };

		if (n == 1 && (c.p[0] == '\n' || c.p[0] == '\t' || c.p[0] == '\r')) {
			put_char(p, S(" "));
		} else {
			put_char(p, n == 0 || is_unsafe(c) ? S("\xef\xbf\xbd") : c);
		}
		text = slice_from(text, c.n);
	}
}

/* Where the next text will begin. */
static size_t here(const struct pen *p)
{
	return p->owed > p->columns ? p->owed : p->columns;
}

static void pad_to(struct pen *p, size_t column)
{
	p->owed = column;
}

static void gap(struct pen *p)
{
	p->owed = here(p) + 2;
}

/* Columns of a line. */

static struct slice age_text(int64_t age_us, char out[32])
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	int64_t s = age_us / US_PER_S;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s >= units[i].seconds) {
			snprintf(out, 32, "%lld%s ago", (long long)(s / units[i].seconds),
				 units[i].unit);
			return slice_of(out);
		}
	}
	return S("now");
}

static void put_time(struct pen *p, struct slice time)
{
	size_t start = here(p);
	char text[32];
	int64_t us;

	ink(p, INK_MUTED);
	if (p->look->utc || !time_parse(time, &us)) {
		put(p, time);
	} else {
		put(p, age_text(p->look->now_us - us, text));
	}
	pad_to(p, start + AGE_COLUMNS);
	plain(p);
	gap(p);
}

static void put_severity(struct pen *p, struct slice word)
{
	enum severity severity = severity_parse(word);
	size_t start = here(p);

	ink(p, shapes[severity].ink);
	if (p->look->colour) {
		put(p, slice_of(shapes[severity].mark));
		put(p, S(" "));
		start += 2;
	}
	put(p, severity == SEVERITY_NONE ? S("-") : severity_name(severity));
	plain(p);
	pad_to(p, start + SEVERITY_COLUMNS);
	gap(p);
}

static void put_if(struct pen *p, struct slice text)
{
	if (text.n > 0) {
		gap(p);
		put(p, text);
	}
}

static void put_raw_if(struct pen *p, const struct json *v)
{
	bool empty = v == NULL || v->type == JSON_NULL ||
		     ((v->type == JSON_OBJECT || v->type == JSON_ARRAY) && v->count == 0);

	if (!empty) {
		gap(p);
		ink(p, INK_MUTED);
		put(p, v->raw);
		plain(p);
	}
}

static void put_place(struct pen *p, struct slice source, struct slice environment)
{
	if (source.n + environment.n > 0) {
		gap(p);
		put(p, source);
		if (source.n > 0 && environment.n > 0) {
			put(p, S(" / "));
		}
		put(p, environment);
	}
}

static void write_event(struct pen *p, const struct json *body)
{
	struct slice kind = text_at(body, "kind");
	const struct json *value = json_get(body, "value");
	size_t start;

	put_time(p, text_at(body, "receivedAt"));
	put_severity(p, text_at(body, "severity"));
	start = here(p);
	put(p, text_at(body, "type"));
	pad_to(p, start + TYPE_COLUMNS);
	put_if(p, slice_eq(kind, S("event")) ? (struct slice) { 0 } : kind);
	put_place(p, text_at(body, "source"), text_at(body, "environment"));
	if (value != NULL && value->type == JSON_NUMBER) {
		put_if(p, S("value "));
		put(p, value->text);
	}
	put_if(p, text_at(body, "message"));
	put_raw_if(p, json_get(body, "payload"));
}

static void put_count(struct pen *p, const struct json *body)
{
	const struct json *count = json_get(body, "count"),
			  *window = json_get(body, "windowSeconds");
	const struct json *least = json_get(body, "countAtLeast");

	if (count == NULL || window == NULL) {
		return;
	}
	put(p, least != NULL && least->truth ? S("  at least ") : S("  "));
	put(p, count->text);
	put(p, S(" in "));
	put(p, window->text);
	put(p, S(" s"));
}

static void write_alert(struct pen *p, const struct json *body)
{
	struct slice resolved = text_at(body, "resolvedAt");

	put_time(p, resolved.n > 0 ? resolved : text_at(body, "triggeredAt"));
	put_severity(p, text_at(body, "severity"));
	bold(p);
	ink(p, resolved.n > 0 ? INK_OK : shapes[severity_parse(text_at(body, "severity"))].ink);
	put(p, resolved.n > 0 ? S("resolved: ") : S("alert: "));
	put(p, text_at(body, "ruleName"));
	plain(p);
	put_count(p, body);
	put_if(p, text_at(body, "eventType"));
	put_raw_if(p, json_get(body, "group"));
}

static void write_notification(struct pen *p, const struct json *body)
{
	struct slice status = text_at(body, "status");
	const struct json *attempts = json_get(body, "attempts");

	put_time(p, text_at(body, "triggeredAt"));
	put_severity(p, text_at(body, "severity"));
	put(p, text_at(body, "channel"));
	put(p, S(" "));
	put(p, status.n > 0 ? status : S("sent"));
	put(p, S(": "));
	put(p, text_at(body, "ruleName"));
	if (attempts != NULL && attempts->type == JSON_NUMBER) {
		put_if(p, attempts->text);
		put(p, slice_eq(attempts->text, S("1")) ? S(" attempt") : S(" attempts"));
	}
}

void tail_write(const struct tail_look *look, struct slice name, const struct json *body,
		struct buf *out)
{
	struct pen p = { .out = out, .look = look };

	if (slice_eq(name, S("event"))) {
		write_event(&p, body);
	} else if (slice_eq(name, S("alert"))) {
		write_alert(&p, body);
	} else if (is_notification(name)) {
		write_notification(&p, body);
	} else {
		put(&p, name);
		put_raw_if(&p, body);
	}
	plain(&p);
	buf_putc(out, '\n');
}

/*
 * Inside strings of JSON stand characters that a terminal may obey, U+007F to U+009F. As escapes
 * they are the same text.
 */
static void put_escaped(struct slice data, struct buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < data.n; i++) {
		unsigned char c = (unsigned char)data.p[i];
		bool two = c == 0xc2 && i + 1 < data.n && (unsigned char)data.p[i + 1] < 0xa0;

		if (c != 0x7f && !two) {
			continue;
		}
		buf_put(out, data.p + from, i - from);
		i += two;
		buf_printf(out, "\\u%04x", (unsigned char)data.p[i]);
		from = i + 1;
	}
	buf_puts(out, slice_from(data, from));
}

void tail_write_json(struct slice name, struct slice id, struct slice data, struct buf *out)
{
	buf_puts(out, S("{\"event\":"));
	json_quote(out, name);
	if (id.n > 0) {
		buf_puts(out, S(",\"id\":"));
		json_quote(out, id);
	}
	buf_puts(out, S(",\"data\":"));
	put_escaped(data, out);
	buf_puts(out, S("}\n"));
}
