/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SALVAGE_H
#define JOURNAL_FILE_SALVAGE_H

#include "journal/journal.h"

/*
 * Sealed files without a footer, which no open can take: write them anew from what is left of them.
 * on_damage hears of each; when nothing is lost, it is mendable, else it is to be set aside before
 * the file is written: keep does that, and false from it ends all. Of a journal that is open to
 * look at, which has to be opened again then. ERR_IO, ERR_DISK_FULL. One thread; blocks.
 */
struct file_journal;
typedef bool salvage_keep(void *arg, const struct journal_damage *damage, struct err *err);
NODISCARD bool parts_salvage(struct file_journal *j, journal_damage_fn *on_damage,
			     salvage_keep *keep, void *arg, struct err *err);

#endif
