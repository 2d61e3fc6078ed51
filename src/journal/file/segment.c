/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments as files. A segment gets its name only when all of it is zeroed and flushed, so a named
 * segment never needs a block from the disk again, and appending to it changes no metadata.
 */
#include "journal/file/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"

#define ZERO_BYTES ((size_t)1 << 20)
#define ZERO_FLUSH_BYTES ((size_t)8 << 20) /* small enough not to hold up the log's own flushes */
#define TEMPORARY "segment.tmp"
#define PATH_BYTES 4096

void segment_name(uint64_t epoch, char out[SEGMENT_NAME_BYTES])
{
	snprintf(out, SEGMENT_NAME_BYTES, "%016llx.seg", (unsigned long long)epoch);
}

bool segment_epoch(const char *name, uint64_t *epoch)
{
	struct slice s = slice_of(name);
	unsigned char bytes[8];

	if (s.n != 20 || !slice_ends(s, S(".seg")) ||
	    !hex_decode((struct slice) { .p = name, .n = 16 }, bytes, sizeof(bytes))) {
		return false;
	}
	*epoch = 0;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		*epoch = *epoch << 8 | bytes[i];
	}
	return true;
}

static struct segment *make(const struct files *files, int fd, const struct segment_head *head)
{
	struct segment *segment = mem_alloc(1, sizeof(*segment));

	segment->refs = 1;
	segment->files = *files;
	segment->fd = fd;
	segment->id = head->id;
	segment->epoch = head->epoch;
	segment->bytes = head->bytes;
	segment->end = SEGMENT_HEAD_BYTES;
	segment_name(head->epoch, segment->name);
	segment->marks_cap = head->bytes / SEGMENT_INDEX_BYTES + 2;
	segment->marks = mem_alloc(segment->marks_cap, sizeof(*segment->marks));
	return segment;
}

static bool zero(const struct files *files, int fd, size_t bytes, struct err *err)
{
	char *zeros = mem_alloc(bytes < ZERO_BYTES ? bytes : ZERO_BYTES, 1);
	bool ok = true;

	for (size_t at = 0; ok && at < bytes; at += ZERO_BYTES) {
		size_t n = bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES;

		ok = files_write(files, fd, zeros, n, at, TEMPORARY, err);
		if (ok && (at + n) % ZERO_FLUSH_BYTES == 0) {
			ok = files_flush(files, fd, TEMPORARY, err);
		}
	}
	free(zeros);
	return ok;
}

static bool give_name(const struct files *files, const char *dir, const char *temporary,
		      const char *name, struct err *err)
{
	char path[PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	rc = files->ops->rename(files->arg, temporary, path);
	if (rc < 0) {
		return err_errno(err, -rc, "rename \"%s\"", name);
	}
	rc = files->ops->sync_dir(files->arg, dir);
	return rc < 0 ? err_errno(err, -rc, "flush directory \"%s\"", dir) : true;
}

struct segment *segment_new(const struct files *files, const char *dir,
			    const struct segment_head *head, struct err *err)
{
	unsigned char block[SEGMENT_HEAD_BYTES];
	char path[PATH_BYTES];
	char name[SEGMENT_NAME_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, TEMPORARY);
	fd = files->ops->open(files->arg, path, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0) {
		err_errno(err, -fd, "create \"%s\"", path);
		return NULL;
	}
	segment_head_encode(head, block);
	segment_name(head->epoch, name);
	if (zero(files, fd, head->bytes, err) &&
	    files_write(files, fd, block, sizeof(block), 0, TEMPORARY, err) &&
	    files_flush(files, fd, TEMPORARY, err) && give_name(files, dir, path, name, err)) {
		return make(files, fd, head);
	}
	files->ops->close(files->arg, fd);
	files->ops->unlink(files->arg, path);
	return NULL;
}

static bool read_head(const struct files *files, int fd, const char *name,
		      struct segment_head *head, bool *intact, struct err *err)
{
	unsigned char block[SEGMENT_HEAD_BYTES];
	int64_t size = files->ops->size(files->arg, fd);

	if (size < 0) {
		return err_errno(err, (int)-size, "read the size of \"%s\"", name);
	}
	if (size < SEGMENT_HEAD_BYTES || size > (int64_t)SEGMENT_BYTES_MAX) {
		return err_set(err, ERR_CORRUPT, "segment \"%s\" has an impossible size", name);
	}
	if (!files_read_around(files, fd, block, sizeof(block), 0, name, NULL, NULL, err)) {
		return false;
	}
	*intact = segment_head_decode(block, head);
	/* Recovery cuts a segment down to what it holds. */
	head->bytes = (uint64_t)size;
	return true;
}

struct segment *segment_open(const struct files *files, const char *dir, uint64_t epoch,
			     const struct journal_id *id, bool read_only, bool *head_intact,
			     struct err *err)
{
	struct segment_head head = { 0 };
	char path[PATH_BYTES];
	char name[SEGMENT_NAME_BYTES];
	int fd;

	segment_name(epoch, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = files->ops->open(files->arg, path, read_only ? O_RDONLY : O_RDWR);
	if (fd < 0) {
		err_errno(err, -fd, "open \"%s\"", path);
		return NULL;
	}
	if (read_head(files, fd, name, &head, head_intact, err)) {
		if (!*head_intact) {
			head.id = *id;
			head.epoch = epoch;
		}
		if (memcmp(head.id.v, id->v, sizeof(id->v)) == 0 && head.epoch == epoch) {
			return make(files, fd, &head);
		}
		err_set(err, ERR_CORRUPT, "segment \"%s\" belongs to another journal or place",
			name);
	}
	files->ops->close(files->arg, fd);
	return NULL;
}

struct segment *segment_ref(struct segment *segment)
{
	atomic_fetch_add(&segment->refs, 1);
	return segment;
}

void segment_unref(struct segment **segment_p)
{
	struct segment *segment = *segment_p;

	*segment_p = NULL;
	if (segment == NULL || atomic_fetch_sub(&segment->refs, 1) > 1) {
		return;
	}
	segment->files.ops->close(segment->files.arg, segment->fd);
	free(segment->marks);
	free(segment);
}

void segment_note(struct segment *segment, uint64_t seq, uint32_t offset, uint32_t batch_end)
{
	size_t n = atomic_load_explicit(&segment->marks_n, memory_order_relaxed);

	if (n > 0 && offset - segment->marks[n - 1].offset < SEGMENT_INDEX_BYTES) {
		return;
	}
	ensure(n < segment->marks_cap);
	segment->marks[n] = (struct segment_mark) { seq, offset, batch_end };
	atomic_store_explicit(&segment->marks_n, n + 1, memory_order_release);
}

void segment_publish(struct segment *segment, uint64_t last_seq, uint32_t end)
{
	atomic_store_explicit(&segment->end, end, memory_order_release);
	atomic_store_explicit(&segment->last_seq, last_seq, memory_order_release);
}

void segment_cut(struct segment *segment, uint64_t seq, uint32_t end)
{
	size_t n = segment->marks_n;

	while (n > 0 && segment->marks[n - 1].seq >= seq) {
		n--;
	}
	segment->marks_n = n;
	segment_publish(segment, seq - 1, end);
}

bool segment_find(const struct segment *segment, uint64_t seq, struct segment_mark *mark)
{
	size_t lo = 0;
	size_t hi = atomic_load_explicit(&segment->marks_n, memory_order_acquire);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (segment->marks[mid].seq <= seq) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	if (lo == 0) {
		return false;
	}
	*mark = segment->marks[lo - 1];
	return true;
}
