/* SPDX-License-Identifier: Apache-2.0 */
/* One lock file per data directory; the kernel lets go of it however the process ends. */
#include "cmd/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct slice data_dir_path(struct slice dir, const char *name, struct arena *boot)
{
	return arena_printf(boot, "%.*s/%s", SARG(dir), name);
}

static int lock(const char *dir, const char *path, struct err *err)
{
	int fd;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		err_errno(err, errno, "make the data directory \"%s\"", dir);
		return -1;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_errno(err, errno, "open \"%s\"", path);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		err_set(err, ERR_CONFLICT, "the data directory \"%s\" is in use by another process",
			dir);
		return -1;
	}
	return fd;
}

int data_dir_lock(struct slice dir, struct err *err)
{
	struct arena tick;
	int fd;

	arena_init(&tick, 0);
	fd = lock(arena_cstr(&tick, dir), data_dir_path(dir, "lock", &tick).p, err);
	arena_release(&tick);
	return fd;
}
