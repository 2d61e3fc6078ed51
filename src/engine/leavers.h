/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_LEAVERS_H
#define ENGINE_LEAVERS_H

#include "engine/people.h"
#include "net/loop.h"
#include "store/store.h"

/*
 * Carries out what users have asked for: who wanted to be deleted, and did not come back in the
 * days of grace, is forgotten, one small step at a time (store/leaving.h). What is left to do is in
 * the store alone, so a crash between two steps costs nothing. One thread, the sealer's.
 */
struct leavers;

struct leavers_options {
	struct store *store;
	struct loop *loop;     /* the thread of people */
	struct people *people; /* NULL: nobody logs in */
};

/* Connects. Blocks. */
NODISCARD bool leavers_open(struct leavers **leavers, const struct leavers_options *options,
			    struct err *err);
/* NULL ok. The loop no longer runs. */
void leavers_close(struct leavers **leavers);
/*
 * Do a little for one user whose time is over at now_us. FOUND: there is more to do. NOT_FOUND:
 * look again in a second. FAILED: nothing is lost. Blocks for some milliseconds.
 */
enum found leavers_step(struct leavers *leavers, int64_t now_us, struct err *err);

#endif
