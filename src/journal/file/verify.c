/* SPDX-License-Identifier: Apache-2.0 */
/* All sealed files, one after the other: looked at, or mended where that loses nothing. */
#include <stdlib.h>

#include "journal/file/file_journal.h"
#include "journal/file/mend.h"
#include "journal/file/sealed_file.h"

typedef bool part_visit(void *arg, struct part *part, struct err *err);

/* The visit takes the reference. */
static bool each_part(struct file_journal *j, part_visit *visit, void *arg, struct err *err)
{
	uint64_t changes;
	size_t n;
	struct part **parts = parts_all(j, &n, &changes);
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		if (ok) {
			ok = visit(arg, parts[i], err);
		} else {
			part_unref(&parts[i]);
		}
	}
	free(parts);
	return ok;
}

struct verify {
	struct file_journal *j;
	bool deep;
	journal_damage_fn *on_damage;
	void *arg;
	struct journal_health *health;
};

static bool verify_part(void *arg, struct part *part, struct err *err)
{
	const struct verify *v = arg;
	struct journal_health *h = v->health;
	struct part_check *check = part_check_new(v->j, part, v->deep, v->on_damage, v->arg);
	bool ok = part_check_step(check, UINT64_MAX / 2, err) == NOT_FOUND;
	const struct sealed_report *report = part_check_report(check);

	h->files++;
	h->bytes += report->bytes_read;
	h->records += part->info->records;
	h->last_seq = part->info->last_seq;
	h->damaged += report->damaged;
	h->lost_blocks += report->lost_blocks;
	h->lost_records += report->lost_records;
	part_check_free(&check);
	return ok;
}

bool file_verify(struct journal *journal, bool deep, journal_damage_fn *on_damage, void *arg,
		 struct journal_health *health, struct err *err)
{
	struct verify v = { file_journal(journal), deep, on_damage, arg, health };

	*health = (struct journal_health) { 0 };
	return each_part(v.j, verify_part, &v, err);
}

/* The block that begins at this offset. */
static bool block_at(struct sealed *s, uint64_t offset, uint64_t *block, struct err *err)
{
	struct sealed_index *index = sealed_index_ref(s, err);
	bool found = false;

	for (size_t i = 0; index != NULL && i < index->blocks_n && !found; i++) {
		found = index->blocks[i].offset == offset;
		*block = i;
	}
	if (index != NULL && !found) {
		err_set(err, ERR_NOT_FOUND, "\"%s\" has no block at %llu", s->name,
			(unsigned long long)offset);
	}
	sealed_index_unref(s, &index);
	return found;
}

bool file_lost_numbers(struct journal *journal, const struct journal_damage *damage,
		       journal_run_fn *visit, void *arg, struct err *err)
{
	struct file_journal *j = file_journal(journal);
	struct part *part = damage->lost == 0 ? NULL : parts_find(j, damage->first_seq);
	uint64_t block;
	bool ok;

	if (part == NULL || part->info->epoch != damage->epoch) {
		part_unref(&part);
		return err_set(err, ERR_NOT_FOUND, "\"%s\" is no sealed file of now", damage->file);
	}
	ok = block_at(part->sealed, damage->offset, &block, err) &&
	     sealed_block_numbers(part->sealed, block, visit, arg, err);
	part_unref(&part);
	return ok;
}

struct repair {
	struct file_journal *j;
	bool accept_loss;
	journal_damage_fn *on_damage;
	void *arg;
	size_t mended;
};

static bool repair_part(void *arg, struct part *part, struct err *err)
{
	struct repair *r = arg;
	struct part_check *check = part_check_new(r->j, part, false, r->on_damage, r->arg);
	bool ok = part_check_step(check, UINT64_MAX / 2, err) == NOT_FOUND;
	const struct sealed_report *report = part_check_report(check);

	if (ok && report->damaged + report->unmended > 0 &&
	    (r->accept_loss || report->lost_records == 0)) {
		ok = part_mend(r->j, part, report, r->accept_loss, err);
		r->mended += ok;
	}
	part_check_free(&check);
	return ok;
}

bool parts_mend(struct file_journal *j, bool accept_loss, struct err *err)
{
	struct repair r = { .j = j, .accept_loss = accept_loss };

	return each_part(j, repair_part, &r, err);
}

bool file_journal_repair(const struct journal_options *options, size_t *mended, struct err *err)
{
	struct journal_options o = *options;
	struct repair r = { .on_damage = options->on_damage, .arg = options->on_damage_arg };
	struct journal *journal = NULL;
	bool ok;

	o.create = false;
	o.read_only = true; /* of the rest nothing is changed */
	o.on_damage = NULL;
	ok = file_journal_alone(options, err) && journal_open(&journal, &o, err);
	if (ok) {
		r.j = file_journal(journal);
		ok = each_part(r.j, repair_part, &r, err);
	}
	*mended = r.mended;
	journal_close(&journal);
	return ok || err_wrap(err, "repair");
}
