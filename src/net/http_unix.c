/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket that is a file: for commands on this machine. Its rights are set before it
 * has a name, so that there is no moment at which others could connect.
 */
#include "net/http_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/unix_path.h"

#define BACKLOG 128

static struct sockaddr_un sockaddr_of(const struct unix_path *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memcpy(sa.sun_path, name->text, sizeof(name->text));
	return sa;
}

static bool is_socket(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Left by a process that is gone: a socket file on which nobody listens. */
static bool is_stale(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool stale;

	if (fd < 0) {
		return false;
	}
	stale = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0 && errno == ECONNREFUSED;
	close(fd);
	return stale && is_socket(sa->sun_path);
}

static bool bind_to(int fd, const struct sockaddr_un *sa)
{
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0) {
		return true;
	}
	if (errno != EADDRINUSE) {
		return false;
	}
	if (!is_stale(sa)) {
		errno = EADDRINUSE;
		return false;
	}
	return unlink(sa->sun_path) == 0 && bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
}

/* A listening socket, or -1 and errno. Linux gives the file the mode that the socket has. */
static int listen_on(const struct unix_path *name, unsigned mode)
{
	struct sockaddr_un sa = sockaddr_of(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why;

	if (fd < 0) {
		return -1;
	}
	if (fchmod(fd, mode) == 0 && bind_to(fd, &sa) && listen(fd, BACKLOG) == 0) {
		return fd;
	}
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

bool http_server_listen_unix(struct http_server *s, const char *path, unsigned mode,
			     struct err *err)
{
	struct unix_path name;
	struct listener *ln;
	struct stat st;
	int fd;

	if (s->listeners_n == HTTP_LISTENERS_MAX) {
		return err_set(err, ERR_INVALID, "at most %d addresses to listen on",
			       HTTP_LISTENERS_MAX);
	}
	if (!unix_path_open(&name, path, err)) {
		return false;
	}
	fd = listen_on(&name, mode);
	if (fd < 0) {
		err_errno(err, errno, "listen on \"%s\"", path);
		unix_path_close(&name);
		return false;
	}
	unix_path_close(&name);
	ln = accept_add(s, fd);
	ln->path = mem_alloc(1, strlen(path) + 1);
	memcpy(ln->path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0) {
		ln->inode = st.st_ino;
	}
	return true;
}

void unix_forget(struct listener *ln)
{
	struct stat st;

	/* Unless somebody else has put a socket of their own there. */
	if (lstat(ln->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == ln->inode) {
		unlink(ln->path);
	}
	free(ln->path);
	ln->path = NULL;
}

struct http_addr unix_addr(void)
{
	return (struct http_addr) { .unix_socket = true, .text_bytes = { "unix" } };
}
