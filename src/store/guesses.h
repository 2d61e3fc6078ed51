/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_GUESSES_H
#define STORE_GUESSES_H

#include "store/db.h"

/*
 * Counters of failures that outlive the process (model/guess.h). Of the installation, not of an
 * org: who guesses belongs to none. Kept in memory by engine/guesses.h, which loads and saves.
 */
struct guess_row {
	int64_t kind;	      /* enum guess_of */
	struct slice subject; /* a hash, in hexadecimal */
	int64_t failures;
	int64_t last_us;
};

/* At most max, those that failed most often: calls each; rows are borrowed during the call. */
NODISCARD bool store_guesses_load(struct db *db, size_t max,
				  void (*each)(void *arg, const struct guess_row *row), void *arg,
				  struct err *err);
/* Put or replace. In a transaction. */
NODISCARD bool store_guesses_put(struct db *db, const struct guess_row *rows, size_t n,
				 struct err *err);
/* Drop what failed last before before_us, and what has no failures. Not in a transaction. */
NODISCARD bool store_guesses_prune(struct db *db, int64_t before_us, struct err *err);

#endif
