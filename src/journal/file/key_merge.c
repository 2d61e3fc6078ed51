/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several key tables into one, and tables as files. The tables are few, so the smallest head is
 * searched for among all: no heap.
 */
#include "journal/file/key_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_BYTES 4096
#define WRITE_BYTES ((size_t)256 << 10)

struct merge {
	const struct key_table *const *tables;
	size_t n;
	uint64_t floor_seq;
	struct key_walk walks[KEY_TABLE_MERGE_MAX];
	struct key_entry heads[KEY_TABLE_MERGE_MAX];
	bool live[KEY_TABLE_MERGE_MAX];
};

static bool step(struct merge *merge, size_t i, struct err *err)
{
	enum found found;

	do {
		found = key_walk_next(&merge->walks[i], &merge->heads[i], err);
	} while (found == FOUND && merge->heads[i].seq < merge->floor_seq);
	merge->live[i] = found == FOUND;
	return found != FAILED;
}

static bool merge_rewind(void *arg, struct err *err)
{
	struct merge *merge = arg;

	for (size_t i = 0; i < merge->n; i++) {
		key_walk_release(&merge->walks[i]);
		key_walk_init(&merge->walks[i], merge->tables[i]);
		if (!step(merge, i, err)) {
			return false;
		}
	}
	return true;
}

static bool before(const struct key_entry *a, const struct key_entry *b)
{
	return a->hash < b->hash || (a->hash == b->hash && a->seq < b->seq);
}

static enum found merge_next(void *arg, struct key_entry *entry, struct err *err)
{
	struct merge *merge = arg;
	size_t least = merge->n;

	for (size_t i = 0; i < merge->n; i++) {
		if (merge->live[i] &&
		    (least == merge->n || before(&merge->heads[i], &merge->heads[least]))) {
			least = i;
		}
	}
	if (least == merge->n) {
		return NOT_FOUND;
	}
	*entry = merge->heads[least];
	return step(merge, least, err) ? FOUND : FAILED;
}

bool key_table_merge(const struct key_table *const *tables, size_t n, uint64_t floor_seq,
		     const struct key_sink *sink, uint64_t *bytes, struct err *err)
{
	struct merge merge = { .tables = tables, .n = n, .floor_seq = floor_seq };
	struct key_feed feed = { merge_rewind, merge_next, &merge };
	uint64_t entries = 0;
	uint64_t first_seq = n == 0 ? 0 : UINT64_MAX;
	bool ok;

	ensure(n <= KEY_TABLE_MERGE_MAX);
	for (size_t i = 0; i < n; i++) {
		entries += tables[i]->entries;
		first_seq = tables[i]->first_seq < first_seq ? tables[i]->first_seq : first_seq;
	}
	ok = key_table_write(&feed, entries, first_seq, sink, bytes, err);
	for (size_t i = 0; i < n; i++) {
		key_walk_release(&merge.walks[i]);
	}
	return ok;
}

struct file_sink {
	const struct files *files;
	int fd;
	const char *name;
	struct buf buf;
	uint64_t at;
};

static bool sink_flush(struct file_sink *sink, struct err *err)
{
	bool ok = files_write(sink->files, sink->fd, sink->buf.p, sink->buf.n, sink->at, sink->name,
			      err);

	sink->at += sink->buf.n;
	buf_cut(&sink->buf, 0);
	return ok;
}

static bool sink_put(void *arg, const void *p, size_t n, struct err *err)
{
	struct file_sink *sink = arg;

	buf_put(&sink->buf, p, n);
	return sink->buf.n < WRITE_BYTES || sink_flush(sink, err);
}

static bool give_name(const struct files *files, const char *dir, const char *from, const char *to,
		      struct err *err)
{
	int rc = files->ops->rename(files->arg, from, to);

	if (rc < 0) {
		return err_errno(err, -rc, "rename \"%s\"", from);
	}
	rc = files->ops->sync_dir(files->arg, dir);
	return rc < 0 ? err_errno(err, -rc, "flush directory \"%s\"", dir) : true;
}

bool key_file_merge(const struct files *files, const char *dir, const char *name,
		    const struct key_table *const *tables, size_t n, uint64_t floor_seq,
		    struct err *err)
{
	char path[PATH_BYTES], tmp[PATH_BYTES + 4];
	struct file_sink sink = { .files = files, .name = name };
	struct key_sink to = { sink_put, &sink };
	uint64_t bytes;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	sink.fd = files->ops->open(files->arg, tmp, O_RDWR | O_CREAT | O_TRUNC);
	if (sink.fd < 0) {
		return err_errno(err, -sink.fd, "create \"%s\"", tmp);
	}
	buf_init(&sink.buf, SIZE_MAX / 2);
	ok = key_table_merge(tables, n, floor_seq, &to, &bytes, err) && sink_flush(&sink, err) &&
	     files_flush(files, sink.fd, name, err);
	files->ops->close(files->arg, sink.fd);
	buf_release(&sink.buf);
	ok = ok && give_name(files, dir, tmp, path, err);
	if (!ok) {
		files->ops->unlink(files->arg, tmp);
	}
	return ok;
}

/* A file of its own has no parity: it can be merged again from where it came. */
static bool file_read(void *arg, uint64_t offset, void *p, size_t n, bool mend UNUSED,
		      struct err *err)
{
	const struct key_file *file = arg;

	return files_read(&file->files, file->fd, p, n, offset, file->name, err);
}

struct key_file *key_file_open(const struct files *files, const char *dir, const char *name,
			       struct err *err)
{
	struct key_file *file;
	struct key_source source = { .read = file_read };
	char path[PATH_BYTES];
	int64_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = files->ops->open(files->arg, path, O_RDONLY);
	if (fd < 0) {
		err_errno(err, -fd, "open \"%s\"", path);
		err->kind = fd == -ENOENT ? ERR_NOT_FOUND : err->kind;
		return NULL;
	}
	file = mem_alloc(1, sizeof(*file));
	file->files = *files;
	file->fd = fd;
	file->name = strdup(name);
	ensure(file->name != NULL);
	source.arg = file;
	source.name = file->name;
	size = files->ops->size(files->arg, fd);
	if (size < 0) {
		err_errno(err, (int)-size, "read the size of \"%s\"", name);
		key_file_close(&file);
	} else if (!key_table_open(&source, (uint64_t)size, &file->table, err)) {
		key_file_close(&file);
	}
	return file;
}

void key_file_close(struct key_file **file_p)
{
	struct key_file *file = *file_p;

	if (file == NULL) {
		return;
	}
	file->files.ops->close(file->files.arg, file->fd);
	free(file->name);
	free(file);
	*file_p = NULL;
}
