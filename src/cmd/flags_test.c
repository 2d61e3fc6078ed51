/* SPDX-License-Identifier: Apache-2.0 */
/* Flags come from a table, and so do their errors and their help. */
#include "cmd/flags.h"

#include "cmd/settings.h"
#include "test/t.h"

struct in {
	struct slice type;
	struct field_list tags;
	struct field_map labels;
	unsigned level;
	int64_t count;
	bool json;
};

static const char *const level_words[] = { "low", "high", NULL };
static const struct field rows[] = {
	FIELD_STR(struct in, type, "type", .max = 10, .help = "What happened."),
	FIELD_LIST(struct in, tags, "tag", .help = "May be repeated."),
	FIELD_MAP(struct in, labels, "label", .help = "May be repeated too."),
	FIELD_ENUM(struct in, level, "level", level_words, .fallback = "low", .help = "How bad."),
	FIELD_INT(struct in, count, "count", .min = 1, .max = 9, .fallback = "3",
		  .help = "How many."),
	FIELD_BOOL(struct in, json, "json", .help = "As JSON."),
};

static struct arena boot;
static struct err err;

/* Words end with NULL. */
static bool read_words(struct flags *f, struct in *in, const char *const *words)
{
	int n = 0;

	while (words[n] != NULL) {
		n++;
	}
	f->command = "try";
	f->about = "Try it.";
	f->rows = rows;
	f->n = ARRAY_LEN(rows);
	return flags_read(f, n, (char **)words, in, &boot, &err);
}
#define WORDS(...) ((const char *[]) { __VA_ARGS__ __VA_OPT__(, ) NULL })

TEST(values_stand_behind_a_space_or_an_equals_sign)
{
	struct flags f = { 0 };
	struct in in;

	T_OK(read_words(&f, &in, WORDS("--type", "a=b", "--count=5", "--level", "high")));
	T_SLICE(in.type, "a=b");
	T_INT(in.count, 5);
	T_INT(in.level, 1);
	T_TRUE(flags_given(&f, "count"));
	T_FALSE(flags_given(&f, "json"));
}

TEST(what_is_not_given_has_its_default)
{
	struct flags f = { 0 };
	struct in in;

	T_OK(read_words(&f, &in, WORDS()));
	T_INT(in.count, 3);
	T_INT(in.type.n, 0);
	T_INT(f.set, 0);
}

TEST(switches_stand_alone_or_say_no)
{
	struct flags f = { 0 };
	struct in in;

	T_OK(read_words(&f, &in, WORDS("--json", "--type", "x")));
	T_TRUE(in.json);
	T_SLICE(in.type, "x");
	T_OK(read_words(&f, &in, WORDS("--json=false")));
	T_FALSE(in.json);
}

TEST(lists_and_maps_may_be_repeated)
{
	struct flags f = { 0 };
	struct in in;

	T_OK(read_words(&f, &in,
			WORDS("--tag", "a,b", "--tag=c", "--label", "x=1", "--label", "y=2=3")));
	T_INT(in.tags.n, 3);
	T_SLICE(in.tags.v[2], "c");
	T_INT(in.labels.n, 2);
	T_SLICE(in.labels.v[1].key, "y");
	T_SLICE(in.labels.v[1].value, "2=3");
	T_OK(read_words(&f, &in, WORDS("--type", "one", "--type", "two")));
	T_SLICE(in.type, "two");
}

