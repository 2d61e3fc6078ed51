/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SIM_TEST_H
#define JOURNAL_FILE_SIM_TEST_H

#include "journal/file/file_ops.h"

/*
 * A file system in memory that is as unkind as the standard allows. What was written and not
 * flushed is lost, kept or garbled by sector at a power cut, in any mixture; names that were not
 * flushed come in order, up to some point. A failed flush forgets what it should have written,
 * and says nothing of it later. Everything follows from the seed. One thread.
 */
#define SIM_FILES_MAX 64
#define SIM_PENDING_MAX 256
#define SIM_NAME_MAX 64
#define SIM_BAD_MAX 64

struct sim_file {
	int refs; /* names and descriptors, durable names too */
	bool locked;
	char *cache; /* what reads see */
	size_t size;
	char *disk;
	size_t disk_size;
	unsigned char *dirty; /* by sector */
	size_t cap;
	/* What the disk does not give any more. */
	struct {
		uint64_t from, to;
	} bad[SIM_BAD_MAX];
	size_t bad_n;
};

struct sim_name {
	char name[SIM_NAME_MAX];
	int file;		/* -1: the entry is free, or in a pending change: the name goes */
	char was[SIM_NAME_MAX]; /* in a pending change: the name that goes with it, or "" */
};

struct sim {
	uint64_t seed;
	struct sim_file files[SIM_FILES_MAX];
	struct sim_name names[SIM_FILES_MAX];
	struct sim_name durable[SIM_FILES_MAX];
	struct sim_name pending[SIM_PENDING_MAX];
	size_t pending_n;
	int fds[SIM_FILES_MAX]; /* file + 1 */

	bool shorten; /* reads and writes are short now and then */
	bool strict;  /* a read with bad bytes in it fails as a whole; else it ends before them */
	bool away;    /* the whole disk: no read succeeds, but of */
	uint64_t remembered; /* so many first bytes of each file, until one is to be forgotten */
	uint64_t calls;
	uint64_t fail_at; /* this call fails with fail_errno; 0: none */
	int fail_errno;
	bool failed;
	uint64_t cut_at; /* before this call the power is cut, in *cut; 0: never */
	struct sim *cut;
	void (*on_cut)(void *arg);
	void *on_cut_arg;
	size_t room; /* bytes that files may take together; 0: no limit */
	int64_t now_us;
	int64_t flush_us; /* what a flush takes */
};

extern const struct file_ops sim_ops;

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim **sim);
/* A file system as it may look after a power cut now. */
struct sim *sim_power_cut(struct sim *sim);
/* Any number, from the seed. */
uint64_t sim_random(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t bound);
/* The file of this name (without directory), or NULL. */
struct sim_file *sim_find(struct sim *sim, const char *name);
/* From now on these bytes of the file cannot be read. */
void sim_spoil(struct sim_file *file, uint64_t from, uint64_t to);
/* Put a file there, flushed. */
void sim_put(struct sim *sim, const char *name, const void *p, size_t n);

#endif
