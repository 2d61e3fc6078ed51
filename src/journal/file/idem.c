/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing. Nothing is deleted: entries below the oldest generation are
 * dead, dead slots are reused by inserts of the same tag, and the rest of them goes when the
 * table is full and built anew. So forgetting a million keys costs one comparison.
 */
#include "journal/file/idem.h"

#include <stdlib.h>

#define TAG_BITS 24
#define TAG_MASK ((UINT64_C(1) << TAG_BITS) - 1)
#define SEQ_MASK ((UINT64_C(1) << (64 - TAG_BITS)) - 1)
#define TABLE_SHIFT 52 /* 12 bits choose one of IDEM_TABLES */
#define CAP_MIN ((size_t)16)
#define STEPS 64 /* a generation is this part of the window, or of keys_max */

void idem_init(struct idem *idem, size_t keys_max, int64_t window_us)
{
	ensure(keys_max > 0 && window_us > 0);
	*idem = (struct idem) { .keys_max = keys_max, .window_us = window_us };
}

void idem_release(struct idem *idem)
{
	for (size_t i = 0; i < IDEM_TABLES; i++) {
		free(idem->tables[i].slots);
	}
	*idem = (struct idem) { 0 };
}

static struct idem_generation *generation(struct idem *idem, size_t i)
{
	return &idem->generations[(idem->head + i) % IDEM_GENERATIONS];
}

static uint64_t floor_seq(const struct idem *idem)
{
	return idem->generations_n == 0 ? idem->newest_seq + 1
					: idem->generations[idem->head].first_seq;
}

/* Only 40 bits of a number are kept; the rest follows from the newest one. */
static uint64_t slot_seq(const struct idem *idem, uint64_t slot)
{
	uint64_t low = slot >> TAG_BITS;

	return idem->newest_seq - ((idem->newest_seq - low) & SEQ_MASK);
}

/* From the tag alone, because growing has nothing else: the tag's share of the table. */
static size_t home(const struct idem_table *table, uint64_t tagged)
{
	return (size_t)((tagged & TAG_MASK) * table->cap >> TAG_BITS);
}

void idem_prefetch(const struct idem *idem, uint64_t hash)
{
	const struct idem_table *table = &idem->tables[hash >> TABLE_SHIFT];

	if (table->cap > 0) {
		__builtin_prefetch(&table->slots[home(table, hash)], 1);
	}
}

static size_t wrapped(const struct idem_table *table, size_t at)
{
	return at < table->cap ? at : at - table->cap;
}

uint64_t idem_next(const struct idem *idem, uint64_t hash, size_t *at)
{
	const struct idem_table *table = &idem->tables[hash >> TABLE_SHIFT];
	uint64_t low = floor_seq(idem);

	while (*at < table->cap) {
		uint64_t slot = table->slots[wrapped(table, home(table, hash) + *at)];

		if (slot == 0) {
			return 0;
		}
		++*at;
		if ((slot & TAG_MASK) == (hash & TAG_MASK) && slot_seq(idem, slot) >= low) {
			return slot_seq(idem, slot);
		}
	}
	return 0;
}

/* Into the first free or dead slot. The table has room. */
static void insert(const struct idem *idem, struct idem_table *table, uint64_t slot)
{
	uint64_t low = floor_seq(idem);

	for (size_t at = home(table, slot);; at = wrapped(table, at + 1)) {
		uint64_t *p = &table->slots[at];

		if (*p == slot) { /* read twice while a tail is recovered */
			return;
		}
		if (*p == 0) {
			table->used++;
		}
		if (*p == 0 || slot_seq(idem, *p) < low) {
			*p = slot;
			return;
		}
	}
}

static size_t live(const struct idem *idem, const struct idem_table *table)
{
	uint64_t low = floor_seq(idem);
	size_t n = 0;

	for (size_t i = 0; i < table->cap; i++) {
		n += table->slots[i] != 0 && slot_seq(idem, table->slots[i]) >= low;
	}
	return n;
}

/*
 * By a quarter only: there may be a hundred million keys, and doubling would leave half of their
 * memory unused. Room that a burst left behind goes again.
 */
static size_t better_cap(size_t cap, size_t live)
{
	if (live > cap / 16 * 11) {
		return cap + cap / 4;
	}
	return live < cap / 4 && cap / 2 >= CAP_MIN ? cap / 2 : cap;
}

/* Make room for one more: drop the dead, and grow when most of the room is live. */
static void make_room(struct idem *idem, struct idem_table *table)
{
	struct idem_table old = *table;
	uint64_t low = floor_seq(idem);

	table->cap = old.cap == 0 ? CAP_MIN : better_cap(old.cap, live(idem, &old));
	table->slots = mem_alloc(table->cap, sizeof(*table->slots));
	table->used = 0;
	idem->slots = idem->slots - old.cap + table->cap;
	for (size_t i = 0; i < old.cap; i++) {
		if (old.slots[i] != 0 && slot_seq(idem, old.slots[i]) >= low) {
			insert(idem, table, old.slots[i]);
		}
	}
	free(old.slots);
}

static void drop_oldest(struct idem *idem)
{
	idem->from_seq = idem->generations_n > 1 ? generation(idem, 1)->first_seq
						 : idem->newest_seq + 1;
	idem->keys -= generation(idem, 0)->keys;
	idem->head = (idem->head + 1) % IDEM_GENERATIONS;
	idem->generations_n--;
}

/* Too many: what nobody else knows is lost before its time. */
static void drop_early(struct idem *idem)
{
	const struct idem_generation *oldest = generation(idem, 0);

	drop_oldest(idem);
	if (idem->from_seq > idem->kept_seq) {
		idem->lost += oldest->keys;
		idem->lost_to_us = oldest->to_us;
	}
}

void idem_expire(struct idem *idem, int64_t now_us)
{
	while (idem->generations_n > 0 && generation(idem, 0)->to_us <= now_us - idem->window_us) {
		drop_oldest(idem);
	}
}

void idem_hand_over(struct idem *idem, uint64_t kept_seq)
{
	idem->kept_seq = kept_seq;
	while (idem->generations_n > 1 && generation(idem, 1)->first_seq <= kept_seq) {
		drop_oldest(idem);
	}
}

static struct idem_generation *generation_for(struct idem *idem, uint64_t seq, int64_t at_us)
{
	struct idem_generation *last = generation(idem, idem->generations_n + IDEM_GENERATIONS - 1);

	if (idem->generations_n > 0 && last->keys <= idem->keys_max / STEPS &&
	    at_us - last->from_us <= idem->window_us / STEPS) {
		return last;
	}
	if (idem->generations_n == IDEM_GENERATIONS) {
		drop_early(idem);
	}
	last = generation(idem, idem->generations_n++);
	*last = (struct idem_generation) { .first_seq = seq, .from_us = at_us };
	return last;
}

void idem_put(struct idem *idem, uint64_t hash, uint64_t seq, int64_t received_at_us)
{
	struct idem_table *table = &idem->tables[hash >> TABLE_SHIFT];
	struct idem_generation *last;

	if (seq > idem->newest_seq) {
		idem->newest_seq = seq;
	}
	last = generation_for(idem, seq, received_at_us);
	last->keys++;
	last->to_us = received_at_us;
	idem->keys++;
	if (idem->keys > idem->keys_max && idem->generations_n > 1) {
		drop_early(idem);
	}
	if (table->used + 1 > table->cap / 8 * 7) {
		make_room(idem, table);
	}
	insert(idem, table, (seq & SEQ_MASK) << TAG_BITS | (hash & TAG_MASK));
}
