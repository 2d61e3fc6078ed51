/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_RECEIVER_H
#define ENGINE_RECEIVER_H

#include "base/map.h"
#include "base/slice.h"
#include "model/breaker.h"

/*
 * What the courier knows of those who receive, one by one: whether they are down, how fast they
 * are, and what waits for them. Nobody's places are taken by a receiver that is slow or dead:
 *
 *   - so many calls at once go to one receiver; who comes then gets a time of its own to come back
 *   - while a breaker is open nothing is asked again: deliveries are held, each is written once
 *     however long the outage is, and one of them is freed as the probe when the breaker is cool
 *   - when the receiver answers again, what was held is freed as fast as it can be taken
 *
 * Decides, and leaves the doing to the courier, on whose thread all of this is. Times are of the
 * wall clock.
 */
#define RECEIVER_CALLS_MAX 16	 /* calls to one receiver at once: it must not take all places */
#define RECEIVER_FREED_MAX 5000	 /* held deliveries that come back at once */
#define RECEIVERS_KEPT_MAX 10000 /* receivers remembered; the idle ones go first */

struct receiver {
	struct breaker breaker;
	size_t active;	 /* calls under way */
	int64_t call_us; /* how long calls take, smoothed */
	int64_t next_us; /* the place behind all those that were told to wait */
	bool holds;	 /* deliveries may be held for it */
	int64_t free_us; /* when to think of them again */
	char name[];	 /* scheme, host and port */
};

struct receivers {
	struct map map;
	int64_t free_us; /* the earliest of all; INT64_MAX: nobody holds anything */
};

void receivers_init(struct receivers *rs);
void receivers_release(struct receivers *rs);
/* Made when it is new. Lives until receivers_trim, which leaves those that are busy or down. */
struct receiver *receivers_get(struct receivers *rs, struct slice name);
void receivers_trim(struct receivers *rs);

enum receiver_word {
	RECEIVER_GO,   /* call it, and say receiver_done */
	RECEIVER_WAIT, /* all places are taken: come back at *again_us */
	RECEIVER_HOLD  /* it is down: until it is freed */
};
/* Ask before a call. */
enum receiver_word receiver_enter(struct receivers *rs, struct receiver *r, int64_t now_us,
				  int64_t *again_us);
/* failed: in a way that may pass. took_us: the call's time. */
void receiver_done(struct receivers *rs, struct receiver *r, bool failed, int64_t took_us,
		   int64_t now_us);

/*
 * The next receiver of which something is to be freed by now, and how much; NULL: nobody. Walk with
 * *at = 0 when rs->free_us has come, and tell receiver_freed each time how many there were.
 */
struct receiver *receivers_to_free(struct receivers *rs, size_t *at, int64_t now_us, size_t *n);
/* Fewer than asked for: nothing is held any more. */
void receiver_freed(struct receiver *r, size_t asked, size_t freed, int64_t now_us);
/* After the walk: when to walk again. */
void receivers_walked(struct receivers *rs);

#endif
