/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting damage aside. Nothing of the segments is changed: what an open has to pass over stands
 * in a list, byte for byte, and the damaged bytes are copied for whoever wants to look at them. So
 * a mistake here can be taken back by removing the list. Sealed files are written anew without
 * what is lost, so that their parity protects the rest again; the list still says what was lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/driver.h"
#include "journal/file/damage.h"
#include "journal/file/file_journal.h"
#include "journal/file/format.h"
#include "journal/file/mend.h"

#define PATH_BYTES 4096
#define PIECE_BYTES ((size_t)64 << 10)

struct work {
	const struct journal_options *options;
	struct files files;
	struct damages damages; /* all that the last look has told */
};

static void path_of(const struct work *w, const char *name, char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/%s", w->options->dir, name);
}

static int open_in(const struct work *w, const char *name, int flags, struct err *err)
{
	char path[PATH_BYTES];
	int fd;

	path_of(w, name, path);
	fd = w->files.ops->open(w->files.arg, path, flags);
	if (fd < 0) {
		err_errno(err, -fd, "open \"%s\"", path);
	}
	return fd;
}

/* A file beside the segments, flushed. */
static bool write_new(const struct work *w, const char *name, const void *p, size_t n,
		      struct err *err)
{
	int fd = open_in(w, name, O_RDWR | O_CREAT | O_TRUNC, err);
	bool ok;

	if (fd < 0) {
		return false;
	}
	ok = files_write(&w->files, fd, p, n, 0, name, err) &&
	     files_flush(&w->files, fd, name, err);
	w->files.ops->close(w->files.arg, fd);
	return ok;
}

static bool replace_meta(const struct work *w, const unsigned char *bytes, struct err *err)
{
	char temporary[PATH_BYTES], path[PATH_BYTES];
	int rc;

	path_of(w, "meta.tmp", temporary);
	path_of(w, "meta", path);
	if (!write_new(w, "meta.tmp", bytes, META_BYTES, err)) {
		return false;
	}
	rc = w->files.ops->rename(w->files.arg, temporary, path);
	if (rc == 0) {
		rc = w->files.ops->sync_dir(w->files.arg, w->options->dir);
	}
	return rc == 0 || err_errno(err, -rc, "rename \"%s\"", temporary);
}

/* The lock is let go when the descriptor is closed. */
static bool lock_meta(const struct work *w, int fd, struct err *err)
{
	int rc = w->files.ops->lock(w->files.arg, fd);

	if (rc == -EWOULDBLOCK) {
		return err_set(err, ERR_CONFLICT, "the journal in \"%s\" is in use",
			       w->options->dir);
	}
	return rc == 0 || err_errno(err, -rc, "lock the journal in \"%s\"", w->options->dir);
}

bool file_journal_alone(const struct journal_options *options, struct err *err)
{
	struct work w = { .options = options };
	int fd;
	bool ok;

	w.files.ops = options->files == NULL ? &file_ops_real : options->files;
	w.files.arg = options->files_arg;
	fd = open_in(&w, "meta", O_RDWR, err);
	if (fd < 0) {
		return false;
	}
	ok = lock_meta(&w, fd, err);
	w.files.ops->close(w.files.arg, fd);
	return ok;
}

static bool mend_meta(const struct work *w, size_t *n, struct err *err)
{
	struct journal_damage damage = { .file = "meta", .end = META_BYTES, .first_seq = 1 };
	struct journal_meta meta;
	unsigned char bytes[META_BYTES], damaged[META_BYTES];
	int fd = open_in(w, "meta", O_RDWR, err);
	bool ok;

	if (fd < 0) {
		return false;
	}
	ok = lock_meta(w, fd, err) &&
	     files_read(&w->files, fd, bytes, sizeof(bytes), 0, "meta", err);
	w->files.ops->close(w->files.arg, fd);
	memcpy(damaged, bytes, sizeof(bytes));
	if (!ok || meta_decode(bytes, &meta, err)) {
		return ok;
	}
	if (!meta_repair(bytes)) {
		return err->kind == ERR_CONFLICT
			       ? false
			       : err_set(err, ERR_CORRUPT,
					 "\"meta\" is damaged beyond repair: take that file out of a "
					 "backup");
	}
	if (!write_new(w, "meta.damaged", damaged, sizeof(damaged), err) ||
	    !replace_meta(w, bytes, err)) {
		return false;
	}
	++*n;
	damage.crc = crc32c(0, damaged, sizeof(damaged));
	if (w->options->on_damage != NULL) {
		w->options->on_damage(w->options->on_damage_arg, &damage);
	}
	return true;
}

/* What a crash left half done is told twice, by the list and by the file. */
static void note(void *arg, const struct journal_damage *damage)
{
	struct work *w = arg;

	if (!damages_have(&w->damages, damage)) {
		damages_add(&w->damages, damage);
	}
}

static bool open_to_look(struct work *w, journal_damage_fn *on_damage, struct journal **journal,
			 struct err *err)
{
	struct journal_options options = *w->options;

	options.create = false;
	options.read_only = true;
	options.on_damage = on_damage;
	options.on_damage_arg = w;
	return journal_open(journal, &options, err);
}

