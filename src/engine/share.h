/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_SHARE_H
#define ENGINE_SHARE_H

#include "base/fair_queue.h"
#include "model/id.h"
#include "net/loop.h"

/*
 * The loop's time, shared between organizations. While one alone sends events, its requests are
 * done where they arrive. As soon as two do, requests are put in line and done at the end of the
 * turn, before its flush: organizations take turns by the time that their requests take, for a
 * millisecond in all; what is left then waits for the next turn, which comes at once. So nobody
 * waits longer than for a turn, however much somebody else sends.
 *
 * Who it is has to be known when the head is there: calls whose key is in the body are org 0, all
 * of them together. Whoever lets too many wait is refused, and early: the room is shared as in
 * base/fair_queue.h.
 *
 * Loop thread only.
 */
struct share;

#define SHARE_ITEMS_MAX 1024		   /* that wait; one org alone gets three quarters */
#define SHARE_BYTES_MAX ((size_t)64 << 20) /* bodies that wait; beyond it only small ones may */
#define SHARE_SMALL_BYTES ((size_t)4 << 10)
#define SHARE_TURN_US INT64_C(250) /* of one org: some dozens of requests */
#define SHARE_SLICE_US INT64_C(1000)
#define SHARE_QUIET_US INT64_C(1000000) /* so long after the last of another org one is alone */

/* Inside its owner, and left alone until it is called. */
struct share_item {
	struct fair_item wait;
	loop_fn fn;
	void *arg;
	size_t bytes; /* that it holds meanwhile */
};

/* Registers its turn end: before whoever flushes. */
struct share *share_new(struct loop *loop);
/* After the loop has ended. What waits is dropped and not called. */
void share_free(struct share **s);

/*
 * Whether what org sends now has to be put in line: somebody else has sent something lately.
 * Remembers that it has sent.
 */
bool share_needed(struct share *s, struct org_id org);
/* Whether org may put an item of this size in line. */
bool share_has_room(const struct share *s, struct org_id org, size_t bytes);
/* Call item->fn(item->arg) when it is org's turn. False, and nothing happens, without room. */
NODISCARD bool share_put(struct share *s, struct org_id org, struct share_item *item);
/* Items that wait. */
size_t share_waiting(const struct share *s);

#endif
