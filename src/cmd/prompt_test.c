/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/prompt.h"

#include <unistd.h>

#include "test/t.h"

/* What prompt_line makes of text in a pipe. */
static bool read_text(const char *text, size_t n, struct secret *out, struct err *err)
{
	int fds[2];
	bool ok;

	T_INT(pipe(fds), 0);
	T_INT(write(fds[1], text, n), n);
	close(fds[1]);
	ok = prompt_line(fds[0], "password", out, err);
	close(fds[0]);
	return ok;
}

TEST(a_line_ends_where_it_ends)
{
	static const char *const texts[] = { "a b \n", "a b ", "a b \r\n", "a b \nnext" };
	struct secret secret = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		T_OK(read_text(texts[i], strlen(texts[i]), &secret, &err));
		T_SLICE(secret_reveal(&secret), "a b ");
		secret_release(&secret);
	}
}

TEST(nothing_is_no_secret)
{
	struct secret secret = { 0 };
	struct err err = { 0 };

	T_FAIL(read_text("", 0, &secret, &err), ERR_INVALID);
	T_FAIL(read_text("\n", 1, &secret, &err), ERR_INVALID);
	T_FAIL(read_text("\r\n", 2, &secret, &err), ERR_INVALID);
	T_STR(err.text, "there is no password");
}

TEST(what_is_too_long_is_refused)
{
	static char text[PROMPT_BYTES_MAX + 1];
	struct secret secret = { 0 };
	struct err err = { 0 };

	memset(text, 'x', sizeof(text));
	T_OK(read_text(text, sizeof(text) - 1, &secret, &err));
	T_INT(secret.n, PROMPT_BYTES_MAX);
	secret_release(&secret);
	T_FAIL(read_text(text, sizeof(text), &secret, &err), ERR_INVALID);
}

T_MAIN(T(a_line_ends_where_it_ends), T(nothing_is_no_secret), T(what_is_too_long_is_refused))
