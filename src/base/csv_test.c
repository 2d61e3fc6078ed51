/* SPDX-License-Identifier: Apache-2.0 */
/* A table comes back as it was, and no cell of it is a formula. */
#include "base/csv.h"

#include "test/t.h"

static const char *cell(const char *text)
{
	static char out[256];
	struct buf b;

	buf_init(&b, sizeof(out) - 1);
	csv_cell(&b, slice_of(text), true);
	memcpy(out, b.p == NULL ? "" : b.p, b.n);
	out[b.n] = '\0';
	buf_release(&b);
	return out;
}

TEST(cells_are_quoted_where_it_is_needed)
{
	T_STR(cell(""), "");
	T_STR(cell("plain text"), "plain text");
	T_STR(cell("a,b"), "\"a,b\"");
	T_STR(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
	T_STR(cell("two\nlines"), "\"two\nlines\"");
	T_STR(cell("\""), "\"\"\"\"");
	T_STR(cell(" x"), "\" x\"");
	T_STR(cell("é漢"), "é漢");
}

TEST(formulas_are_shielded)
{
	T_STR(cell("=1+1"), "'=1+1");
	T_STR(cell("+1"), "'+1");
	T_STR(cell("-1"), "'-1");
	T_STR(cell("@SUM(A1)"), "'@SUM(A1)");
	T_STR(cell("\tx"), "'\tx");
	T_STR(cell("\rx"), "\"'\rx\"");
	T_STR(cell("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
	T_STR(cell("a=b"), "a=b");
	T_STR(cell("'=1"), "''=1");
	T_STR(cell("it's"), "it's");
	T_STR(cell("'quoted'"), "'quoted'");
}

/* What a reader makes of it: quotes off, then one apostrophe of a shielded cell. */
static size_t read_cell(struct slice raw, char *out)
{
	size_t n = 0, i = 0;
	bool quoted = raw.n > 0 && raw.p[0] == '"';

	for (i = quoted; i < raw.n - quoted; i++) {
		out[n++] = raw.p[i];
		i += raw.p[i] == '"';
	}
	for (i = 0; i < n && out[i] == '\'';) {
		i++;
	}
	if (i > 0 && i < n && memchr("=+-@\t\r\n", out[i], 7) != NULL) {
		memmove(out, out + 1, --n);
	}
	return n;
}

TEST(every_cell_comes_back)
{
	static const char alphabet[] = "=+-@\t\r\n',\"a ";
	char text[4];
	size_t k = sizeof(alphabet) - 1;

	for (size_t i = 0; i < k * k * k * k; i++) {
		struct slice want = { text, 4 };
		char got[32];
		struct buf b;

		text[0] = alphabet[i % k];
		text[1] = alphabet[i / k % k];
		text[2] = alphabet[i / k / k % k];
		text[3] = alphabet[i / k / k / k];
		buf_init(&b, 64);
		csv_cell(&b, want, true);
		assert_true(b.p[b.p[0] == '"'] == '\'' || strchr("=+-@\t\r\n", text[0]) == NULL);
		assert_int_equal(read_cell(buf_slice(&b), got), 4);
		assert_memory_equal(got, text, 4);
		buf_release(&b);
	}
}

TEST(a_line_is_cells_with_commas)
{
	struct buf b;

	buf_init(&b, 256);
	csv_cell(&b, S("a\r\nb"), true);
	csv_plain(&b, S("-5"), false);
	csv_end(&b);
	T_SLICE(buf_slice(&b), "\"a\r\nb\",-5\r\n");
	buf_release(&b);
}

T_MAIN(T(cells_are_quoted_where_it_is_needed), T(formulas_are_shielded), T(every_cell_comes_back),
       T(a_line_is_cells_with_commas))
