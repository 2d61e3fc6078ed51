/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_WINDOWS_IMPL_H
#define RULE_WINDOWS_IMPL_H

#include "rule/windows.h"

/*
 * The inside of struct windows, shared by windows.c and its codec.
 *
 * Keys live in one growing array of slots. A key in use is in exactly one of two lists, both in the
 * order in which keys were last seen: `live` while its window may hold something, `idle` when only
 * its cooldown is left. A key whose cooldown may still run is also in `fired`, in the order of the
 * firings. So the heads of the lists are always what is over first, and sweeping needs no heap.
 */
#define WINDOW_NEVER INT64_MIN
#define WINDOW_NONE UINT32_MAX
#define KEY_INLINE_BYTES 32

enum key_place { KEY_FREE, KEY_LIVE, KEY_IDLE };

struct window_link {
	uint32_t older, newer; /* slots, or WINDOW_NONE */
};
struct window_list {
	uint32_t oldest, newest;
};

struct window_key {
	uint64_t hash;
	int64_t seen_us;
	int64_t fired_us; /* WINDOW_NEVER when in no cooldown */
	int64_t *stamps;  /* a ring of cap times, oldest at head */
	uint32_t head, n, cap;
	struct window_link seen; /* in live or idle; a free slot: seen.newer is the next free one */
	struct window_link fired; /* in fired, when fired_us is not WINDOW_NEVER */
	uint16_t bytes_n;
	uint8_t place;
	bool marked;
	union {
		char near[KEY_INLINE_BYTES];
		char *far;
	} bytes;
};
static_assert(sizeof(struct window_key) <= 96, "a key costs 96 bytes and its times");

/* A place in the index: the slot of a key, and the upper half of its hash to avoid the look. */
struct window_index {
	uint32_t tag;
	uint32_t slot; /* WINDOW_NONE: free */
};

struct windows {
	struct window_spec spec;
	struct window_limits limits;
	struct hash_key seed;
	struct window_key *keys;
	uint32_t slots, slots_used; /* allocated; ever used */
	uint32_t free_slot;
	uint32_t n;
	struct window_index *index;
	uint32_t index_cap; /* 0 or a power of two, at least n * 4 / 3 */
	struct window_list live, idle, fired;
	size_t stamps; /* kept times of all keys */
	size_t stamp_room;
	size_t far_bytes;
	int64_t now_us; /* the last record, or WINDOW_NEVER */
	uint64_t evicted;
	window_evicted *watch; /* NULL: nobody */
	void *watch_arg;
};

static inline struct slice window_key_bytes(const struct window_key *key)
{
	return (struct slice) {
		.p = key->bytes_n > KEY_INLINE_BYTES ? key->bytes.far : key->bytes.near,
		.n = key->bytes_n,
	};
}

static inline int64_t window_stamp(const struct window_key *key, uint32_t i)
{
	uint32_t at = key->head + i;

	return key->stamps[at >= key->cap ? at - key->cap : at];
}

/* Whether nothing about the key matters any more at now_us. windows.c */
bool window_key_over(const struct windows *w, const struct window_key *key, int64_t now_us);

/* The rest is in windows_keys.c. */
NODISCARD bool window_key_find(const struct windows *w, struct slice bytes, uint32_t *slot);
/* A fresh key, in no list yet; it is not there. Pointers to keys move. */
uint32_t window_key_insert(struct windows *w, struct slice bytes);
/* The key is in no list any more. */
void window_key_remove(struct windows *w, uint32_t slot);
/* Room for n times, at most level + 1; also less room where there is far too much. 0 frees it. */
void window_key_reserve(struct windows *w, struct window_key *key, uint32_t n);
/* The key becomes the newest of live or idle, by its seen_us, or of fired. */
void window_seen_append(struct windows *w, uint32_t slot, enum key_place place);
void window_fired_append(struct windows *w, uint32_t slot, int64_t fired_us);
/* Move the keys together when most slots are free. Slots change. */
void window_keys_shrink(struct windows *w);

#endif
