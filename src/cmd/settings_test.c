/* SPDX-License-Identifier: Apache-2.0 */
/* Every setting from every place, who wins, and what is said about mistakes. */
#include "cmd/settings.h"

#include <stdio.h>
#include <unistd.h>

#include "test/t.h"

static struct arena boot;
static struct err err;
static struct settings_sources sources;
static char dir[1024];

/* A file of this test; its path. */
static const char *file(const char *name, const char *text)
{
	const char *path = arena_printf(&boot, "%s/%s", dir, name).p;
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

/* Nothing that settings look at is left in the environment. */
static void forget_variables(void)
{
	size_t i = 0;

	unsetenv("PORT");
	unsetenv("STRIPE_SECRET_KEY");
	unsetenv("STRIPE_WEBHOOK_SECRET");
	unsetenv("STRIPE_OVERAGE_METER_EVENT");
	while (environ[i] != NULL) {
		struct slice name = slice_of(environ[i]);

		name.n = slice_find(name, '=');
		if (slice_starts(name, S("TOCSIN"))) {
			unsetenv(arena_cstr(&boot, name));
			i = 0;
		} else {
			i++;
		}
	}
}

/* Words end with NULL; variables are those set before, and are gone afterwards. */
static bool read_words(struct settings *s, const char *const *words)
{
	int n = 0;
	bool ok;

	while (words[n] != NULL) {
		n++;
	}
	ok = settings_read(s, n, (char **)words, &boot, &sources, &err);
	forget_variables();
	return ok;
}
#define WORDS(...) ((const char *[]) { __VA_ARGS__ __VA_OPT__(, ) NULL })

static struct slice source_of(const char *name)
{
	return sources
		.of[fields_find(settings_rows, settings_rows_n, slice_of(name)) - settings_rows];
}

static const char *printed(const struct settings *s)
{
	const char *text;
	struct buf out;

	buf_init(&out, 1 << 20);
	settings_print(s, &sources, &out);
	text = arena_cstr(&boot, buf_slice(&out));
	buf_release(&out);
	return text;
}

TEST(the_table_is_sound)
{
	fields_ensure(settings_rows, settings_rows_n);
}

TEST(without_anything_the_defaults_hold)
{
	struct settings s;

	T_OK(read_words(&s, WORDS()));
	T_SLICE(s.data, "./data");
	T_INT(s.listen.n, 1);
	T_SLICE(s.listen.v[0], "127.0.0.1:3000");
	T_INT(s.workers, 4);
	T_INT(s.segment_size, 64 << 20);
	T_INT(s.idempotency_window, 7 * 86400);
	T_INT(s.log_level, LOG_INFO);
	T_INT(s.drain, 10);
	T_INT(source_of("data").n, 0);
}

TEST(flags_set_values_in_both_spellings)
{
	struct settings s;

	T_OK(read_words(&s, WORDS("--data", "/var/lib/x", "--log-level=debug", "--drain", "1m")));
	T_SLICE(s.data, "/var/lib/x");
	T_INT(s.log_level, LOG_DEBUG);
	T_INT(s.drain, 60);
	T_SLICE(source_of("drain"), "flag --drain");
}

TEST(a_repeated_list_adds_up)
{
	struct settings s;

	T_OK(read_words(&s, WORDS("--listen", "127.0.0.1:1", "--listen=[::1]:2", "--listen",
				  "0.0.0.0:3,[::]:4")));
	T_INT(s.listen.n, 4);
	T_SLICE(s.listen.v[1], "[::1]:2");
	T_SLICE(s.listen.v[3], "[::]:4");
	T_OK(read_words(&s, WORDS("--trusted-proxies", "10.0.0.0/8", "--trusted-proxies", "::1")));
	T_INT(s.trusted_proxies.n, 2);
}

TEST(variables_set_values)
{
	struct settings s;

	setenv("TOCSIN_PUBLIC_URL", "https://a.example", 1);
	setenv("TOCSIN_COURIER_CONCURRENCY", "7", 1);
	T_OK(read_words(&s, WORDS()));
	T_SLICE(s.public_url, "https://a.example");
	T_INT(s.courier_concurrency, 7);
	T_SLICE(source_of("public-url"), "TOCSIN_PUBLIC_URL");
}

TEST(files_of_secrets_are_read_without_their_last_line_feed)
{
	struct settings s;

	setenv("TOCSIN_METRICS_TOKEN_FILE", file("token", "0123456789abcdef\n"), 1);
	T_OK(read_words(&s, WORDS()));
	T_SLICE(s.metrics_token, "0123456789abcdef");
	T_SLICE(source_of("metrics-token"), "TOCSIN_METRICS_TOKEN_FILE");
}

TEST(a_variable_and_its_file_contradict_each_other)
{
	struct settings s;

	setenv("TOCSIN_METRICS_TOKEN", "0123456789abcdef", 1);
	setenv("TOCSIN_METRICS_TOKEN_FILE", "/nowhere", 1);
	T_FAIL(read_words(&s, WORDS()), ERR_INVALID);
	T_STR(err.text, "TOCSIN_METRICS_TOKEN and TOCSIN_METRICS_TOKEN_FILE are both set");
}

TEST(a_file_that_is_not_there_is_named)
{
	struct settings s;

	setenv("TOCSIN_SETUP_TOKEN_FILE", "/nowhere/token", 1);
	T_FALSE(read_words(&s, WORDS()));
	T_TRUE(strstr(err.text, "TOCSIN_SETUP_TOKEN_FILE") != NULL);
	T_TRUE(strstr(err.text, "/nowhere/token") != NULL);
	T_FALSE(read_words(&s, WORDS("--config", "/nowhere/conf")));
	T_TRUE(strstr(err.text, "/nowhere/conf") != NULL);
}

TEST(a_config_file_has_a_setting_a_line)
{
	struct settings s;
	const char *path = file("conf", "# of this machine\n"
					"\n"
					"  data =  /srv/t \r\n"
					"cors-origins=https://a.example, https://b.example\n"
					"flush = thread");

	T_OK(read_words(&s, WORDS("--config", path)));
	T_SLICE(s.data, "/srv/t");
	T_INT(s.cors_origins.n, 2);
	T_SLICE(s.cors_origins.v[1], "https://b.example");
	T_INT(s.flush, JOURNAL_FLUSH_THREAD);
	T_TRUE(slice_ends(source_of("flush"), S("conf:5")));
	setenv("TOCSIN_CONFIG", path, 1);
	T_OK(read_words(&s, WORDS()));
	T_SLICE(s.data, "/srv/t");
}

TEST(flags_beat_variables_beat_the_file)
{
	const char *path = file("conf", "workers = 1\ndrain = 1s\nlog-level = error\n");
	struct settings s;

	setenv("TOCSIN_WORKERS", "2", 1);
	setenv("TOCSIN_DRAIN", "2s", 1);
	T_OK(read_words(&s, WORDS("--config", path, "--workers", "3")));
	T_INT(s.workers, 3);
	T_INT(s.drain, 2);
	T_INT(s.log_level, LOG_ERROR);
	T_SLICE(source_of("workers"), "flag --workers");
	T_SLICE(source_of("drain"), "TOCSIN_DRAIN");
}

TEST(a_repeated_line_is_a_mistake)
{
	const char *path = file("conf", "workers = 1\nworkers = 2\n");
	struct settings s;

	T_FAIL(read_words(&s, WORDS("--config", path)), ERR_INVALID);
	T_TRUE(strstr(err.text, "conf:2") != NULL);
}

TEST(port_stands_for_listen_where_nothing_else_does)
{
	const char *path = file("conf", "listen = 127.0.0.1:9\n");
	struct settings s;

	setenv("PORT", "8080", 1);
	T_OK(read_words(&s, WORDS()));
	T_SLICE(s.listen.v[0], "127.0.0.1:8080");
	T_SLICE(source_of("listen"), "PORT");
	setenv("PORT", "8080", 1);
	T_OK(read_words(&s, WORDS("--listen", "127.0.0.1:1")));
	T_SLICE(s.listen.v[0], "127.0.0.1:1");
	setenv("PORT", "8080", 1);
	setenv("TOCSIN_LISTEN", "127.0.0.1:2", 1);
	T_OK(read_words(&s, WORDS()));
	T_SLICE(s.listen.v[0], "127.0.0.1:2");
	setenv("PORT", "8080", 1);
	T_OK(read_words(&s, WORDS("--config", path)));
	T_SLICE(s.listen.v[0], "127.0.0.1:8080");
}

TEST(bad_values_name_their_place)
{
	struct settings s;

	T_FAIL(read_words(&s, WORDS("--workers", "0")), ERR_INVALID);
	T_STR(err.text, "flag --workers: \"workers\" must be between 1 and 64");
	setenv("TOCSIN_WORKERS", "many", 1);
	T_FAIL(read_words(&s, WORDS()), ERR_INVALID);
	T_STR(err.text, "TOCSIN_WORKERS: \"workers\" must be a whole number");
	T_FAIL(read_words(&s, WORDS("--config", file("conf", "data = x\n\nflush = later\n"))),
	       ERR_INVALID);
	T_TRUE(strstr(err.text, "conf:3: \"flush\" must be") != NULL);
	T_FAIL(read_words(&s, WORDS("--config", file("conf", "data\n"))), ERR_INVALID);
	T_TRUE(strstr(err.text, "conf:1: a line must be \"name = value\"") != NULL);
	T_FAIL(read_words(&s, WORDS("--trusted-proxies", "10.0.0.0/99")), ERR_INVALID);
}

TEST(secrets_are_in_no_error)
{
	struct settings s;

	setenv("TOCSIN_SETUP_TOKEN", "tooshort", 1);
	T_FAIL(read_words(&s, WORDS()), ERR_INVALID);
	T_TRUE(strstr(err.text, "tooshort") == NULL);
}

TEST(unknown_names_get_a_suggestion)
{
	struct settings s;

	T_FAIL(read_words(&s, WORDS("--dat", "x")), ERR_INVALID);
	T_STR(err.text, "flag: there is no setting \"dat\"; did you mean \"data\"?");
	T_FAIL(read_words(&s, WORDS("--config", file("conf", "worker = 1\n"))), ERR_INVALID);
	T_TRUE(strstr(err.text, "conf:1: there is no setting \"worker\"; did you mean "
				"\"workers\"?") != NULL);
	setenv("TOCSIN_WORKER", "1", 1);
	T_FAIL(read_words(&s, WORDS()), ERR_INVALID);
	T_TRUE(strstr(err.text, "TOCSIN_WORKER") != NULL);
	T_TRUE(strstr(err.text, "TOCSIN_WORKERS") != NULL);
	T_FAIL(read_words(&s, WORDS("data")), ERR_INVALID);
	T_FAIL(read_words(&s, WORDS("--")), ERR_INVALID);
	T_FAIL(read_words(&s, WORDS("--data")), ERR_INVALID);
	T_STR(err.text, "\"--data\" needs a value");
}

TEST(variables_of_others_are_left_alone)
{
	struct settings s;

	setenv("TOCSIN_KEY", "k", 1);
	setenv("TOCSIN_KEY_FILE", "f", 1);
	setenv("TOCSIN_URL", "u", 1);
	setenv("TOCSIN_TEST_CLOCK", "c", 1);
	setenv("TOCSIN_BIN", "b", 1);
	setenv("TOCSINX", "x", 1);
	T_OK(read_words(&s, WORDS()));
}

TEST(what_is_printed_has_sources_and_hides_secrets)
{
	struct settings s;
	const char *text;

	setenv("TOCSIN_METRICS_TOKEN", "0123456789abcdef", 1);
	T_OK(read_words(&s, WORDS("--database-url", "postgresql://u:pw@h/d", "--drain", "90s",
				  "--listen", "[::1]:1,127.0.0.1:2")));
	text = printed(&s);
	T_TRUE(strstr(text, "0123456789abcdef") == NULL);
	T_TRUE(strstr(text, "pw") == NULL);
	T_TRUE(strstr(text, "metrics-token = " FIELD_MASK "  # TOCSIN_METRICS_TOKEN\n") != NULL);
	T_TRUE(strstr(text, "\ndata = ./data  # default\n") != NULL ||
	       strstr(text, "data = ./data  # default\n") == text);
	T_TRUE(strstr(text, "\ndrain = 90  # flag --drain\n") != NULL);
}

TEST(the_document_has_a_row_for_each)
{
	struct buf out;
	const char *text;

	buf_init(&out, 1 << 20);
	settings_document(&out);
	text = arena_cstr(&boot, buf_slice(&out));
	for (size_t i = 0; i < settings_rows_n; i++) {
		char row[128];

		snprintf(row, sizeof(row), "| `--%s`, `TOCSIN_", settings_rows[i].name);
		T_TRUE(strstr(text, row) != NULL);
	}
	buf_release(&out);
}

static void remove_dir(void)
{
	static const char *const names[] = { "conf", "token" };
	char path[1100];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_table_is_sound),
		T(without_anything_the_defaults_hold),
		T(flags_set_values_in_both_spellings),
		T(a_repeated_list_adds_up),
		T(variables_set_values),
		T(files_of_secrets_are_read_without_their_last_line_feed),
		T(a_variable_and_its_file_contradict_each_other),
		T(a_file_that_is_not_there_is_named),
		T(a_config_file_has_a_setting_a_line),
		T(flags_beat_variables_beat_the_file),
		T(a_repeated_line_is_a_mistake),
		T(port_stands_for_listen_where_nothing_else_does),
		T(bad_values_name_their_place),
		T(secrets_are_in_no_error),
		T(unknown_names_get_a_suggestion),
		T(variables_of_others_are_left_alone),
		T(what_is_printed_has_sources_and_hides_secrets),
		T(the_document_has_a_row_for_each),
	};
	const char *tmp = getenv("TMPDIR");
	int failed;

	snprintf(dir, sizeof(dir), "%s/tocsin-settings-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(dir));
	arena_init(&boot, 0);
	forget_variables();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&boot);
	remove_dir();
	return failed;
}
