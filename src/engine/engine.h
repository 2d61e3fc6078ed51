/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/metrics.h"
#include "engine/retain.h"
#include "engine/waiters.h"
#include "journal/journal.h"
#include "store/replies.h"
#include "store/rules.h"
#include "store/store.h"

/*
 * The one thread that decides. It reads the journal in order, applies each record exactly once, and
 * commits what follows (rules, alerts, deliveries, changes) together with its cursor. A crash
 * between two commits loses nothing and repeats nothing: the cursor says where to go on, and the
 * windows come back from the newest snapshot and a replay without effects.
 */
struct engine;

/*
 * What a commit brought; called on the engine thread. Deliveries are told of before the flush of
 * the commit, everything else after it: doc/adr/0015.
 */
struct engine_news {
	bool deliveries;	   /* some are due now */
	const struct org_id *orgs; /* those with new rows in changes */
	size_t orgs_n;
	int64_t log_us; /* when the newest record of the commit was received */
};

struct engine_options {
	struct journal *journal;
	struct store *store;
	struct metrics *metrics;
	struct waiters *waiters;
	struct retain *retain;	   /* learns what was deleted; NULL: nobody has to know */
	const char *snapshot_dir;  /* made when missing */
	const char *life_path;	   /* see life.h; NULL: crashes are not told apart */
	uint64_t snapshot_records; /* a snapshot after this many; 0: 500,000 */
	int64_t snapshot_us;	   /* and after this long, when anything happened; 0: 60 s */
	bool hold;		   /* apply nothing until engine_release: for measuring a drain */
	void (*news)(void *arg, const struct engine_news *news);
	/*
	 * Fill in what the request is answered that brought a new rule: status, texts (in the tick)
	 * and whether they are whole. A function of the rule alone. Engine thread. NULL: replies
	 * are not kept.
	 */
	void (*reply)(const struct rule_row *rule, struct arena *tick, struct reply_row *out);
	/*
	 * engine_due is earlier than it was, or has passed while nothing arrives. Engine thread.
	 * May be NULL.
	 */
	void (*due)(void *arg);
	/* Nothing more can be decided; the process should stop. Engine thread. */
	void (*failed)(void *arg, const struct err *err);
	/* Tests may end the process here, before a record is applied. May be NULL. */
	void (*applying)(void *arg, const struct record *record);
	void *arg;
};

/*
 * Take over the partition, load the newest snapshot, replay up to the cursor. Blocks. ERR_CONFLICT:
 * the state belongs to another journal, or is ahead of this one; ERR_CORRUPT: the replay does not
 * end where the state says it should. A record that has crashed the process three times is put
 * into quarantine, by records that are appended here: call it on the thread of the journal.
 */
NODISCARD bool engine_open(struct engine **engine, const struct engine_options *options,
			   struct err *err);
/* Start the thread. */
void engine_start(struct engine *engine);
/* Let a held engine go on. Any thread, also a signal's. */
void engine_release(struct engine *engine);
/*
 * Apply what is flushed (for at most wait_us), commit, write a snapshot, join, free. The journal
 * stays open; nobody appends any more.
 */
void engine_close(struct engine **engine, int64_t wait_us);

/* The last record whose effects are committed. Any thread, never blocks. */
uint64_t engine_applied(const struct engine *engine);
/*
 * When the oldest record was received that is not committed, as far as the engine has looked at it;
 * INT64_MAX: it has nothing to do. Any thread, never blocks.
 */
int64_t engine_behind_since(const struct engine *engine);
/*
 * When the log should have a record at the latest, because time alone decides something then;
 * INT64_MAX: nothing waits. In the time of the log. Any thread, never blocks.
 */
int64_t engine_due(const struct engine *engine);

/*
 * Whether the snapshot of this name in dir is whole and of this journal; nothing is loaded. *seq is
 * its record. ERR_CORRUPT, ERR_IO. Any thread; reads the file.
 */
NODISCARD bool engine_snapshot_check(int dir, const char *name, const struct journal_id *journal,
				     uint64_t *seq, struct err *err);

#endif
