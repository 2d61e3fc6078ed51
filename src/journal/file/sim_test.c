/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated file system for the tests of the journal. */
#include "journal/file/sim_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define SECTOR ((size_t)512)

uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
	return sim_random(sim) % bound;
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = mem_alloc(1, sizeof(*sim));

	sim->seed = seed;
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		sim->names[i].file = -1;
		sim->durable[i].file = -1;
	}
	return sim;
}

static void file_free(struct sim_file *file)
{
	free(file->cache);
	free(file->disk);
	free(file->dirty);
	*file = (struct sim_file) { 0 };
}

void sim_free(struct sim **sim)
{
	if (*sim == NULL) {
		return;
	}
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		file_free(&(*sim)->files[i]);
	}
	sim_free(&(*sim)->cut);
	free(*sim);
	*sim = NULL;
}

/* Room for size bytes; new bytes are zero. */
static void reserve(struct sim_file *file, size_t size)
{
	size_t cap = file->cap == 0 ? 4096 : file->cap;

	while (cap < size) {
		cap *= 2;
	}
	if (cap > file->cap) {
		file->cache = mem_resize(file->cache, cap, 1);
		file->disk = mem_resize(file->disk, cap, 1);
		file->dirty = mem_resize(file->dirty, cap / SECTOR, 1);
		memset(file->cache + file->cap, 0, cap - file->cap);
		memset(file->disk + file->cap, 0, cap - file->cap);
		memset(file->dirty + file->cap / SECTOR, 0, (cap - file->cap) / SECTOR);
		file->cap = cap;
	}
}

