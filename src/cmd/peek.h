/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_PEEK_H
#define CMD_PEEK_H

#include "journal/journal.h"

/*
 * A data directory as commands look at it that change nothing. When a server runs on it, that one
 * says through its socket which files hold the log and how far; else the directory is locked, so
 * that none starts meanwhile. Main thread.
 */
struct peek {
	struct slice data;
	const char *dir; /* of the journal */
	bool served;
	int lock; /* -1: none, or served */
};

/*
 * ERR_NOT_FOUND when there is no journal in it; ERR_CONFLICT when somebody has it who does not
 * answer. data is borrowed.
 */
NODISCARD bool peek_open(struct peek *peek, struct slice data, struct arena *boot, struct err *err);
void peek_close(struct peek *peek);
/* The files that hold the log now. Of a directory that nobody serves: n is 0, which means all. */
NODISCARD bool peek_files(struct peek *peek, struct arena *boot, struct journal_file **files,
			  size_t *n, struct err *err);
/* Open the journal to look at it, as of now. options may be NULL; its dir and the like are set. */
NODISCARD bool peek_journal(struct peek *peek, const struct journal_options *options,
			    struct journal **journal, struct err *err);

#endif
