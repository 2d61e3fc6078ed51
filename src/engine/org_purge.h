/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_ORG_PURGE_H
#define ENGINE_ORG_PURGE_H

#include "engine/retain.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "store/store.h"

/*
 * Deletes organizations whose days of grace are over, with all that they have: first from memory
 * and from the rules, by a control record; then their rows, a slice at a time; meanwhile their
 * records leave the log as deleted events do (purger.h); the row of the org goes last, and then the
 * state is written anew, so that no byte stays behind.
 *
 * How far it has come follows from the store and the log alone: a crash at any moment costs a step
 * done twice. What stays is one entry in the audit log of the installation, and the control record.
 */
struct org_purge;

struct org_purge_options {
	struct loop *loop; /* the thread of the journal and of what is in memory */
	struct journal *journal;
	struct store *store;
	struct retain *retain;
	/* Nothing of the org is to be found in memory any more. On the loop. NULL: nothing is. */
	void (*forget)(void *arg, struct org_id org);
	void *arg;
};

/* Connects. Blocks. */
NODISCARD bool org_purge_open(struct org_purge **purge, const struct org_purge_options *options,
			      struct err *err);
/* The loop no longer runs. NULL ok. */
void org_purge_close(struct org_purge **purge);
/*
 * Do a little. now_us: the time that is believed (purger_now_us), because what goes does not come
 * back. FOUND: there is more to do. NOT_FOUND: look again in a second. FAILED: nothing is lost, and
 * after a while the rest is tried again. One thread, that of purger_step; blocks on the store, for
 * a whole rewrite of it at the end.
 */
enum found org_purge_step(struct org_purge *purge, int64_t now_us, int64_t mono_us,
			  struct err *err);

#endif
