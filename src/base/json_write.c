/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer. One flag is enough for all commas: it is down behind an opening bracket and a key
 * and up behind every value.
 */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

void json_w_init(struct json_w *w, struct buf *out)
{
	*w = (struct json_w) { .out = out };
}

static void before_value(struct json_w *w)
{
	if (w->comma) {
		buf_putc(w->out, ',');
	}
	w->comma = true;
}

static void begin(struct json_w *w, char open, uint64_t bit)
{
	ensure(w->depth < JSON_DEPTH_LIMIT);
	before_value(w);
	w->objects = (w->objects & ~(UINT64_C(1) << w->depth)) | bit << w->depth;
	w->depth++;
	w->comma = false;
	buf_putc(w->out, open);
}

void json_w_object(struct json_w *w)
{
	begin(w, '{', 1);
}

void json_w_array(struct json_w *w)
{
	begin(w, '[', 0);
}

void json_w_end(struct json_w *w)
{
	ensure(w->depth > 0);
	w->depth--;
	buf_putc(w->out, (w->objects >> w->depth & 1) != 0 ? '}' : ']');
	w->comma = true;
}

void json_w_key_slice(struct json_w *w, struct slice key)
{
	ensure(w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0);
	before_value(w);
	json_quote(w->out, key);
	buf_putc(w->out, ':');
	w->comma = false;
}

void json_w_key(struct json_w *w, const char *key)
{
	json_w_key_slice(w, slice_of(key));
}

void json_w_str(struct json_w *w, struct slice s)
{
	before_value(w);
	json_quote(w->out, s);
}

void json_w_int(struct json_w *w, int64_t v)
{
	before_value(w);
	buf_printf(w->out, "%lld", (long long)v);
}

void json_w_double(struct json_w *w, double v)
{
	char text[32];

	if (!isfinite(v)) {
		json_w_null(w);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v) {
			break;
		}
	}
	json_w_raw(w, slice_of(text));
}

void json_w_bool(struct json_w *w, bool v)
{
	before_value(w);
	buf_puts(w->out, v ? S("true") : S("false"));
}

void json_w_null(struct json_w *w)
{
	before_value(w);
	buf_puts(w->out, S("null"));
}

void json_w_raw(struct json_w *w, struct slice raw)
{
	before_value(w);
	buf_puts(w->out, raw);
}

static bool is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* Write the escape of one ASCII character. */
static void put_escape(struct buf *out, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *hit = memchr(from, c, sizeof(from) - 1);

	if (hit != NULL) {
		buf_put(out, (const char[]) { '\\', to[hit - from] }, 2);
	} else {
		buf_printf(out, "\\u%04x", (unsigned)c);
	}
}

void json_quote(struct buf *out, struct slice s)
{
	buf_putc(out, '"');
	while (s.n > 0) {
		size_t n = 0;

		while (n < s.n && is_plain(s.p[n])) {
			n++;
		}
		buf_put(out, s.p, n);
		s = slice_from(s, n);
		if (s.n == 0) {
			break;
		}
		n = utf8_seq(s);
		if (n == 1) {
			put_escape(out, *s.p);
		} else if (n > 1) {
			buf_put(out, s.p, n);
		} else {
			buf_puts(out, S("\xef\xbf\xbd"));
		}
		s = slice_from(s, n == 0 ? 1 : n);
	}
	buf_putc(out, '"');
}
