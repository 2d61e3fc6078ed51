/* SPDX-License-Identifier: Apache-2.0 */
/* No line is lost, none comes twice, each keeps its number. */
#include "cmd/lines.h"

#include <stdio.h>

#include "test/t.h"

static void add(struct lines *l, struct slice text)
{
	char *to = lines_room(l, text.n);

	assert_non_null(to);
	memcpy(to, text.p, text.n);
	lines_add(l, text.n);
}

TEST(only_whole_lines_are_taken_until_the_end)
{
	struct lines_batch b;
	struct lines l;

	lines_init(&l);
	add(&l, S("{1}\n\n{2}\r\n  \r\n{3"));
	T_TRUE(lines_take(&l, false, &b));
	T_SLICE(b.body, "{1}\n\n{2}\r\n  \r\n");
	T_INT(b.n, 2);
	T_INT(b.numbers[0], 1);
	T_INT(b.numbers[1], 3);
	T_FALSE(lines_take(&l, false, &b));
	add(&l, S("}"));
	T_TRUE(lines_take(&l, true, &b));
	T_SLICE(b.body, "{3}");
	T_INT(b.numbers[0], 5);
	T_FALSE(lines_take(&l, true, &b));
	lines_release(&l);
}

TEST(nothing_but_empty_lines_is_no_batch)
{
	struct lines_batch b;
	struct lines l;

	lines_init(&l);
	T_FALSE(lines_take(&l, true, &b));
	add(&l, S("\n \n\r\n"));
	T_FALSE(lines_take(&l, true, &b));
	add(&l, S("x"));
	T_TRUE(lines_take(&l, true, &b));
	T_INT(b.numbers[0], 4);
	lines_release(&l);
}

TEST(batches_have_at_most_a_thousand_lines)
{
	uint64_t next = 1;
	struct lines_batch b;
	struct lines l;
	char text[32];

	lines_init(&l);
	for (int i = 1; i <= 2500; i++) {
		T_INT(lines_full(&l), i > LINES_PER_BATCH);
		snprintf(text, sizeof(text), "%d\n", i);
		add(&l, slice_of(text));
	}
	for (size_t want = 1000; lines_take(&l, false, &b); want = next == 2001 ? 500 : 1000) {
		T_INT(b.n, want);
		for (size_t i = 0; i < b.n; i++) {
			T_INT(b.numbers[i], next++);
		}
	}
	T_INT(next, 2501);
	lines_release(&l);
}

/* Lines of a million bytes: eight fit into a batch. */
TEST(batches_stay_below_what_the_server_takes)
{
	size_t line = 1000000, seen = 0;
	char *bytes = mem_alloc(1, line);
	struct lines_batch b;
	struct lines l;

	memset(bytes, 'x', line);
	bytes[line - 1] = '\n';
	lines_init(&l);
	for (int i = 0; i < 12; i++) {
		add(&l, (struct slice) { bytes, line });
	}
	T_TRUE(lines_full(&l));
	while (lines_take(&l, true, &b)) {
		T_TRUE(b.body.n <= LINES_BATCH_BYTES_MAX + 1);
		seen += b.body.n;
	}
	T_INT(seen, 12 * line);
	lines_release(&l);
	free(bytes);
}

TEST(a_line_without_end_is_noticed)
{
	size_t piece = (size_t)1 << 20, n = 0;
	struct lines_batch b;
	struct lines l;
	char *to;

	lines_init(&l);
	while ((to = lines_room(&l, piece)) != NULL) {
		memset(to, 'x', piece);
		lines_add(&l, piece);
		T_FALSE(lines_take(&l, false, &b));
		T_TRUE(++n <= 16);
	}
	T_INT(n, 16);
	lines_release(&l);
}

T_MAIN(T(only_whole_lines_are_taken_until_the_end), T(nothing_but_empty_lines_is_no_batch),
       T(batches_have_at_most_a_thousand_lines), T(batches_stay_below_what_the_server_takes),
       T(a_line_without_end_is_noticed))
