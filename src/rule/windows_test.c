/* SPDX-License-Identifier: Apache-2.0 */
/* Windows count what lies in (t - width, t], cooldowns end on time, limits evict the oldest. */
#include "rule/windows.h"

#include <stdio.h>

#include "base/clock.h"
#include "test/t.h"

#define T0 (INT64_C(1790000000) * US_PER_S)

static const struct hash_key seed = { .v = "windows test" };
static const struct window_limits roomy = { .keys_max = 1000, .stamps_max = 1000000 };

static struct windows *windows_of(uint32_t level, int64_t width_s, int64_t cooldown_s)
{
	return windows_new(&seed, roomy,
			   (struct window_spec) { .width_us = width_s * US_PER_S,
						  .cooldown_us = cooldown_s * US_PER_S,
						  .level = level });
}

static struct slice key_of(int i)
{
	static char text[300];

	return (struct slice) { .p = text,
				.n = (size_t)snprintf(text, sizeof(text), "\"k%d\"", i) };
}

TEST(the_record_at_the_far_edge_is_out)
{
	struct windows *w = windows_of(5, 10, 0);
	struct window_count c = windows_add(w, S("a"), T0);

	T_INT(c.count, 1);
	T_TRUE(c.first_us == T0);
	T_INT(windows_add(w, S("a"), T0 + 10 * US_PER_S - 1).count, 2);
	c = windows_add(w, S("a"), T0 + 10 * US_PER_S);
	T_INT(c.count, 2);
	T_TRUE(c.first_us == T0 + 10 * US_PER_S - 1);
	windows_free(&w);
	T_TRUE(w == NULL);
	windows_free(&w);
}

TEST(counts_above_the_level_read_at_least)
{
	struct windows *w = windows_of(3, 10, 0);
	struct window_count c;

	for (int i = 1; i <= 3; i++) {
		c = windows_add(w, S("a"), T0 + i);
		T_INT(c.count, i);
		T_FALSE(c.at_least);
	}
	for (int i = 4; i <= 9; i++) {
		c = windows_add(w, S("a"), T0 + i);
		T_INT(c.count, 4);
		T_TRUE(c.at_least);
		T_TRUE(c.first_us == T0 + i - 3);
	}
	T_INT(windows_usage(w).stamps, 4);
	windows_free(&w);
}

TEST(keys_are_told_apart)
{
	struct windows *w = windows_of(3, 10, 0);
	char far[WINDOW_KEY_BYTES_MAX];

	memset(far, 'x', sizeof(far));
	T_INT(windows_add(w, S(""), T0).count, 1);
	T_INT(windows_add(w, S("1"), T0 + 1).count, 1);
	T_INT(windows_add(w, S("\"1\""), T0 + 2).count, 1);
	T_INT(windows_add(w, (struct slice) { far, 33 }, T0 + 3).count, 1);
	T_INT(windows_add(w, (struct slice) { far, sizeof(far) }, T0 + 4).count, 1);
	T_INT(windows_add(w, (struct slice) { far, 32 }, T0 + 5).count, 1);
	T_INT(windows_add(w, (struct slice) { far, sizeof(far) }, T0 + 6).count, 2);
	T_INT(windows_add(w, S(""), T0 + 7).count, 2);
	T_INT(windows_usage(w).keys, 6);
	windows_free(&w);
}

TEST(a_cooldown_is_over_at_its_end)
{
	struct windows *w = windows_of(1, 1, 60);
	struct window_count c = windows_add(w, S("a"), T0);

	T_FALSE(c.quiet);
	windows_fired(w, c.slot, T0);
	T_TRUE(windows_add(w, S("a"), T0 + 60 * US_PER_S - 1).quiet);
	T_FALSE(windows_add(w, S("b"), T0 + 60 * US_PER_S - 1 + 1).quiet);
	T_FALSE(windows_add(w, S("a"), T0 + 60 * US_PER_S + 1).quiet);
	windows_free(&w);

	w = windows_of(1, 1, 60);
	c = windows_add(w, S("a"), T0);
	windows_fired(w, c.slot, T0);
	T_FALSE(windows_add(w, S("a"), T0 + 60 * US_PER_S).quiet);
	windows_free(&w);
}

