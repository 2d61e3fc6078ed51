/* SPDX-License-Identifier: Apache-2.0 */
/* The real file system behind the seam, and the loops over short reads and writes. */
#include "journal/file/file_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define PROBES 16		     /* places of a file, to see whether it is there at all */
#define READ_AHEAD_BYTES (128 << 10) /* Linux begins only so much for one asking, on any disk */

static int result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int real_open(void *arg UNUSED, const char *path, int flags)
{
	return result(open(path, flags | O_CLOEXEC, 0600));
}

static void real_close(void *arg UNUSED, int fd)
{
	close(fd);
}

static ssize_t real_pread(void *arg UNUSED, int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t got = pread(fd, p, n, (off_t)offset);

	return got < 0 ? -errno : got;
}

static void real_will_read(void *arg UNUSED, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return;
	}
	for (off_t at = 0; at < st.st_size; at += READ_AHEAD_BYTES) {
		(void)posix_fadvise(fd, at, READ_AHEAD_BYTES, POSIX_FADV_WILLNEED);
	}
}

static ssize_t real_pwrite(void *arg UNUSED, int fd, const void *p, size_t n, uint64_t offset)
{
	ssize_t done = pwrite(fd, p, n, (off_t)offset);

	return done < 0 ? -errno : done;
}

static int real_fdatasync(void *arg UNUSED, int fd)
{
	return result(fdatasync(fd));
}

static int real_truncate(void *arg UNUSED, int fd, uint64_t size)
{
	return result(ftruncate(fd, (off_t)size));
}

static int64_t real_size(void *arg UNUSED, int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

static int real_rename(void *arg UNUSED, const char *from, const char *to)
{
	return result(rename(from, to));
}

static int real_unlink(void *arg UNUSED, const char *path)
{
	return result(unlink(path));
}

static int real_sync_dir(void *arg UNUSED, const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0) {
		return -errno;
	}
	rc = result(fsync(fd));
	close(fd);
	return rc;
}

static int real_make_dir(void *arg UNUSED, const char *dir)
{
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int real_list(void *arg UNUSED, const char *dir, void (*visit)(void *to, const char *name),
		     void *to)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	int rc;

	if (d == NULL) {
		return -errno;
	}
	for (errno = 0; (entry = readdir(d)) != NULL; errno = 0) {
		visit(to, entry->d_name);
	}
	rc = -errno;
	closedir(d);
	return rc;
}

static int real_lock(void *arg UNUSED, int fd)
{
	return result(flock(fd, LOCK_EX | LOCK_NB));
}

static void real_forget(void *arg UNUSED, int fd)
{
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int64_t real_mono_us(void *arg UNUSED)
{
	return clock_mono_us();
}

const struct file_ops file_ops_real = {
	.open = real_open,
	.close = real_close,
	.pread = real_pread,
	.will_read = real_will_read,
	.pwrite = real_pwrite,
	.fdatasync = real_fdatasync,
	.truncate = real_truncate,
	.size = real_size,
	.rename = real_rename,
	.unlink = real_unlink,
	.sync_dir = real_sync_dir,
	.make_dir = real_make_dir,
	.list = real_list,
	.lock = real_lock,
	.forget = real_forget,
	.mono_us = real_mono_us,
};

bool files_read(const struct files *files, int fd, void *p, size_t n, uint64_t offset,
		const char *what, struct err *err)
{
	char *to = p;

	while (n > 0) {
		ssize_t got = files->ops->pread(files->arg, fd, to, n, offset);

		if (got == -EINTR) {
			continue;
		}
		if (got < 0) {
			return err_errno(err, (int)-got, "read \"%s\" at %llu", what,
					 (unsigned long long)offset);
		}
		if (got == 0) {
			return err_set(err, ERR_IO, "read \"%s\" at %llu: the file ends there",
				       what, (unsigned long long)offset);
		}
		to += got;
		n -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}

/* What disks and file systems say of bytes that they have lost. */
static bool is_unreadable(ssize_t rc)
{
	return rc == -EIO || rc == -ENODATA || rc == -EILSEQ || rc == -EBADMSG || rc == -EUCLEAN;
}

/* Places over all of the file: one that is there has not lost them all. */
bool files_away(const struct files *files, int fd)
{
	int64_t size = files->ops->size(files->arg, fd);
	char byte;

	files->ops->forget(files->arg, fd);
	for (int i = 0; size > 0 && i < PROBES; i++) {
		uint64_t at = (uint64_t)(size - 1) * (uint64_t)i / (PROBES - 1);
		ssize_t got = files->ops->pread(files->arg, fd, &byte, 1, at);

		if (got == 1 || got == -EINTR) {
			return false;
		}
	}
	return true;
}

/* How many of the n bytes come before one that the disk does not give; -1: another failure. */
static ssize_t read_some(const struct files *files, int fd, char *p, size_t n, uint64_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = files->ops->pread(files->arg, fd, p + done, n - done, offset + done);

		if (got > 0) {
			done += (size_t)got;
		} else if (got != -EINTR) {
			return is_unreadable(got) ? (ssize_t)done : -1;
		}
	}
	return (ssize_t)done;
}

bool files_read_around(const struct files *files, int fd, void *to, size_t n, uint64_t offset,
		       const char *what, files_hole *hole, void *arg, struct err *err)
{
	bool there = false;
	char *p = to;

	while (n > 0) {
		size_t piece = FILES_PAGE_BYTES - (size_t)(offset % FILES_PAGE_BYTES);
		ssize_t got;

		piece = piece < n ? piece : n;
		got = read_some(files, fd, p, piece, offset);
		if (got < 0) {
			if (!files_read(files, fd, p, piece, offset, what, err)) {
				return false;
			}
			got = (ssize_t)piece;
		}
		if ((size_t)got < piece) {
			/* What was given before may have been in memory. */
			there = there || !files_away(files, fd);
			if (!there) {
				return err_errno(err, EIO, "read anything of \"%s\"", what);
			}
			memset(p + got, 0, piece - (size_t)got);
			if (hole != NULL) {
				hole(arg, offset + (uint64_t)got, p + got, piece - (size_t)got);
			}
		}
		p += piece;
		n -= piece;
		offset += piece;
	}
	return true;
}

bool files_write(const struct files *files, int fd, const void *p, size_t n, uint64_t offset,
		 const char *what, struct err *err)
{
	const char *from = p;

	while (n > 0) {
		ssize_t done = files->ops->pwrite(files->arg, fd, from, n, offset);

		if (done == -EINTR) {
			continue;
		}
		if (done <= 0) {
			return err_errno(err, done < 0 ? (int)-done : EIO, "write \"%s\" at %llu",
					 what, (unsigned long long)offset);
		}
		from += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return true;
}

bool files_flush(const struct files *files, int fd, const char *what, struct err *err)
{
	int rc = files->ops->fdatasync(files->arg, fd);

	return rc < 0 ? err_errno(err, -rc, "flush \"%s\"", what) : true;
}
