/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of segments with bad sectors. The copy is flushed before it takes the name, so that a
 * crash leaves one of the two.
 */
#include "journal/file/rescue.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "journal/file/sealed.h"
#include "journal/file/segment.h"
#include "journal/file/unread.h"

#define PATH_BYTES 4096
#define PIECE_BYTES ((size_t)256 << 10)

struct rescue {
	const struct files *files;
	const char *dir;
	struct unread_place place;
	int from, to; /* -1: not open */
	uint64_t bytes;
	uint64_t lost; /* bytes that were not given */
};

static void lose(void *arg, uint64_t offset, char *p, size_t n)
{
	struct rescue *r = arg;

	unread_fill(&r->place, offset, p, n);
	r->lost += n;
}

/* Read all of it, and write it when there is somewhere to. */
static bool pass(struct rescue *r, const char *name, struct err *err)
{
	char *piece = mem_alloc(PIECE_BYTES, 1);
	bool ok = true;

	r->lost = 0;
	for (uint64_t at = 0; ok && at < r->bytes; at += PIECE_BYTES) {
		size_t n = r->bytes - at < PIECE_BYTES ? (size_t)(r->bytes - at) : PIECE_BYTES;

		ok = (files_read(r->files, r->from, piece, n, at, name, err) ||
		      files_read_around(r->files, r->from, piece, n, at, name, lose, r, err)) &&
		     (r->to < 0 || files_write(r->files, r->to, piece, n, at, name, err));
	}
	free(piece);
	return ok;
}

static bool replace(struct rescue *r, const char *path, const char *name, struct err *err)
{
	char tmp[SEALED_NAME_BYTES], temporary[PATH_BYTES];
	int rc;
	bool ok;

	sealed_tmp_name(r->place.epoch, tmp);
	snprintf(temporary, sizeof(temporary), "%s/%s", r->dir, tmp);
	r->to = r->files->ops->open(r->files->arg, temporary, O_RDWR | O_CREAT | O_TRUNC);
	if (r->to < 0) {
		return err_errno(err, -r->to, "create \"%s\"", temporary);
	}
	ok = pass(r, name, err) && files_flush(r->files, r->to, tmp, err);
	r->files->ops->close(r->files->arg, r->to);
	r->to = -1;
	if (!ok) {
		r->files->ops->unlink(r->files->arg, temporary);
		return false;
	}
	rc = r->files->ops->rename(r->files->arg, temporary, path);
	rc = rc < 0 ? rc : r->files->ops->sync_dir(r->files->arg, r->dir);
	if (rc < 0) {
		return err_errno(err, -rc, "rename \"%s\"", temporary);
	}
	log_warn("segment_copied", log_str("file", name), log_int("unreadable_bytes", r->lost));
	return true;
}

static bool rescue_one(struct rescue *r, struct err *err)
{
	char name[SEGMENT_NAME_BYTES], path[PATH_BYTES];
	int64_t size;
	bool ok;

	segment_name(r->place.epoch, name);
	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	r->from = r->files->ops->open(r->files->arg, path, O_RDONLY);
	if (r->from < 0) {
		return err_errno(err, -r->from, "open \"%s\"", path);
	}
	size = r->files->ops->size(r->files->arg, r->from);
	r->bytes = size < 0 ? 0 : (uint64_t)size;
	ok = pass(r, name, err) && (r->lost == 0 || replace(r, path, name, err));
	r->files->ops->close(r->files->arg, r->from);
	return ok;
}

struct list {
	uint64_t *v;
	size_t n;
};

static void add_segment(void *to, const char *name)
{
	struct list *list = to;
	uint64_t epoch;

	if (segment_epoch(name, &epoch)) {
		list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
		list->v[list->n++] = epoch;
	}
}

bool segments_rescue(const struct files *files, const char *dir, const struct journal_id *id,
		     uint64_t below_epoch, struct err *err)
{
	struct rescue r = { .files = files, .dir = dir, .place.id = *id, .from = -1, .to = -1 };
	struct list list = { 0 };
	int rc = files->ops->list(files->arg, dir, add_segment, &list);
	bool ok = rc >= 0 || err_errno(err, -rc, "list \"%s\"", dir);

	for (size_t i = 0; ok && i < list.n; i++) {
		r.place.epoch = list.v[i];
		ok = r.place.epoch >= below_epoch || rescue_one(&r, err);
	}
	free(list.v);
	return ok;
}
