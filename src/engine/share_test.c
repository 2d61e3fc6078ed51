/* SPDX-License-Identifier: Apache-2.0 */
/* One organization's crowd waits for itself; whoever comes last with little is done first. */
#include "engine/share.h"

#include "base/clock.h"
#include "test/t.h"

#define NOISY ((struct org_id) { 1 })
#define QUIET ((struct org_id) { 2 })
#define ITEMS 300
#define WORK_US 100 /* what one item takes, at least */

struct stage {
	struct loop *loop;
	struct share *share;
	size_t done;  /* items */
	size_t turns; /* ends of turns until all were done */
	size_t flushed;
	size_t most;	 /* items between two of them */
	size_t place[3]; /* by org: how many were done when its last one was */
	size_t wanted;
};

struct work {
	struct share_item item;
	struct stage *stage;
	uint64_t org;
	int64_t us;
};

static struct work works[SHARE_ITEMS_MAX + 8];

static void work(void *arg)
{
	struct work *w = arg;
	int64_t until_us = clock_mono_us() + w->us;

	while (clock_mono_us() < until_us) {
	}
	w->stage->place[w->org] = ++w->stage->done;
}

static void both_send(struct stage *s)
{
	(void)share_needed(s->share, NOISY);
	(void)share_needed(s->share, QUIET);
}

/* As the journal does: after the work of the turn. */
static void flush(void *arg)
{
	struct stage *s = arg;
	size_t n = s->done - s->flushed;

	both_send(s);
	s->flushed = s->done;
	s->turns++;
	s->most = n > s->most ? n : s->most;
	if (s->done == s->wanted) {
		loop_stop(s->loop);
	}
}

static void stage_init(struct stage *s)
{
	*s = (struct stage) { .loop = loop_new(16) };
	s->share = share_new(s->loop);
	loop_turn_end(s->loop, flush, s);
}

static void stage_release(struct stage *s)
{
	share_free(&s->share);
	T_TRUE(s->share == NULL);
	loop_free(&s->loop);
}

static bool put(struct stage *s, struct org_id org, size_t i, int64_t us, size_t bytes)
{
	works[i] = (struct work) { .item = { .fn = work, .arg = &works[i], .bytes = bytes },
				   .stage = s,
				   .org = org.v,
				   .us = us };
	s->wanted += share_put(s->share, org, &works[i].item);
	return s->wanted == i + 1;
}

TEST(whoever_sends_alone_needs_no_line)
{
	struct stage s;

	stage_init(&s);
	T_FALSE(share_needed(s.share, NOISY));
	T_FALSE(share_needed(s.share, NOISY));
	T_TRUE(share_needed(s.share, QUIET));
	T_TRUE(share_needed(s.share, QUIET));
	T_TRUE(share_needed(s.share, NOISY));
	stage_release(&s);
}

TEST(nobody_overtakes_himself)
{
	struct stage s;

	stage_init(&s);
	T_FALSE(share_needed(s.share, NOISY));
	T_TRUE(put(&s, NOISY, 0, 0, 0));
	T_TRUE(share_needed(s.share, NOISY));
	T_INT(share_waiting(s.share), 1);
	stage_release(&s);
}

static void stop_at_once(void *arg)
{
	struct stage *s = arg;

	if (s->turns++ == 0) {
		s->flushed = s->done;
	}
	loop_stop(s->loop);
}

TEST(who_is_alone_again_is_done_in_one_turn)
{
	struct stage s = { .loop = loop_new(16) };

	s.share = share_new(s.loop);
	loop_turn_end(s.loop, stop_at_once, &s);
	T_FALSE(share_needed(s.share, NOISY));
	for (size_t i = 0; i < 100; i++) {
		T_TRUE(put(&s, NOISY, i, WORK_US, 0));
	}
	loop_run(s.loop);
	T_INT(s.flushed, 100);
	stage_release(&s);
}

TEST(who_comes_last_with_little_is_done_soon)
{
	struct stage s;

	stage_init(&s);
	both_send(&s);
	for (size_t i = 0; i < ITEMS; i++) {
		T_TRUE(put(&s, NOISY, i, WORK_US, 100));
	}
	T_TRUE(put(&s, QUIET, ITEMS, 1, 100));
	loop_run(s.loop);
	T_INT(s.done, ITEMS + 1);
	/* After a turn of the other one at most, not after all of it. */
	T_TRUE(s.place[QUIET.v] <= 1 + SHARE_TURN_US / WORK_US + 1);
	T_INT(s.place[NOISY.v], ITEMS + 1);
	/* And there is a flush after each millisecond, so that its answer leaves, too. */
	T_TRUE(s.most <= SHARE_SLICE_US / WORK_US + 2);
	T_TRUE(s.turns >= ITEMS * WORK_US / SHARE_SLICE_US);
	T_INT(share_waiting(s.share), 0);
	stage_release(&s);
}

TEST(a_crowd_is_refused_and_the_other_one_is_not)
{
	struct stage s;
	size_t n = 0;

	stage_init(&s);
	while (put(&s, NOISY, n, 0, 100)) {
		n++;
	}
	T_INT(n, SHARE_ITEMS_MAX * 3 / 4);
	T_FALSE(share_has_room(s.share, NOISY, 100));
	T_TRUE(share_has_room(s.share, QUIET, 100));
	T_TRUE(put(&s, QUIET, n, 0, 100));
	loop_run(s.loop);
	T_INT(s.done, n + 1);
	T_TRUE(share_has_room(s.share, NOISY, 100));
	stage_release(&s);
}

TEST(large_bodies_are_bounded_and_small_ones_go_on)
{
	struct stage s;

	stage_init(&s);
	for (size_t i = 0; i < 64; i++) {
		T_TRUE(put(&s, NOISY, i, 0, (size_t)1 << 20));
	}
	T_FALSE(share_has_room(s.share, NOISY, (size_t)1 << 20));
	T_FALSE(share_has_room(s.share, QUIET, SHARE_SMALL_BYTES + 1));
	T_TRUE(put(&s, QUIET, 64, 0, SHARE_SMALL_BYTES));
	loop_run(s.loop);
	T_TRUE(share_has_room(s.share, NOISY, SHARE_BYTES_MAX));
	stage_release(&s);
}

T_MAIN(T(whoever_sends_alone_needs_no_line), T(nobody_overtakes_himself),
       T(who_is_alone_again_is_done_in_one_turn), T(who_comes_last_with_little_is_done_soon),
       T(a_crowd_is_refused_and_the_other_one_is_not),
       T(large_bodies_are_bounded_and_small_ones_go_on))