TEST(no_cooldown_is_never_quiet)
{
	struct windows *w = windows_of(1, 1, 0);
	struct window_count c = windows_add(w, S("a"), T0);

	windows_fired(w, c.slot, T0);
	T_FALSE(windows_add(w, S("a"), T0 + 1).quiet);
	windows_free(&w);
}

TEST(keys_that_are_over_give_their_memory_back)
{
	struct windows *w = windows_of(100, 10, 0);

	for (int i = 0; i < 1000; i++) {
		windows_add(w, key_of(i), T0 + i);
	}
	T_INT(windows_usage(w).keys, 1000);
	T_TRUE(windows_usage(w).bytes < 1000 * (96 + 3 * 8 + 16) + 65536);
	windows_add(w, S("x"), T0 + 3600 * US_PER_S);
	windows_sweep(w, T0 + 3600 * US_PER_S);
	T_INT(windows_usage(w).keys, 1);
	T_TRUE(windows_usage(w).bytes < 1024);
	T_INT(windows_usage(w).evicted, 0);
	T_INT(windows_add(w, S("x"), T0 + 3600 * US_PER_S + 1).count, 2);
	windows_sweep(w, T0 + 7200 * US_PER_S);
	T_INT(windows_usage(w).keys, 0);
	T_INT(windows_add(w, S("x"), T0 + 7200 * US_PER_S + 1).count, 1);
	windows_free(&w);
}

TEST(survivors_of_a_sweep_keep_everything)
{
	struct windows *w = windows_of(5, 10, 100);

	for (int i = 0; i < 900; i++) {
		struct window_count c = windows_add(w, key_of(i), T0 + i);

		if (i % 10 == 0) {
			windows_fired(w, c.slot, T0 + i);
		}
	}
	windows_sweep(w, T0 + 20 * US_PER_S);
	T_INT(windows_usage(w).keys, 90);
	T_INT(windows_usage(w).stamps, 0);
	for (int i = 0; i < 900; i++) {
		struct window_count c = windows_add(w, key_of(i), T0 + 20 * US_PER_S + i);

		T_INT(c.count, 1);
		T_TRUE(c.quiet == (i % 10 == 0));
	}
	windows_free(&w);
}

TEST(the_key_seen_longest_ago_is_evicted)
{
	struct windows *w = windows_of(5, 3600, 0);

	for (int i = 0; i < 1000; i++) {
		windows_add(w, key_of(i), T0 + i);
	}
	windows_add(w, key_of(0), T0 + 1000);
	windows_add(w, S("new"), T0 + 1001);
	T_INT(windows_usage(w).evicted, 1);
	T_INT(windows_usage(w).keys, 1000);
	T_INT(windows_add(w, key_of(0), T0 + 1002).count, 3);
	T_INT(windows_add(w, key_of(1), T0 + 1003).count, 1);
	T_INT(windows_usage(w).evicted, 2);
	windows_free(&w);
}

TEST(keys_that_are_over_are_not_evicted_but_gone)
{
	struct windows *w = windows_of(5, 10, 0);

	for (int i = 0; i < 1000; i++) {
		windows_add(w, key_of(i), T0 + i);
	}
	for (int i = 1000; i < 2000; i++) {
		windows_add(w, key_of(i), T0 + 10 * US_PER_S + i);
	}
	T_INT(windows_usage(w).evicted, 0);
	T_INT(windows_usage(w).keys, 1000);
	windows_free(&w);
}

TEST(kept_times_are_bounded_for_the_whole_rule)
{
	struct window_spec spec = { .width_us = 3600 * US_PER_S, .level = 50 };
	struct windows *w = windows_new(&seed, (struct window_limits) { 100, 120 }, spec);
	int64_t at = T0;

	for (int key = 0; key < 3; key++) {
		for (int i = 0; i < 51; i++) {
			windows_add(w, key_of(key), at++);
		}
	}
	T_INT(windows_usage(w).evicted, 1);
	T_INT(windows_usage(w).stamps, 102);
	T_INT(windows_add(w, key_of(1), at++).count, 51);
	T_INT(windows_add(w, key_of(0), at++).count, 1);
	windows_free(&w);
}

