/* SPDX-License-Identifier: Apache-2.0 */
/* JSON is read strictly, errors name the place, and what is written reads back. */
#include "base/json.h"

#include <stdio.h>

#include "base/utf8.h"
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

/* Text, what json_compact says about it, and at which path. */
TEST(errors_say_where)
{
	static const char *const rows[][3] = {
		{ "{\"events\":[{},{},{},{\"payload\":{\"x\":tru}}]}", "events[3].payload.x",
		  "not valid JSON: unknown word at byte 36" },
		{ "[0,1,[2,{\"a\":\"\\q\"}]]", "[2][1].a",
		  "not valid JSON: bad escape at byte 14" },
		{ "{\"a\":{\"b\":1,\"c\":[],\"b\":2}}", "a.b",
		  "\"a.b\" stands twice in its object" },
		{ "{\"a\":1 \"b\":2}", "a", "not valid JSON: expected \",\" or \"}\" at byte 7" },
		{ "[1}", "[0]", "not valid JSON: expected \",\" or \"]\" at byte 2" },
		{ "{1:2}", "", "not valid JSON: expected a name in quotes at byte 1" },
		{ "{\"a\"}", "a", "not valid JSON: expected \":\" at byte 4" },
		{ "{\"a\":}", "a", "not valid JSON: expected a value at byte 5" },
		{ "", "", "not valid JSON: expected a value at byte 0" },
		{ "[-]", "[0]", "not valid JSON: expected a digit at byte 2" },
		{ "\"a", "", "not valid JSON: string without an end at byte 2" },
		{ "\"a\t\"", "", "not valid JSON: control character in a string at byte 2" },
		{ "\"a\xff\"", "", "not valid JSON: bad UTF-8 at byte 2" },
		{ "1 1", "", "not valid JSON: more bytes behind the end of the value at byte 2" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out;

		buf_init(&out, 4096);
		T_FALSE(accepts(slice_of(rows[i][0]), &out));
		T_STR(err.text, rows[i][2]);
		T_STR(err.field, rows[i][1]);
		buf_release(&out);
	}
}

TEST(long_paths_are_cut_between_code_points)
{
	char text[1024] = "{\"";
	struct buf out;

	for (size_t n = 100; n < 140; n++) {
		memset(text + 2, 'a', n);
		snprintf(text + 2 + n, 64, "\xe2\x82\xac\xe2\x82\xac\":{\"bcd\":x}}");
		buf_init(&out, 4096);
		T_FALSE(accepts(slice_of(text), &out));
		T_TRUE(utf8_valid(slice_of(err.field)));
		T_TRUE(strlen(err.field) >= 100);
		buf_release(&out);
	}
}

TEST(depth_is_bounded)
{
	char text[2 * JSON_DEPTH_LIMIT + 8];
	struct json_scan s;
	struct slice raw;

	for (unsigned max = 0; max <= JSON_DEPTH_LIMIT; max++) {
		for (unsigned deep = max == 0 ? 0 : max - 1; deep <= max + 1; deep++) {
			memset(text, '[', deep);
			text[deep] = '1';
			memset(text + deep + 1, ']', deep);
			json_scan_init(&s, (struct slice) { text, 2 * deep + 1 }, max, &arena);
			T_INT(json_raw(&s, &raw, &err), deep <= max);
			T_INT(deep <= max || err.kind == ERR_MALFORMED, 1);
		}
	}
}

/* An object of n members named by number; the last one repeats member twice. */
static struct slice many(size_t n, size_t twice, const char *inner)
{
	struct buf out;
	struct slice text;

	buf_init(&out, JSON_BYTES_MAX);
	buf_putc(&out, '{');
	for (size_t i = 0; i < n; i++) {
		buf_printf(&out, "\"k%zu\":%s,", i, i % 5 == 0 ? inner : "1");
	}
	buf_printf(&out, "\"k%zu\":1}", twice);
	text = arena_dup(&arena, buf_slice(&out));
	buf_release(&out);
	return text;
}

TEST(names_stand_once_in_objects_of_any_size)
{
	for (size_t n = 1; n < 300; n = n < 70 ? n + 1 : n + 37) {
		struct slice inner = many(n % 23 + 1, 999, "{\"k0\":[{\"k0\":1}]}");
		struct json_scan s;
		struct slice raw;

		for (size_t twice = 0; twice <= n; twice++) {
			json_scan_init(&s, many(n, twice, inner.p), JSON_DEPTH_MAX, &arena);
			T_INT(json_raw(&s, &raw, &err), twice == n);
		}
		arena_clear(&arena);
	}
}

/* Takes far too long where each name is compared with all others. */
TEST(many_names_cost_little)
{
	struct json_scan s;
	struct slice raw;

	json_scan_init(&s, many(JSON_NAMES_MAX - 1, JSON_NAMES_MAX, "1"), JSON_DEPTH_MAX, &arena);
	T_OK(json_raw(&s, &raw, &err));
	json_scan_init(&s, many(JSON_NAMES_MAX - 1, 65000, "1"), JSON_DEPTH_MAX, &arena);
	T_FALSE(json_raw(&s, &raw, &err));
	T_STR(err.field, "k65000");
	json_scan_init(&s, many(JSON_NAMES_MAX, JSON_NAMES_MAX, "1"), JSON_DEPTH_MAX, &arena);
	T_FAIL(json_raw(&s, &raw, &err), ERR_MALFORMED);
	T_TRUE(strstr(err.text, "too many names") != NULL);
	arena_clear(&arena);
}

TEST(trees_are_for_small_texts)
{
	struct buf out;
	const struct json *root;

	buf_init(&out, 2 * JSON_TREE_BYTES_MAX);
	buf_putc(&out, '[');
	while (out.n < JSON_TREE_BYTES_MAX - 3) {
		buf_puts(&out, S("1,"));
	}
	buf_puts(&out, S("1]"));
	T_OK(json_parse(&arena, buf_slice(&out), JSON_DEPTH_MAX, &root, &err));
	T_INT(root->count, JSON_TREE_BYTES_MAX / 2 - 1);
	buf_puts(&out, S("  "));
	T_FAIL(json_parse(&arena, buf_slice(&out), JSON_DEPTH_MAX, &root, &err), ERR_TOO_LARGE);
	buf_release(&out);
	arena_clear(&arena);
}

/* One item of a list of {"n": number}. */
static bool read_item(struct json_scan *s, int64_t *n)
{
	struct slice key;
	enum found more;

	if (!json_begin_object(s, &err)) {
		return false;
	}
	while ((more = json_next_key(s, &key, &err)) == FOUND) {
		if (slice_eq(key, S("n")) && !json_int(s, n, &err)) {
			return false;
		}
	}
	return more == NOT_FOUND;
}

TEST(a_bad_item_does_not_end_a_list)
{
	static const char *const errors[] = {
		NULL,
		"\"[1].n\" must be a number",
		NULL,
		"\"[3]\" must be an object",
		"\"[4].n\" stands twice in its object",
		"\"[5].n\" must be a whole number of at most 63 bits",
		"\"[6].x.y\" stands twice in its object",
		NULL,
	};
	struct json_scan s;
	enum found more;
	size_t i = 0;

	json_scan_init(&s,
		       S("[{\"n\":0},{\"n\":\"1\",\"x\":[1,{}]},{\"n\":2},[[3]],{\"n\":4,\"n\":4,"
			 "\"x\":{\"y\":1,\"y\":2}},{\"n\":5.5},{\"x\":{\"y\":1,\"y\":2},\"n\":6},"
			 "{\"n\":7}]"),
		       JSON_DEPTH_MAX, &arena);
	T_OK(json_begin_array(&s, &err));
	while ((more = json_next_item(&s, &err)) == FOUND) {
		unsigned depth = s.depth;
		int64_t n = -1;
		bool ok = read_item(&s, &n);

		T_INT(ok, errors[i] == NULL);
		if (ok) {
			T_INT(n, i);
		} else {
			T_INT(err.kind, ERR_INVALID);
			T_STR(err.text, errors[i]);
			T_OK(json_leave(&s, depth, &err));
		}
		i++;
	}
	T_INT(more, NOT_FOUND);
	T_INT(i, ARRAY_LEN(errors));
	T_OK(json_end(&s, &err));
}

TEST(a_value_of_another_type_stays_unread)
{
	struct json_scan s;
	struct slice text;
	int64_t i;
	bool b;

	json_scan_init(&s, S(" \"x\""), JSON_DEPTH_MAX, &arena);
	T_INT(json_peek(&s), JSON_STRING);
	T_FAIL(json_int(&s, &i, &err), ERR_INVALID);
	T_STR(err.text, "the value must be a number");
	T_FAIL(json_bool(&s, &b, &err), ERR_INVALID);
	T_FAIL(json_null(&s, &err), ERR_INVALID);
	T_FAIL(json_begin_array(&s, &err), ERR_INVALID);
	T_FAIL(json_begin_object(&s, &err), ERR_INVALID);
	T_FAIL(json_number(&s, &text, &err), ERR_INVALID);
	T_OK(json_string(&s, &text, &err));
	T_SLICE(text, "x");
	T_INT(json_peek(&s), JSON_NONE);
	T_OK(json_end(&s, &err));
	/* Behind an error of the text nothing can be read, and every call says so. */
	json_scan_init(&s, S("[1,?,2]"), JSON_DEPTH_MAX, &arena);
	T_OK(json_begin_array(&s, &err));
	T_INT(json_next_item(&s, &err), FOUND);
	T_INT(json_next_item(&s, &err), FOUND);
	T_FAIL(json_int(&s, &i, &err), ERR_MALFORMED);
	T_INT(json_next_item(&s, &err), FAILED);
	T_FAIL(json_leave(&s, 0, &err), ERR_MALFORMED);
}

TEST(compact_text_obeys_the_limit_of_its_buffer)
{
	struct json_scan s;
	struct buf out;

	buf_init(&out, 7);
	json_scan_init(&s, S("[ 1 , 2 , 3 ]"), JSON_DEPTH_MAX, &arena);
	T_OK(json_compact(&s, &out, &err));
	T_FALSE(out.overflow);
	T_SLICE(buf_slice(&out), "[1,2,3]");
	buf_cut(&out, 1);
	json_scan_init(&s, S("[ 1 , 2 , 3 ]"), JSON_DEPTH_MAX, &arena);
	T_OK(json_compact(&s, &out, &err));
	T_TRUE(out.overflow);
	buf_release(&out);
}

TEST(strings_are_unescaped_or_borrowed)
{
	struct json_scan s;
	struct slice text, out;

	text = S("\"plain, and longer than sixteen bytes \xc3\xa9\"");
	json_scan_init(&s, text, JSON_DEPTH_MAX, &arena);
	T_OK(json_string(&s, &out, &err));
	T_TRUE(out.p == text.p + 1 && out.n == text.n - 2);
	json_scan_init(
		&s, S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\uD83D\\uDD14.\\u0000\""),
		JSON_DEPTH_MAX, &arena);
	T_OK(json_string(&s, &out, &err));
	T_SLICE(out, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x94.\0");
}

TEST(a_tree_has_what_the_text_has)
{
	const struct json *root, *list;
	int64_t i;

	T_OK(json_parse(&arena, S("{\"a\":[1,\"x\\n\",null,true,{}],\"b\":-1.5e1 , \"\":[] }"),
			JSON_DEPTH_MAX, &root, &err));
	T_INT(root->type, JSON_OBJECT);
	T_INT(root->count, 3);
	list = json_get(root, "a");
	T_INT(list->count, 5);
	T_SLICE(list->raw, "[1,\"x\\n\",null,true,{}]");
	T_SLICE(list->child->text, "1");
	T_SLICE(list->child->next->text, "x\n");
	T_INT(list->child->next->next->type, JSON_NULL);
	T_TRUE(list->child->next->next->next->truth);
	T_SLICE(json_get(root, "b")->raw, "-1.5e1");
	T_TRUE(json_number_int(json_get(root, "b")->text, &i));
	T_INT(i, -15);
	T_INT(json_get(root, "")->count, 0);
	T_TRUE(json_get(root, "c") == NULL);
	T_TRUE(json_get(list, "a") == NULL);
	T_TRUE(json_get(NULL, "a") == NULL);
}

TEST(paths_lead_to_values)
{
	static const char doc[] = "{ \"u\\u0073er\" : {\"id\": 42 ,\"s\":\"a\\\"]}\",\"e\":{}},"
				  "\"list\":[ 1, [2,3] ,{\"k\" : \"v\"}],\"user\\n\":5,\"z\":[]}";
	static const struct {
		const char *path;
		const char *want; /* NULL: there is none */
	} rows[] = {
		{ "user.id", "42" },   { "user.s", "\"a\\\"]}\"" },
		{ "user.e", "{}" },    { "user", "{\"id\": 42 ,\"s\":\"a\\\"]}\",\"e\":{}}" },
		{ "list.0", "1" },     { "list.1", "[2,3]" },
		{ "list.1.1", "3" },   { "list.2.k", "\"v\"" },
		{ "user\n", "5" },     { "list.3", NULL },
		{ "list.-1", NULL },   { "list.k", NULL },
		{ "user.id.x", NULL }, { "user.e.x", NULL },
		{ "z.0", NULL },       { "use", NULL },
		{ "users", NULL },     { "nothing", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice parts[8], rest = slice_of(rows[i].path), got;
		size_t n = 0;

		while (slice_split(&rest, '.', &parts[n])) {
			n++;
		}
		T_INT(json_path(slice_of(doc), parts, n, &got), rows[i].want != NULL);
		if (rows[i].want != NULL) {
			T_TRUE(slice_eq(got, slice_of(rows[i].want)));
		}
	}
	T_TRUE(json_path(S(" 7 "), NULL, 0, &(struct slice) { 0 }));
	T_FALSE(json_path(S(""), NULL, 0, &(struct slice) { 0 }));
}

static struct slice key_of(const char *raw)
{
	struct buf out;
	struct slice key;

	buf_init(&out, strlen(raw) + 32);
	json_key(slice_of(raw), &out);
	T_FALSE(out.overflow);
	key = arena_dup(&arena, buf_slice(&out));
	buf_release(&out);
	return key;
}

TEST(equal_scalars_have_equal_keys)
{
	/* Each row is one value in all its spellings; rows differ from each other. */
	static const char *const rows[][8] = {
		{ "1", "1.0", "1e0", "10e-1", "0.1e1", "0.001E+3", "1.000e00", "100e-2" },
		{ "-1", "-1.0", "-10E-1" },
		{ "0", "-0", "0.0", "0e5", "0e99999999999999999999999", "-0.000" },
		{ "1e1", "10", "10.0", "0.1e2" },
		{ "12.5", "125e-1", "1.25e1", "0.0125e3" },
		{ "123456789012345678901234567890", "1.23456789012345678901234567890e29" },
		{ "123456789012345678901234567891" },
		{ "1e99999999999999999999", "10e99999999999999999998", "0.1e100000000000000000000",
		  "1e+099999999999999999999" },
		{ "1e-99999999999999999999", "10e-100000000000000000000",
		  "0.01e-99999999999999999997" },
		{ "1e100000000000000000000", "10e99999999999999999999" },
		{ "1e999999999999999999", "0.1e1000000000000000000" },
		{ "1e1000000000000000000", "10e999999999999999999" },
		{ "1e-999999999999999999", "10e-1000000000000000000" },
		{ "\"1\"", "\"\\u0031\"", " \"1\" " },
		{ "\"1.0\"" },
		{ "\"\"" },
		{ "\"true\"" },
		{ "true", " true " },
		{ "false" },
		{ "null" },
		{ "\"n1e0\"" },
		{ "[1, 2]", "[1,2]", " [ 1 , 2 ] " },
		{ "[]" },
		{ "{}", "{ }" },
		{ "{\"a\" : \" \"}", "{\"a\":\" \"}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice key = key_of(rows[i][0]);

		for (size_t k = 1; k < 8 && rows[i][k] != NULL; k++) {
			if (!slice_eq(key_of(rows[i][k]), key)) {
				fail_msg("%s has another key than %s", rows[i][k], rows[i][0]);
			}
		}
		for (size_t other = 0; other < i; other++) {
			if (slice_eq(key_of(rows[other][0]), key)) {
				fail_msg("%s has the key of %s", rows[i][0], rows[other][0]);
			}
		}
	}
}

TEST(whole_numbers_are_exact)
{
	static const struct {
		const char *text;
		bool whole;
		int64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "-0.0", true, 0 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "9223372036854775807.000", true, INT64_MAX },
		{ "9.223372036854775807e18", true, INT64_MAX },
		{ "-92233720368547758080e-1", true, INT64_MIN },
		{ "92233720368547758070000e-4", true, INT64_MAX },
		{ "1e18", true, INT64_C(1000000000000000000) },
		{ "1e19", false, 0 },
		{ "1e99999999999999999999999", false, 0 },
		{ "0e99999999999999999999999", true, 0 },
		{ "1.5", false, 0 },
		{ "15e-1", false, 0 },
		{ "1.50e1", true, 15 },
		{ "1e-1", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = 0;

		if (json_number_int(slice_of(rows[i].text), &v) != rows[i].whole ||
		    (rows[i].whole && v != rows[i].value)) {
			fail_msg("%s", rows[i].text);
		}
	}
}

TEST(doubles_come_back)
{
	static const double values[] = {
		0, 1, -1.5, 0.1, 1.0 / 3, 1e-7, 1e300, 5e-324, 123456789012
	};
	char long_number[400];
	double v;

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct buf out;
		struct json_w w;

		buf_init(&out, 64);
		json_w_init(&w, &out);
		json_w_double(&w, values[i]);
		T_TRUE(json_number_double(buf_slice(&out), &v));
		T_TRUE(v == values[i]);
		buf_release(&out);
	}
	T_FALSE(json_number_double(S("1e400"), &v));
	memset(long_number, '0', sizeof(long_number));
	long_number[0] = '1';
	long_number[1] = '.';
	T_TRUE(json_number_double((struct slice) { long_number, sizeof(long_number) }, &v));
	T_TRUE(v == 1);
}

TEST(the_writer_minds_commas_and_escapes)
{
	struct json_w w;
	struct buf out;

	buf_init(&out, 4096);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_w_key(&w, "a\"");
	json_w_str(&w, S("\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\xff<\xe2\x82\xac"));
	json_w_key_slice(&w, S("b"));
	json_w_array(&w);
	json_w_int(&w, INT64_MIN);
	json_w_bool(&w, true);
	json_w_null(&w);
	json_w_array(&w);
	json_w_end(&w);
	json_w_object(&w);
	json_w_end(&w);
	json_w_raw(&w, S("[ 1 ]"));
	json_w_double(&w, 1.0 / 0.0);
	json_w_end(&w);
	json_w_key(&w, "c");
	json_w_bool(&w, false);
	json_w_end(&w);
	T_SLICE(buf_slice(&out),
		"{\"a\\\"\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xef\xbf\xbd<"
		"\xe2\x82\xac\",\"b\":[-9223372036854775808,true,null,[],{},[ 1 ],null],\"c\":false}");
	buf_release(&out);
}

T_MAIN(T(texts_are_taken_or_refused), T(an_event_is_pulled_field_by_field), T(errors_say_where),
       T(long_paths_are_cut_between_code_points), T(depth_is_bounded),
       T(names_stand_once_in_objects_of_any_size), T(many_names_cost_little),
       T(trees_are_for_small_texts), T(a_bad_item_does_not_end_a_list),
       T(a_value_of_another_type_stays_unread), T(compact_text_obeys_the_limit_of_its_buffer),
       T(strings_are_unescaped_or_borrowed), T(a_tree_has_what_the_text_has),
       T(paths_lead_to_values), T(equal_scalars_have_equal_keys), T(whole_numbers_are_exact),
       T(doubles_come_back), T(the_writer_minds_commas_and_escapes))
