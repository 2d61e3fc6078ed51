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
#include "journal/file/rescue.h"
#include "journal/file/salvage.h"

#define PATH_BYTES 4096
#define PIECE_BYTES ((size_t)64 << 10)
#define LOOK_KEYS_BYTES ((size_t)1 << 20) /* of keys that nobody asks for */

struct work {
	const struct journal_options *options;
	struct files files;
	struct journal_meta meta;
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

static bool mend_meta(struct work *w, size_t *n, struct err *err)
{
	struct journal_damage damage = { .file = "meta", .end = META_BYTES, .first_seq = 1 };
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
	if (!ok || meta_decode(bytes, &w->meta, err)) {
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
	ensure(meta_decode(bytes, &w->meta, err));
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

/* What a disk does not give any more counts as zeros: it is a copy for people to look at. */
static void read_piece(const struct work *w, int fd, char *piece, size_t n, uint64_t at)
{
	struct err err = { 0 };

	if (!files_read(&w->files, fd, piece, n, at, "", &err) &&
	    !files_read_around(&w->files, fd, piece, n, at, "", NULL, NULL, &err)) {
		memset(piece, 0, n);
	}
}

/* The length of the bytes without the zeros at their end, which most of a segment is. */
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

/* *list is then what the file says, of the caller. */
static bool set_aside(struct work *w, struct damages *list, size_t *n, struct err *err)
{
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
		damages_add(list, d);
		ok = d->known || keep_bytes(w, d, err);
		*n += !d->known;
	}
	return ok && (list->n == 0 || damages_write(&w->files, w->options->dir, list, err));
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

struct salvage_work {
	struct work *w;
	size_t n;
};

static void tell_mended(void *arg, const struct journal_damage *damage)
{
	const struct salvage_work *s = arg;

	if (s->w->options->on_damage != NULL) {
		s->w->options->on_damage(s->w->options->on_damage_arg, damage);
	}
}

/* Noted before the file is written anew, which forgets it. */
static bool keep_lost(void *arg, const struct journal_damage *damage, struct err *err)
{
	struct salvage_work *s = arg;
	const struct work *w = s->w;
	struct damages list = { 0 };
	bool ok = keep_bytes(w, damage, err) &&
		  damages_read(&w->files, w->options->dir, &list, err);

	if (ok && !damages_have(&list, damage)) {
		damages_add(&list, damage);
		ok = damages_write(&w->files, w->options->dir, &list, err);
		s->n += ok;
	}
	damages_release(&list);
	return ok;
}

static bool salvage(struct work *w, size_t *n, struct err *err)
{
	struct salvage_work s = { .w = w };
	struct journal *journal = NULL;
	bool ok = open_to_look(w, NULL, &journal, err) &&
		  parts_salvage(file_journal(journal), tell_mended, keep_lost, &s, err);

	journal_close(&journal);
	*n += s.n;
	return ok;
}

bool file_journal_quarantine(const struct journal_options *options, size_t *n, struct err *err)
{
	struct work w = { .options = options };
	struct damages list = { 0 };
	bool ok;

	w.files.ops = options->files == NULL ? &file_ops_real : options->files;
	w.files.arg = options->files_arg;
	*n = 0;
	ok = mend_meta(&w, n, err) &&
	     segments_rescue(&w.files, w.options->dir, &w.meta.id, UINT64_MAX, err) &&
	     salvage(&w, n, err) && look(&w, err) && set_aside(&w, &list, n, err) &&
	     mend_sealed(&w, err) && prove(&w, err);
	damages_release(&list);
	damages_release(&w.damages);
	return ok || err_wrap(err, "set damage aside");
}

/* Sealed files of an open journal whose reads met what nothing gives back. */
struct lost_parts {
	struct part_check **v;
	size_t n;
};

static bool check_part(struct work *w, struct file_journal *j, struct part *part,
		       struct lost_parts *lost, struct err *err)
{
	struct part_check *check = part_check_new(j, part, false, note, w);

	lost->v = mem_resize(lost->v, lost->n + 1, sizeof(struct part_check *));
	lost->v[lost->n++] = check;
	return part_check_step(check, UINT64_MAX / 2, err) == NOT_FOUND;
}

static bool look_at_parts(struct work *w, struct file_journal *j, struct lost_parts *lost,
			  struct err *err)
{
	uint64_t changes;
	size_t n;
	struct part **parts = parts_all(j, &n, &changes);
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		struct sealed_stat stat;

		sealed_stat(parts[i]->sealed, &stat);
		if (ok && stat.lost > 0) {
			ok = check_part(w, j, parts[i], lost, err);
		} else {
			part_unref(&parts[i]);
		}
	}
	free(parts);
	return ok;
}

/* Segments are looked at as another process would, up to where they are flushed now. */
static bool look_at_segments(struct work *w, struct file_journal *j, struct err *err)
{
	struct journal_options options = *w->options;
	struct work look = { .options = &options, .files = w->files };
	struct journal_file *files;
	struct journal *journal = NULL;
	struct arena arena;
	bool ok;

	arena_init(&arena, 0);
	options.n_only = journal_files(&j->base, &arena, &files);
	options.only = files;
	ok = open_to_look(&look, note, &journal, err);
	journal_close(&journal);
	arena_release(&arena);
	w->damages = look.damages;
	return ok;
}

static void lost_parts_release(struct lost_parts *lost)
{
	for (size_t i = 0; i < lost->n; i++) {
		part_check_free(&lost->v[i]);
	}
	free(lost->v);
}

static uint64_t active_epoch(struct file_journal *j)
{
	uint64_t epoch;

	pthread_mutex_lock(&j->lock);
	epoch = j->segments_n == 0 ? 0 : j->segments[j->segments_n - 1]->epoch;
	pthread_mutex_unlock(&j->lock);
	return epoch;
}

/* Under care. Who reads meanwhile has the old files open, and the old list or the new one. */
static bool set_aside_open(struct work *w, struct file_journal *j, size_t *n, struct err *err)
{
	struct lost_parts lost = { 0 };
	struct damages list = { 0 };
	bool ok;

	sealing_stop(j);
	ok = segments_rescue(&w->files, j->dir, &j->base.meta.id, active_epoch(j), err) &&
	     look_at_segments(w, j, err) && look_at_parts(w, j, &lost, err) &&
	     set_aside(w, &list, n, err);
	if (ok && list.n > 0) {
		known_replace(j, &list);
	}
	for (size_t i = 0; ok && i < lost.n; i++) {
		const struct sealed_report *report = part_check_report(lost.v[i]);

		ok = report->damaged + report->unmended == 0 ||
		     part_mend(j, part_check_part(lost.v[i]), report, true, err);
	}
	if (ok) {
		j->seal_stuck = false;
		scrub_settle(j);
	}
	lost_parts_release(&lost);
	damages_release(&list);
	return ok;
}

bool file_set_aside(struct journal *journal, journal_damage_fn *on_damage, void *arg, size_t *n,
		    struct err *err)
{
	struct file_journal *j = file_journal(journal);
	struct journal_options options = {
		.dir = j->dir,
		.segment_bytes = j->segment_bytes,
		.turn_bytes_max = SEGMENT_BYTES_MIN,
		.idempotency_window_us = 1,
		.idempotency_bytes_max = LOOK_KEYS_BYTES,
		.files = j->files.ops,
		.files_arg = j->files.arg,
		.on_damage = on_damage,
		.on_damage_arg = arg,
	};
	struct work w = { .options = &options, .files = j->files };
	bool ok;

	*n = 0;
	ensure(!j->read_only);
	pthread_mutex_lock(&j->care);
	ok = set_aside_open(&w, j, n, err);
	pthread_mutex_unlock(&j->care);
	damages_release(&w.damages);
	return ok || err_wrap(err, "set damage aside");
}
