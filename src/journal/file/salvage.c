/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers that such a file stands for are those between its neighbours; without one, those of
 * its blocks. Which of them were lost and which purged before nobody can tell: what is not found
 * counts as lost, unless every page of the file is well.
 */
#include "journal/file/salvage.h"

#include "base/clock.h"
#include "journal/file/epochs.h"
#include "journal/file/file_journal.h"
#include "journal/file/sealed_file.h"

struct salvage {
	struct file_journal *j;
	journal_damage_fn *on_damage;
	salvage_keep *keep;
	void *arg;
};

/* Whether the journal got along with this file, or without it. */
static bool is_taken(const struct file_journal *j, uint64_t epoch)
{
	for (size_t i = 0; i < j->parts_n; i++) {
		if (j->parts[i]->info->epoch == epoch) {
			return true;
		}
	}
	for (size_t i = 0; i < j->superseded_n; i++) {
		if (j->superseded[i] == epoch) {
			return true;
		}
	}
	for (size_t i = 0; i < j->segments_n; i++) { /* its segments are still there */
		if (j->segments[i]->epoch <= epoch) {
			return true;
		}
	}
	return false;
}

/* The numbers between the files before and after it; 0 where there is none. */
static void between(const struct file_journal *j, struct sealed_options *options)
{
	for (size_t i = 0; i < j->parts_n; i++) {
		const struct sealed_info *info = j->parts[i]->info;

		if (info->epoch < options->epoch) {
			options->first_seq = info->last_seq + 1;
		} else if (options->last_seq == 0) {
			options->last_seq = info->first_seq - 1;
		}
	}
	if (options->last_seq == 0 && j->segments_n > 0) {
		options->last_seq = j->segments[0]->first_seq - 1;
	}
}

static bool write_anew(struct salvage *s, struct sealed *sealed, struct err *err)
{
	struct sealed_rewrite rewrite = { .force = true,
					  .accept_loss = true,
					  .created_at_us = clock_wall_us() };
	const struct sealed_info *info = sealed_info(sealed);
	struct journal_damage damage = { .epoch = info->epoch,
					 .end = info->file_bytes,
					 .first_seq = info->first_seq,
					 .last_seq = info->last_seq };
	struct sealed_report report;

	sealed_name(info->epoch, damage.file);
	if (!sealed_verify(sealed, false, NULL, NULL, &report, err)) {
		return false;
	}
	damage.mendable = report.unmended == 0;
	damage.lost = journal_damage_span(&damage) - info->records;
	if (damage.mendable || damage.lost == 0) {
		damage.last_seq = damage.first_seq - 1;
		damage.lost = 0;
		damage.mendable = true;
		s->on_damage(s->arg, &damage);
	} else if (!s->keep(s->arg, &damage, err)) {
		return false;
	}
	return sealed_copy(sealed, &rewrite, NULL, err);
}

static bool salvage_one(struct salvage *s, uint64_t epoch, struct err *err)
{
	struct sealed_options options = parts_options(s->j, epoch);
	struct sealed *sealed;
	bool ok;

	between(s->j, &options);
	sealed = sealed_open_blind(&options, err);
	if (sealed == NULL) {
		return err->kind == ERR_CORRUPT; /* the open tells what it has cost */
	}
	ok = write_anew(s, sealed, err);
	sealed_close(&sealed);
	return ok;
}

bool parts_salvage(struct file_journal *j, journal_damage_fn *on_damage, salvage_keep *keep,
		   void *arg, struct err *err)
{
	struct salvage s = { j, on_damage, keep, arg };
	struct epochs epochs;
	bool ok = epochs_list(j, sealed_epoch, &epochs, err);

	for (size_t i = 0; ok && i < epochs.n; i++) {
		ok = is_taken(j, epochs.v[i]) || salvage_one(&s, epochs.v[i], err);
	}
	epochs_release(&epochs);
	return ok;
}
