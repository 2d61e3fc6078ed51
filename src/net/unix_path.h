/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_UNIX_PATH_H
#define NET_UNIX_PATH_H

#include <sys/un.h>

#include "base/err.h"

/*
 * The name of a Unix socket. The kernel takes 107 bytes, a data directory may lie deeper: then the
 * directory is opened and the name goes through /proc/self/fd. Any thread.
 */
struct unix_path {
	int dir_fd; /* -1: not needed */
	char text[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* Valid until unix_path_close. ERR_IO when the directory cannot be opened. */
NODISCARD bool unix_path_open(struct unix_path *p, const char *path, struct err *err);
void unix_path_close(struct unix_path *p);

#endif
