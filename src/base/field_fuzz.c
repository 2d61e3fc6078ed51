/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text for any kind of field: what is taken is written as text that is taken again and means
 * the same. Any object for all of them: what is taken and written is taken again, too.
 */
#include "base/field.h"

#include "test/fuzz/fuzz.h"

struct thing {
	struct slice str, text, url, token;
	int64_t time_us, count, wait_s, bytes;
	unsigned word;
	bool on;
	double ratio;
	struct field_list list, nets;
	struct field_map map;
	const struct json *object, *any;
};

static const char *const words[] = { "low", "high", NULL };

static const struct field rows[] = {
	FIELD_STR(struct thing, str, "str", .min = 1),
	FIELD_TEXT(struct thing, text, "text"),
	FIELD_URL(struct thing, url, "url"),
	FIELD_STR(struct thing, token, "token", .flags = FIELD_SECRET),
	FIELD_TIME(struct thing, time_us, "time"),
	FIELD_INT(struct thing, count, "count"),
	FIELD_SECONDS(struct thing, wait_s, "wait"),
	FIELD_SIZE(struct thing, bytes, "bytes"),
	FIELD_ENUM(struct thing, word, "word", words),
	FIELD_BOOL(struct thing, on, "on"),
	FIELD_NUMBER(struct thing, ratio, "ratio"),
	FIELD_LIST(struct thing, list, "list"),
	FIELD_CIDRS(struct thing, nets, "nets"),
	FIELD_MAP(struct thing, map, "map"),
	FIELD_OBJECT(struct thing, object, "object"),
	FIELD_JSON(struct thing, any, "any"),
};

static void try_text(const struct field *row, struct slice text, struct arena *arena)
{
	struct thing once = { 0 }, twice = { 0 };
	struct buf first, second;
	struct err err;

	buf_init(&first, 1 << 24);
	buf_init(&second, 1 << 24);
	if ((row->flags & FIELD_SECRET) == 0 && field_parse_text(row, text, &once, arena, &err)) {
		field_write_text(row, &once, &first);
		/* The time 0 is unset and has no text. */
		if (first.n > 0) {
			ensure(field_parse_text(row, buf_slice(&first), &twice, arena, &err));
			field_write_text(row, &twice, &second);
			ensure(slice_eq(buf_slice(&first), buf_slice(&second)));
		}
	}
	buf_release(&first);
	buf_release(&second);
}

static void write_all(const struct thing *thing, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	fields_write(&w, rows, ARRAY_LEN(rows), thing);
	json_w_end(&w);
}

static void try_object(struct slice text, struct arena *arena)
{
	struct fields_in in = { .ignore_unknown = text.n % 2 == 0 }, change = { .partial = true };
	struct thing once = { 0 }, twice;
	const struct json *tree = NULL;
	struct buf first, second;
	struct err err;

	buf_init(&first, 1 << 24);
	buf_init(&second, 1 << 24);
	if (json_parse(arena, text, 8, &tree, &err) &&
	    fields_parse(tree, rows, ARRAY_LEN(rows), &once, &in, arena, &err)) {
		write_all(&once, &first);
		/* As a change, which keeps the masked secret. */
		twice = once;
		ensure(json_parse(arena, buf_slice(&first), 9, &tree, &err));
		ensure(fields_parse(tree, rows, ARRAY_LEN(rows), &twice, &change, arena, &err));
		write_all(&twice, &second);
		ensure(slice_eq(buf_slice(&first), buf_slice(&second)));
	}
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = { (const char *)p, n };
	struct arena arena;

	arena_init(&arena, 0);
	if (n > 0 && p[0] < ARRAY_LEN(rows)) {
		try_text(&rows[p[0]], slice_from(text, 1), &arena);
	} else {
		try_object(text, &arena);
	}
	arena_release(&arena);
	return 0;
}
