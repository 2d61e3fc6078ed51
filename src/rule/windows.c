/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting: which key a record belongs to, what its window holds, who is over and who is evicted.
 * Storage of keys is in windows_keys.c. Because times only grow, every order that matters is the
 * order of appending, and all lists stay sorted by themselves.
 */
#include "rule/windows.h"

#include <stdlib.h>

#include "rule/windows_impl.h"

#define SWEEP_PER_RECORD 2 /* more than one record can add, so that the dead never pile up */

static void unlink_key(struct windows *w, struct window_list *list, uint32_t slot, bool by_firing)
{
	struct window_key *keys = w->keys;
	struct window_link at = by_firing ? keys[slot].fired : keys[slot].seen;

#define LINK(s) (by_firing ? &keys[s].fired : &keys[s].seen)
	if (at.older == WINDOW_NONE) {
		list->oldest = at.newer;
	} else {
		LINK(at.older)->newer = at.newer;
	}
	if (at.newer == WINDOW_NONE) {
		list->newest = at.older;
	} else {
		LINK(at.newer)->older = at.older;
	}
#undef LINK
}

static void forget_firing(struct windows *w, uint32_t slot)
{
	if (w->keys[slot].fired_us != WINDOW_NEVER) {
		unlink_key(w, &w->fired, slot, true);
		w->keys[slot].fired_us = WINDOW_NEVER;
	}
}

static void leave_seen(struct windows *w, uint32_t slot)
{
	struct window_key *key = &w->keys[slot];

	if (key->place != KEY_FREE) {
		unlink_key(w, key->place == KEY_LIVE ? &w->live : &w->idle, slot, false);
		key->place = KEY_FREE;
	}
}

static void drop(struct windows *w, uint32_t slot)
{
	forget_firing(w, slot);
	leave_seen(w, slot);
	window_key_remove(w, slot);
}

static void drop_stamps(struct windows *w, struct window_key *key)
{
	w->stamps -= key->n;
	key->n = 0;
	window_key_reserve(w, key, 0);
}

static bool cooling(const struct windows *w, const struct window_key *key, int64_t now_us)
{
	return key->fired_us != WINDOW_NEVER && now_us < key->fired_us + w->spec.cooldown_us;
}

bool window_key_over(const struct windows *w, const struct window_key *key, int64_t now_us)
{
	bool empty = key->place == KEY_IDLE || key->seen_us <= now_us - w->spec.width_us;

	return empty && !cooling(w, key, now_us);
}

/* The oldest firing is no cooldown any more. */
static bool sweep_fired(struct windows *w, int64_t now_us)
{
	uint32_t slot = w->fired.oldest;

	if (slot == WINDOW_NONE || cooling(w, &w->keys[slot], now_us)) {
		return false;
	}
	forget_firing(w, slot);
	if (w->keys[slot].place == KEY_IDLE) {
		drop(w, slot);
	}
	return true;
}

/* The key seen longest ago has an empty window: only a cooldown can keep it. */
static bool sweep_live(struct windows *w, int64_t now_us)
{
	uint32_t slot = w->live.oldest;

	if (slot == WINDOW_NONE || w->keys[slot].seen_us > now_us - w->spec.width_us) {
		return false;
	}
	if (cooling(w, &w->keys[slot], now_us)) {
		drop_stamps(w, &w->keys[slot]);
		leave_seen(w, slot);
		window_seen_append(w, slot, KEY_IDLE);
	} else {
		drop(w, slot);
	}
	return true;
}

static void sweep(struct windows *w, int64_t now_us, uint64_t budget)
{
	while (budget > 0 && (sweep_fired(w, now_us) || sweep_live(w, now_us))) {
		budget--;
	}
}

/* Push out the key that was seen longest ago, whatever list it is in. */
static void evict(struct windows *w)
{
	uint32_t slot = w->live.oldest, idle = w->idle.oldest;

	if (slot == WINDOW_NONE ||
	    (idle != WINDOW_NONE && w->keys[idle].seen_us < w->keys[slot].seen_us)) {
		slot = idle;
	}
	ensure(slot != WINDOW_NONE);
	if (w->keys[slot].marked && w->watch != NULL) {
		w->watch(w->watch_arg, window_key_bytes(&w->keys[slot]));
	}
	drop(w, slot);
	w->evicted++;
}

static uint32_t find_or_insert(struct windows *w, struct slice bytes, int64_t now_us)
{
	uint32_t slot;

	if (window_key_find(w, bytes, &slot)) {
		return slot;
	}
	if (w->n >= w->limits.keys_max) {
		sweep(w, now_us, UINT64_MAX);
	}
	while (w->n >= w->limits.keys_max) {
		evict(w);
	}
	return window_key_insert(w, bytes);
}

static void drop_oldest_stamp(struct windows *w, struct window_key *key)
{
	key->head = key->head + 1 == key->cap ? 0 : key->head + 1;
	key->n--;
	w->stamps--;
}

