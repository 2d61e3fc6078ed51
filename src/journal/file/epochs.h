/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_EPOCHS_H
#define JOURNAL_FILE_EPOCHS_H

#include "base/err.h"

struct file_journal;

/* The epochs that the files of one kind have in their names, ascending. One thread. */
struct epochs {
	uint64_t *v;
	size_t n;
};

/* segment_epoch, sealed_epoch. */
typedef bool epoch_of(const char *name, uint64_t *epoch);

/*
 * Of the files in the journal's directory, as far as its options let them be looked at. ERR_IO,
 * also when one that they name is gone.
 */
NODISCARD bool epochs_list(const struct file_journal *j, epoch_of *of, struct epochs *epochs,
			   struct err *err);
void epochs_release(struct epochs *epochs);

#endif
