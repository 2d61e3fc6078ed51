/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tables to merge. Sizes go in steps of four: when four or more of the newest tables are of a
 * size and none of them is larger, they become one with the smaller ones between, so a key is
 * written again some five times in its life. A table that spans an eighth of the window stays as it
 * is until all of it is too old, and none spans more than a quarter: so at most that much of what
 * is kept is kept in vain.
 */
#include "journal/file/keys.h"

#define FAN 4
#define SIZE_LEAST 65536
#define SIZES 24
#define SPAN_DONE 8 /* these are parts of the window */
#define SPAN_MAX 4

static unsigned size_of(const struct key_run *run)
{
	uint64_t entries = run->table.entries / SIZE_LEAST;
	unsigned size = 0;

	for (; entries > 0; entries /= FAN) {
		size++;
	}
	return size;
}

static int64_t span(const struct key_item *items, size_t from, size_t to)
{
	return items[to - 1].run->last_us - items[from].run->first_us;
}

/* May be merged at this size. */
static bool eligible(const struct key_item *item, unsigned size, int64_t window_us)
{
	const struct key_run *run = item->run;

	return !run->damaged && size_of(run) <= size &&
	       run->last_us - run->first_us < window_us / SPAN_DONE;
}

/* Some of the stretch from the oldest on, as many as may be in one table. */
static bool fit(const struct key_item *items, int64_t window_us, size_t *from, size_t *to)
{
	for (; *to - *from >= 2; ++*from) {
		size_t end = *to - *from > KEY_MERGE_MAX ? *from + KEY_MERGE_MAX : *to;

		while (end - *from >= 2 && span(items, *from, end) > window_us / SPAN_MAX) {
			end--;
		}
		if (end - *from >= 2) {
			*to = end;
			return true;
		}
	}
	return false;
}

bool keys_choose(const struct key_item *items, size_t n, int64_t window_us, size_t *from,
		 size_t *to)
{
	for (unsigned size = 0; size < SIZES; size++) {
		size_t of_size = 0;

		*from = *to = n;
		while (*from > 0 && eligible(&items[*from - 1], size, window_us)) {
			of_size += size_of(items[--*from].run) == size;
		}
		if (of_size >= FAN && fit(items, window_us, from, to)) {
			return true;
		}
	}
	return false;
}
