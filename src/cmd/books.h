/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BOOKS_H
#define CMD_BOOKS_H

#include "cmd/peek.h"
#include "engine/books.h"
#include "journal/care.h"

/*
 * The books of a directory that nobody serves, for commands. *lost: records that damage has taken
 * from the log, set aside or not. now as the keeper would call it. Main thread; blocks, reads the
 * whole log. Lines are in the arena.
 */
NODISCARD bool books_look(struct peek *peek, struct db *db, struct books *books, uint64_t *lost,
			  struct arena *boot, struct err *err);

#endif