TEST(an_edit_that_needs_less_keeps_the_counts)
{
	struct windows *w = windows_of(5, 100, 10);
	struct window_spec less = { .width_us = 50 * US_PER_S,
				    .cooldown_us = 90 * US_PER_S,
				    .level = 2 };

	for (int i = 0; i < 6; i++) {
		windows_add(w, S("a"), T0 + i);
	}
	T_FALSE(windows_retune(w, less, T0 + 6));
	T_INT(windows_usage(w).stamps, 3);
	T_INT(windows_add(w, S("a"), T0 + 7).count, 3);
	windows_free(&w);
}

TEST(an_edit_that_needs_more_asks_for_the_records_again)
{
	struct windows *w = windows_of(2, 10, 100);
	struct window_spec more = { .width_us = 20 * US_PER_S,
				    .cooldown_us = 100 * US_PER_S,
				    .level = 2 };
	struct window_count c = windows_add(w, S("a"), T0);

	windows_fired(w, c.slot, T0);
	windows_add(w, S("b"), T0 + 1);
	T_TRUE(windows_retune(w, more, T0 + 12 * US_PER_S));
	T_INT(windows_usage(w).keys, 1);
	windows_add(w, S("a"), T0);
	windows_add(w, S("b"), T0 + 1);
	c = windows_add(w, S("a"), T0 + 13 * US_PER_S);
	T_INT(c.count, 2);
	T_TRUE(c.quiet);
	T_INT(windows_add(w, S("b"), T0 + 14 * US_PER_S).count, 2);
	windows_free(&w);
}

TEST(a_cooldown_that_was_over_stays_over)
{
	struct windows *w = windows_of(2, 1000, 10);
	struct window_spec longer = { .width_us = 1000 * US_PER_S,
				      .cooldown_us = 900 * US_PER_S,
				      .level = 2 };
	struct window_count c = windows_add(w, S("a"), T0);

	windows_fired(w, c.slot, T0);
	c = windows_add(w, S("b"), T0 + 5 * US_PER_S);
	windows_fired(w, c.slot, T0 + 5 * US_PER_S);
	T_FALSE(windows_retune(w, longer, T0 + 10 * US_PER_S));
	T_FALSE(windows_add(w, S("a"), T0 + 11 * US_PER_S).quiet);
	T_TRUE(windows_add(w, S("b"), T0 + 12 * US_PER_S).quiet);
	T_FALSE(windows_add(w, S("b"), T0 + 905 * US_PER_S).quiet);
	windows_free(&w);
}

/* Every byte of a saved state, changed one at a time, either is refused or loads to sane state. */
TEST(saved_windows_come_back_and_damage_is_refused)
{
	struct windows *w = windows_of(3, 100, 50), *back;
	struct window_spec spec = { .width_us = 100 * US_PER_S,
				    .cooldown_us = 50 * US_PER_S,
				    .level = 3 };
	struct buf saved, again;
	struct err err;

	buf_init(&saved, 1 << 20);
	buf_init(&again, 1 << 20);
	for (int i = 0; i < 60; i++) {
		struct window_count c = windows_add(w, key_of(i % 7), T0 + i);

		if (c.count >= 3 && !c.quiet) {
			windows_fired(w, c.slot, T0 + i);
		}
	}
	windows_save(w, T0 + 60, &saved);
	back = windows_load(&seed, roomy, spec, buf_slice(&saved), &err);
	T_TRUE(back != NULL);
	windows_save(back, T0 + 60, &again);
	T_TRUE(slice_eq(buf_slice(&saved), buf_slice(&again)));
	windows_free(&back);
	for (size_t n = 0; n < saved.n; n++) {
		T_TRUE(windows_load(&seed, roomy, spec, (struct slice) { saved.p, n }, &err) ==
		       NULL);
		T_INT(err.kind, ERR_CORRUPT);
	}
	for (size_t i = 0; i < saved.n; i++) {
		saved.p[i] ^= 0x41;
		back = windows_load(&seed, roomy, spec, buf_slice(&saved), &err);
		windows_free(&back);
		saved.p[i] ^= 0x41;
	}
	windows_free(&w);
	buf_release(&saved);
	buf_release(&again);
}

