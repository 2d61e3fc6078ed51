/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where keys are kept: an array of slots, an index by hash with linear probing, and rings of times.
 * Links between keys are slot numbers of four bytes, and removal from the index moves what follows
 * back, so that neither needs tombstones nor more than 96 bytes a key.
 */
#include <stdlib.h>

#include "rule/windows.h"
#include "rule/windows_impl.h"

#define SLOTS_MIN 1 /* most rules have one key */
#define INDEX_MIN 4
#define RING_MIN 3    /* what the smallest piece of the allocator holds */
#define SHRINK_MIN 64 /* slots not worth moving for */

static const struct window_list empty_list = { WINDOW_NONE, WINDOW_NONE };

struct windows *windows_new(const struct hash_key *seed, struct window_limits limits,
			    struct window_spec spec)
{
	struct windows *w = mem_alloc(1, sizeof(*w));

	ensure(spec.width_us > 0 && spec.cooldown_us >= 0 && spec.level > 0);
	ensure(limits.keys_max > 0 && spec.level < limits.stamps_max);
	*w = (struct windows) {
		.spec = spec,
		.limits = limits,
		.seed = *seed,
		.free_slot = WINDOW_NONE,
		.live = empty_list,
		.idle = empty_list,
		.fired = empty_list,
		.now_us = WINDOW_NEVER,
	};
	return w;
}

void windows_free(struct windows **w)
{
	struct windows *gone = *w;

	if (gone == NULL) {
		return;
	}
	for (uint32_t slot = 0; slot < gone->slots_used; slot++) {
		struct window_key *key = &gone->keys[slot];

		free(key->stamps);
		if (key->bytes_n > KEY_INLINE_BYTES) {
			free(key->bytes.far);
		}
	}
	free(gone->keys);
	free(gone->index);
	free(gone);
	*w = NULL;
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

/* The place of the key in the index, or the free place where it would go. */
static uint32_t probe(const struct windows *w, uint64_t hash, struct slice bytes)
{
	uint32_t mask = w->index_cap - 1;
	uint32_t at = (uint32_t)hash & mask;

	for (;; at = (at + 1) & mask) {
		const struct window_index *place = &w->index[at];

		if (place->slot == WINDOW_NONE ||
		    (place->tag == tag_of(hash) &&
		     slice_eq(window_key_bytes(&w->keys[place->slot]), bytes))) {
			return at;
		}
	}
}

bool window_key_find(const struct windows *w, struct slice bytes, uint32_t *slot)
{
	if (w->n == 0) {
		return false;
	}
	*slot = w->index[probe(w, hash_sip64(&w->seed, bytes), bytes)].slot;
	return *slot != WINDOW_NONE;
}

/* A key known to be new goes to the first free place. */
static void index_put(struct windows *w, uint32_t slot)
{
	uint32_t mask = w->index_cap - 1;
	uint32_t at = (uint32_t)w->keys[slot].hash & mask;

	while (w->index[at].slot != WINDOW_NONE) {
		at = (at + 1) & mask;
	}
	w->index[at] = (struct window_index) { .tag = tag_of(w->keys[slot].hash), .slot = slot };
}

static void index_resize(struct windows *w, uint32_t cap)
{
	struct window_index *old = w->index;
	uint32_t old_cap = w->index_cap;

	w->index = mem_alloc(cap, sizeof(*w->index));
	w->index_cap = cap;
	memset(w->index, 0xff, cap * sizeof(*w->index));
	for (uint32_t at = 0; at < old_cap; at++) {
		if (old[at].slot != WINDOW_NONE) {
			index_put(w, old[at].slot);
		}
	}
	free(old);
}

/* Close the gap: move back whatever may not stand behind a free place. */
static void index_del(struct windows *w, const struct window_key *key)
{
	uint32_t mask = w->index_cap - 1;
	uint32_t hole = probe(w, key->hash, window_key_bytes(key));

	for (uint32_t at = (hole + 1) & mask; w->index[at].slot != WINDOW_NONE;
	     at = (at + 1) & mask) {
		uint32_t home = (uint32_t)w->keys[w->index[at].slot].hash & mask;

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			w->index[hole] = w->index[at];
			hole = at;
		}
	}
	w->index[hole].slot = WINDOW_NONE;
}

static uint32_t take_slot(struct windows *w)
{
	uint32_t slot = w->free_slot;

	if (slot != WINDOW_NONE) {
		w->free_slot = w->keys[slot].seen.newer;
		return slot;
	}
	if (w->slots_used == w->slots) {
		uint64_t more = w->slots == 0 ? SLOTS_MIN : (uint64_t)w->slots * 2;

		w->slots = more > w->limits.keys_max ? w->limits.keys_max : (uint32_t)more;
		w->keys = mem_resize(w->keys, w->slots, sizeof(*w->keys));
	}
	return w->slots_used++;
}

uint32_t window_key_insert(struct windows *w, struct slice bytes)
{
	uint32_t slot = take_slot(w);
	struct window_key *key = &w->keys[slot];

	*key = (struct window_key) {
		.hash = hash_sip64(&w->seed, bytes),
		.fired_us = WINDOW_NEVER,
		.bytes_n = (uint16_t)bytes.n,
	};
	if (bytes.n > KEY_INLINE_BYTES) {
		key->bytes.far = mem_alloc(1, bytes.n);
		w->far_bytes += bytes.n;
	}
	if (bytes.n > 0) {
		memcpy((char *)window_key_bytes(key).p, bytes.p, bytes.n);
	}
	w->n++;
	if (w->n > w->index_cap / 4 * 3) {
		index_resize(w, w->index_cap == 0 ? INDEX_MIN : w->index_cap * 2);
	}
	index_put(w, slot);
	return slot;
}

