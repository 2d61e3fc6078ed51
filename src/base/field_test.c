/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind takes what it should, names the path and the bound of what it should not. */
#include "base/field.h"

#include "test/t.h"

static struct arena arena = { .cap = ARENA_CAP_DEFAULT };
static struct err err;

enum mood { MOOD_CALM, MOOD_TENSE, MOOD_WILD };
static const char *const mood_words[] = { "calm", "tense", "wild", NULL };

struct thing {
	struct slice id, name, note, link, token;
	int64_t until_us, count, wait_s, room_bytes;
	enum mood mood;
	bool on;
	double ratio;
	struct field_list tags, nets;
	struct field_map headers;
	const struct json *extra, *any;
};

static const char *no_spaces(struct slice s)
{
	return slice_find(s, ' ') < s.n ? "must not have spaces" : NULL;
}

static const struct field rows[] = {
	FIELD_STR(struct thing, id, "id", .flags = FIELD_READ_ONLY),
	FIELD_STR(struct thing, name, "name", .min = 2, .max = 5,
		  .flags = FIELD_REQUIRED | FIELD_IMMUTABLE, .check = no_spaces),
	FIELD_TEXT(struct thing, note, "note", .max = 8),
	FIELD_URL(struct thing, link, "link", .max = 30),
	FIELD_STR(struct thing, token, "token", .flags = FIELD_SECRET),
	FIELD_TIME(struct thing, until_us, "until"),
	FIELD_INT(struct thing, count, "count", .min = -3, .max = 7, .unit = "turns",
		  .fallback = "5"),
	FIELD_SECONDS(struct thing, wait_s, "waitSeconds", .min = 1, .max = 3600, .fallback = "5m"),
	FIELD_SIZE(struct thing, room_bytes, "room", .max = 1 << 20),
	FIELD_ENUM(struct thing, mood, "mood", mood_words, .fallback = "tense"),
	FIELD_BOOL(struct thing, on, "on", .fallback = "true"),
	FIELD_NUMBER(struct thing, ratio, "ratio", .min = 0, .max = 1),
	FIELD_LIST(struct thing, tags, "tags", .max = 3, .item_max = 4, .check = no_spaces),
	FIELD_CIDRS(struct thing, nets, "nets", .fallback = "127.0.0.1,::1/128"),
	FIELD_MAP(struct thing, headers, "headers", .max = 2, .item_max = 3),
	FIELD_OBJECT(struct thing, extra, "extra", .max = 20),
	FIELD_JSON(struct thing, any, "any", .max = 20),
};
#define ROWS rows, ARRAY_LEN(rows)

static const struct json *tree(const char *text)
{
	const struct json *v;

	T_OK(json_parse(&arena, slice_of(text), JSON_DEPTH_MAX, &v, &err));
	return v;
}

TEST(the_table_is_sound)
{
	fields_ensure(ROWS);
}

TEST(values_of_every_kind_are_taken)
{
	struct thing t = { 0 };

	T_OK(fields_parse(tree("{\"name\":\"anna\",\"note\":\"a\\nb\",\"link\":\"https://x.y/z\","
			       "\"token\":\"t0\",\"until\":\"1970-01-01T00:00:01Z\",\"count\":7.0,"
			       "\"waitSeconds\":60,\"room\":1024,\"mood\":\"wild\",\"on\":false,"
			       "\"ratio\":0.25,\"tags\":[\"a\",\"bcde\"],\"nets\":[\"10.0.0.0/8\"],"
			       "\"headers\":{\"x\":\"1\",\"y\":\"\"},\"extra\":{\"a\": [1]},"
			       "\"any\":null}"),
			  ROWS, &t, NULL, &arena, &err));
	T_SLICE(t.name, "anna");
	T_SLICE(t.note, "a\nb");
	T_SLICE(t.link, "https://x.y/z");
	T_SLICE(t.token, "t0");
	T_INT(t.until_us, 1000000);
	T_INT(t.count, 7);
	T_INT(t.wait_s, 60);
	T_INT(t.room_bytes, 1024);
	T_INT(t.mood, MOOD_WILD);
	T_FALSE(t.on);
	T_TRUE(t.ratio == 0.25);
	T_INT(t.tags.n, 2);
	T_SLICE(t.tags.v[1], "bcde");
	T_SLICE(t.nets.v[0], "10.0.0.0/8");
	T_INT(t.headers.n, 2);
	T_SLICE(t.headers.v[0].key, "x");
	T_SLICE(t.headers.v[1].value, "");
	T_SLICE(t.extra->raw, "{\"a\": [1]}");
	T_INT(t.any->type, JSON_NULL);
}

