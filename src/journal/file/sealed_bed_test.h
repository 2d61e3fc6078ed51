/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_BED_TEST_H
#define JOURNAL_FILE_SEALED_BED_TEST_H

#include "journal/file/sealed.h"
#include "journal/file/sim_test.h"

/*
 * Records made from a seed, for the tests of sealed segments: of how many projects, how large, with
 * which gaps. They live as long as the pile they are in.
 */
struct pile_plan {
	uint64_t seed;
	size_t n;
	size_t projects;    /* 1 or more; a few of them get most */
	size_t types;	    /* how many different ones; 0: seven */
	size_t body_max;    /* bytes */
	unsigned gap;	    /* one number in so many is missing; 0: none */
	uint64_t first_seq; /* 0: 1 */
};
struct pile {
	struct arena arena;
	struct record *records;
	size_t n;
	struct sim *sim;
	struct sealed_options options; /* of the sim, small pages */
};
extern const struct hash_key pile_key;

void pile_make(struct pile *pile, const struct pile_plan *plan);
void pile_release(struct pile *pile);
/* Write them as a sealed file. */
NODISCARD bool pile_seal(struct pile *pile, struct sealed_info *info, struct err *err);
/* Seal, open; fails the test when that does not succeed. */
struct sealed *pile_open(struct pile *pile);
/* Whether all members are the same. */
bool record_same(const struct record *a, const struct record *b);

#endif
