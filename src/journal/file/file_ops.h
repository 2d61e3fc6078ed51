/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_FILE_OPS_H
#define JOURNAL_FILE_FILE_OPS_H

#include <sys/types.h>

#include "base/err.h"

/*
 * What the journal asks of a file system: a seam, so that tests can fail the Nth call, lose what
 * was not flushed, and reorder it. All calls return -errno on failure, may block, and may be made
 * from several threads at once. arg is journal_options.files_arg.
 */
struct file_ops {
	/* flags of open(2); O_CLOEXEC is added. Returns a descriptor. */
	int (*open)(void *arg, const char *path, int flags);
	void (*close)(void *arg, int fd);
	/* May be short; 0 is the end of the file. */
	ssize_t (*pread)(void *arg, int fd, void *p, size_t n, uint64_t offset);
	/* All of the file will be read soon, so the disk may begin. NULL: nobody needs to know. */
	void (*will_read)(void *arg, int fd);
	ssize_t (*pwrite)(void *arg, int fd, const void *p, size_t n, uint64_t offset);
	int (*fdatasync)(void *arg, int fd);
	int (*truncate)(void *arg, int fd, uint64_t size);
	int64_t (*size)(void *arg, int fd);
	int (*rename)(void *arg, const char *from, const char *to);
	int (*unlink)(void *arg, const char *path);
	/* Make the names in dir durable. */
	int (*sync_dir)(void *arg, const char *dir);
	/* Succeeds when it exists. */
	int (*make_dir)(void *arg, const char *dir);
	/* Call visit for each name in dir. */
	int (*list)(void *arg, const char *dir, void (*visit)(void *to, const char *name),
		    void *to);
	/* An exclusive lock until close; -EWOULDBLOCK when somebody else has it. */
	int (*lock)(void *arg, int fd);
	/* Drop what is remembered of a file's bytes, so that reads ask the disk; a hint. */
	void (*forget)(void *arg, int fd);
	/* Microseconds, for measuring flushes. */
	int64_t (*mono_us)(void *arg);
};

/* The real one. */
extern const struct file_ops file_ops_real;

/* Where the calls go. */
struct files {
	const struct file_ops *ops;
	void *arg;
};

/* All n bytes at offset; a file that is shorter fails. what names the file in errors. */
NODISCARD bool files_read(const struct files *files, int fd, void *p, size_t n, uint64_t offset,
			  const char *what, struct err *err);

/*
 * A disk gives whole pages or none of their bytes. For what it does not give, hole is called, which
 * may fill in something; else these bytes are zero.
 */
#define FILES_PAGE_BYTES 4096
typedef void files_hole(void *arg, uint64_t offset, char *p, size_t n);
/*
 * As files_read, around the places that cannot be read. False only where no more than an error can
 * be told: the file is shorter, or the disk gives nothing of it at all, as one that was pulled out;
 * what is there may then be intact. hole may be NULL.
 */
NODISCARD bool files_read_around(const struct files *files, int fd, void *p, size_t n,
				 uint64_t offset, const char *what, files_hole *hole, void *arg,
				 struct err *err);
/* Whether nothing of the file can be read, wherever it is tried. Asks the disk, not the memory. */
bool files_away(const struct files *files, int fd);
/* All n bytes. Never tries a failed part again. */
NODISCARD bool files_write(const struct files *files, int fd, const void *p, size_t n,
			   uint64_t offset, const char *what, struct err *err);
NODISCARD bool files_flush(const struct files *files, int fd, const char *what, struct err *err);

#endif
