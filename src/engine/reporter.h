/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_REPORTER_H
#define ENGINE_REPORTER_H

#include "base/err.h"
#include "engine/metrics.h"

/*
 * What we say of ourselves to somebody outside: heartbeats, and our own errors to a Sentry project.
 * A thread with an HTTP client of its own, since what it has to say is most needed when everything
 * else is stuck. It opens before all other parts and closes after them, so that a start that fails
 * is reported too.
 *
 * Lines of the log with level error become reports. Writing them never waits: a bounded queue takes
 * them, and what is too much is dropped and counted. Both addresses hold secrets and are in no log
 * line; secrets that a line should hold all the same are masked.
 */
struct reporter;

#define REPORTER_SECRETS_MAX 8

struct reporter_options {
	struct slice heartbeat_url;		    /* empty: none */
	struct slice sentry_dsn;		    /* empty: none */
	struct slice secrets[REPORTER_SECRETS_MAX]; /* never to be sent; borrowed; may be empty */
};

/*
 * Take over the log's tap and start the thread; with neither address there is nothing to do and *r
 * is NULL, which all calls accept. ERR_INVALID: the DSN cannot be read. Main thread.
 */
NODISCARD bool reporter_open(struct reporter **r, const struct reporter_options *options,
			     struct err *err);
/* Send what is waiting, for at most wait_us, then stop. Nothing else may log meanwhile. */
void reporter_close(struct reporter **r, int64_t wait_us);
/* Where to count from now on; NULL before the metrics go. Any thread. */
void reporter_count_in(struct reporter *r, struct metrics *metrics);
/* Let one heartbeat go out. Any thread, never blocks. */
void reporter_beat(struct reporter *r);

#endif
