/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_WALK_H
#define JOURNAL_FILE_WALK_H

#include "journal/file/reader.h"

struct file_journal;

/*
 * A position between two records of the flushed log, moving forward from segment to segment and
 * over damage. One thread at a time.
 */
struct walk {
	struct file_journal *journal;
	struct reader reader;
	uint64_t seq;	    /* of the next record that is wanted */
	uint64_t at;	    /* of the record at offset, at most seq */
	uint64_t offset;    /* 0: to be found */
	uint64_t batch_end; /* 0 when a damaged header hides it */
	bool sealed;	    /* NOT_FOUND, because a sealed file has the record by now */
};

void walk_init(struct walk *walk, struct file_journal *journal, size_t chunk);
void walk_release(struct walk *walk);
/* Go to record seq, at least 1. */
void walk_seek(struct walk *walk, uint64_t seq);
/*
 * The next record as bytes. verify: check it, else trust its header (to hop). FOUND moves behind
 * it. NOT_FOUND: it is not flushed. FAILED with ERR_CORRUPT moves behind what is lost, with ERR_IO
 * it stays.
 */
enum found walk_next(struct walk *walk, bool verify, const char **p, size_t *size, struct err *err);

#endif
