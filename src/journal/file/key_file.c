/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table as a file: the table, and behind it what it stands for. The range is inside, under a
 * checksum and with the journal's id, so that a file that got here by mistake is not believed.
 */
#include "journal/file/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "journal/file/key_range.h"
#include "journal/file/pack.h"

#define PATH_BYTES 4096
#define MAGIC "tocsin\nI"
#define VERSION 1
#define NAME_FORMAT "%016llx-%016llx.keys"
#define NAME_CHARS 38

void key_file_name(const struct key_range *range, char out[KEY_FILE_NAME_BYTES])
{
	snprintf(out, KEY_FILE_NAME_BYTES, NAME_FORMAT, (unsigned long long)range->first_seq,
		 (unsigned long long)range->last_seq);
}

static bool named(const char *name, const char *end)
{
	size_t n = strlen(name);

	if (n < NAME_CHARS || strcmp(name + NAME_CHARS, end) != 0 || name[16] != '-' ||
	    strncmp(name + 33, ".keys", 5) != 0) {
		return false;
	}
	return strspn(name, "0123456789abcdef") == 16 &&
	       strspn(name + 17, "0123456789abcdef") == 16;
}

bool key_file_is(const char *name)
{
	return named(name, "");
}

bool key_file_is_unfinished(const char *name)
{
	return named(name, ".tmp");
}

void key_range_encode(const struct key_range *range, char out[KEY_RANGE_BYTES])
{
	memset(out, 0, KEY_RANGE_BYTES);
	memcpy(out, MAGIC, 8);
	le_put32(out + 8, VERSION);
	memcpy(out + 16, range->id.v, sizeof(range->id.v));
	le_put64(out + 32, range->epoch);
	le_put64(out + 40, range->first_seq);
	le_put64(out + 48, range->last_seq);
	le_put64(out + 56, (uint64_t)range->first_us);
	le_put64(out + 64, (uint64_t)range->last_us);
	le_put32(out + 12, crc32c(0, out + 16, KEY_RANGE_BYTES - 16));
}

bool key_range_decode(const char *p, struct key_range *range)
{
	if (memcmp(p, MAGIC, 8) != 0 || le_get32(p + 8) != VERSION ||
	    le_get32(p + 12) != crc32c(0, p + 16, KEY_RANGE_BYTES - 16)) {
		return false;
	}
	memcpy(range->id.v, p + 16, sizeof(range->id.v));
	range->epoch = le_get64(p + 32);
	range->first_seq = le_get64(p + 40);
	range->last_seq = le_get64(p + 48);
	range->first_us = (int64_t)le_get64(p + 56);
	range->last_us = (int64_t)le_get64(p + 64);
	return range->first_seq <= range->last_seq;
}

/* A file of its own has no parity: it can be merged again from where it came. */
static bool read_table(void *arg, uint64_t offset, void *p, size_t n, bool mend UNUSED,
		       struct err *err)
{
	const struct key_file *file = arg;

	return files_read(&file->files, file->fd, p, n, offset, file->name, err);
}

static bool open_range(struct key_file *file, uint64_t size, const struct journal_id *id,
		       struct err *err)
{
	char bytes[KEY_RANGE_BYTES];

	if (size < sizeof(bytes)) {
		return err_set(err, ERR_CORRUPT, "\"%s\" is too short", file->name);
	}
	if (!files_read(&file->files, file->fd, bytes, sizeof(bytes), size - sizeof(bytes),
			file->name, err)) {
		return false;
	}
	if (!key_range_decode(bytes, &file->range)) {
		return err_set(err, ERR_CORRUPT, "\"%s\" has a damaged end", file->name);
	}
	return memcmp(file->range.id.v, id->v, sizeof(id->v)) == 0 ||
	       err_set(err, ERR_CORRUPT, "\"%s\" belongs to another journal", file->name);
}

static bool open_table(struct key_file *file, const struct journal_id *id, struct err *err)
{
	struct key_source source = { .read = read_table, .arg = file, .name = file->name };
	int64_t size = file->files.ops->size(file->files.arg, file->fd);

	if (size < 0) {
		return err_errno(err, (int)-size, "read the size of \"%s\"", file->name);
	}
	return open_range(file, (uint64_t)size, id, err) &&
	       key_table_open(&source, (uint64_t)size - KEY_RANGE_BYTES, &file->table, err);
}

struct key_file *key_file_open(const struct files *files, const char *dir, const char *name,
			       const struct journal_id *id, struct err *err)
{
	struct key_file *file;
	char path[PATH_BYTES];
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
	snprintf(file->name, sizeof(file->name), "%s", name);
	if (!open_table(file, id, err)) {
		key_file_close(&file);
	}
	return file;
}

void key_file_close(struct key_file **file_p)
{
	struct key_file *file = *file_p;

	*file_p = NULL;
	if (file != NULL) {
		file->files.ops->close(file->files.arg, file->fd);
		free(file);
	}
}
