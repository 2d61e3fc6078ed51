/* SPDX-License-Identifier: Apache-2.0 */
/* The socket file of a server: private, ours alone, and gone with us. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/http_fixture.h"
#include "net/unix_path.h"
#include "test/t.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static char dir[1024], path[1200];

static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/tocsin-unix-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/tocsin.sock", dir);
}

static void remove_dir(void)
{
	(void)!unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

static bool exists(void)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

TEST(a_socket_file_serves_next_to_tcp)
{
	struct fixture *f = fixture_new(NULL);
	struct client local, tcp;
	struct err err;

	make_dir();
	T_OK(fixture_listen_unix(f, path, 0600, &err));
	local = client_open_unix(path);
	tcp = client_open(f);
	client_say(&local, GET("/peer"));
	T_STR(client_reply(&local), "200 unix socket");
	client_say(&tcp, GET("/peer"));
	T_STR(client_reply(&tcp), "200 127.0.0.1 loopback");
	client_say(&local, GET("/hold?1") GET("/post"));
	fixture_wait_held(f, 1);
	fixture_release(f, 0);
	T_STR(client_reply(&local), "200 held 1");
	T_STR(client_reply(&local), "200 posted");
	client_close(&local);
	client_close(&tcp);
	fixture_free(&f);
	T_FALSE(exists());
	remove_dir();
}

TEST(only_the_owner_may_connect)
{
	mode_t old = umask(0);
	struct fixture *f = fixture_new(NULL);
	struct stat st;
	struct err err;

	make_dir();
	T_OK(fixture_listen_unix(f, path, 0600, &err));
	umask(old);
	T_INT(lstat(path, &st), 0);
	T_INT(st.st_mode, S_IFSOCK | 0600);
	fixture_free(&f);
	remove_dir();
}

TEST(a_file_left_by_the_dead_is_replaced)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct fixture *f = fixture_new(NULL);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct client c;
	struct err err;

	make_dir();
	memcpy(sa.sun_path, path, strlen(path));
	T_INT(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	T_INT(listen(fd, 1), 0);
	close(fd);
	T_TRUE(exists());
	T_OK(fixture_listen_unix(f, path, 0600, &err));
	c = client_open_unix(path);
	client_say(&c, GET("/peer"));
	T_STR(client_reply(&c), "200 unix socket");
	client_close(&c);
	fixture_free(&f);
	remove_dir();
}

TEST(a_socket_that_answers_is_left_alone)
{
	struct fixture *first = fixture_new(NULL), *second = fixture_new(NULL);
	struct client c;
	struct err err;

	make_dir();
	T_OK(fixture_listen_unix(first, path, 0600, &err));
	T_FAIL(fixture_listen_unix(second, path, 0600, &err), ERR_IO);
	T_TRUE(strstr(err.text, "in use") != NULL);
	fixture_free(&second);
	c = client_open_unix(path);
	client_say(&c, GET("/peer"));
	T_STR(client_reply(&c), "200 unix socket");
	client_close(&c);
	fixture_free(&first);
	remove_dir();
}

TEST(a_file_that_is_no_socket_is_left_alone)
{
	struct fixture *f = fixture_new(NULL);
	struct err err;

	make_dir();
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	T_FAIL(fixture_listen_unix(f, path, 0600, &err), ERR_IO);
	fixture_free(&f);
	T_TRUE(exists());
	remove_dir();
}

TEST(a_socket_that_was_replaced_is_not_removed)
{
	struct fixture *first = fixture_new(NULL), *second = fixture_new(NULL);
	char kept[1300];
	struct err err;

	make_dir();
	T_OK(fixture_listen_unix(first, path, 0600, &err));
	/* Under another name it keeps its inode, whose number the next file then cannot get. */
	snprintf(kept, sizeof(kept), "%s.old", path);
	T_INT(rename(path, kept), 0);
	T_OK(fixture_listen_unix(second, path, 0600, &err));
	fixture_free(&first);
	T_TRUE(exists());
	fixture_free(&second);
	T_FALSE(exists());
	T_INT(unlink(kept), 0);
	remove_dir();
}

TEST(draining_removes_the_file_and_finishes_what_is_open)
{
	struct fixture *f = fixture_new(NULL);
	struct client c;
	struct err err;

	make_dir();
	T_OK(fixture_listen_unix(f, path, 0600, &err));
	c = client_open_unix(path);
	client_say(&c, GET("/hold?9"));
	fixture_wait_held(f, 1);
	fixture_drain(f, 10000000);
	T_FALSE(exists());
	fixture_release(f, 0);
	T_STR(client_reply(&c), "200 held 9");
	fixture_drained(f);
	client_close(&c);
	fixture_free(&f);
	remove_dir();
}

TEST(deep_directories_are_no_hindrance)
{
	char deep[1200], short_name[1300];
	struct fixture *f = fixture_new(NULL);
	struct unix_path name;
	struct client c;
	struct err err;

	make_dir();
	snprintf(deep, sizeof(deep), "%s/%0150d", dir, 1);
	T_INT(mkdir(deep, 0700), 0);
	snprintf(short_name, sizeof(short_name), "%s/tocsin.sock", deep);
	T_OK(fixture_listen_unix(f, short_name, 0600, &err));
	T_OK(unix_path_open(&name, short_name, &err));
	c = client_open_unix(name.text);
	unix_path_close(&name);
	client_say(&c, GET("/peer"));
	T_STR(client_reply(&c), "200 unix socket");
	client_close(&c);
	fixture_free(&f);
	T_INT(rmdir(deep), 0);
	remove_dir();
}

TEST(paths_that_cannot_be_are_refused)
{
	struct unix_path name;
	struct err err;
	char *longest = mem_alloc(1, PATH_MAX + 1);

	memset(longest, 'x', PATH_MAX);
	T_FAIL(unix_path_open(&name, longest, &err), ERR_INVALID);
	longest[200] = '\0';
	T_FAIL(unix_path_open(&name, longest, &err), ERR_INVALID);
	longest[0] = longest[120] = '/';
	T_FAIL(unix_path_open(&name, longest, &err), ERR_IO);
	free(longest);
}

T_MAIN(T(a_socket_file_serves_next_to_tcp), T(only_the_owner_may_connect),
       T(a_file_left_by_the_dead_is_replaced), T(a_socket_that_answers_is_left_alone),
       T(a_file_that_is_no_socket_is_left_alone), T(a_socket_that_was_replaced_is_not_removed),
       T(draining_removes_the_file_and_finishes_what_is_open), T(deep_directories_are_no_hindrance),
       T(paths_that_cannot_be_are_refused))