static int lookup(const struct sim_name *names, const char *name)
{
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		if (names[i].file >= 0 && strcmp(names[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static void point(struct sim *sim, struct sim_name *names, const char *name, int file)
{
	int at = lookup(names, name);

	if (at < 0 && file < 0) {
		return;
	}
	for (int i = 0; at < 0; i++) {
		ensure(i < SIM_FILES_MAX);
		at = names[i].file < 0 ? i : at;
	}
	if (names[at].file >= 0) {
		sim->files[names[at].file].refs--;
	}
	if (file >= 0) {
		sim->files[file].refs++;
	}
	names[at].file = file;
	snprintf(names[at].name, sizeof(names[at].name), "%s", name);
}

/* A change of names, in the cache now, on the disk later. */
static void change(struct sim *sim, const char *name, int file, const char *was)
{
	struct sim_name *pending = &sim->pending[sim->pending_n++];

	ensure(sim->pending_n < SIM_PENDING_MAX);
	point(sim, sim->names, name, file);
	if (was[0] != '\0') {
		point(sim, sim->names, was, -1);
	}
	snprintf(pending->was, sizeof(pending->was), "%s", was);
	pending->file = file;
	if (file >= 0) {
		sim->files[file].refs++;
	}
	snprintf(pending->name, sizeof(pending->name), "%s", name);
}

static void settle_names(struct sim *sim, size_t n)
{
	for (size_t i = 0; i < sim->pending_n; i++) {
		if (i < n) {
			point(sim, sim->durable, sim->pending[i].name, sim->pending[i].file);
			if (sim->pending[i].was[0] != '\0') {
				point(sim, sim->durable, sim->pending[i].was, -1);
			}
		}
		if (sim->pending[i].file >= 0) {
			sim->files[sim->pending[i].file].refs--;
		}
	}
	sim->pending_n = 0;
}

/*
 * Old, new, a torn mixture, or garbage: a sector that was on its way. Bytes that were not changed
 * stay as they are: devices promise that much (powersafe overwrite), and the journal relies on it
 * where a batch begins in the sector in which the one before it ends.
 */
static void cut_sector(struct sim *sim, struct sim_file *file, size_t sector)
{
	size_t at = sector * SECTOR;
	size_t n = SECTOR;

	switch (sim_below(sim, 16)) {
	case 0:
		n = sim_below(sim, SECTOR);
		break;
	case 1:
		for (size_t i = 0; i < SECTOR; i++) {
			if (file->disk[at + i] != file->cache[at + i]) {
				file->disk[at + i] = (char)sim_random(sim);
			}
		}
		return;
	default:
		n = sim_below(sim, 2) * SECTOR;
		break;
	}
	memcpy(file->disk + at, file->cache + at, n);
}

/* How likely a sector is to have come through differs from cut to cut: most, or few, or half. */
static void cut_file(struct sim *sim, struct sim_file *file, unsigned bias)
{
	for (size_t i = 0; i < file->cap / SECTOR; i++) {
		if (file->dirty[i] == 0) {
			continue;
		}
		if (bias == 0) {
			memcpy(file->disk + i * SECTOR, file->cache + i * SECTOR, SECTOR);
		} else if (bias > 1) {
			cut_sector(sim, file, i);
		}
	}
	if (sim_below(sim, 2) == 0) {
		file->disk_size = file->size;
	}
}

static struct sim *copy(const struct sim *from)
{
	struct sim *to = mem_alloc(1, sizeof(*to));

	*to = *from;
	to->cut = NULL;
	to->cut_at = to->fail_at = 0;
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		const struct sim_file *file = &from->files[i];

		to->files[i].cache = to->files[i].disk = NULL;
		to->files[i].dirty = NULL;
		to->files[i].cap = 0;
		if (file->cap > 0) {
			reserve(&to->files[i], file->cap);
			memcpy(to->files[i].cache, file->cache, file->cap);
			memcpy(to->files[i].disk, file->disk, file->cap);
			memcpy(to->files[i].dirty, file->dirty, file->cap / SECTOR);
		}
	}
	return to;
}

struct sim *sim_power_cut(struct sim *from)
{
	struct sim *sim = copy(from);
	unsigned bias;

	sim->seed = sim_random(from);
	bias = (unsigned)sim_below(sim, 4);
	settle_names(sim, sim_below(sim, sim->pending_n + 1));
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		struct sim_file *file = &sim->files[i];

		sim->fds[i] = 0;
		file->refs = 0;
		file->locked = false;
		cut_file(sim, file, bias);
		file->size = file->disk_size;
		if (file->cap > 0) {
			memset(file->disk + file->size, 0, file->cap - file->size);
			memcpy(file->cache, file->disk, file->cap);
			memset(file->dirty, 0, file->cap / SECTOR);
		}
	}
	memcpy(sim->names, sim->durable, sizeof(sim->names));
	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		if (sim->names[i].file >= 0) {
			sim->files[sim->names[i].file].refs += 2;
		}
	}
	sim->calls = 0;
	sim->failed = false;
	return sim;
}

/* Every call goes through here: 0, or the error it is to fail with. */
static int call(struct sim *sim)
{
	sim->calls++;
	if (sim->calls == sim->cut_at) {
		sim->cut = sim_power_cut(sim);
		if (sim->on_cut != NULL) {
			sim->on_cut(sim->on_cut_arg);
		}
	}
	if (sim->calls == sim->fail_at) {
		sim->failed = true;
		return -sim->fail_errno;
	}
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static int new_file(struct sim *sim)
{
	for (int i = 0; i < SIM_FILES_MAX; i++) {
		if (sim->files[i].refs == 0) {
			file_free(&sim->files[i]);
			return i;
		}
	}
	never("too many files");
}

static void set_size(struct sim_file *file, size_t size)
{
	reserve(file, size);
	if (size < file->size) {
		memset(file->cache + size, 0, file->size - size);
		memset(file->dirty + size / SECTOR, 1, (file->size - size) / SECTOR);
	}
	file->size = size;
}

static int sim_open(void *arg, const char *path, int flags)
{
	struct sim *sim = arg;
	int rc = call(sim);
	int at = lookup(sim->names, base_name(path));
	int file = at < 0 ? -1 : sim->names[at].file;

	if (rc < 0) {
		return rc;
	}
	if (file < 0 && (flags & O_CREAT) == 0) {
		return -ENOENT;
	}
	if (file < 0) {
		file = new_file(sim);
		change(sim, base_name(path), file, "");
	}
	if ((flags & O_TRUNC) != 0) {
		set_size(&sim->files[file], 0);
	}
	for (int fd = 0; fd < SIM_FILES_MAX; fd++) {
		if (sim->fds[fd] == 0) {
			sim->fds[fd] = file + 1;
			sim->files[file].refs++;
			return fd;
		}
	}
	never("too many descriptors");
}

static struct sim_file *by_fd(struct sim *sim, int fd)
{
	ensure(fd >= 0 && fd < SIM_FILES_MAX && sim->fds[fd] > 0);
	return &sim->files[sim->fds[fd] - 1];
}

static void sim_close(void *arg, int fd)
{
	struct sim *sim = arg;
	struct sim_file *file = by_fd(sim, fd);

	file->refs--;
	file->locked = false;
	sim->fds[fd] = 0;
}

/* How many of the n bytes can be read. */
static size_t readable(const struct sim *sim, const struct sim_file *file, size_t n,
		       uint64_t offset)
{
	for (size_t i = 0; i < file->bad_n && n > 0; i++) {
		uint64_t from = file->bad[i].from, to = file->bad[i].to;

		if (from < offset + n && offset < to) {
			n = sim->strict || from <= offset ? 0 : (size_t)(from - offset);
		}
	}
	if (sim->away && offset + n > sim->remembered) {
		n = offset < sim->remembered ? (size_t)(sim->remembered - offset) : 0;
	}
	return n;
}

static ssize_t sim_pread(void *arg, int fd, void *p, size_t n, uint64_t offset)
{
	struct sim *sim = arg;
	const struct sim_file *file = by_fd(sim, fd);
	int rc = call(sim);

	if (rc < 0) {
		return rc;
	}
	if (offset >= file->size) {
		return 0;
	}
	if (n > file->size - offset) {
		n = file->size - offset;
	}
	if (sim->shorten && sim_below(sim, 4) == 0) {
		if (sim_below(sim, 4) == 0) {
			return -EINTR;
		}
		n = 1 + sim_below(sim, n);
	}
	n = readable(sim, file, n, offset);
	if (n == 0) {
		return -EIO;
	}
	memcpy(p, file->cache + offset, n);
	return (ssize_t)n;
}

static size_t used(const struct sim *sim)
{
	size_t sum = 0;

	for (size_t i = 0; i < SIM_FILES_MAX; i++) {
		sum += sim->files[i].refs > 0 ? sim->files[i].size : 0;
	}
	return sum;
}

static ssize_t sim_pwrite(void *arg, int fd, const void *p, size_t n, uint64_t offset)
{
	struct sim *sim = arg;
	struct sim_file *file = by_fd(sim, fd);
	int rc = call(sim);

	if (rc == 0 && sim->room > 0 && offset + n > file->size &&
	    used(sim) + offset + n - file->size > sim->room) {
		return -ENOSPC;
	}
	if (sim->shorten && sim_below(sim, 4) == 0) {
		n = 1 + sim_below(sim, n);
	}
	if (rc < 0) { /* part of it may have gone out all the same */
		n = sim_below(sim, n + 1);
	}
	if (offset + n > file->size) {
		set_size(file, offset + n);
	}
	memcpy(file->cache + offset, p, n);
	if (n > 0) {
		memset(file->dirty + offset / SECTOR, 1,
		       (offset + n - 1) / SECTOR - offset / SECTOR + 1);
	}
	return rc < 0 ? rc : (ssize_t)n;
}

static int sim_fdatasync(void *arg, int fd)
{
	struct sim *sim = arg;
	struct sim_file *file = by_fd(sim, fd);
	int rc = call(sim);

	sim->now_us += sim->flush_us;
	for (size_t i = 0; i < file->cap / SECTOR; i++) {
		if (file->dirty[i] != 0 && rc == 0) {
			memcpy(file->disk + i * SECTOR, file->cache + i * SECTOR, SECTOR);
		}
		file->dirty[i] = 0;
	}
	if (rc == 0) {
		file->disk_size = file->size;
	}
	return rc;
}

static int sim_truncate(void *arg, int fd, uint64_t size)
{
	struct sim *sim = arg;
	int rc = call(sim);

	if (rc == 0) {
		set_size(by_fd(sim, fd), size);
	}
	return rc;
}

static int64_t sim_size(void *arg, int fd)
{
	struct sim *sim = arg;
	int rc = call(sim);

	return rc < 0 ? rc : (int64_t)by_fd(sim, fd)->size;
}

static int sim_rename(void *arg, const char *from, const char *to)
{
	struct sim *sim = arg;
	int rc = call(sim);
	int at = lookup(sim->names, base_name(from));
	int file = at < 0 ? -1 : sim->names[at].file;

	if (rc < 0 || file < 0) {
		return rc < 0 ? rc : -ENOENT;
	}
	change(sim, base_name(to), file, base_name(from));
	return 0;
}

static int sim_unlink(void *arg, const char *path)
{
	struct sim *sim = arg;
	int rc = call(sim);

	if (rc == 0 && lookup(sim->names, base_name(path)) < 0) {
		rc = -ENOENT;
	}
	if (rc == 0) {
		change(sim, base_name(path), -1, "");
	}
	return rc;
}

static int sim_sync_dir(void *arg, const char *dir UNUSED)
{
	struct sim *sim = arg;
	int rc = call(sim);

	if (rc == 0) {
		settle_names(sim, sim->pending_n);
	}
	return rc;
}

static int sim_make_dir(void *arg, const char *dir UNUSED)
{
	return call(arg);
}

static int sim_list(void *arg, const char *dir UNUSED, void (*visit)(void *to, const char *name),
		    void *to)
{
	struct sim *sim = arg;
	int rc = call(sim);

	for (size_t i = 0; rc == 0 && i < SIM_FILES_MAX; i++) {
		if (sim->names[i].file >= 0) {
			visit(to, sim->names[i].name);
		}
	}
	return rc;
}

static int sim_lock(void *arg, int fd)
{
	struct sim *sim = arg;
	int rc = call(sim);
	struct sim_file *file = by_fd(sim, fd);

	if (rc == 0 && file->locked) {
		rc = -EWOULDBLOCK;
	}
	file->locked = file->locked || rc == 0;
	return rc;
}

static void sim_forget(void *arg, int fd UNUSED)
{
	struct sim *sim = arg;

	sim->remembered = 0;
}

static int64_t sim_mono_us(void *arg)
{
	const struct sim *sim = arg;

	return sim->now_us;
}

const struct file_ops sim_ops = {
	.open = sim_open,
	.close = sim_close,
	.pread = sim_pread,
	.pwrite = sim_pwrite,
	.fdatasync = sim_fdatasync,
	.truncate = sim_truncate,
	.size = sim_size,
	.rename = sim_rename,
	.unlink = sim_unlink,
	.sync_dir = sim_sync_dir,
	.make_dir = sim_make_dir,
	.list = sim_list,
	.lock = sim_lock,
	.forget = sim_forget,
	.mono_us = sim_mono_us,
};

struct sim_file *sim_find(struct sim *sim, const char *name)
{
	int at = lookup(sim->names, name);

	return at < 0 ? NULL : &sim->files[sim->names[at].file];
}

void sim_spoil(struct sim_file *file, uint64_t from, uint64_t to)
{
	ensure(file->bad_n < SIM_BAD_MAX);
	file->bad[file->bad_n].from = from;
	file->bad[file->bad_n++].to = to;
}

void sim_put(struct sim *sim, const char *name, const void *p, size_t n)
{
	int at = new_file(sim);
	struct sim_file *file;

	file = &sim->files[at];
	change(sim, name, at, "");
	settle_names(sim, sim->pending_n);
	set_size(file, n);
	memcpy(file->cache, p, n);
	memcpy(file->disk, p, n);
	file->disk_size = n;
}
