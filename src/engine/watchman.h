/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_WATCHMAN_H
#define ENGINE_WATCHMAN_H

#include "engine/meter.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "store/db.h"

/*
 * Who tells orgs what the server itself notices: events of the server (doc/system-events.md), which
 * rules take as any others, first of all the built-in ones (model/builtin.h).
 *
 * It notices levels of usage (engine/meter.h), silent sources (engine/sources.h) and overdue
 * payments (store/billing.h); dead letters are noticed by the courier. All of it becomes a row
 * (store/sayings.h) first. Rows that are not said become events of the log, some at a time, and the
 * next ones only when the engine has applied those and marked them: so each is said once, whatever
 * ends the process, and a log that is full or overloaded only makes it later.
 *
 * Steps on the keeper's thread; the log is written on the loop's. What a step does is bounded.
 */
struct watchman;

struct watchman_options {
	struct loop *loop;
	struct journal *journal;
	struct meter *meter;
	/* Nobody was there to hear anything between these, by the wall; down_us 0: for ever. */
	int64_t down_us, up_us;
	int64_t mono_us;
};

/* Before anything is appended that is not in the log yet, on the thread of the journal. */
struct watchman *watchman_new(const struct watchman_options *options);
/* Neither loop nor keeper run any more, and the journal is closed. NULL ok. */
void watchman_free(struct watchman **w);

/* A project sent something in that minute. The keeper's thread. */
void watchman_heard(struct watchman *w, struct org_id org, struct project_id project,
		    int64_t minute_us, int64_t mono_us);
/*
 * Do what is to be done by now. The keeper's thread, with its connection; blocks for the database.
 */
void watchman_step(struct watchman *w, struct db *db, int64_t wall_us, int64_t mono_us);

#endif