TEST(mistakes_are_named)
{
	struct flags f = { 0 };
	struct in in;

	T_FAIL(read_words(&f, &in, WORDS("--typ", "x")), ERR_INVALID);
	T_STR(err.text, "there is no flag \"--typ\"; did you mean \"--type\"?");
	T_FAIL(read_words(&f, &in, WORDS("--zebra", "x")), ERR_INVALID);
	T_STR(err.text, "there is no flag \"--zebra\"");
	T_FAIL(read_words(&f, &in, WORDS("type")), ERR_INVALID);
	T_STR(err.text, "\"type\" is not a flag; flags begin with --");
	T_FAIL(read_words(&f, &in, WORDS("--")), ERR_INVALID);
	T_FAIL(read_words(&f, &in, WORDS("--type")), ERR_INVALID);
	T_STR(err.text, "\"--type\" needs a value");
	T_FAIL(read_words(&f, &in, WORDS("--count", "10")), ERR_INVALID);
	T_STR(err.text, "flag --count: \"count\" must be between 1 and 9");
	T_FAIL(read_words(&f, &in, WORDS("--level=huge")), ERR_INVALID);
}

TEST(settings_are_put_aside_only_where_they_belong)
{
	struct flags f = { .with_settings = true };
	struct in in;

	T_OK(read_words(&f, &in,
			WORDS("--data", "/x y", "--type", "t", "--config=c", "--listen=[::1]:1")));
	T_INT(f.rest_n, 3);
	T_STR(f.rest[0], "--data=/x y");
	T_STR(f.rest[1], "--config=c");
	T_STR(f.rest[2], "--listen=[::1]:1");
	T_FAIL(read_words(&f, &in, WORDS("--dat", "x")), ERR_INVALID);
	T_STR(err.text, "there is no flag \"--dat\"; did you mean \"--data\"?");
	f.with_settings = false;
	T_FAIL(read_words(&f, &in, WORDS("--data", "x")), ERR_INVALID);
}

TEST(help_shows_every_row)
{
	struct flags f = { .with_settings = true };
	struct buf out;
	struct in in;
	char *text;

	T_OK(read_words(&f, &in, WORDS("--nonsense", "--help")));
	T_TRUE(f.help);
	buf_init(&out, 65536);
	flags_help(&f, &out);
	text = arena_cstr(&boot, buf_slice(&out));
	T_TRUE(strstr(text, "usage: tocsin try [flags]\n\nTry it.\n") == text);
	T_TRUE(strstr(text, "\n  --type STRING           What happened.\n") != NULL);
	T_TRUE(strstr(text, "\n  --level CHOICE          How bad. One of low, high. (low)\n") !=
	       NULL);
	T_TRUE(strstr(text, "\n  --json                  As JSON.\n") != NULL);
	T_TRUE(strstr(text, "tocsin help config") != NULL);
	f.list_settings = true;
	buf_cut(&out, 0);
	flags_help(&f, &out);
	text = arena_cstr(&boot, buf_slice(&out));
	T_TRUE(strstr(text, "\n  --public-url ") != NULL);
	buf_release(&out);
}

static int tell(const struct flags *f, const void *arg, struct arena *req UNUSED)
{
	const struct in *in = arg;

	T_STR(f->word, "there");
	return (int)in->count;
}

TEST(a_command_runs_with_its_word_and_its_flags)
{
	struct flags f = { .command = "x",
			   .words = "PLACE",
			   .no_word = "say where",
			   .rows = rows,
			   .n = ARRAY_LEN(rows) };
	struct in in = { 0 };
	static const char *const whole[] = { "there", "--count", "7" };
	static const char *const wrong[] = { "there", "--no-such" };

	T_INT(flags_run(&f, 3, (char **)whole, &in, tell), 7);
	f.word = NULL;
	T_INT(flags_run(&f, 2, (char **)whole + 1, &in, tell), 2);
	T_INT(flags_run(&f, 2, (char **)wrong, &in, tell), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_stand_behind_a_space_or_an_equals_sign),
		T(what_is_not_given_has_its_default),
		T(switches_stand_alone_or_say_no),
		T(lists_and_maps_may_be_repeated),
		T(a_command_runs_with_its_word_and_its_flags),
		T(mistakes_are_named),
		T(settings_are_put_aside_only_where_they_belong),
		T(help_shows_every_row),
	};
	int failed;

	fields_ensure(rows, ARRAY_LEN(rows));
	arena_init(&boot, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&boot);
	return failed;
}
