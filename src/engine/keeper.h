/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_KEEPER_H
#define ENGINE_KEEPER_H

#include "engine/guesses.h"
#include "engine/keyring.h"
#include "engine/ledger.h"
#include "engine/metrics.h"
#include "engine/people.h"
#include "engine/retain.h"
#include "engine/watchman.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "store/store.h"

/*
 * The housekeeping thread: zeroes the next segment of the log ahead of its use, moves SQLite's
 * write-ahead log into the database, writes down when keys and sessions were last used, saves what
 * became of events and who failed to log in, and drops change rows that no stream may ask for any
 * more, replies that nobody may ask for again, sayings long said, sessions and tokens that have
 * expired, and counts that are older than they are kept; beside it seals and purges the log, and
 * forgets users whose days of grace are over. Nobody waits for it.
 */
struct keeper;

/* How long counts of events and outcomes are kept. Two whole days, and what began before them. */
#define KEEPER_MINUTES_KEPT_US (49 * INT64_C(3600) * 1000000)
#define KEEPER_HOURS_KEPT_US (400 * INT64_C(86400) * 1000000) /* a year, and a month to compare */

struct keeper_options {
	struct loop *loop; /* the thread of keys and people */
	struct journal *journal;
	struct store *store;
	struct keyring *keys;
	struct people *people;	   /* NULL: nobody logs in */
	struct ledger *ledger;	   /* NULL: there is none */
	struct guesses *guesses;   /* NULL: nobody counts them */
	bool seal;		   /* pack closed segments, and purge what is not kept */
	struct retain *retain;	   /* what is kept; NULL: everything */
	struct metrics *metrics;   /* needed with retain */
	struct watchman *watchman; /* steps on this thread; NULL: nobody is told anything */
	/* Nothing of an org that is purged is to be found in memory any more. On the loop. */
	void (*forget)(void *arg, struct org_id org);
	void *arg;
	int64_t scrub_us; /* read each closed file again so often; 0: never */
};

/* Connects and starts the thread. Blocks. */
NODISCARD bool keeper_open(struct keeper **keeper, const struct keeper_options *options,
			   struct err *err);
/*
 * Stops the thread, with one last note of key uses and outcomes. Call while the loop no longer
 * runs. NULL ok.
 */
void keeper_close(struct keeper **keeper);

#endif
