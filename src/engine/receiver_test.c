/* SPDX-License-Identifier: Apache-2.0 */
/* A receiver that is down is asked by one, what it would get is held; what is back gets it all. */
#include "engine/receiver.h"

#include <stdio.h>

#include "base/clock.h"
#include "test/t.h"

#define NOW INT64_C(1790000000000000)
#define COOL_US (30 * US_PER_S)

static int64_t again_us;

/* A call that goes out and comes back at the same time. */
static void call(struct receivers *rs, struct receiver *r, bool failed, int64_t now_us)
{
	T_INT(receiver_enter(rs, r, now_us, &again_us), RECEIVER_GO);
	receiver_done(rs, r, failed, 100 * US_PER_MS, now_us);
}

static struct receiver *down(struct receivers *rs, const char *name)
{
	struct receiver *r = receivers_get(rs, slice_of(name));

	for (int i = 0; i < 5; i++) {
		call(rs, r, true, NOW);
	}
	return r;
}

/* How many of what is held may go by now, of all receivers. */
static size_t to_free(struct receivers *rs, int64_t now_us, size_t held)
{
	struct receiver *r;
	size_t at = 0, all = 0, n;

	if (now_us < rs->free_us) {
		return 0;
	}
	while ((r = receivers_to_free(rs, &at, now_us, &n)) != NULL) {
		receiver_freed(r, n, n < held ? n : held, now_us);
		all += n;
	}
	receivers_walked(rs);
	T_TRUE(rs->free_us > now_us);
	return all;
}

TEST(places_are_few_and_those_behind_come_one_after_the_other)
{
	struct receivers rs;
	struct receiver *r;
	int64_t last_us = NOW;

	receivers_init(&rs);
	r = receivers_get(&rs, S("http://a:80"));
	T_TRUE(receivers_get(&rs, S("http://a:80")) == r);
	for (int i = 0; i < RECEIVER_CALLS_MAX; i++) {
		T_INT(receiver_enter(&rs, r, NOW, &again_us), RECEIVER_GO);
	}
	for (int i = 0; i < 100; i++) {
		T_INT(receiver_enter(&rs, r, NOW, &again_us), RECEIVER_WAIT);
		T_TRUE(again_us > last_us && again_us <= NOW + 30 * US_PER_S);
		last_us = again_us;
	}
	receiver_done(&rs, r, false, US_PER_S, NOW);
	T_INT(receiver_enter(&rs, r, NOW, &again_us), RECEIVER_GO);
	T_TRUE(rs.free_us == INT64_MAX);
	receivers_release(&rs);
}

TEST(one_probe_is_freed_each_time_it_is_cool)
{
	struct receivers rs;
	struct receiver *r;
	int64_t now_us = NOW, cool_us = COOL_US;

	receivers_init(&rs);
	r = down(&rs, "http://a:80");
	for (int i = 0; i < 6; i++) {
		T_INT(receiver_enter(&rs, r, now_us + 1, &again_us), RECEIVER_HOLD);
		T_INT(to_free(&rs, now_us + cool_us - 1, 1000), 0);
		now_us += cool_us;
		T_INT(to_free(&rs, now_us, 1000), 1);
		T_INT(to_free(&rs, now_us + US_PER_S, 1000), 0);
		/* While it is out nobody else is freed, and nobody asks. */
		T_INT(receiver_enter(&rs, r, now_us, &again_us), RECEIVER_GO);
		T_INT(receiver_enter(&rs, r, now_us, &again_us), RECEIVER_HOLD);
		T_INT(to_free(&rs, now_us + 15 * US_PER_S, 1000), 0);
		receiver_done(&rs, r, true, US_PER_S, now_us);
		cool_us = cool_us * 2 > 600 * US_PER_S ? 600 * US_PER_S : cool_us * 2;
	}
	receivers_release(&rs);
}

