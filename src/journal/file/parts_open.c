/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed files at the opening of a journal: their footers alone are read. A crash while sealing
 * leaves an unfinished file, or a whole one beside its segments; the whole one counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/epochs.h"
#include "journal/file/file_journal.h"

#define PATH_BYTES 4096

/* The sealed files by their names, until they are the journal's. */
struct names {
	struct epochs epochs; /* 0: another one has its records */
	struct sealed **sealed;
};

/* Whether the last of the segments that a sealed file was made of is still there. */
static bool has_segment(const struct file_journal *j, uint64_t epoch)
{
	char name[SEGMENT_NAME_BYTES];
	char path[PATH_BYTES];
	int fd;

	segment_name(epoch, name);
	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	fd = j->files.ops->open(j->files.arg, path, O_RDONLY);
	if (fd >= 0) {
		j->files.ops->close(j->files.arg, fd);
	}
	return fd >= 0;
}

/* Records up to the one before to_seq are nowhere. */
static bool hole(struct file_journal *j, struct parts_found *found, uint64_t epoch, uint64_t to_seq,
		 struct err *err)
{
	struct journal_damage damage = { .epoch = epoch,
					 .first_seq = found->next,
					 .last_seq = to_seq - 1 };

	sealed_name(epoch, damage.file);
	if (!damage_met(j, &damage, err)) {
		return false;
	}
	found->damaged = found->damaged || !damage.known;
	return true;
}

static bool take(struct file_journal *j, struct parts_found *found, struct sealed *sealed,
		 struct err *err)
{
	const struct sealed_info *info = sealed_info(sealed);

	if (found->next != 0 && info->first_seq < found->next) {
		return err_set(err, ERR_CORRUPT, "a sealed file starts again at record %llu",
			       (unsigned long long)info->first_seq);
	}
	if (found->next != 0 && info->first_seq > found->next &&
	    !hole(j, found, info->epoch, info->first_seq, err)) {
		return false;
	}
	found->next = info->last_seq + 1;
	found->epoch = info->epoch;
	if (info->last_us > j->last_received_at_us) {
		j->last_received_at_us = info->last_us;
	}
	return true;
}

static bool open_one(struct file_journal *j, struct names *names, size_t i, struct err *err)
{
	struct sealed_options options = parts_options(j, names->epochs.v[i]);

	names->sealed[i] = sealed_open(&options, err);
	if (names->sealed[i] == NULL && err->kind == ERR_NOT_FOUND) {
		err->kind = ERR_IO; /* it was there: somebody has replaced it */
	}
	return names->sealed[i] != NULL || err->kind == ERR_CORRUPT;
}

static void supersede(struct file_journal *j, uint64_t epoch)
{
	j->superseded = mem_resize(j->superseded, j->superseded_n + 1, sizeof(epoch));
	j->superseded[j->superseded_n++] = epoch;
}

/*
 * From the last one to the first. Small neighbours are merged into a file that takes the place of
 * the last of them; a crash leaves others beside it, whose numbers that one has as well.
 */
static bool open_all(struct file_journal *j, struct names *names, struct err *err)
{
	uint64_t low = UINT64_MAX;

	for (size_t i = names->epochs.n; i > 0; i--) {
		const struct sealed_info *info;

		if (!open_one(j, names, i - 1, err)) {
			return false;
		}
		if (names->sealed[i - 1] == NULL) {
			continue;
		}
		info = sealed_info(names->sealed[i - 1]);
		if (info->first_seq < low) {
			low = info->first_seq;
			continue;
		}
		supersede(j, names->epochs.v[i - 1]);
		sealed_close(&names->sealed[i - 1]);
		names->epochs.v[i - 1] = 0;
	}
	return true;
}

static bool take_one(struct file_journal *j, struct names *names, size_t i,
		     struct parts_found *found, struct err *err)
{
	uint64_t epoch = names->epochs.v[i];

	if (epoch == 0) {
		return true;
	}
	j->epoch = epoch;
	if (names->sealed[i] == NULL) {
		/* Nobody knows its numbers; the file after it shows which are missing. */
		return has_segment(j, epoch) || hole(j, found, epoch, found->next, err);
	}
	if (!take(j, found, names->sealed[i], err)) {
		return false;
	}
	parts_add(j, names->sealed[i]);
	names->sealed[i] = NULL;
	return true;
}

/* What was set aside of files that were written anew since shows nowhere but in the list. */
static bool tell_set_aside(struct file_journal *j, uint64_t epoch, struct err *err)
{
	const struct damages *known = journal_known(j);
	bool ok = true;

	for (size_t i = 0; ok && i < known->n; i++) {
		struct journal_damage damage = known->v[i];
		struct part *part = damage.lost == 0 || damage.epoch > epoch
					    ? NULL
					    : parts_find(j, damage.first_seq);

		ok = part == NULL || damage_met(j, &damage, err);
		part_unref(&part);
	}
	return ok;
}

bool parts_open(struct file_journal *j, struct parts_found *found, struct err *err)
{
	struct names names = { 0 };
	bool ok = epochs_list(j, sealed_epoch, &names.epochs, err);

	*found = (struct parts_found) { 0 };
	names.sealed = mem_alloc(names.epochs.n + 1, sizeof(struct sealed *));
	ok = ok && open_all(j, &names, err);
	for (size_t i = 0; ok && i < names.epochs.n; i++) {
		ok = take_one(j, &names, i, found, err);
	}
	for (size_t i = 0; i < names.epochs.n; i++) {
		sealed_close(&names.sealed[i]);
	}
	free(names.sealed);
	epochs_release(&names.epochs);
	return ok && tell_set_aside(j, found->epoch, err);
}

static bool is_unfinished(const char *name)
{
	char segment[SEGMENT_NAME_BYTES];
	char tmp[SEALED_NAME_BYTES];
	uint64_t epoch;

	snprintf(segment, sizeof(segment), "%.16s.seg", name);
	if (!segment_epoch(segment, &epoch)) {
		return false;
	}
	sealed_tmp_name(epoch, tmp);
	return strcmp(name, tmp) == 0;
}

static bool is_superseded(const struct file_journal *j, const char *name)
{
	uint64_t epoch;

	if (!sealed_epoch(name, &epoch)) {
		return false;
	}
	for (size_t i = 0; i < j->superseded_n; i++) {
		if (j->superseded[i] == epoch) {
			return true;
		}
	}
	return false;
}

struct sweep {
	const struct file_journal *j;
	uint64_t to; /* segments up to this epoch go */
	int rc;
};

static void sweep_one(void *arg, const char *name)
{
	struct sweep *sweep = arg;
	const struct file_journal *j = sweep->j;
	char path[PATH_BYTES];
	uint64_t epoch;
	int rc = 0;

	if (is_unfinished(name) || is_superseded(j, name) ||
	    (segment_epoch(name, &epoch) && epoch <= sweep->to)) {
		snprintf(path, sizeof(path), "%s/%s", j->dir, name);
		rc = j->files.ops->unlink(j->files.arg, path);
	}
	if (rc < 0 && rc != -ENOENT) {
		sweep->rc = rc;
	}
}

bool parts_sweep(struct file_journal *j, uint64_t epoch, struct err *err)
{
	struct sweep s = { .j = j, .to = epoch };
	int rc = j->files.ops->list(j->files.arg, j->dir, sweep_one, &s);

	rc = rc < 0 ? rc : s.rc;
	return rc < 0 ? err_errno(err, -rc, "sweep \"%s\"", j->dir) : true;
}
