/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails when a test says so, for a real server: loaded before libc, it counts the calls
 * that reach files below one folder and makes some of them fail or take their time. Stretches of
 * files may also be unreadable, whoever asks: as with a real disk, a read ends before them. What is
 * to happen stands in a small file that both sides map, so that it changes while the server runs.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum kind { KIND_OPEN, KIND_WRITE, KIND_FLUSH, KIND_RENAME, KIND_REMOVE, KINDS };

#define BAD_MAX 64

/* Bytes that are not given any more, of whatever file has this number. */
struct bad {
	int64_t inode, from, to;
};

/* As test/harness/disk.ts writes it. */
struct orders {
	_Atomic int64_t kinds;	  /* bit per kind that may fail */
	_Atomic int64_t first;	  /* the number of the call that fails */
	_Atomic int64_t times;	  /* how many fail from there on */
	_Atomic int64_t error;	  /* errno */
	_Atomic int64_t delay_us; /* of every flush */
	_Atomic int64_t calls;	  /* of those kinds, so far */
	_Atomic int64_t failed;
	int64_t unused;
	char folder[1024];
	_Atomic int64_t bad_n;
	struct bad bad[BAD_MAX];
};

static struct orders *orders;

static void *next(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (fn == NULL) {
		abort();
	}
	return fn;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TOCSIN_TEST_DISK");
	int (*really_open)(const char *, int, ...) = (int (*)(const char *, int, ...))next("open");
	int fd = path == NULL ? -1 : really_open(path, O_RDWR | O_CLOEXEC);
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0) {
		close(fd);
	}
	orders = p == MAP_FAILED ? NULL : p;
}

static int is_ours(const char *path)
{
	return orders != NULL && strncmp(path, orders->folder, strlen(orders->folder)) == 0;
}

static int is_ours_fd(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (orders == NULL) {
		return 0;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0) {
		return 0;
	}
	path[n] = '\0';
	return is_ours(path);
}

/* Whether this call is to fail; then errno is set. */
static int fails(enum kind kind)
{
	int64_t n, first;

	if ((orders->kinds & 1 << kind) == 0) {
		return 0;
	}
	n = ++orders->calls;
	first = orders->first;
	if (first == 0 || n < first || n >= first + orders->times) {
		return 0;
	}
	orders->failed++;
	errno = (int)orders->error;
	return 1;
}

#define OPEN(name) \
	int name(const char *path, int flags, ...); \
	int name(const char *path, int flags, ...) \
	{ \
		int (*really)(const char *, int, \
			      ...) = (int (*)(const char *, int, ...))next(#name); \
		va_list ap; \
		unsigned mode; \
		va_start(ap, flags); \
		mode = (flags & O_CREAT) != 0 ? va_arg(ap, unsigned) : 0; \
		va_end(ap); \
		return is_ours(path) && fails(KIND_OPEN) ? -1 : really(path, flags, mode); \
	}
OPEN(open)
OPEN(open64)

#define PWRITE(name, offset_type) \
	ssize_t name(int fd, const void *p, size_t n, offset_type at); \
	ssize_t name(int fd, const void *p, size_t n, offset_type at) \
	{ \
		ssize_t (*really)(int, const void *, size_t, offset_type) = \
			(ssize_t(*)(int, const void *, size_t, offset_type))next(#name); \
		return is_ours_fd(fd) && fails(KIND_WRITE) ? -1 : really(fd, p, n, at); \
	}
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* How many of the n bytes can be read. */
static size_t readable(int fd, size_t n, int64_t at)
{
	int64_t bad_n = orders == NULL ? 0 : orders->bad_n;
	struct stat st;

	if (bad_n == 0 || fstat(fd, &st) != 0) {
		return n;
	}
	for (int64_t i = 0; i < bad_n; i++) {
		const struct bad *bad = &orders->bad[i];

		if (bad->inode == (int64_t)st.st_ino && bad->from < at + (int64_t)n &&
		    at < bad->to) {
			n = bad->from <= at ? 0 : (size_t)(bad->from - at);
		}
	}
	return n;
}

#define PREAD(name, offset_type) \
	ssize_t name(int fd, void *p, size_t n, offset_type at); \
	ssize_t name(int fd, void *p, size_t n, offset_type at) \
	{ \
		ssize_t (*really)(int, void *, size_t, offset_type) = \
			(ssize_t(*)(int, void *, size_t, offset_type))next(#name); \
		size_t some = readable(fd, n, at); \
		if (some == 0 && n > 0) { \
			errno = EIO; \
			return -1; \
		} \
		return really(fd, p, some, at); \
	}
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t write(int fd, const void *p, size_t n)
{
	ssize_t (*really)(int, const void *,
			  size_t) = (ssize_t(*)(int, const void *, size_t))next("write");

	return is_ours_fd(fd) && fails(KIND_WRITE) ? -1 : really(fd, p, n);
}

#define FLUSH(name) \
	int name(int fd) \
	{ \
		int (*really)(int) = (int (*)(int))next(#name); \
		if (!is_ours_fd(fd)) { \
			return really(fd); \
		} \
		if (fails(KIND_FLUSH)) { \
			return -1; \
		} \
		if (orders->delay_us > 0) { \
			struct timespec ts = { .tv_sec = orders->delay_us / 1000000, \
					       .tv_nsec = orders->delay_us % 1000000 * 1000 }; \
			nanosleep(&ts, NULL); \
		} \
		return really(fd); \
	}
FLUSH(fsync)
FLUSH(fdatasync)

int rename(const char *from, const char *to)
{
	int (*really)(const char *,
		      const char *) = (int (*)(const char *, const char *))next("rename");

	return is_ours(from) && fails(KIND_RENAME) ? -1 : really(from, to);
}

/* Whoever names files by their folder's descriptor. */
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int (*really)(int, const char *, int, const char *) =
		(int (*)(int, const char *, int, const char *))next("renameat");

	return is_ours_fd(from_dir) && fails(KIND_RENAME) ? -1 : really(from_dir, from, to_dir, to);
}

#define OPENAT(name) \
	int name(int dir, const char *path, int flags, ...); \
	int name(int dir, const char *path, int flags, ...) \
	{ \
		int (*really)(int, const char *, int, \
			      ...) = (int (*)(int, const char *, int, ...))next(#name); \
		va_list ap; \
		unsigned mode; \
		va_start(ap, flags); \
		mode = (flags & O_CREAT) != 0 ? va_arg(ap, unsigned) : 0; \
		va_end(ap); \
		return is_ours_fd(dir) && fails(KIND_OPEN) ? -1 : really(dir, path, flags, mode); \
	}
OPENAT(openat)
OPENAT(openat64)

int unlink(const char *path)
{
	int (*really)(const char *) = (int (*)(const char *))next("unlink");

	return is_ours(path) && fails(KIND_REMOVE) ? -1 : really(path);
}

#define TRUNCATE(name, size_type) \
	int name(int fd, size_type size) \
	{ \
		int (*really)(int, size_type) = (int (*)(int, size_type))next(#name); \
		return is_ours_fd(fd) && fails(KIND_REMOVE) ? -1 : really(fd, size); \
	}
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
