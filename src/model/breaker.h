/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_BREAKER_H
#define MODEL_BREAKER_H

#include "base/base.h"

/*
 * A circuit breaker for one destination: after several failures in a row nothing is sent there for
 * a while, then one delivery probes whether it is back. It spares a receiver that is down, and our
 * own slots, and other destinations that wait for them.
 *
 *   closed --failures in a row--> open --cool time over--> half open (one probe)
 *      ^                            ^--------- failed ----------|   (the cool time doubles)
 *      '------------------------ succeeded ---------------------'
 *
 * Zeroed is closed. The caller serialises; the time is an argument.
 */
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_policy {
	unsigned failures; /* in a row, until it opens */
	int64_t cool_us_min;
	int64_t cool_us_max;
};
/* 5 failures; 30 s, doubling up to 10 min. */
extern const struct breaker_policy breaker_default;

struct breaker {
	enum breaker_state state;
	unsigned failures;
	int64_t cool_us;
	int64_t until_us; /* open: when to probe; half open: when the probe counts as lost */
};

/* "closed", "open", "half_open". */
const char *breaker_state_name(enum breaker_state state);

/*
 * Ask before an attempt. True: go, and call breaker_report with what became of it; in the half open
 * state this is the probe. False: *again_us says when to ask again, and the attempt does not count.
 * A probe of which nothing is heard for as long as the cool time is given to the next who asks.
 */
NODISCARD bool breaker_enter(struct breaker *b, int64_t now_us, int64_t *again_us);
/*
 * failed: a transient failure. Anything else shows a receiver that is there, so a rejected message
 * reports false as well. Reports of attempts begun before it opened do not lengthen the cool time.
 */
void breaker_report(struct breaker *b, const struct breaker_policy *policy, bool failed,
		    int64_t now_us);

#endif