TEST(absent_values_get_their_defaults)
{
	struct thing t;

	memset(&t, 0xff, sizeof(t));
	T_OK(fields_parse(tree("{\"name\":\"anna\",\"count\":null,\"id\":\"mine\"}"), ROWS, &t,
			  NULL, &arena, &err));
	T_TRUE(t.id.p == NULL);
	T_TRUE(t.note.p == NULL);
	T_INT(t.until_us, 0);
	T_INT(t.count, 5);
	T_INT(t.wait_s, 300);
	T_INT(t.room_bytes, 0);
	T_INT(t.mood, MOOD_TENSE);
	T_TRUE(t.on);
	T_TRUE(t.ratio == 0);
	T_INT(t.tags.n, 0);
	T_INT(t.nets.n, 2);
	T_SLICE(t.nets.v[1], "::1/128");
	T_TRUE(t.extra == NULL && t.any == NULL);
}

/* Each row: a member put beside a valid name, the path and the text of the complaint. */
TEST(bad_values_name_path_and_bound)
{
	static const char *const bad[][3] = {
		{ "\"note\":1", "note", "\"note\" must be a string" },
		{ "\"note\":\"123456789\"", "note", "\"note\" must have at most 8 characters" },
		{ "\"note\":\"a\\u0000\"", "note", "\"note\" must not have control characters" },
		{ "\"token\":\"a\\nb\"", "token", "\"token\" must not have control characters" },
		{ "\"token\":\"a\\u007f\"", "token", "\"token\" must not have control characters" },
		{ "\"link\":\"ftp://x\"", "link", "\"link\" must be an http or https URL" },
		{ "\"link\":\"http://\"", "link", "\"link\" must be an http or https URL" },
		{ "\"link\":\"http:///x\"", "link", "\"link\" must be an http or https URL" },
		{ "\"link\":\"https://?x\"", "link", "\"link\" must be an http or https URL" },
		{ "\"link\":\"http://a b\"", "link", "\"link\" must be an http or https URL" },
		{ "\"link\":\"http://a2345678901234567890123456\"", "link",
		  "\"link\" must have at most 30 bytes" },
		{ "\"until\":\"tomorrow\"", "until",
		  "\"until\" must be a time like 2026-03-01T12:00:00Z" },
		{ "\"until\":5", "until", "\"until\" must be a string" },
		{ "\"count\":8", "count", "\"count\" must be between -3 and 7 turns" },
		{ "\"count\":-4", "count", "\"count\" must be between -3 and 7 turns" },
		{ "\"count\":1.5", "count", "\"count\" must be a whole number" },
		{ "\"count\":1e30", "count", "\"count\" must be a whole number" },
		{ "\"count\":\"5\"", "count", "\"count\" must be a number" },
		{ "\"waitSeconds\":0", "waitSeconds",
		  "\"waitSeconds\" must be between 1 and 3600 seconds" },
		{ "\"waitSeconds\":3601", "waitSeconds",
		  "\"waitSeconds\" must be between 1 and 3600 seconds" },
		{ "\"room\":-1", "room", "\"room\" must be between 0 and 1048576 bytes" },
		{ "\"mood\":\"Calm\"", "mood", "\"mood\" must be one of calm, tense, wild" },
		{ "\"mood\":1", "mood", "\"mood\" must be a string" },
		{ "\"on\":1", "on", "\"on\" must be a boolean" },
		{ "\"on\":\"true\"", "on", "\"on\" must be a boolean" },
		{ "\"ratio\":1.0000001", "ratio", "\"ratio\" must be between 0 and 1" },
		{ "\"ratio\":-0.1", "ratio", "\"ratio\" must be between 0 and 1" },
		{ "\"ratio\":1e400", "ratio", "\"ratio\" is too large a number" },
		{ "\"tags\":\"a\"", "tags", "\"tags\" must be an array" },
		{ "\"tags\":[\"a\",\"b\",\"c\",\"d\"]", "tags",
		  "\"tags\" must have at most 3 items" },
		{ "\"tags\":[\"a\",2]", "tags[1]", "\"tags[1]\" must be a string" },
		{ "\"tags\":[\"abcde\"]", "tags[0]", "\"tags[0]\" must have at most 4 characters" },
		{ "\"tags\":[\"\"]", "tags[0]", "\"tags[0]\" must not be empty" },
		{ "\"tags\":[\"a b\"]", "tags[0]", "\"tags[0]\" must not have spaces" },
		{ "\"nets\":[\"10.0.0.0/33\"]", "nets[0]",
		  "\"nets[0]\" must be an address or a network like 10.0.0.0/8" },
		{ "\"nets\":[\"::1/129\"]", "nets[0]",
		  "\"nets[0]\" must be an address or a network like 10.0.0.0/8" },
		{ "\"nets\":[\"10.0.0/8\"]", "nets[0]",
		  "\"nets[0]\" must be an address or a network like 10.0.0.0/8" },
		{ "\"nets\":[\"10.0.0.1/\"]", "nets[0]",
		  "\"nets[0]\" must be an address or a network like 10.0.0.0/8" },
		{ "\"headers\":[]", "headers", "\"headers\" must be an object" },
		{ "\"headers\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}", "headers",
		  "\"headers\" must have at most 2 entries" },
		{ "\"headers\":{\"a\":1}", "headers.a", "\"headers.a\" must be a string" },
		{ "\"headers\":{\"a\":\"1234\"}", "headers.a",
		  "\"headers.a\" must have at most 3 characters" },
		{ "\"headers\":{\"a\":\"\\r\\n\"}", "headers.a",
		  "\"headers.a\" must not have control characters" },
		{ "\"headers\":{\"\":\"1\"}", "headers.",
		  "\"headers.\" must have a name of 1 to 128 characters" },
		{ "\"extra\":[]", "extra", "\"extra\" must be an object" },
		{ "\"extra\":{\"a\":\"0123456789abc\"}", "extra",
		  "\"extra\" must have at most 20 bytes" },
		{ "\"any\":\"0123456789abcdef012\"", "any", "\"any\" must have at most 20 bytes" },
		{ "\"cuont\":1", "cuont", "\"cuont\" is not known; did you mean \"count\"?" },
		{ "\"wait_seconds\":1", "wait_seconds",
		  "\"wait_seconds\" is not known; did you mean \"waitSeconds\"?" },
		{ "\"zzzzzz\":1", "zzzzzz", "\"zzzzzz\" is not known" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct slice text = arena_printf(&arena, "{\"name\":\"anna\",%s}", bad[i][0]);
		struct thing t;

		T_FAIL(fields_parse(tree(text.p), ROWS, &t, NULL, &arena, &err), ERR_INVALID);
		T_STR(err.text, bad[i][2]);
		T_STR(err.field, bad[i][1]);
	}
}

TEST(required_values_are_asked_for)
{
	struct fields_in in = { .path = "things[3]" };
	struct thing t;

	T_FAIL(fields_parse(tree("{}"), ROWS, &t, &in, &arena, &err), ERR_INVALID);
	T_STR(err.text, "\"things[3].name\" is required");
	T_STR(err.field, "things[3].name");
	T_FAIL(fields_parse(tree("{\"name\":null}"), ROWS, &t, NULL, &arena, &err), ERR_INVALID);
	T_STR(err.text, "\"name\" must be a string");
	T_FAIL(fields_parse(tree("{\"name\":\"a\"}"), ROWS, &t, NULL, &arena, &err), ERR_INVALID);
	T_STR(err.text, "\"name\" must have 2 to 5 characters");
	T_FAIL(fields_parse(tree("{\"name\":\"a b\"}"), ROWS, &t, NULL, &arena, &err), ERR_INVALID);
	T_STR(err.text, "\"name\" must not have spaces");
	/* Five code points, fifteen bytes. */
	T_OK(fields_parse(tree("{\"name\":\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
			       "\xe2\x82\xac\"}"),
			  ROWS, &t, NULL, &arena, &err));
	T_FAIL(fields_parse(tree("[]"), ROWS, &t, NULL, &arena, &err), ERR_INVALID);
	T_STR(err.text, "the value must be an object");
	T_FAIL(fields_parse(tree("[]"), ROWS, &t, &in, &arena, &err), ERR_INVALID);
	T_STR(err.text, "\"things[3]\" must be an object");
}

TEST(earlier_calls_may_carry_more)
{
	struct fields_in in = { .ignore_unknown = true };
	struct thing t;

	T_OK(fields_parse(tree("{\"name\":\"anna\",\"zzz\":1}"), ROWS, &t, &in, &arena, &err));
	T_INT(in.present, 1U << 1);
}

TEST(a_change_touches_what_it_names)
{
	struct fields_in in = { .partial = true };
	struct thing t = { .name = S("anna"), .token = S("old"), .count = 1, .wait_s = 9 };

	T_OK(fields_parse(tree("{\"name\":\"anna\",\"count\":2,\"waitSeconds\":null,"
			       "\"token\":\"" FIELD_MASK "\",\"id\":\"x\"}"),
			  ROWS, &t, &in, &arena, &err));
	T_INT(in.present, 1U << 1 | 1U << 6 | 1U << 7);
	T_SLICE(t.token, "old");
	T_INT(t.count, 2);
	T_INT(t.wait_s, 300);
	T_FALSE(t.on);
	T_FAIL(fields_parse(tree("{\"name\":\"emma\"}"), ROWS, &t, &in, &arena, &err), ERR_INVALID);
	T_STR(err.text, "\"name\" cannot be changed");
	T_FAIL(fields_parse(tree("{\"name\":null}"), ROWS, &t, &in, &arena, &err), ERR_INVALID);
}

TEST(a_mask_is_no_secret)
{
	struct thing t;

	T_FAIL(fields_parse(tree("{\"name\":\"anna\",\"token\":\"" FIELD_MASK "\"}"), ROWS, &t,
			    NULL, &arena, &err),
	       ERR_INVALID);
	T_STR(err.text, "\"token\" must be the secret itself, not its mask");
}

TEST(text_is_another_spelling)
{
	/* name, text, what field_write_text gives back */
	static const char *const good[][3] = {
		{ "name", "anna", "anna" },
		{ "note", "a\nb", "a\nb" },
		{ "link", "http://a", "http://a" },
		{ "token", "abc", FIELD_MASK },
		{ "until", "1970-01-01T00:00:01+00:00", "1970-01-01T00:00:01.000000Z" },
		{ "count", "-3", "-3" },
		{ "waitSeconds", "90", "90" },
		{ "waitSeconds", "90s", "90" },
		{ "waitSeconds", "1m30s", "90" },
		{ "waitSeconds", "60m", "1h" },
		{ "room", "64KiB", "64KiB" },
		{ "room", "1m", "1MiB" },
		{ "room", "0", "0" },
		{ "room", "1000B", "1000" },
		{ "mood", "calm", "calm" },
		{ "on", "off", "false" },
		{ "on", "1", "true" },
		{ "on", "YES", "true" },
		{ "ratio", "0.1", "0.1" },
		{ "ratio", "1e-7", "1e-07" },
		{ "tags", "a, b ,c", "a,b,c" },
		{ "tags", "", "" },
		{ "nets", "::/0, 1.2.3.4", "::/0,1.2.3.4" },
		{ "headers", "a=1, b = =", "a=1,b==" },
		{ "headers", "a=x\\,y, b\\,c = \\\\", "a=x\\,y,b\\,c=\\\\" },
		{ "headers", "a=C\\d,b=\\", "a=C\\\\d,b=\\\\" },
		{ "extra", "{\"a\":1}", "{\"a\":1}" },
		{ "any", " [1]", "[1]" },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const struct field *row = fields_find(ROWS, slice_of(good[i][0]));
		struct thing t = { 0 };
		struct buf out;

		buf_init(&out, 4096);
		T_OK(field_parse_text(row, slice_of(good[i][1]), &t, &arena, &err));
		field_write_text(row, &t, &out);
		buf_putc(&out, '\0');
		T_STR(out.p, good[i][2]);
		buf_release(&out);
	}
}

TEST(bad_text_is_refused)
{
	static const char *const bad[][3] = {
		{ "name", "a", "\"name\" must have 2 to 5 characters" },
		{ "note", "\xff", "\"note\" must be valid UTF-8" },
		{ "count", "", "\"count\" must be a whole number" },
		{ "count", "5 apples", "\"count\" must be a whole number" },
		{ "count", "8", "\"count\" must be between -3 and 7 turns" },
		{ "ratio", "nan", "\"ratio\" must be a number" },
		{ "waitSeconds", "5x", "\"waitSeconds\" must be a duration like 90s, 5m or 1h30m" },
		{ "waitSeconds", "", "\"waitSeconds\" must be a duration like 90s, 5m or 1h30m" },
		{ "waitSeconds", "m", "\"waitSeconds\" must be a duration like 90s, 5m or 1h30m" },
		{ "waitSeconds", "1m30",
		  "\"waitSeconds\" must be a duration like 90s, 5m or 1h30m" },
		{ "waitSeconds", "9999999999999999999s",
		  "\"waitSeconds\" must be a duration like 90s, 5m or 1h30m" },
		{ "waitSeconds", "9223372036854775807w",
		  "\"waitSeconds\" must be a duration like 90s, 5m or 1h30m" },
		{ "waitSeconds", "2h", "\"waitSeconds\" must be between 1 and 3600 seconds" },
		{ "room", "1TB", "\"room\" must be a size like 4096, 64KiB or 10MiB" },
		{ "room", "2MiB", "\"room\" must be between 0 and 1048576 bytes" },
		{ "on", "maybe", "\"on\" must be true or false" },
		{ "mood", "sad", "\"mood\" must be one of calm, tense, wild" },
		{ "tags", "a,,b", "\"tags[1]\" must not be empty" },
		{ "headers", "a", "\"headers\" must be a list like name=value,other=value" },
		{ "headers", "a=1,a=2", "\"headers\" must be a list that has no name twice" },
		{ "extra", "{",
		  "\"extra\" is not valid JSON: expected a name in quotes at byte 1" },
		{ "extra", "1", "\"extra\" must be an object" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct field *row = fields_find(ROWS, slice_of(bad[i][0]));
		struct thing t = { 0 };

		T_FAIL(field_parse_text(row, slice_of(bad[i][1]), &t, &arena, &err), ERR_INVALID);
		T_STR(err.text, bad[i][2]);
	}
}

TEST(what_is_written_reads_back)
{
	struct thing t = { 0 }, again = { 0 };
	struct fields_in in = { .partial = true };
	struct json_w w;
	struct buf out;

	buf_init(&out, 4096);
	T_OK(fields_parse(
		tree("{\"name\":\"anna\",\"token\":\"t\",\"until\":\"1970-01-01T00:00:01Z\","
		     "\"tags\":[\"x\"],\"headers\":{\"a\":\"1\"},\"ratio\":0.1,"
		     "\"extra\":{\"a\": 1}}"),
		ROWS, &t, NULL, &arena, &err));
	json_w_init(&w, &out);
	json_w_object(&w);
	fields_write(&w, ROWS, &t);
	json_w_end(&w);
	T_SLICE(buf_slice(&out),
		"{\"id\":null,\"name\":\"anna\",\"note\":null,\"link\":null,\"token\":\"********\","
		"\"until\":\"1970-01-01T00:00:01.000Z\",\"count\":5,\"waitSeconds\":300,\"room\":0,"
		"\"mood\":\"tense\",\"on\":true,\"ratio\":0.1,\"tags\":[\"x\"],"
		"\"nets\":[\"127.0.0.1\",\"::1/128\"],\"headers\":{\"a\":\"1\"},"
		"\"extra\":{\"a\": 1},\"any\":null}");
	buf_putc(&out, '\0');
	again.name = t.name;
	T_OK(fields_parse(tree(out.p), ROWS, &again, &in, &arena, &err));
	T_INT(again.until_us, t.until_us);
	T_SLICE(again.headers.v[0].value, "1");
	buf_release(&out);
}

TEST(bounds_are_told)
{
	static const struct field told[] = {
		FIELD_STR(struct thing, name, "a"),
		FIELD_STR(struct thing, name, "b", .min = 3, .max = 3),
		FIELD_INT(struct thing, count, "c"),
		FIELD_INT(struct thing, count, "d", .min = 1),
		FIELD_BOOL(struct thing, on, "e"),
		FIELD_LIST(struct thing, tags, "f", .min = 1),
	};
	static const char *const want[] = {
		"at most 255 characters", "exactly 3 characters", "", "at least 1", "",
		"1 to 100 items",
	};

	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		char text[96];

		field_bounds_text(&told[i], text, sizeof(text));
		T_STR(text, want[i]);
	}
}

TEST(names_that_are_near_are_found)
{
	T_STR(fields_closest(ROWS, S("header"))->name, "headers");
	T_STR(fields_closest(ROWS, S("NAME"))->name, "name");
	T_STR(fields_closest(ROWS, S("nots"))->name, "note");
	T_TRUE(fields_closest(ROWS, S("xyzzy")) == NULL);
	T_TRUE(fields_closest(ROWS, S("")) == NULL);
	T_TRUE(fields_closest(ROWS, S("namenamenamenamenamenamenamenamenamenamename")) == NULL);
}

T_MAIN(T(the_table_is_sound), T(values_of_every_kind_are_taken),
       T(absent_values_get_their_defaults), T(bad_values_name_path_and_bound),
       T(required_values_are_asked_for), T(earlier_calls_may_carry_more),
       T(a_change_touches_what_it_names), T(a_mask_is_no_secret), T(text_is_another_spelling),
       T(bad_text_is_refused), T(what_is_written_reads_back), T(bounds_are_told),
       T(names_that_are_near_are_found))
