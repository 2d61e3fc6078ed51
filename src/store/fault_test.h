/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_FAULT_TEST_H
#define STORE_FAULT_TEST_H

/*
 * For tests: a file system under SQLite that fails on demand, for every connection of the process
 * that is opened after fault_install. Any thread.
 */
enum fault {
	FAULT_NONE,
	FAULT_FULL,  /* writes say that the disk is full */
	FAULT_SYNC,  /* flushes fail */
	FAULT_INDEX, /* the index of the write-ahead log cannot grow */
};

void fault_install(void);
/* Let the next writes or flushes fail, after `after` good ones; n of them, negative: all. */
void fault_set(enum fault fault, int after, int n);
/* How many calls have failed since fault_set. */
int fault_count(void);

#endif