static bool reaches(const struct windows *w, int64_t now_us, int64_t until_us, bool exact)
{
	struct window_reach reach;

	if (!windows_reach(w, S("a"), now_us, &reach)) {
		return false;
	}
	T_INT(reach.until_us, until_us);
	T_INT(reach.exact, exact);
	return true;
}

TEST(a_count_holds_until_its_oldest_record_leaves)
{
	struct windows *w = windows_of(2, 10, 0);
	struct window_reach reach;

	T_FALSE(windows_reach(w, S("a"), T0, &reach));
	windows_add(w, S("a"), T0);
	T_FALSE(windows_reach(w, S("a"), T0, &reach));
	windows_add(w, S("a"), T0 + US_PER_S);
	T_TRUE(reaches(w, T0 + US_PER_S, T0 + 10 * US_PER_S, true));
	windows_add(w, S("a"), T0 + 4 * US_PER_S);
	T_TRUE(reaches(w, T0 + 4 * US_PER_S, T0 + 11 * US_PER_S, false));
	/* The first has left: exactly two again, then fewer. */
	T_TRUE(reaches(w, T0 + 10 * US_PER_S, T0 + 11 * US_PER_S, true));
	T_TRUE(reaches(w, T0 + 11 * US_PER_S - 1, T0 + 11 * US_PER_S, true));
	T_FALSE(windows_reach(w, S("a"), T0 + 11 * US_PER_S, &reach));
	windows_free(&w);
}

static void note_evicted(void *arg, struct slice key)
{
	struct buf *out = arg;

	buf_puts(out, key);
	buf_putc(out, ' ');
}

TEST(who_watches_is_told_of_marked_keys_alone)
{
	struct windows *w = windows_new(&seed,
					(struct window_limits) { .keys_max = 2, .stamps_max = 100 },
					(struct window_spec) { .width_us = US_PER_S, .level = 1 });
	struct buf told;

	buf_init(&told, 1 << 10);
	windows_watch(w, note_evicted, &told);
	T_FALSE(windows_mark(w, S("a"), true));
	T_FALSE(windows_add(w, S("a"), T0).marked);
	windows_add(w, S("b"), T0 + 1);
	T_TRUE(windows_mark(w, S("b"), true));
	T_TRUE(windows_add(w, S("b"), T0 + 2).marked);
	windows_add(w, S("c"), T0 + 3);
	T_INT(told.n, 0);
	windows_add(w, S("d"), T0 + 4);
	T_SLICE(buf_slice(&told), "b ");
	/* Gone by itself is not evicted, and a key that comes back comes back unmarked. */
	T_TRUE(windows_mark(w, S("c"), true));
	windows_sweep(w, T0 + 2 * US_PER_S);
	T_SLICE(buf_slice(&told), "b ");
	T_FALSE(windows_add(w, S("c"), T0 + 3 * US_PER_S).marked);
	buf_release(&told);
	windows_free(&w);
}

T_MAIN(T(the_record_at_the_far_edge_is_out), T(counts_above_the_level_read_at_least),
       T(keys_are_told_apart), T(a_cooldown_is_over_at_its_end), T(no_cooldown_is_never_quiet),
       T(keys_that_are_over_give_their_memory_back), T(survivors_of_a_sweep_keep_everything),
       T(the_key_seen_longest_ago_is_evicted), T(keys_that_are_over_are_not_evicted_but_gone),
       T(kept_times_are_bounded_for_the_whole_rule), T(an_edit_that_needs_less_keeps_the_counts),
       T(an_edit_that_needs_more_asks_for_the_records_again),
       T(a_cooldown_that_was_over_stays_over), T(saved_windows_come_back_and_damage_is_refused),
       T(a_count_holds_until_its_oldest_record_leaves), T(who_watches_is_told_of_marked_keys_alone))
