/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_MEND_H
#define JOURNAL_FILE_MEND_H

#include "journal/care.h"
#include "journal/file/parts.h"

/*
 * Checking a sealed file of a journal, and writing it anew when that helps. What the check of a
 * file calls pages and blocks, the journal calls bytes and records. One thread at a time for all
 * that writes; blocks.
 */
struct part_check;
/* Takes the reference. on_damage may be NULL. */
struct part_check *part_check_new(struct file_journal *j, struct part *part, bool deep,
				  journal_damage_fn *on_damage, void *arg);
/* As sealed_verifier_step, but a file of which nothing can be read is no failure: all is lost. */
enum found part_check_step(struct part_check *check, uint64_t bytes, struct err *err);
struct part *part_check_part(const struct part_check *check);
/* Whole after NOT_FOUND. */
const struct sealed_report *part_check_report(const struct part_check *check);
/* NULL ok. */
void part_check_free(struct part_check **check);

/*
 * Write a damaged part anew with all that can be read, and let the new file take its place in the
 * list. report: of a check that came to its end. Without accept_loss only when nothing is lost,
 * else ERR_CORRUPT. ERR_IO, ERR_DISK_FULL: the old file is still there.
 */
NODISCARD bool part_mend(struct file_journal *j, struct part *part,
			 const struct sealed_report *report, bool accept_loss, struct err *err);
/* The same for all parts that are damaged; those that have lost something only with accept_loss. */
NODISCARD bool parts_mend(struct file_journal *j, bool accept_loss, struct err *err);

#endif
