/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_GUESSES_H
#define ENGINE_GUESSES_H

#include "base/hash.h"
#include "model/guess.h"
#include "store/guesses.h"

/*
 * Who was wrong how often, in memory; the keeper writes what changed every second, so a crash
 * forgets at most the failures of the newest second, and a restart none. Subjects are kept by
 * their hashes alone. Any thread; nothing blocks but load and save.
 *
 * Bounded: when there are too many, who has failures to spare gives way before who has none, and
 * among equals whose last is longest ago. So a flood of new addresses frees none that is locked.
 */
struct guesses;

#define GUESSES_MAX 100000 /* about 200 bytes each: 20 MB */

/* max subjects; 0: GUESSES_MAX. */
struct guesses *guesses_new(size_t max);
void guesses_free(struct guesses **g);

/* At start: what was saved and is not forgotten. Blocks. */
NODISCARD bool guesses_load(struct guesses *g, struct db *db, int64_t now_us, struct err *err);
/*
 * Write what changed since the last time, in a transaction of its own; kept for the next time on
 * failure. What a day has passed over leaves memory. One thread at a time; blocks.
 */
NODISCARD bool guesses_save(struct guesses *g, struct db *db, int64_t now_us, struct err *err);

/* Whether subject may try now. */
struct guess_verdict guesses_ask(struct guesses *g, enum guess_of of, struct slice subject,
				 int64_t now_us);
/*
 * The same for a try that takes its time: unless locked, it counts as a failure from now on, so
 * that tries side by side are no more than those one after the other. guesses_forgive when it was
 * none.
 */
struct guess_verdict guesses_try(struct guesses *g, enum guess_of of, struct slice subject,
				 int64_t now_us);
/*
 * A try was a failure. what tells tries apart: a client that goes on sending one old key guesses
 * nothing, so what was among the last few of this subject is not counted again.
 */
void guesses_fail(struct guesses *g, enum guess_of of, struct slice subject, struct slice what,
		  int64_t now_us);
/* Take back the newest failure; or all, of somebody who has proved who he is. */
void guesses_forgive(struct guesses *g, enum guess_of of, struct slice subject, bool all);
/* Whether any address may be locked: if not, no request has to ask. Cheap. */
bool guesses_any_address(const struct guesses *g);
size_t guesses_len(struct guesses *g);

#endif
