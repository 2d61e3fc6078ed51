/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_WAITERS_H
#define ENGINE_WAITERS_H

#include "base/err.h"

/*
 * Where a worker waits until the engine has applied its control record. The loop says under which
 * number the record was stored, before the engine can see it; the engine settles the wait after
 * the commit that made the change visible. Any thread may call any of these.
 */
struct waiters;

/* What the engine said of one control record. */
struct verdict {
	bool ok;
	struct err err;	  /* when not ok */
	uint64_t version; /* of the object, when ok */
};

/*
 * One wait, on the stack of the worker. Everybody else knows it by its ticket, so that a worker
 * that gave up leaves nothing dangling.
 */
struct wait {
	struct wait *next;
	uint64_t ticket;
	uint64_t seq; /* 0 until the record is stored */
	bool settled;
	struct verdict verdict;
};

struct waiters *waiters_new(void);
void waiters_free(struct waiters **w);

/* Begin a wait; returns its ticket. Must be followed by waiters_wait on the same thread. */
uint64_t waiters_begin(struct waiters *w, struct wait *wait);
/* The record of this ticket was stored under this number. */
void waiters_stored(struct waiters *w, uint64_t ticket, uint64_t seq);
/* The record of this ticket could not be stored. */
void waiters_refused(struct waiters *w, uint64_t ticket, const struct err *err);
/* Settle the wait of record seq, if anybody waits for it. */
void waiters_settle(struct waiters *w, uint64_t seq, const struct verdict *verdict);
/*
 * Block until the wait is settled; its verdict is then filled. False after wait_us: the record may
 * still be applied later, but nobody touches *wait any more.
 */
NODISCARD bool waiters_wait(struct waiters *w, struct wait *wait, int64_t wait_us);

#endif
