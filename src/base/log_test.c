/* SPDX-License-Identifier: Apache-2.0 */
/* A log line is one whole line, however long or hostile its fields are. */
#include "base/log.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "test/t.h"

/* What one line came out as; written and read through a pipe, which one line always fits. */
static char got[LOG_LINE_BYTES_MAX + 1];

#define CAPTURE(format, ...) \
	do { \
		int t_fd = begin(format); \
		log_info(__VA_ARGS__); \
		end(t_fd); \
	} while (0)

static int begin(enum log_format format)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	log_setup(LOG_INFO, format, fds[1]);
	log_debug("too_quiet_to_be_seen");
	assert_int_equal(dup2(fds[1], 100), 100);
	close(fds[1]);
	log_setup(LOG_INFO, format, 100);
	return fds[0];
}

static void end(int fd)
{
	ssize_t n;

	close(100);
	n = read(fd, got, sizeof(got) - 1);
	close(fd);
	log_setup(LOG_INFO, LOG_TEXT, STDERR_FILENO);
	assert_true(n > 0);
	got[n] = '\0';
	T_INT(strlen(got), n);
}

static bool ends(const char *with)
{
	return slice_ends(slice_of(got), slice_of(with));
}

TEST(json_has_head_and_fields)
{
	CAPTURE(LOG_JSON, "door_opened", log_str("who", "a\"b\n"), log_int("times", -3),
		log_bool("late", true));
	T_TRUE(slice_starts(slice_of(got), S("{\"time\":\"")));
	T_TRUE(ends("\"level\":\"info\",\"event\":\"door_opened\",\"who\":\"a\\\"b\\u000a\","
		    "\"times\":-3,\"late\":true}\n"));
}

TEST(text_is_for_people)
{
	CAPTURE(LOG_TEXT, "door_opened", log_int("times", 2));
	T_TRUE(ends("Z info  door_opened times=2\n"));
}

/* Every length around the limit: the line ends whole, says that it was cut, and keeps its bound. */
TEST(long_lines_are_cut_at_a_whole_byte_and_say_so)
{
	static char text[LOG_LINE_BYTES_MAX + 100];
	size_t cut = 0;

	for (size_t n = LOG_LINE_BYTES_MAX - 300; n < sizeof(text) - 1; n++) {
		memset(text, '\x01', n);
		memset(text, 'x', n - n % 7);
		text[n] = '\0';
		CAPTURE(LOG_JSON, "long_line", log_str("text", text), log_int("after", 1));
		T_TRUE(strlen(got) <= LOG_LINE_BYTES_MAX);
		if (strstr(got, "\"cut\":true") != NULL) {
			T_TRUE(ends("\",\"cut\":true}\n"));
			cut++;
		} else {
			T_TRUE(ends("\",\"after\":1}\n"));
		}
	}
	T_TRUE(cut > 100);
}

TEST(fields_that_do_not_fit_are_dropped_whole)
{
	static char text[LOG_LINE_BYTES_MAX - 150];

	memset(text, 'x', sizeof(text) - 1);
	CAPTURE(LOG_JSON, "long_line", log_str("text", text), log_int("number", 123456789));
	T_TRUE(ends("x\",\"cut\":true}\n"));
	T_TRUE(strstr(got, "number") == NULL);
}

/* Any bytes at any length around the limit: a JSON reader takes the line. */
TEST(hostile_bytes_make_lines_that_parse)
{
	static char text[LOG_LINE_BYTES_MAX + 100];
	struct arena arena;
	struct err err;

	arena_init(&arena, 0);
	for (size_t n = 0; n < sizeof(text);
	     n += n < 300 || n > LOG_LINE_BYTES_MAX - 300 ? 1 : 97) {
		const struct json *line;

		for (size_t i = 0; i < n; i++) {
			/*
			 * Whole and broken sequences, controls, quotes, and all bytes at some time.
			 */
			text[i] = i % 5 == 0 ? "\xe2\x82\xac\xff\"\\\n\x7f"[i / 5 % 8]
					     : (char)(i * 7 + n);
		}
		CAPTURE(LOG_JSON, "hostile", log_slice("text", ((struct slice) { text, n })));
		T_INT(slice_find(slice_of(got), '\n'), strlen(got) - 1);
		T_OK(json_parse(&arena, slice_of(got), 1, &line, &err));
		T_SLICE(json_get(line, "event")->text, "hostile");
		T_TRUE(json_get(line, "text") != NULL);
		arena_clear(&arena);
	}
	CAPTURE(LOG_JSON, "hostile", log_str("text", "\xe2\x82\xac\xe2\x82|\xff"));
	T_TRUE(ends("\"\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\"}\n"));
	arena_release(&arena);
}

TEST(levels_below_the_least_are_not_written)
{
	log_setup(LOG_WARN, LOG_TEXT, STDERR_FILENO);
	T_FALSE(log_on(LOG_INFO));
	T_TRUE(log_on(LOG_WARN));
	log_setup(LOG_INFO, LOG_TEXT, STDERR_FILENO);
	T_STR(log_level_name(LOG_ERROR), "error");
}

static int tapped;

static void on_error(void *arg, const char *name, const struct log_field *fields)
{
	tapped++;
	T_STR(arg, "mine");
	T_STR(name, "roof_on_fire");
	T_STR(fields[0].key, "floor");
	T_INT(fields[0].num, 4);
	T_INT(fields[1].type, LOG_END);
}

TEST(errors_and_nothing_else_can_be_tapped)
{
	int fd = begin(LOG_JSON);
	char mine[] = "mine";

	log_tap(on_error, mine);
	log_warn("roof_is_warm", log_int("floor", 4));
	log_error("roof_on_fire", log_int("floor", 4));
	log_tap(NULL, NULL);
	log_error("roof_on_fire", log_int("floor", 5));
	end(fd);
	T_INT(tapped, 1);
	T_TRUE(strstr(got, "roof_is_warm") != NULL && strstr(got, "\"floor\":5") != NULL);
}

T_MAIN(T(json_has_head_and_fields), T(text_is_for_people),
       T(long_lines_are_cut_at_a_whole_byte_and_say_so),
       T(fields_that_do_not_fit_are_dropped_whole), T(hostile_bytes_make_lines_that_parse),
       T(levels_below_the_least_are_not_written), T(errors_and_nothing_else_can_be_tapped))
