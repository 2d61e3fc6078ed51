/* SPDX-License-Identifier: Apache-2.0 */
/* JSON is read strictly, errors name the place, and what is written reads back. */
#include "base/json.h"

#include "test/t.h"

static struct arena arena = { .cap = ARENA_CAP_DEFAULT };
static struct err err;

/* Whether the scanner takes the text, checked against the tree; compact text ends up in out. */
static bool accepts(struct slice text, struct buf *out)
{
	const struct json *tree;
	struct err tree_err = { 0 };
	struct json_scan s;
	bool ok, tree_ok;

	json_scan_init(&s, text, JSON_DEPTH_MAX, &arena);
	ok = json_compact(&s, out, &err) && json_end(&s, &err);
	tree_ok = json_parse(&arena, text, JSON_DEPTH_MAX, &tree, &tree_err);
	T_INT(ok, tree_ok);
	if (!ok) {
		T_INT(err.kind, tree_err.kind);
		T_STR(err.text, tree_err.text);
		T_STR(err.field, tree_err.field);
	}
	return ok;
}

TEST(texts_are_taken_or_refused)
{
	static const struct {
		const char *text;
		const char *compact; /* NULL: refused */
	} rows[] = {
		{ "{}", "{}" },
		{ " [ ] ", "[]" },
		{ "[ 1 ,\t2\r\n]", "[1,2]" },
		{ "{\"a\" : { \"b\":[ true , null, false ] } }",
		  "{\"a\":{\"b\":[true,null,false]}}" },
		{ "\" a b \"", "\" a b \"" },
		{ "-0", "-0" },
		{ "-0.0e+10", "-0.0e+10" },
		{ "1E-2", "1E-2" },
		{ "\"\\u0000\\ud83d\\ude00\\/\"", "\"\\u0000\\ud83d\\ude00\\/\"" },
		{ "", NULL },
		{ " ", NULL },
		{ "[1,]", NULL },
		{ "[,1]", NULL },
		{ "[1 2]", NULL },
		{ "[1", NULL },
		{ "{\"a\":1,}", NULL },
		{ "{,\"a\":1}", NULL },
		{ "{a:1}", NULL },
		{ "{\"a\"}", NULL },
		{ "{\"a\" 1}", NULL },
		{ "{\"a\":}", NULL },
		{ "{\"a\":1]", NULL },
		{ "[1}", NULL },
		{ "01", NULL },
		{ "+1", NULL },
		{ "1.", NULL },
		{ ".5", NULL },
		{ "1e", NULL },
		{ "1e+", NULL },
		{ "-", NULL },
		{ "0x1", NULL },
		{ "NaN", NULL },
		{ "tru", NULL },
		{ "nul", NULL },
		{ "truex", NULL },
		{ "\"abc", NULL },
		{ "\"abc\\", NULL },
		{ "\"abc\\\"", NULL },
		{ "\"\\x\"", NULL },
		{ "\"\\u12\"", NULL },
		{ "\"\\u12g4\"", NULL },
		{ "\"\\ud800\"", NULL },
		{ "\"\\ud800\\u0041\"", NULL },
		{ "\"\\udc00\\ud800\"", NULL },
		{ "\"a\nb\"", NULL },
		{ "\"a\x1f\"", NULL },
		{ "\"\xed\xa0\x80\"", NULL },
		{ "\"\xc0\xaf\"", NULL },
		{ "\"0123456789abcde\xff\"", NULL },
		{ "\xef\xbb\xbf{}", NULL },
		{ "{} {}", NULL },
		{ "1 2", NULL },
		{ "'a'", NULL },
		{ "/* */1", NULL },
		{ "{\"a\":1,\"a\":2}", NULL },
		{ "{\"x\":[{\"a\":1,\"\\u0061\":2}]}", NULL },
		{ "[{\"a\":1},{\"a\":1}]", "[{\"a\":1},{\"a\":1}]" },
		{ "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":{\"a\":{\"a\":1}}}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;
		bool ok;

		buf_init(&out, 4096);
		ok = accepts(slice_of(rows[i].text), &out);
		if (ok != (rows[i].compact != NULL)) {
			fail_msg("%s: %s", rows[i].text, ok ? "taken" : err.text);
		}
		if (ok) {
			T_TRUE(slice_eq(buf_slice(&out), slice_of(rows[i].compact)));
		}
		buf_release(&out);
	}
}

TEST(an_event_is_pulled_field_by_field)
{
	struct slice key, type = { 0 }, note = { 0 }, value = { 0 };
	struct json_scan s;
	enum found more;
	struct buf payload;
	int64_t count = 0;
	bool on = false;

	buf_init(&payload, 4096);
	json_scan_init(&s,
		       S("{\"type\":\"a.b\",\"count\":12,\"on\":true,\"skipped\":[1,{\"x\":2}],"
			 "\"n\\u006fte\":\"a\\n\\u20ac\",\"value\":1.50,"
			 "\"payload\": { \"k\" : [ 1 , 2 ] } }"),
		       JSON_DEPTH_MAX, &arena);
	T_OK(json_begin_object(&s, &err));
	while ((more = json_next_key(&s, &key, &err)) == FOUND) {
		if (slice_eq(key, S("type"))) {
			T_OK(json_string(&s, &type, &err));
		} else if (slice_eq(key, S("count"))) {
			T_OK(json_int(&s, &count, &err));
		} else if (slice_eq(key, S("on"))) {
			T_OK(json_bool(&s, &on, &err));
		} else if (slice_eq(key, S("note"))) {
			T_OK(json_string(&s, &note, &err));
		} else if (slice_eq(key, S("value"))) {
			T_OK(json_number(&s, &value, &err));
		} else if (slice_eq(key, S("payload"))) {
			T_OK(json_compact(&s, &payload, &err));
		}
	}
	T_INT(more, NOT_FOUND);
	T_OK(json_end(&s, &err));
	T_SLICE(type, "a.b");
	T_SLICE(note, "a\n\xe2\x82\xac");
	T_SLICE(value, "1.50");
	T_SLICE(buf_slice(&payload), "{\"k\":[1,2]}");
	T_INT(count, 12);
	T_TRUE(on);
	buf_release(&payload);
}

T_MAIN(T(texts_are_taken_or_refused), T(an_event_is_pulled_field_by_field))
