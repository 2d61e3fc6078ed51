/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CLI_H
#define BENCH_CLI_H

/*
 * What the small programs share around their work: options from one table, an end with a message,
 * the monotonic clock and the CPU time of the process itself.
 */
#include "load/poller.h"

enum opt_kind { OPT_TEXT, OPT_COUNT, OPT_REAL };

struct opt {
	const char *name; /* as written: "--count" */
	enum opt_kind kind;
	void *to; /* const char *, uint64_t or double; holds the default */
	const char *help;
};

/*
 * Reads `--name value` pairs; --help prints the table and ends with 0, anything unknown or bad ends
 * with 2.
 */
void cli_read(int argc, char **argv, const struct opt *opts, size_t n);

/* Say why on stderr and end with status 2. */
NORETURN void die(const char *fmt, ...) PRINTF(1, 2);

/* Nanoseconds of the monotonic clock. */
int64_t now_ns(void);

/* One turn of the poller that does not wait beyond until_ns of that clock. */
void turn_until(struct poller *p, int64_t until_ns);

/* User and system CPU time of this process in nanoseconds. */
int64_t cpu_ns(void);

#endif
