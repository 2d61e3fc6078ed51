/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting damage aside. Nothing of the segments is changed: what an open has to pass over stands
 * in a list, byte for byte, and the damaged bytes are copied for whoever wants to look at them. So
 * a mistake here can be taken back by removing the list.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/driver.h"
#include "journal/file/damage.h"
#include "journal/file/format.h"

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

static void note(void *arg, const struct journal_damage *damage)
{
	damages_add(&((struct work *)arg)->damages, damage);
}

/* All damage as it is now; damages is filled anew. */
static bool look(struct work *w, struct err *err)
{
	struct journal_options options = *w->options;
	struct journal *journal = NULL;
	bool ok;

	damages_release(&w->damages);
	options.create = false;
	options.read_only = true;
	options.on_damage = note;
	options.on_damage_arg = w;
	ok = journal_open(&journal, &options, err);
	journal_close(&journal);
	return ok;
}

/* The length of the bytes without the zeros at their end, which most of a segment is. */
static bool without_zeros(const struct work *w, int fd, const struct journal_damage *d,
			  uint64_t *bytes, struct err *err)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	bool ok = true;

	*bytes = 0;
	for (uint64_t at = d->offset; ok && at < d->end; at += PIECE_BYTES) {
		size_t n = d->end - at < PIECE_BYTES ? (size_t)(d->end - at) : PIECE_BYTES;

		ok = files_read(&w->files, fd, piece, n, at, d->file, err);
		while (ok && n > 0 && piece[n - 1] == 0) {
			n--;
		}
		if (ok && n > 0) {
			*bytes = at + n - d->offset;
		}
	}
	free(piece);
	return ok;
}

static bool copy_piecewise(const struct work *w, int from, int to, const struct journal_damage *d,
			   uint64_t bytes, const char *name, struct err *err)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	bool ok = true;

	for (uint64_t at = 0; ok && at < bytes; at += PIECE_BYTES) {
		size_t n = bytes - at < PIECE_BYTES ? (size_t)(bytes - at) : PIECE_BYTES;

		ok = files_read(&w->files, from, piece, n, d->offset + at, d->file, err) &&
		     files_write(&w->files, to, piece, n, at, name, err);
	}
	free(piece);
	return ok && files_flush(&w->files, to, name, err);
}

static bool keep_bytes(const struct work *w, const struct journal_damage *d, struct err *err)
{
	char name[JOURNAL_FILE_NAME_BYTES + 32];
	int from = open_in(w, d->file, O_RDONLY, err), to;
	uint64_t bytes;
	bool ok;

	if (from < 0) {
		return false;
	}
	snprintf(name, sizeof(name), "%016" PRIx64 "-%08" PRIx64 ".damaged", d->epoch, d->offset);
	to = open_in(w, name, O_RDWR | O_CREAT | O_TRUNC, err);
	ok = to >= 0 && without_zeros(w, from, d, &bytes, err) &&
	     copy_piecewise(w, from, to, d, bytes, name, err);
	if (to >= 0) {
		w->files.ops->close(w->files.arg, to);
	}
	w->files.ops->close(w->files.arg, from);
	return ok;
}

static bool set_aside(struct work *w, size_t *n, struct err *err)
{
	if (w->damages.n > DAMAGES_MAX) {
		return err_set(err, ERR_CORRUPT,
			       "the log is damaged in %zu places; restore a backup", w->damages.n);
	}
	for (size_t i = 0; i < w->damages.n; i++) {
		const struct journal_damage *d = &w->damages.v[i];

		if (w->options->on_damage != NULL) {
			w->options->on_damage(w->options->on_damage_arg, d);
		}
		if (!d->known && !keep_bytes(w, d, err)) {
			return false;
		}
		*n += !d->known;
	}
	return w->damages.n == 0 || damages_write(&w->files, w->options->dir, &w->damages, err);
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
				       "segment \"%s\" is damaged in a way that cannot be set "
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
	ok = mend_meta(&w, n, err) && look(&w, err) && set_aside(&w, n, err) && prove(&w, err);
	damages_release(&w.damages);
	return ok || err_wrap(err, "set damage aside");
}
