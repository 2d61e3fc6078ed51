/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_HEARTBEAT_H
#define ENGINE_HEARTBEAT_H

#include "engine/metrics.h"
#include "journal/journal.h"
#include "net/loop.h"

/*
 * Decides when a heartbeat may go out, so that a watcher outside notices when we are dead or stuck.
 * Each round writes a tick to the log and waits until the engine has committed it: a beat is proof
 * that the loop turns, the log takes records, the rules advance and the state can be written. In an
 * engine that is behind but gets on the round counts too; with one that stands still the beat is
 * withheld.
 *
 * Loop thread.
 */
struct heartbeat;

struct heartbeat_options {
	struct loop *loop;
	struct journal *journal;
	struct metrics *metrics;
	int64_t every_us;
	/* The last record whose effects are committed. */
	uint64_t (*applied)(void *arg);
	/* One beat may go out. */
	void (*beat)(void *arg);
	void *arg;
};

/* The first round begins when the loop runs. */
struct heartbeat *heartbeat_new(const struct heartbeat_options *options);
/* While the loop does not run; what was appended is done. NULL ok. */
void heartbeat_free(struct heartbeat **heartbeat);

#endif
