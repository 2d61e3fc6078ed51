/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fair queue that is emptied at the end of a turn. It is not used while there is nobody to be
 * fair to, so an installation with one sender pays a comparison for it.
 */
#include "engine/share.h"

#include <stdlib.h>

#include "base/clock.h"

struct share {
	struct loop *loop;
	struct fair_queue *queue;
	size_t n, bytes; /* that wait */
	bool any;	 /* somebody has sent */
	struct org_id last;
	int64_t needed_until_us; /* monotonic */
};

static void serve(struct share *s, struct share_item *item, int64_t *now_us)
{
	uint64_t flow = item->wait.flow;
	int64_t began_us = *now_us;

	s->n--;
	s->bytes -= item->bytes;
	item->fn(item->arg);
	*now_us = clock_mono_us();
	fair_queue_done(s->queue, flow, *now_us - began_us);
}

static void end_turn(void *arg)
{
	struct share *s = arg;
	int64_t now_us, until_us;

	if (s->n == 0) {
		return;
	}
	now_us = clock_mono_us();
	/* Whoever is alone again gets all of it done, but of what goes on bit by bit one bit. */
	until_us = now_us < s->needed_until_us ? now_us + SHARE_SLICE_US : INT64_MAX;
	for (size_t left = s->n; left > 0 && now_us < until_us; left--) {
		struct fair_item *item = fair_queue_take(s->queue, false);

		ensure(item != NULL);
		serve(s, CONTAINER_OF(item, struct share_item, wait), &now_us);
	}
	if (s->n > 0) {
		loop_touch(s->loop);
	}
}

struct share *share_new(struct loop *loop)
{
	struct share *s = mem_alloc(1, sizeof(*s));

	s->loop = loop;
	/* One is under way at a time; with two as the bound, nobody is held back for that. */
	s->queue = fair_queue_new(SHARE_ITEMS_MAX, 2, SHARE_TURN_US);
	loop_turn_end(loop, end_turn, s);
	return s;
}

void share_free(struct share **sp)
{
	struct share *s = *sp;

	if (s == NULL) {
		return;
	}
	fair_queue_free(&s->queue);
	free(s);
	*sp = NULL;
}

bool share_needed(struct share *s, struct org_id org)
{
	int64_t now_us = loop_now_us(s->loop);

	if (s->last.v != org.v) {
		s->needed_until_us = s->any ? now_us + SHARE_QUIET_US : 0;
		s->last = org;
	}
	s->any = true;
	/* Who waits is not overtaken by his own. */
	return now_us < s->needed_until_us || s->n > 0;
}

bool share_has_room(const struct share *s, struct org_id org, size_t bytes)
{
	return (s->n == 0 || fair_queue_has_room(s->queue, org.v)) &&
	       (bytes <= SHARE_SMALL_BYTES || s->bytes + bytes <= SHARE_BYTES_MAX);
}

bool share_put(struct share *s, struct org_id org, struct share_item *item)
{
	item->wait.flow = org.v;
	if (!share_has_room(s, org, item->bytes) || !fair_queue_put(s->queue, &item->wait)) {
		return false;
	}
	s->n++;
	s->bytes += item->bytes;
	loop_touch(s->loop);
	return true;
}

size_t share_waiting(const struct share *s)
{
	return s->n;
}
