/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LIFE_H
#define ENGINE_LIFE_H

#include "base/err.h"
#include "journal/journal.h"

/*
 * What the engine was doing when the process ended, in a small file that survives the process (not
 * always the machine, which is no fault of a record's). It is written at start, and record by
 * record only while the tail that an unclean exit left is applied; so it costs nothing normally.
 *
 * From it follows which record crashes the engine: the one that three unclean exits in a row come
 * down to. A kill from outside leaves a mark as well, but not three at one record. When the state
 * refuses the rows of one record alone, that is certain at once.
 *
 * Engine thread, and the thread that opens the engine before that one starts.
 */
struct life {
	uint64_t cursor;    /* committed when this life began */
	uint64_t at;	    /* the record under way; 0: none is watched */
	uint64_t last_at;   /* the record that earlier unclean exits were at */
	uint64_t careful;   /* up to this record each is committed alone; 0: none */
	uint32_t exits;	    /* unclean ones in a row at this cursor */
	uint32_t at_exits;  /* those of them while last_at was applied */
	uint8_t clean;	    /* this life has ended as it should */
	uint8_t committing; /* at is not being applied, but the last one of a commit */
	uint8_t pending;    /* a quarantine record may be in the log and not applied yet */
	uint8_t blind;	    /* the exit before this life was not watched */
	uint8_t refused;    /* this life ended itself, as the state would not take its rows */
	uint8_t unused[3];
};

#define LIFE_EXITS 3 /* as many could be bad luck; more in a row at one record could not */

/*
 * Begin a life at the cursor: *life is what the last one left, and becomes what this one starts
 * with. Returns the record that must not be applied any more, or 0. Pure.
 */
uint64_t life_begin(struct life *life, uint64_t cursor);

/* NOT_FOUND: none, of another journal, or damaged. Then *life is that of a clean end. */
enum found life_read(const char *path, const struct journal_id *journal, struct life *life);
/* Open or make the file for life_write; -1 when that fails. */
int life_open(const char *path);
/* One small write, not flushed. False when it failed: then crashes are not told apart. */
NODISCARD bool life_write(int fd, const struct journal_id *journal, const struct life *life);

#endif
