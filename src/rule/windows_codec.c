/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows to bytes and back: keys in the order in which they were seen, each with its cooldown and
 * its times. Only what can still matter is written. The reader rebuilds every list by appending and
 * checks each bound and order, because a bent snapshot must cost a replay, never an answer.
 */
#include <stdlib.h>

#include "rule/windows.h"
#include "rule/windows_impl.h"
#include "rule/wire.h"

#define TIME_US_MAX (INT64_C(1) << 61) /* adding a day cannot overflow */
#define KEY_SAVED_BYTES_MIN 22	       /* lengths, two times: bounds the counts before allocating */

static uint32_t count_left(const struct windows *w, struct window_list list, int64_t now_us)
{
	uint32_t n = 0;

	for (uint32_t slot = list.oldest; slot != WINDOW_NONE; slot = w->keys[slot].seen.newer) {
		n += !window_key_over(w, &w->keys[slot], now_us);
	}
	return n;
}

static void save_list(const struct windows *w, struct window_list list, int64_t now_us,
		      struct buf *out)
{
	for (uint32_t slot = list.oldest; slot != WINDOW_NONE; slot = w->keys[slot].seen.newer) {
		const struct window_key *key = &w->keys[slot];

		if (window_key_over(w, key, now_us)) {
			continue;
		}
		wire_put(out, key->bytes_n, 2);
		buf_puts(out, window_key_bytes(key));
		wire_put(out, (uint64_t)key->seen_us, 8);
		wire_put(out, (uint64_t)key->fired_us, 8);
		wire_put(out, key->n, 4);
		for (uint32_t i = 0; i < key->n; i++) {
			wire_put(out, (uint64_t)window_stamp(key, i), 8);
		}
	}
}

void windows_save(const struct windows *w, int64_t now_us, struct buf *out)
{
	wire_put(out, (uint64_t)w->now_us, 8);
	wire_put(out, w->evicted, 8);
	wire_put(out, count_left(w, w->idle, now_us), 4);
	wire_put(out, count_left(w, w->live, now_us), 4);
	save_list(w, w->idle, now_us, out);
	save_list(w, w->live, now_us, out);
}

static bool is_time(int64_t us)
{
	return us >= 0 && us <= TIME_US_MAX;
}

static bool load_stamps(struct windows *w, uint32_t slot, uint32_t n, struct wire *in)
{
	struct window_key *key = &w->keys[slot];
	int64_t last = -1;

	if (n > w->spec.level + 1 || in->rest.n / 8 < n || n > w->limits.stamps_max - w->stamps) {
		return false;
	}
	window_key_reserve(w, key, n);
	for (uint32_t i = 0; i < n; i++) {
		int64_t at_us = (int64_t)wire_get(in, 8);

		if (at_us <= last || !is_time(at_us)) {
			return false;
		}
		last = at_us;
		key->stamps[i] = at_us;
		key->n++;
		w->stamps++;
	}
	return n == 0 || last == key->seen_us;
}

/* One key, not older than the one before it. */
static bool load_key(struct windows *w, enum key_place place, int64_t *last_us, struct wire *in)
{
	struct slice bytes = wire_bytes(in, wire_get(in, 2));
	int64_t seen_us = (int64_t)wire_get(in, 8);
	int64_t fired_us = (int64_t)wire_get(in, 8);
	uint32_t n = (uint32_t)wire_get(in, 4);
	uint32_t slot;

	if (in->bad || bytes.n > WINDOW_KEY_BYTES_MAX || w->n >= w->limits.keys_max ||
	    window_key_find(w, bytes, &slot)) {
		return false;
	}
	if (!is_time(seen_us) || seen_us <= *last_us ||
	    (fired_us != WINDOW_NEVER && !is_time(fired_us)) || (n == 0) != (place == KEY_IDLE) ||
	    (place == KEY_IDLE && fired_us == WINDOW_NEVER)) {
		return false;
	}
	*last_us = seen_us;
	slot = window_key_insert(w, bytes);
	w->keys[slot].seen_us = seen_us;
	w->keys[slot].fired_us = fired_us;
	window_seen_append(w, slot, place);
	return load_stamps(w, slot, n, in);
}

static bool load_list(struct windows *w, enum key_place place, uint32_t n, struct wire *in)
{
	int64_t last_us = -1;

	for (uint32_t i = 0; i < n; i++) {
		if (!load_key(w, place, &last_us, in)) {
			return false;
		}
	}
	return true;
}

struct firing_at {
	int64_t fired_us;
	uint32_t slot;
};

static int by_firing(const void *a, const void *b)
{
	const struct firing_at *x = a, *y = b;

	return (x->fired_us > y->fired_us) - (x->fired_us < y->fired_us);
}

/* The keys hold their firing times already; the list comes from sorting them. */
static bool link_firings(struct windows *w)
{
	struct firing_at *all = mem_alloc(w->n + 1, sizeof(*all));
	uint32_t n = 0;
	bool ok = true;

	for (uint32_t slot = 0; slot < w->n; slot++) {
		if (w->keys[slot].fired_us != WINDOW_NEVER) {
			all[n++] = (struct firing_at) { w->keys[slot].fired_us, slot };
		}
	}
	qsort(all, n, sizeof(*all), by_firing);
	for (uint32_t i = 0; i < n; i++) {
		ok = ok && (i == 0 || all[i].fired_us > all[i - 1].fired_us);
		window_fired_append(w, all[i].slot, all[i].fired_us);
	}
	free(all);
	return ok;
}

struct windows *windows_load(const struct hash_key *seed, struct window_limits limits,
			     struct window_spec spec, struct slice saved, struct err *err)
{
	struct windows *w = windows_new(seed, limits, spec);
	struct wire in = { .rest = saved };
	int64_t now_us = (int64_t)wire_get(&in, 8);
	uint64_t evicted = wire_get(&in, 8);
	uint32_t idle = (uint32_t)wire_get(&in, 4), live = (uint32_t)wire_get(&in, 4);

	if (!in.bad && (now_us == WINDOW_NEVER || is_time(now_us)) &&
	    (uint64_t)idle + live <= in.rest.n / KEY_SAVED_BYTES_MIN &&
	    load_list(w, KEY_IDLE, idle, &in) && load_list(w, KEY_LIVE, live, &in) &&
	    link_firings(w) && in.rest.n == 0) {
		w->now_us = now_us;
		w->evicted = evicted;
		return w;
	}
	windows_free(&w);
	err_set(err, ERR_CORRUPT, "the saved windows of a rule are damaged");
	return NULL;
}
