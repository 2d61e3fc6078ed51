/* SPDX-License-Identifier: Apache-2.0 */
/* Writing tables for spreadsheets, which take a cell for a program when they can. */
#include "base/csv.h"

static bool is_special(char c)
{
	return c == '=' || c == '+' || c == '-' || c == '@' || c == '\t' || c == '\r' || c == '\n';
}

static bool looks_like_formula(struct slice text)
{
	size_t i = 0;

	while (i < text.n && text.p[i] == '\'') {
		i++;
	}
	return i < text.n && is_special(text.p[i]);
}

static bool needs_quotes(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == ',' || c == '"' || c == '\r' || c == '\n') {
			return true;
		}
	}
	return text.n > 0 && (text.p[0] == ' ' || text.p[text.n - 1] == ' ');
}

static void put(struct buf *out, struct slice text, bool first, bool shield)
{
	bool quotes = needs_quotes(text);

	if (!first) {
		buf_putc(out, ',');
	}
	if (quotes) {
		buf_putc(out, '"');
	}
	if (shield) {
		buf_putc(out, '\'');
	}
	while (quotes && text.n > 0) {
		size_t n = slice_find(text, '"');

		buf_put(out, text.p, n);
		if (n < text.n) {
			buf_puts(out, S("\"\""));
		}
		text = slice_from(text, n + 1);
	}
	buf_puts(out, text);
	if (quotes) {
		buf_putc(out, '"');
	}
}

void csv_cell(struct buf *out, struct slice text, bool first)
{
	put(out, text, first, looks_like_formula(text));
}

void csv_plain(struct buf *out, struct slice text, bool first)
{
	put(out, text, first, false);
}

void csv_end(struct buf *out)
{
	buf_puts(out, S("\r\n"));
}
