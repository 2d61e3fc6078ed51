/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ENGINE_IMPL_H
#define ENGINE_ENGINE_IMPL_H

#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/life.h"
#include "engine/poison.h"
#include "engine/rollup.h"
#include "engine/rulebook.h"
#include "engine/usage.h"
#include "rule/opens.h"

/*
 * The inside of the engine, shared by the files that make it up: engine.c (thread and commits),
 * apply.c (records), alert.c (firings), recover.c (start), snapshot.c, watch.c (crashes).
 */

/* What depends on the log alone: all of it is in a snapshot. */
struct engine_state {
	uint64_t seq; /* the last record applied */
	uint64_t alerts;
	uint64_t deliveries;
	struct rule_set *rules;	   /* what is in force, with its windows and open alerts */
	struct rulebook *rulebook; /* all rules with their versions */
};

struct engine {
	struct engine_options o;
	struct engine_state state;
	struct db *db;
	struct journal_iter *iter;
	struct engine_cursor cursor; /* as it is in the store */
	struct rollups *rollups;     /* of the records behind cursor.rollup_seq */
	struct usage *usage;	     /* of those behind cursor.usage_seq */
	struct arena tick;
	struct arena boot;
	struct effects effects;
	struct poison poison; /* what is left out */
	struct life life;
	uint64_t watch_until; /* the last record that is watched; 0: none is */
	int life_fd;
	bool life_failed;	  /* and told */
	bool poisoned;		  /* rows of this batch cannot be committed */
	bool with_effects;	  /* false while replaying */
	int64_t record_us;	  /* when the last record was received */
	int64_t rollups_saved_us; /* monotonic */
	int64_t snapshot_at_us;	  /* monotonic */
	uint64_t snapshot_seq;
	uint64_t deleted_seq; /* older snapshots know of events that were deleted before it */
	bool snapshot_alone;  /* the newest is the only one */
	uint64_t found_seq;   /* the last record that was there at the start */
	uint64_t applied;     /* atomic: committed */
	int64_t due_us;	      /* atomic: the earliest timer, in the time of the log */
	int64_t behind_us;   /* atomic: when the oldest record was received that is not committed */
	int held;	     /* atomic */
	int stopping;	     /* atomic */
	int64_t deadline_us; /* monotonic; when stopping */
	bool started;
	unsigned long thread; /* pthread_t */
};

/* Apply one record to the state; effects only with_effects. ERR_CORRUPT when it cannot be read. */
NODISCARD bool engine_apply(struct engine *e, const struct record *record, struct err *err);

/* A rule fired: number the alert and its deliveries, and describe them when effects are wanted. */
void engine_alert(struct engine *e, const struct record *record, const struct event *event,
		  const struct firing *firing);

/* An alert is over, as the record showed: describe that. */
void engine_alert_end(struct engine *e, const struct record *record, const struct rule_end *end);

/* Commit what was counted, up to a record that the cursor covers. For the start. */
NODISCARD bool engine_save_counts(struct engine *e, uint64_t seq, struct err *err);

/*
 * Whether to go on behind damage that the iterator has told, at the record before which it was
 * met. What nobody has set aside must not be passed over by a start: whoever is asked may have a
 * backup. Damage to what came in since is passed over; the log is judged at the next start.
 */
NODISCARD bool engine_may_pass(const struct engine *e, const struct journal_iter *iter,
			       uint64_t seq, struct err *err);

/* Bring the state to the cursor. */
NODISCARD bool engine_recover(struct engine *e, struct err *err);

/*
 * Learn from what the last life left, before the thread starts: what to watch, what to leave out.
 */
NODISCARD bool engine_watch_open(struct engine *e, struct err *err);
/* The life begins. */
void engine_watch_start(struct engine *e);
/* Before each record, before and after each commit. */
void engine_watch_record(struct engine *e, const struct record *record);
void engine_watch_commit(struct engine *e);
/* The state will not take the rows of this commit: what follows is no kill. */
void engine_watch_refused(struct engine *e);
void engine_watch_committed(struct engine *e);
/* The record just applied is to be committed alone; the watched part ends with it. */
bool engine_watch_alone(const struct engine *e);
bool engine_watch_over(const struct engine *e);
/* The life ends as it should; free. */
void engine_watch_end(struct engine *e);
void engine_watch_close(struct engine *e);

/* Write the state to the snapshot directory; old snapshots go. A failure is logged and harmless. */
void engine_snapshot(struct engine *e);
/*
 * Remove all snapshots but the newest `kept`, and those older than the newest deletion: they hold
 * what was deleted. Tells retain which record the oldest one is of.
 */
void engine_snapshot_prune(struct engine *e, size_t kept);
#define ENGINE_SNAPSHOTS_KEPT 2 /* a damaged newest one leaves the one before */
/*
 * Load the newest whole snapshot that is not ahead of seq_max into an empty state. NOT_FOUND: there
 * is none; the state is still empty. Damaged ones are logged and passed over.
 */
enum found engine_snapshot_load(struct engine *e, uint64_t seq_max);

#endif