TEST(who_is_back_gets_what_it_can_take)
{
	struct receivers rs;
	struct receiver *r;
	int64_t now_us = NOW + COOL_US;

	receivers_init(&rs);
	r = down(&rs, "http://a:80");
	T_INT(receiver_enter(&rs, r, NOW, &again_us), RECEIVER_HOLD);
	T_INT(to_free(&rs, now_us, 1000), 1);
	call(&rs, r, false, now_us);
	T_INT(to_free(&rs, now_us, 1000), 160); /* sixteen at once, a tenth of a second each */
	T_INT(to_free(&rs, now_us + US_PER_S - 1, 1000), 0);
	call(&rs, r, false, now_us);
	T_INT(to_free(&rs, now_us + US_PER_S - 1, 1000), 0);
	T_INT(to_free(&rs, now_us + US_PER_S, 100), 160);
	/* That was the rest. */
	T_TRUE(rs.free_us == INT64_MAX);
	receivers_release(&rs);
}

TEST(lots_are_bounded_however_fast_or_slow_it_is)
{
	static const struct {
		int64_t call_us;
		size_t lot;
	} rows[] = { { 0, RECEIVER_FREED_MAX },
		     { 1, RECEIVER_FREED_MAX },
		     { 15 * US_PER_S, RECEIVER_CALLS_MAX } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct receivers rs;
		struct receiver *r;

		receivers_init(&rs);
		r = down(&rs, "http://a:80");
		T_INT(receiver_enter(&rs, r, NOW, &again_us), RECEIVER_HOLD);
		T_INT(receiver_enter(&rs, r, NOW + COOL_US, &again_us), RECEIVER_GO);
		receiver_done(&rs, r, false, 0, NOW + COOL_US);
		r->call_us = rows[i].call_us;
		T_INT(to_free(&rs, NOW + COOL_US, 100000), rows[i].lot);
		receivers_release(&rs);
	}
}

TEST(receivers_do_not_wait_for_each_other)
{
	struct receivers rs;
	struct receiver *a, *b, *c;

	receivers_init(&rs);
	a = down(&rs, "http://a:80");
	b = down(&rs, "http://b:80");
	c = receivers_get(&rs, S("http://c:80"));
	T_INT(receiver_enter(&rs, a, NOW, &again_us), RECEIVER_HOLD);
	T_INT(receiver_enter(&rs, b, NOW, &again_us), RECEIVER_HOLD);
	call(&rs, c, false, NOW);
	T_INT(to_free(&rs, NOW + COOL_US, 1000), 2);
	call(&rs, a, true, NOW + COOL_US);
	call(&rs, b, false, NOW + COOL_US);
	T_INT(to_free(&rs, NOW + COOL_US, 1000), 160);
	T_INT(to_free(&rs, NOW + 2 * COOL_US, 0), 160);
	T_INT(to_free(&rs, NOW + 3 * COOL_US, 1000), 1);
	receivers_release(&rs);
}

TEST(only_those_that_are_idle_and_well_are_forgotten)
{
	struct receiver *busy, *held;
	struct receivers rs;

	receivers_init(&rs);
	busy = receivers_get(&rs, S("http://busy:80"));
	T_INT(receiver_enter(&rs, busy, NOW, &again_us), RECEIVER_GO);
	held = down(&rs, "http://held:80");
	T_INT(receiver_enter(&rs, held, NOW, &again_us), RECEIVER_HOLD);
	for (unsigned i = 0; i < RECEIVERS_KEPT_MAX + 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "http://%u:80", i);
		receivers_get(&rs, slice_of(name));
	}
	receivers_trim(&rs);
	T_INT(rs.map.n, RECEIVERS_KEPT_MAX);
	T_TRUE(receivers_get(&rs, S("http://busy:80")) == busy);
	T_TRUE(receivers_get(&rs, S("http://held:80")) == held);
	receivers_release(&rs);
}

T_MAIN(T(places_are_few_and_those_behind_come_one_after_the_other),
       T(one_probe_is_freed_each_time_it_is_cool), T(who_is_back_gets_what_it_can_take),
       T(lots_are_bounded_however_fast_or_slow_it_is), T(receivers_do_not_wait_for_each_other),
       T(only_those_that_are_idle_and_well_are_forgotten))
