/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_PROFILE_IMPL_H
#define LOAD_PROFILE_IMPL_H

/* What the files of the profile share. */
#include "load/prng.h"
#include "load/profile.h"

/* Rank i has the share 1 / (i + 1). */
struct zipf {
	uint64_t *upto; /* of the shares up to and with each rank */
	unsigned n;
};
void zipf_init(struct zipf *z, unsigned n);
void zipf_release(struct zipf *z);
unsigned zipf_draw(const struct zipf *z, struct prng *r);

struct profile {
	enum profile_kind kind;
	struct prng r;
	uint64_t seed;
	uint64_t made;
	struct zipf projects;
	struct zipf types;
};

#define MIXED_TYPES 28

/* One event of the mixed kind. */
void mixed_write(struct profile *p, unsigned project, struct buf *out);

#endif
