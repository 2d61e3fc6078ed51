/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_TICKER_H
#define ENGINE_TICKER_H

#include "engine/metrics.h"
#include "journal/journal.h"
#include "net/loop.h"

/*
 * Lets time pass in the log. The engine knows no clock but the times of records, so when something
 * is due and nothing arrives, one tick is appended: a record that only brings its time. None when
 * nothing is due, one for a due time, and never more often than TICK_US_MIN.
 *
 * Loop thread, but for ticker_wake.
 */
struct ticker;

#define TICK_US_MIN (100 * INT64_C(1000)) /* what many timers share costs ten flushes a second */

struct ticker_options {
	struct loop *loop;
	struct journal *journal;
	struct metrics *metrics;
	/* The earliest due time in the time of the log, INT64_MAX for none. */
	int64_t (*due)(void *arg);
	void *arg;
};

/* Looks at what is due for the first time when the loop runs. */
struct ticker *ticker_new(const struct ticker_options *options);
/* While the loop does not run; what was appended is done. NULL ok. */
void ticker_free(struct ticker **ticker);

/* The due time is earlier than it was, or has passed. Any thread. */
void ticker_wake(struct ticker *ticker);

#endif
