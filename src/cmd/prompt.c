/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal shows nothing while a secret is typed, and shows it again whatever ends that: a
 * signal is noted, the terminal put right, and then the signal is let have its way.
 */
#include "cmd/prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static volatile sig_atomic_t came; /* the signal that came, for its handler can be told nothing */

static void on_signal(int signal)
{
	came = signal;
}

static bool too_long(const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "the %s is longer than %d bytes", what, PROMPT_BYTES_MAX);
}

/* Byte by byte: what stands behind the line is somebody else's. False at the end, too. */
static bool read_byte(int fd, char *out, bool *end, const char *what, struct err *err)
{
	ssize_t n;

	do {
		n = read(fd, out, 1);
	} while (n < 0 && errno == EINTR && came == 0);
	*end = n == 0 || (n > 0 && *out == '\n');
	return n >= 0 || err_errno(err, errno, "read the %s", what);
}

static bool read_line(int fd, char *line, size_t *n, const char *what, struct err *err)
{
	bool end = false;
	char c;

	*n = 0;
	while (read_byte(fd, &c, &end, what, err)) {
		if (end) {
			return true;
		}
		if (*n == PROMPT_BYTES_MAX) {
			return too_long(what, err);
		}
		line[(*n)++] = c;
	}
	return false;
}

bool prompt_line(int fd, const char *what, struct secret *out, struct err *err)
{
	char line[PROMPT_BYTES_MAX];
	size_t n;
	bool ok = read_line(fd, line, &n, what, err);

	if (ok && n > 0 && line[n - 1] == '\r') {
		n--;
	}
	if (ok && n == 0) {
		ok = err_set(err, ERR_INVALID, "there is no %s", what);
	}
	if (ok) {
		secret_init(out, (struct slice) { line, n });
	}
	secret_wipe(line, sizeof(line));
	return ok;
}

struct quiet {
	struct termios before;
	struct sigaction actions[ARRAY_LEN(signals)];
};

static bool be_quiet(struct quiet *q, struct err *err)
{
	struct sigaction note = { .sa_handler = on_signal };
	struct termios unseen;

	if (tcgetattr(STDIN_FILENO, &q->before) != 0) {
		return err_errno(err, errno, "read the settings of the terminal");
	}
	came = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		sigaction(signals[i], &note, &q->actions[i]);
	}
	unseen = q->before;
	unseen.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
	return true;
}

static void be_heard(const struct quiet *q)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &q->before);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		sigaction(signals[i], &q->actions[i], NULL);
	}
	fputc('\n', stderr);
	if (came != 0) {
		raise(came);
	}
}

static bool type_once(const char *what, const char *again, struct secret *out, struct err *err)
{
	struct quiet quiet;
	bool ok;

	/* First: what was typed before is forgotten, and must not be what answers. */
	if (!be_quiet(&quiet, err)) {
		return false;
	}
	fprintf(stderr, "%s%s: ", what, again);
	fflush(stderr);
	ok = prompt_line(STDIN_FILENO, what, out, err);
	be_heard(&quiet);
	return ok;
}

bool prompt_secret(const char *what, struct secret *out, struct err *err)
{
	struct secret again = { 0 };
	bool ok;

	if (isatty(STDIN_FILENO) == 0) {
		return prompt_line(STDIN_FILENO, what, out, err);
	}
	ok = type_once(what, "", out, err) && type_once(what, " again", &again, err);
	if (ok && !secret_equal(out, secret_reveal(&again))) {
		ok = err_set(err, ERR_INVALID, "the two are not the same");
	}
	secret_release(&again);
	if (!ok) {
		secret_release(out);
	}
	return ok;
}