/* The key is the newest of `live`, so that it is the last one to be evicted for room. */
static void push_stamp(struct windows *w, uint32_t slot, int64_t now_us)
{
	struct window_key *key = &w->keys[slot];
	uint32_t at;

	while (key->n > 0 && window_stamp(key, 0) <= now_us - w->spec.width_us) {
		drop_oldest_stamp(w, key);
	}
	if (key->n > w->spec.level) {
		drop_oldest_stamp(w, key);
	}
	if (w->stamps >= w->limits.stamps_max) {
		sweep(w, now_us, UINT64_MAX);
	}
	while (w->stamps >= w->limits.stamps_max) {
		evict(w);
	}
	window_key_reserve(w, key, key->n + 1);
	at = key->head + key->n;
	key->stamps[at >= key->cap ? at - key->cap : at] = now_us;
	key->n++;
	w->stamps++;
}

struct window_count windows_add(struct windows *w, struct slice key, int64_t now_us)
{
	uint32_t slot;

	ensure(key.n <= WINDOW_KEY_BYTES_MAX);
	ensure(now_us > w->now_us);
	w->now_us = now_us;
	sweep(w, now_us, SWEEP_PER_RECORD);
	slot = find_or_insert(w, key, now_us);
	leave_seen(w, slot);
	w->keys[slot].seen_us = now_us;
	window_seen_append(w, slot, KEY_LIVE);
	push_stamp(w, slot, now_us);
	return (struct window_count) {
		.slot = slot,
		.count = w->keys[slot].n,
		.at_least = w->keys[slot].n > w->spec.level,
		.quiet = cooling(w, &w->keys[slot], now_us),
		.marked = w->keys[slot].marked,
		.first_us = window_stamp(&w->keys[slot], 0),
	};
}

void windows_fired(struct windows *w, uint32_t slot, int64_t now_us)
{
	ensure(slot < w->slots_used && w->keys[slot].place == KEY_LIVE);
	forget_firing(w, slot);
	if (w->spec.cooldown_us > 0) {
		window_fired_append(w, slot, now_us);
	}
}

bool windows_mark(struct windows *w, struct slice key, bool marked)
{
	uint32_t slot;

	if (!window_key_find(w, key, &slot)) {
		return false;
	}
	w->keys[slot].marked = marked;
	return true;
}

void windows_watch(struct windows *w, window_evicted *fn, void *arg)
{
	w->watch = fn;
	w->watch_arg = arg;
}

bool windows_reach(const struct windows *w, struct slice key, int64_t now_us,
		   struct window_reach *out)
{
	int64_t over_us = now_us - w->spec.width_us;
	const struct window_key *k;
	uint32_t slot, first;

	if (!window_key_find(w, key, &slot) || w->keys[slot].n < w->spec.level) {
		return false;
	}
	k = &w->keys[slot];
	first = k->n - w->spec.level;
	*out = (struct window_reach) {
		.until_us = window_stamp(k, first) + w->spec.width_us,
		.exact = first == 0 || window_stamp(k, first - 1) <= over_us,
	};
	return window_stamp(k, first) > over_us;
}

void windows_restart(struct windows *w, int64_t now_us)
{
	sweep(w, now_us, UINT64_MAX);
	while (w->live.oldest != WINDOW_NONE) {
		uint32_t slot = w->live.oldest;

		if (w->keys[slot].fired_us == WINDOW_NEVER) {
			drop(w, slot);
			continue;
		}
		w->keys[slot].marked = false;
		drop_stamps(w, &w->keys[slot]);
		leave_seen(w, slot);
		window_seen_append(w, slot, KEY_IDLE);
	}
	w->now_us = WINDOW_NEVER;
}

/* Keep what a lower level needs of each key. */
static void cut_stamps(struct windows *w)
{
	for (uint32_t slot = w->live.oldest; slot != WINDOW_NONE; slot = w->keys[slot].seen.newer) {
		struct window_key *key = &w->keys[slot];

		while (key->n > w->spec.level + 1) {
			drop_oldest_stamp(w, key);
		}
		if (key->cap > w->spec.level + 1) {
			window_key_reserve(w, key, key->n);
		}
	}
}

bool windows_retune(struct windows *w, struct window_spec spec, int64_t now_us)
{
	bool enough = spec.width_us <= w->spec.width_us && spec.level <= w->spec.level;

	ensure(spec.width_us > 0 && spec.cooldown_us >= 0 && spec.level > 0);
	ensure(spec.level < w->limits.stamps_max);
	sweep(w, now_us, UINT64_MAX);
	w->spec = spec;
	if (enough) {
		cut_stamps(w);
		sweep(w, now_us, UINT64_MAX);
	} else {
		windows_restart(w, now_us);
	}
	return !enough;
}

void windows_sweep(struct windows *w, int64_t now_us)
{
	sweep(w, now_us, UINT64_MAX);
	window_keys_shrink(w);
}

struct windows_usage windows_usage(const struct windows *w)
{
	return (struct windows_usage) {
		.keys = w->n,
		.stamps = w->stamps,
		.bytes = sizeof(*w) + w->slots * sizeof(*w->keys) +
			 w->index_cap * sizeof(*w->index) + w->stamp_room * sizeof(int64_t) +
			 w->far_bytes,
		.evicted = w->evicted,
	};
}
