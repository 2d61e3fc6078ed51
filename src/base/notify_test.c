/* SPDX-License-Identifier: Apache-2.0 */
/* A service manager of our own listens to what is said. */
#include "base/notify.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/t.h"

static char path[100];

/* A manager's socket at this name; an abstract one begins with "@". */
static int manager(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, name, strlen(name));
	if (name[0] == '@') {
		sa.sun_path[0] = '\0';
	}
	T_INT(bind(fd, (struct sockaddr *)&sa, n), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

TEST(a_manager_at_a_path_hears_every_state)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%s/tocsin-notify-%d", tmp == NULL ? "/tmp" : tmp, getpid());
	fd = manager(path);
	T_TRUE(notify_send("READY=1\nSTATUS=Serving"));
	T_STR(heard(fd), "READY=1\nSTATUS=Serving");
	T_TRUE(notify_send("STOPPING=1"));
	T_STR(heard(fd), "STOPPING=1");
	close(fd);
	T_FALSE(notify_send("WATCHDOG=1"));
	unlink(path);
	T_FALSE(notify_send("WATCHDOG=1"));
}

TEST(a_manager_with_an_abstract_name_hears_too)
{
	int fd;

	snprintf(path, sizeof(path), "@tocsin-notify-%d", getpid());
	fd = manager(path);
	T_TRUE(notify_send("READY=1"));
	T_STR(heard(fd), "READY=1");
	close(fd);
}

TEST(without_a_manager_nothing_happens)
{
	unsetenv("NOTIFY_SOCKET");
	T_TRUE(notify_send("READY=1"));
	setenv("NOTIFY_SOCKET", "", 1);
	T_TRUE(notify_send("READY=1"));
}

TEST(names_that_are_no_address_are_not_used)
{
	char longest[200];

	setenv("NOTIFY_SOCKET", "relative", 1);
	T_FALSE(notify_send("READY=1"));
	setenv("NOTIFY_SOCKET", "@", 1);
	T_FALSE(notify_send("READY=1"));
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	T_FALSE(notify_send("READY=1"));
	unsetenv("NOTIFY_SOCKET");
}

TEST(the_watchdog_is_fed_twice_per_limit)
{
	char pid[24];

	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	T_INT(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	T_INT(notify_watchdog_us(), 15000000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	T_INT(notify_watchdog_us(), 15000000);
	snprintf(pid, sizeof(pid), "%d", getpid() + 1);
	setenv("WATCHDOG_PID", pid, 1);
	T_INT(notify_watchdog_us(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "soon", 1);
	T_INT(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "18446744073709551615", 1);
	T_INT(notify_watchdog_us(), 0);
}

T_MAIN(T(a_manager_at_a_path_hears_every_state), T(a_manager_with_an_abstract_name_hears_too),
       T(without_a_manager_nothing_happens), T(names_that_are_no_address_are_not_used),
       T(the_watchdog_is_fed_twice_per_limit))
