/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_WINDOWS_H
#define RULE_WINDOWS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

/*
 * The sliding windows and cooldowns of one rule, by key.
 *
 * The window of a key at time t is (t - width, t]. Counts are exact up to `level`, above it they
 * read "level + 1 or more": so a key keeps its newest level + 1 times and no more. A cooldown that
 * began at f is over when t >= f + cooldown.
 *
 * Memory follows use. A key whose window and cooldown are both over is as good as unknown; such
 * keys are swept a few at a time, and when is not visible in any result. Over keys_max keys or
 * stamps_max kept times the key that was seen longest ago is evicted, and counted: that is visible,
 * and a function of the records alone.
 *
 * Times are microseconds and strictly increase from call to call, but for windows_retune and
 * windows_restart, after which earlier ones may be added again. One thread at a time; never blocks.
 */
struct windows;

#define WINDOW_KEY_BYTES_MAX 256 /* longer group keys are hashed by rule/key.h */

struct window_spec {
	int64_t width_us;    /* > 0 */
	int64_t cooldown_us; /* >= 0 */
	uint32_t level;	     /* >= 1 */
};
struct window_limits {
	uint32_t keys_max;   /* >= 1 */
	uint32_t stamps_max; /* > the level of any spec */
};

/* What the window of a key holds after a record was added to it. */
struct window_count {
	uint32_t slot;	  /* for windows_fired, until the next call that changes anything */
	uint32_t count;	  /* 1..level + 1 */
	bool at_least;	  /* count is level + 1, and there may be more */
	bool quiet;	  /* a cooldown runs */
	bool marked;	  /* by windows_mark */
	int64_t first_us; /* the oldest time counted */
};

struct windows_usage {
	size_t keys;
	size_t stamps;
	size_t bytes;
	uint64_t evicted; /* keys pushed out by a limit since the start */
};

/* seed needs to be hard to guess for who sends events; nothing visible depends on it. */
struct windows *windows_new(const struct hash_key *seed, struct window_limits limits,
			    struct window_spec spec);
void windows_free(struct windows **w);

/* Add a record of key (up to WINDOW_KEY_BYTES_MAX bytes) at now_us. O(1) amortised. */
struct window_count windows_add(struct windows *w, struct slice key, int64_t now_us);
/* The record just added made the rule fire: its cooldown begins. */
void windows_fired(struct windows *w, uint32_t slot, int64_t now_us);

/*
 * Mark a key, or not any more: whoever watches is told before a marked one is evicted. Whether the
 * key is there. windows_restart forgets all marks, and so does saving.
 */
bool windows_mark(struct windows *w, struct slice key, bool marked);
typedef void window_evicted(void *arg, struct slice key);
void windows_watch(struct windows *w, window_evicted *fn, void *arg);

/* That a key has `level` records or more in its window. */
struct window_reach {
	int64_t until_us; /* without another record the count is below level from then on */
	bool exact;	  /* level, not more */
};
/* False when it has fewer at now_us, which is not before the last record. */
NODISCARD bool windows_reach(const struct windows *w, struct slice key, int64_t now_us,
			     struct window_reach *out);

/*
 * Count by another spec from now on. A cooldown that was over stays over, a running one takes the
 * new length. False: all that the new spec needs is there. True: the counts are gone (as after
 * windows_restart) and the caller adds the records of (now_us - width_us, now_us] again.
 */
NODISCARD bool windows_retune(struct windows *w, struct window_spec spec, int64_t now_us);
/* Forget all counts, keep the cooldowns that still run at now_us. */
void windows_restart(struct windows *w, int64_t now_us);
/* Drop every key that is over and give memory back. Changes no result. */
void windows_sweep(struct windows *w, int64_t now_us);

struct windows_usage windows_usage(const struct windows *w);

/* Append all state that matters at now_us. The spec is not part of it. */
void windows_save(const struct windows *w, int64_t now_us, struct buf *out);
/* What windows_save wrote, under the same spec, or NULL: nothing in it is trusted. */
struct windows *windows_load(const struct hash_key *seed, struct window_limits limits,
			     struct window_spec spec, struct slice saved, struct err *err);

#endif
