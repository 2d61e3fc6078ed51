/* SPDX-License-Identifier: Apache-2.0 */
/* Names of Unix sockets that are too long for the kernel, made short. */
#include "net/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static bool shorten(struct unix_path *p, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	size_t dir_len = (size_t)(name - path);
	char dir[PATH_MAX];
	int n;

	snprintf(dir, sizeof(dir), "%.*s", (int)dir_len, path);
	p->dir_fd = open(dir_len == 0 ? "." : dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->dir_fd < 0) {
		return err_errno(err, errno, "open \"%s\"", dir);
	}
	n = snprintf(p->text, sizeof(p->text), "/proc/self/fd/%d/%s", p->dir_fd, name);
	if (n >= (int)sizeof(p->text)) {
		unix_path_close(p);
		return err_set(err, ERR_INVALID, "the name of the socket \"%.100s\" is too long",
			       name);
	}
	return true;
}

bool unix_path_open(struct unix_path *p, const char *path, struct err *err)
{
	p->dir_fd = -1;
	if (strlen(path) >= PATH_MAX) {
		return err_set(err, ERR_INVALID, "the path of the socket is too long");
	}
	if (strlen(path) >= sizeof(p->text)) {
		return shorten(p, path, err);
	}
	snprintf(p->text, sizeof(p->text), "%s", path);
	return true;
}

void unix_path_close(struct unix_path *p)
{
	if (p->dir_fd >= 0) {
		close(p->dir_fd);
	}
	p->dir_fd = -1;
}
