/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes: the scanner, the tree and the compacter agree on what is valid; what they copy or
 * write is valid, means the same, and copying it again changes nothing; pulling in any order and
 * leaving at any place ends well.
 */
#include "base/json.h"

#include "test/fuzz/fuzz.h"

#define DEPTH 12

/* Decisions of the walk, taken from the text itself. */
struct dice {
	struct slice text;
	size_t at;
};

static unsigned roll(struct dice *d)
{
	d->at++;
	return d->text.n == 0
		       ? 0
		       : (unsigned char)d->text.p[(d->at * 7) % d->text.n] * 31U + (unsigned)d->at;
}

/* Read or skip the value that comes next, whatever it is. False when the text is bad. */
static bool pull(struct json_scan *s, struct dice *d, struct err *err)
{
	enum json_type type = json_peek(s);
	struct slice text;
	enum found more;
	unsigned depth;
	int64_t i;
	bool b;

	if (roll(d) % 8 == 0) {
		return json_raw(s, &text, err);
	}
	switch (type) {
	case JSON_NONE:
	case JSON_NULL:
		return json_null(s, err);
	case JSON_BOOL:
		return json_bool(s, &b, err);
	case JSON_NUMBER:
		return json_int(s, &i, err) || err->kind == ERR_INVALID;
	case JSON_STRING:
		return json_string(s, &text, err);
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	depth = s->depth;
	if (!(type == JSON_ARRAY ? json_begin_array : json_begin_object)(s, err)) {
		return false;
	}
	do {
		if (roll(d) % 16 == 0) {
			return json_leave(s, depth, err);
		}
		more = type == JSON_ARRAY ? json_next_item(s, err) : json_next_key(s, &text, err);
	} while (more == FOUND && (roll(d) % 8 == 1 || pull(s, d, err)));
	return more == NOT_FOUND;
}

static void walk(struct slice text, bool valid, struct arena *arena)
{
	struct dice dice = { .text = text };
	struct json_scan s;
	struct err err;

	json_scan_init(&s, text, DEPTH, arena);
	if (pull(&s, &dice, &err)) {
		ensure(s.depth == 0);
		/* The walk forgives names that stand twice where it leaves; nothing else. */
		ensure(json_end(&s, &err) || !valid);
	} else {
		ensure(!valid);
		ensure(json_leave(&s, 0, &err) || err.kind == ERR_MALFORMED);
	}
}

static bool compact(struct slice text, struct buf *out, struct arena *arena, struct err *err)
{
	struct json_scan s;

	json_scan_init(&s, text, DEPTH, arena);
	return json_compact(&s, out, err) && json_end(&s, err);
}

static void write_value(struct json_w *w, const struct json *v)
{
	if (v->type == JSON_STRING) {
		json_w_str(w, v->text);
	} else if (v->type == JSON_ARRAY || v->type == JSON_OBJECT) {
		(v->type == JSON_ARRAY ? json_w_array : json_w_object)(w);
		json_each(child, v)
		{
			if (v->type == JSON_OBJECT) {
				json_w_key_slice(w, child->key);
			}
			write_value(w, child);
		}
		json_w_end(w);
	} else {
		json_w_raw(w, v->raw);
	}
}

/* Each child is found by its path, and there is nothing behind the last. */
static void check_paths(const struct json *v, struct arena *arena)
{
	uint32_t i = 0;

	if (v->type != JSON_ARRAY && v->type != JSON_OBJECT) {
		return;
	}
	json_each(child, v)
	{
		struct slice name = v->type == JSON_OBJECT ? child->key
							   : arena_printf(arena, "%u", i);
		struct slice got;

		if (i++ == 100) {
			return;
		}
		ensure(json_path(v->raw, &name, 1, &got));
		ensure(slice_eq(got, child->raw));
		check_paths(child, arena);
	}
}

/* Writing a tree gives text that is valid and writes the same again. */
static void check_writer(const struct json *tree, struct arena *arena)
{
	const struct json *again = NULL;
	struct buf once, twice;
	struct json_w w;
	struct err err;

	buf_init(&once, 1 << 24);
	buf_init(&twice, 1 << 24);
	json_w_init(&w, &once);
	write_value(&w, tree);
	ensure(json_parse(arena, buf_slice(&once), DEPTH, &again, &err));
	json_w_init(&w, &twice);
	write_value(&w, again);
	ensure(slice_eq(buf_slice(&once), buf_slice(&twice)));
	buf_release(&once);
	buf_release(&twice);
}

static void check_valid(struct slice text, struct slice compacted, const struct json *tree,
			struct arena *arena)
{
	struct buf again, key, key_again;
	struct err err;

	buf_init(&again, 1 << 24);
	buf_init(&key, 1 << 24);
	buf_init(&key_again, 1 << 24);
	ensure(compact(compacted, &again, arena, &err));
	ensure(slice_eq(buf_slice(&again), compacted));
	json_key(text, &key);
	json_key(compacted, &key_again);
	ensure(slice_eq(buf_slice(&key), buf_slice(&key_again)));
	ensure(key.n <= text.n + 32);
	check_paths(tree, arena);
	check_writer(tree, arena);
	buf_release(&again);
	buf_release(&key);
	buf_release(&key_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = { (const char *)p, n };
	const struct json *tree = NULL;
	struct err err = { 0 }, tree_err = { 0 };
	struct arena arena;
	struct buf out;
	bool ok;

	arena_init(&arena, 0);
	buf_init(&out, n + 1);
	ok = compact(text, &out, &arena, &err);
	ensure(json_parse(&arena, text, DEPTH, &tree, &tree_err) == ok);
	ensure(err.kind == tree_err.kind && strcmp(err.text, tree_err.text) == 0);
	ensure(strcmp(err.field, tree_err.field) == 0);
	walk(text, ok, &arena);
	if (ok) {
		ensure(!out.overflow);
		check_valid(text, buf_slice(&out), tree, &arena);
	}
	buf_release(&out);
	arena_release(&arena);
	return 0;
}
