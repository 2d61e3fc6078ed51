/* SPDX-License-Identifier: Apache-2.0 */
/* Options, clocks and the way out, the same for every measuring program. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

NORETURN void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void turn_until(struct poller *p, int64_t until_ns)
{
	poller_turn(p, until_ns - now_ns());
}

int64_t cpu_ns(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return ((int64_t)use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000000 +
	       ((int64_t)use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000;
}

static NORETURN void show_help(const struct opt *opts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("  %-16s %s\n", opts[i].name, opts[i].help);
	}
	exit(0);
}

static void read_value(const struct opt *opt, const char *value)
{
	char *end = NULL;

	errno = 0;
	switch (opt->kind) {
	case OPT_TEXT:
		*(const char **)opt->to = value;
		return;
	case OPT_COUNT:
		*(uint64_t *)opt->to = strtoull(value, &end, 10);
		break;
	case OPT_REAL:
		*(double *)opt->to = strtod(value, &end);
		break;
	}
	if (errno != 0 || end == value || *end != '\0' || value[0] == '-') {
		die("%s: \"%s\" is not a number from 0 up", opt->name, value);
	}
}

void cli_read(int argc, char **argv, const struct opt *opts, size_t n)
{
	for (int a = 1; a < argc; a += 2) {
		size_t i = 0;

		if (strcmp(argv[a], "--help") == 0) {
			show_help(opts, n);
		}
		while (i < n && strcmp(argv[a], opts[i].name) != 0) {
			i++;
		}
		if (i == n) {
			die("unknown option \"%s\"; --help lists them", argv[a]);
		}
		if (a + 1 == argc) {
			die("%s needs a value", argv[a]);
		}
		read_value(&opts[i], argv[a + 1]);
	}
}