/* All damage as it is now; damages is filled anew. */
static bool look(struct work *w, struct err *err)
{
	struct journal *journal = NULL;
	struct journal_health health;
	bool ok;

	damages_release(&w->damages);
	ok = open_to_look(w, note, &journal, err) &&
	     journal_verify(journal, false, note, w, &health, err);
	journal_close(&journal);
	return ok;
}

/* The length of the bytes without the zeros at their end, which most of a segment is. */
/* What a disk does not give any more counts as zeros: it is a copy for people to look at. */
static void read_piece(const struct work *w, int fd, char *piece, size_t n, uint64_t at)
{
	struct err err = { 0 };

	if (!files_read(&w->files, fd, piece, n, at, "", &err)) {
		memset(piece, 0, n);
	}
}

static uint64_t without_zeros(const struct work *w, int fd, const struct journal_damage *d)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	uint64_t bytes = 0;

	for (uint64_t at = d->offset; at < d->end; at += PIECE_BYTES) {
		size_t n = d->end - at < PIECE_BYTES ? (size_t)(d->end - at) : PIECE_BYTES;

		read_piece(w, fd, piece, n, at);
		while (n > 0 && piece[n - 1] == 0) {
			n--;
		}
		if (n > 0) {
			bytes = at + n - d->offset;
		}
	}
	free(piece);
	return bytes;
}

static bool copy_piecewise(const struct work *w, int from, int to, const struct journal_damage *d,
			   uint64_t bytes, const char *name, struct err *err)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	bool ok = true;

	for (uint64_t at = 0; ok && at < bytes; at += PIECE_BYTES) {
		size_t n = bytes - at < PIECE_BYTES ? (size_t)(bytes - at) : PIECE_BYTES;

		read_piece(w, from, piece, n, d->offset + at);
		ok = files_write(&w->files, to, piece, n, at, name, err);
	}
	free(piece);
	return ok && files_flush(&w->files, to, name, err);
}

static bool keep_bytes(const struct work *w, const struct journal_damage *d, struct err *err)
{
	char name[JOURNAL_FILE_NAME_BYTES + 32];
	int from, to;
	bool ok;

	if (d->end == d->offset) { /* a file that is not there has no bytes to keep */
		return true;
	}
	from = open_in(w, d->file, O_RDONLY, err);
	if (from < 0) {
		return false;
	}
	snprintf(name, sizeof(name), "%016" PRIx64 "-%08" PRIx64 ".damaged", d->epoch, d->offset);
	to = open_in(w, name, O_RDWR | O_CREAT | O_TRUNC, err);
	ok = to >= 0 && copy_piecewise(w, from, to, d, without_zeros(w, from, d), name, err);
	if (to >= 0) {
		w->files.ops->close(w->files.arg, to);
	}
	w->files.ops->close(w->files.arg, from);
	return ok;
}

static bool set_aside(struct work *w, size_t *n, struct err *err)
{
	struct damages list = { 0 };
	bool ok = true;

	if (w->damages.n > DAMAGES_MAX) {
		return err_set(err, ERR_CORRUPT,
			       "the log is damaged in %zu places; restore a backup", w->damages.n);
	}
	for (size_t i = 0; ok && i < w->damages.n; i++) {
		const struct journal_damage *d = &w->damages.v[i];

		if (w->options->on_damage != NULL) {
			w->options->on_damage(w->options->on_damage_arg, d);
		}
		if (d->mendable) {
			continue;
		}
		damages_add(&list, d);
		ok = d->known || keep_bytes(w, d, err);
		*n += !d->known;
	}
	ok = ok && (list.n == 0 || damages_write(&w->files, w->options->dir, &list, err));
	damages_release(&list);
	return ok;
}

/* Only what stands in the list by now is left out. */
static bool mend_sealed(struct work *w, struct err *err)
{
	struct journal *journal = NULL;
	bool ok = open_to_look(w, NULL, &journal, err) &&
		  parts_mend(file_journal(journal), true, err);

	journal_close(&journal);
	return ok;
}

/* Whatever is still not known now cannot be set aside. */
static bool prove(struct work *w, struct err *err)
{
	if (!look(w, err)) {
		return false;
	}
	for (size_t i = 0; i < w->damages.n; i++) {
		if (!w->damages.v[i].known) {
			return err_set(err, ERR_CORRUPT,
				       "\"%s\" is damaged in a way that cannot be set "
				       "aside; restore a backup",
				       w->damages.v[i].file);
		}
	}
	return true;
}

bool file_journal_quarantine(const struct journal_options *options, size_t *n, struct err *err)
{
	struct work w = { .options = options };
	bool ok;

	w.files.ops = options->files == NULL ? &file_ops_real : options->files;
	w.files.arg = options->files_arg;
	*n = 0;
	ok = mend_meta(&w, n, err) && look(&w, err) && set_aside(&w, n, err) &&
	     mend_sealed(&w, err) && prove(&w, err);
	damages_release(&w.damages);
	return ok || err_wrap(err, "set damage aside");
}
