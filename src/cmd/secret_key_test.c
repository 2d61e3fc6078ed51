/* SPDX-License-Identifier: Apache-2.0 */
/* The key is made once, for its owner alone, and comes from where it is said to be. */
#include "cmd/secret_key.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/data_dir.h"
#include "test/t.h"

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "//////////////////////////////////////////8="

static struct arena arena;
static char dir[] = "/tmp/tocsin-key-XXXXXX";
static const char *path;

static struct settings settings_with(const char *key)
{
	return (struct settings) { .data = slice_of(dir), .secret_key = slice_of(key) };
}

static void put(const char *text)
{
	FILE *f = fopen(path, "we");

	T_TRUE(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static struct slice content(void)
{
	char text[8192];
	FILE *f = fopen(path, "re");
	size_t n;

	T_TRUE(f != NULL);
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	return arena_dup(&arena, (struct slice) { text, n });
}

/* A text sealed with what the settings give. */
static struct slice wrap(const struct settings *s)
{
	struct seal *seal;
	struct slice text;
	struct err err;
	bool made;

	T_OK(secret_key_open(s, &arena, &seal, &made, &err));
	text = seal_wrap(seal, S("test"), S("secret"), &arena);
	seal_free(&seal);
	return text;
}

static bool knows(const struct settings *s, struct slice text)
{
	struct seal *seal;
	struct err err;
	bool made, known;

	T_OK(secret_key_open(s, &arena, &seal, &made, &err));
	known = seal_knows(seal, text);
	seal_free(&seal);
	return known;
}

static int empty_dir(void **state UNUSED)
{
	(void)unlink(path);
	return 0;
}

TEST(the_first_start_makes_a_key_and_the_next_finds_it)
{
	struct settings s = settings_with("");
	struct slice first, text;
	struct seal *seal = NULL;
	struct stat st;
	struct err err;
	bool made;

	T_INT(secret_key_find(&s, &arena, &seal, &err), NOT_FOUND);
	T_TRUE(seal == NULL);
	T_OK(secret_key_open(&s, &arena, &seal, &made, &err));
	T_TRUE(made);
	T_INT(seal_keys(seal), 1);
	text = seal_wrap(seal, S("test"), S("secret"), &arena);
	seal_free(&seal);
	T_INT(stat(path, &st), 0);
	T_INT(st.st_mode & 07777, 0600);
	first = content();
	T_INT(first.n, 45);
	T_OK(secret_key_open(&s, &arena, &seal, &made, &err));
	T_FALSE(made);
	T_TRUE(seal_knows(seal, text));
	seal_free(&seal);
	T_TRUE(slice_eq(content(), first));
	T_INT(access(data_dir_path(slice_of(dir), SECRET_KEY_NAME ".new", &arena).p, F_OK), -1);
}

TEST(no_two_installations_have_the_same_key)
{
	struct settings s = settings_with("");
	struct slice text = wrap(&s);

	T_INT(unlink(path), 0);
	T_FALSE(knows(&s, text));
}

TEST(what_an_interrupted_start_left_is_no_key)
{
	const char *left = data_dir_path(slice_of(dir), SECRET_KEY_NAME ".new", &arena).p;
	struct settings s = settings_with("");
	int fd = open(left, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;

	T_INT(write(fd, "half a line that is longer than a whole one, by far", 51), 51);
	close(fd);
	wrap(&s);
	T_INT(content().n, 45);
	T_INT(stat(path, &st), 0);
	T_INT(st.st_mode & 07777, 0600);
	T_INT(access(left, F_OK), -1);
}

TEST(a_setting_needs_no_file)
{
	struct settings s = settings_with(KEY_A);

	wrap(&s);
	T_INT(access(path, F_OK), -1);
}

TEST(a_setting_takes_over_from_a_file)
{
	struct settings before = settings_with(""), after = settings_with(KEY_B);
	struct slice old, new;

	put(KEY_A "\n");
	old = wrap(&before);
	new = wrap(&after);
	T_FALSE(slice_eq(seal_key_of(old), seal_key_of(new)));
	T_TRUE(knows(&after, old));
	T_FALSE(knows(&before, new));
}

TEST(the_first_line_of_the_file_wraps)
{
	struct settings s = settings_with("");
	struct slice old, new;

	put(KEY_A "\n");
	old = wrap(&s);
	put(KEY_B "\n" KEY_A "\n");
	new = wrap(&s);
	T_FALSE(slice_eq(seal_key_of(old), seal_key_of(new)));
	T_TRUE(knows(&s, old));
}

TEST(what_is_no_key_is_told_and_never_replaced)
{
	static const char *const bad[] = { "", "\n", "hunter2\n", KEY_A "\nhunter2\n", "AAEC\n" };
	struct settings s = settings_with("");
	struct seal *seal;
	struct err err;
	bool made;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put(bad[i]);
		T_FAIL(secret_key_open(&s, &arena, &seal, &made, &err), ERR_INVALID);
		T_TRUE(seal == NULL && !made);
		T_TRUE(strstr(err.text, SECRET_KEY_NAME) != NULL);
		T_TRUE(strstr(err.text, "hunter2") == NULL && strstr(err.text, "AAEC") == NULL);
		T_TRUE(slice_eq(content(), slice_of(bad[i])));
	}
	s = settings_with("hunter2");
	T_FAIL(secret_key_open(&s, &arena, &seal, &made, &err), ERR_INVALID);
	T_STR(err.text, "\"secret-key\": each key must be the base64 of 32 bytes");
}

TEST(a_file_that_is_too_long_is_refused)
{
	struct settings s = settings_with("");
	static char text[5000];
	struct seal *seal;
	struct err err;

	memset(text, '\n', sizeof(text) - 1);
	memcpy(text, KEY_A, sizeof(KEY_A) - 1);
	put(text);
	T_INT(secret_key_find(&s, &arena, &seal, &err), FAILED);
	T_TRUE(strstr(err.text, "over 4095 bytes") != NULL);
}

#define IN_EMPTY_DIR(name) cmocka_unit_test_setup(name, empty_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_EMPTY_DIR(the_first_start_makes_a_key_and_the_next_finds_it),
		IN_EMPTY_DIR(no_two_installations_have_the_same_key),
		IN_EMPTY_DIR(what_an_interrupted_start_left_is_no_key),
		IN_EMPTY_DIR(a_setting_needs_no_file),
		IN_EMPTY_DIR(a_setting_takes_over_from_a_file),
		IN_EMPTY_DIR(the_first_line_of_the_file_wraps),
		IN_EMPTY_DIR(what_is_no_key_is_told_and_never_replaced),
		IN_EMPTY_DIR(a_file_that_is_too_long_is_refused),
	};
	int failed;

	arena_init(&arena, 0);
	ensure(mkdtemp(dir) != NULL);
	path = data_dir_path(slice_of(dir), SECRET_KEY_NAME, &arena).p;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(dir);
	arena_release(&arena);
	return failed;
}