void window_key_remove(struct windows *w, uint32_t slot)
{
	struct window_key *key = &w->keys[slot];

	index_del(w, key);
	w->stamps -= key->n;
	w->stamp_room -= key->cap;
	free(key->stamps);
	if (key->bytes_n > KEY_INLINE_BYTES) {
		free(key->bytes.far);
		w->far_bytes -= key->bytes_n;
	}
	*key = (struct window_key) { .seen.newer = w->free_slot };
	w->free_slot = slot;
	w->n--;
}

static uint32_t ring_cap(const struct windows *w, uint32_t cap, uint32_t n)
{
	if (n == 0) {
		return 0;
	}
	if (cap == 0) {
		cap = RING_MIN;
	}
	while (n > cap) {
		cap *= 2;
	}
	if (cap > 4 * RING_MIN && n <= cap / 4) {
		cap /= 2;
	}
	return cap > w->spec.level + 1 ? w->spec.level + 1 : cap;
}

void window_key_reserve(struct windows *w, struct window_key *key, uint32_t n)
{
	uint32_t cap = ring_cap(w, key->cap, n);
	int64_t *stamps = NULL;

	if (cap == key->cap) {
		return;
	}
	ensure(cap >= key->n);
	if (cap > 0) {
		stamps = mem_alloc(cap, sizeof(*stamps));
		for (uint32_t i = 0; i < key->n; i++) {
			stamps[i] = window_stamp(key, i);
		}
	}
	free(key->stamps);
	w->stamp_room = w->stamp_room - key->cap + cap;
	key->stamps = stamps;
	key->cap = cap;
	key->head = 0;
}

void window_seen_append(struct windows *w, uint32_t slot, enum key_place place)
{
	struct window_list *list = place == KEY_LIVE ? &w->live : &w->idle;

	ensure(place != KEY_FREE);
	w->keys[slot].place = (uint8_t)place;
	w->keys[slot].seen = (struct window_link) { .older = list->newest, .newer = WINDOW_NONE };
	if (list->newest == WINDOW_NONE) {
		list->oldest = slot;
	} else {
		w->keys[list->newest].seen.newer = slot;
	}
	list->newest = slot;
}

void window_fired_append(struct windows *w, uint32_t slot, int64_t fired_us)
{
	struct window_list *list = &w->fired;

	w->keys[slot].fired_us = fired_us;
	w->keys[slot].fired = (struct window_link) { .older = list->newest, .newer = WINDOW_NONE };
	if (list->newest == WINDOW_NONE) {
		list->oldest = slot;
	} else {
		w->keys[list->newest].fired.newer = slot;
	}
	list->newest = slot;
}

static uint32_t moved_to(const uint32_t *to, uint32_t slot)
{
	return slot == WINDOW_NONE ? WINDOW_NONE : to[slot];
}

static void move_list(struct window_list *list, const uint32_t *to)
{
	list->oldest = moved_to(to, list->oldest);
	list->newest = moved_to(to, list->newest);
}

/* Copy the keys in use to the front of a smaller array and translate every link. */
static void move_keys(struct windows *w, uint32_t *to)
{
	struct window_key *keys = mem_alloc(w->n, sizeof(*keys));
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < w->slots_used; slot++) {
		if (w->keys[slot].place != KEY_FREE) {
			to[slot] = n;
			keys[n++] = w->keys[slot];
		}
	}
	for (uint32_t slot = 0; slot < n; slot++) {
		struct window_link *links[] = { &keys[slot].seen, &keys[slot].fired };

		for (size_t i = 0; i < (keys[slot].fired_us == WINDOW_NEVER ? 1 : 2); i++) {
			links[i]->older = moved_to(to, links[i]->older);
			links[i]->newer = moved_to(to, links[i]->newer);
		}
	}
	free(w->keys);
	w->keys = keys;
	w->slots = w->slots_used = n;
	w->free_slot = WINDOW_NONE;
}

/* The index of keys that lie together in the first n slots. */
static void index_rebuild(struct windows *w)
{
	uint32_t cap = INDEX_MIN;

	while (w->n > cap / 4 * 3) {
		cap *= 2;
	}
	free(w->index);
	w->index = NULL;
	w->index_cap = 0;
	index_resize(w, cap);
	for (uint32_t slot = 0; slot < w->n; slot++) {
		index_put(w, slot);
	}
}

static void release_keys(struct windows *w)
{
	free(w->keys);
	free(w->index);
	w->keys = NULL;
	w->index = NULL;
	w->slots = w->slots_used = w->index_cap = 0;
	w->free_slot = WINDOW_NONE;
}

void window_keys_shrink(struct windows *w)
{
	uint32_t *to;

	if (w->n == 0) {
		release_keys(w);
		return;
	}
	if (w->slots < SHRINK_MIN || w->n > w->slots / 4) {
		return;
	}
	to = mem_alloc(w->slots_used, sizeof(*to));
	move_keys(w, to);
	move_list(&w->live, to);
	move_list(&w->idle, to);
	move_list(&w->fired, to);
	index_rebuild(w);
	free(to);
}
