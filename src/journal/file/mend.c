/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where nothing is lost for good, a file is put right page by page, which needs none of it to be
 * understood; else block by block, which leaves out what is gone.
 */
#include "journal/file/mend.h"

#include <stdlib.h>

#include "base/clock.h"
#include "journal/file/file_journal.h"
#include "journal/file/sealed_file.h"

#define PIECE_BYTES ((size_t)64 << 10)

struct part_check {
	struct file_journal *j;
	struct part *part;
	struct sealed_verifier *verifier;
	struct sealed_report report;
	journal_damage_fn *on_damage;
	void *arg;
	uint64_t told; /* records, in blocks that are lost */
};

/* Of the bytes as they are; what cannot be read is left out. */
static uint32_t crc_of(const struct sealed *s, uint64_t offset, uint64_t n)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	struct err err = { 0 };
	uint32_t crc = 0;

	while (n > 0) {
		size_t part = n < PIECE_BYTES ? (size_t)n : PIECE_BYTES;

		if (files_read(&s->files, s->fd, piece, part, offset, s->name, &err)) {
			crc = crc32c(crc, piece, part);
		}
		offset += part;
		n -= part;
	}
	free(piece);
	return crc;
}

static void tell(struct part_check *c, struct journal_damage *damage)
{
	damage->epoch = c->part->info->epoch;
	sealed_name(damage->epoch, damage->file);
	damage->known = damages_have(journal_known(c->j), damage);
	if (c->on_damage != NULL) {
		c->on_damage(c->arg, damage);
	}
}

/* Pages that cannot be mended are told as the blocks in them, or all together at the end. */
static void on_sealed(void *arg, const struct sealed_damage *d)
{
	struct part_check *c = arg;
	struct journal_damage damage = { .offset = d->offset,
					 .end = d->offset + d->bytes,
					 .first_seq = 1,
					 .mendable = d->mendable };

	if (d->part == SEALED_BLOCK) {
		damage.first_seq = d->first_seq;
		damage.last_seq = d->last_seq;
		damage.lost = d->records;
		damage.org = d->org;
		damage.project = d->project;
		damage.crc = crc_of(c->part->sealed, d->offset, d->bytes);
		c->told += d->records;
	} else if (!d->mendable) {
		return;
	}
	tell(c, &damage);
}

struct part_check *part_check_new(struct file_journal *j, struct part *part, bool deep,
				  journal_damage_fn *on_damage, void *arg)
{
	struct part_check *c = mem_alloc(1, sizeof(*c));

	c->j = j;
	c->part = part;
	c->on_damage = on_damage;
	c->arg = arg;
	c->verifier = sealed_verifier_new(part->sealed, deep, on_sealed, c);
	return c;
}

void part_check_free(struct part_check **check)
{
	struct part_check *c = *check;

	if (c != NULL) {
		sealed_verifier_free(&c->verifier);
		part_unref(&c->part);
		free(c);
		*check = NULL;
	}
}

/* Records that no block of the index has, or a file that needs more than its parity. */
static void tell_rest(struct part_check *c)
{
	const struct sealed_info *info = c->part->info;
	struct journal_damage damage = { .end = info->file_bytes, .first_seq = 1 };

	if (c->report.lost_records > c->told) {
		damage.first_seq = info->first_seq;
		damage.last_seq = info->last_seq;
		damage.lost = c->report.lost_records - c->told;
		tell(c, &damage);
	} else if (c->report.unmended > 0 && c->report.lost_records == 0) {
		damage.mendable = true;
		tell(c, &damage);
	}
}

enum found part_check_step(struct part_check *c, uint64_t bytes, struct err *err)
{
	enum found found = sealed_verifier_step(c->verifier, bytes, err);

	c->report = *sealed_verifier_report(c->verifier);
	if (found == FAILED && err->kind == ERR_CORRUPT) { /* neither index nor blocks */
		c->report.unmended++;
		c->report.lost_records = c->part->info->records;
		found = NOT_FOUND;
	}
	if (found == NOT_FOUND) {
		tell_rest(c);
	}
	return found;
}

struct part *part_check_part(const struct part_check *c)
{
	return c->part;
}

const struct sealed_report *part_check_report(const struct part_check *c)
{
	return &c->report;
}

/* It stands for the same numbers and has none of them. */
static bool write_empty(struct file_journal *j, const struct sealed_info *info, struct err *err)
{
	struct sealed_options options = parts_options(j, info->epoch);
	struct sealed_writer *writer;
	bool ok;

	options.first_seq = info->first_seq;
	options.last_seq = info->last_seq;
	options.created_at_us = clock_wall_us();
	writer = sealed_writer_new(&options, err);
	ok = writer != NULL && sealed_writer_commit(writer, NULL, err);
	sealed_writer_free(&writer);
	return ok;
}

static bool write_anew(struct file_journal *j, struct part *part,
		       const struct sealed_report *report, bool accept_loss, struct err *err)
{
	struct sealed_rewrite rewrite = { .force = true,
					  .accept_loss = accept_loss,
					  .created_at_us = clock_wall_us() };

	if (report->unmended == 0) {
		return sealed_repair(part->sealed, NULL, err);
	}
	return sealed_copy(part->sealed, &rewrite, NULL, err) ||
	       (accept_loss && err->kind == ERR_CORRUPT && write_empty(j, part->info, err));
}

bool part_mend(struct file_journal *j, struct part *part, const struct sealed_report *report,
	       bool accept_loss, struct err *err)
{
	struct sealed_options options = parts_options(j, part->info->epoch);
	struct sealed *sealed;

	if (!write_anew(j, part, report, accept_loss, err)) {
		return false;
	}
	sealed = sealed_open(&options, err);
	return sealed != NULL && parts_swap(j, part, sealed);
}
