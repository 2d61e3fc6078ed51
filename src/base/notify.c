/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol is one datagram, which is less than a library to link with. */
#include "base/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/slice.h"

/* False when the name cannot be an address. */
static bool address(const char *name, struct sockaddr_un *sa, socklen_t *n)
{
	size_t len = strlen(name);

	*sa = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(sa->sun_path)) {
		return false;
	}
	memcpy(sa->sun_path, name, len);
	if (name[0] == '@') {
		sa->sun_path[0] = '\0';
	}
	/* An abstract name ends with the address, a path may have its terminator. */
	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

bool notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa;
	socklen_t n;
	ssize_t sent;
	int fd;

	if (name == NULL || name[0] == '\0') {
		return true;
	}
	if (!address(name, &sa, &n)) {
		return false;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sa, n);
	close(fd);
	return sent == (ssize_t)strlen(state);
}

int64_t notify_watchdog_us(void)
{
	uint64_t limit_us, pid;

	if (!slice_u64(slice_of(getenv("WATCHDOG_USEC")), &limit_us) || limit_us > INT64_MAX) {
		return 0;
	}
	if (getenv("WATCHDOG_PID") != NULL &&
	    (!slice_u64(slice_of(getenv("WATCHDOG_PID")), &pid) || pid != (uint64_t)getpid())) {
		return 0;
	}
	return (int64_t)(limit_us / 2);
}
