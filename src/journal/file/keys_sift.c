/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sieve follows the tables. The keys of a new table are added at once. When there are too many
 * for its size, or too many that are gone, it is made anew from the tables, shard by shard: first
 * the new shard is filled, then it takes the place of the old one.
 */
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define STEP_ENTRIES 262144 /* some five milliseconds */
#define BITS_FRESH 18 /* per key, when it is made: one stranger in two thousand gets through */
#define BITS_LEAST 12 /* when it is made anew: one in a hundred */
#define LINE_BITS (8 * KEY_SIEVE_LINE_BYTES)

/* The sieve made anew: which shard, and how far its keys were read. */
struct key_sifting {
	uint64_t lines;
	uint64_t keys;
	size_t shard;
	struct key_shard *made; /* NULL: this shard was not begun */
	uint64_t version; /* of the list when it was begun: with another one, from the start */
	size_t item;
	struct key_walk walk;
	bool walking;
};

static uint64_t keys_of(const struct keys *keys)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < keys->n; i++) {
		sum += keys->items[i].run->table.entries;
	}
	return sum;
}

bool keys_too_many(const struct keys *keys)
{
	return keys_of(keys) * BITS_LEAST > keys->sieve_bytes_max * 8;
}

/* Lines of each shard for so many keys, within the bound. */
static uint64_t lines_for(const struct keys *keys, uint64_t n)
{
	uint64_t lines = n * BITS_FRESH / LINE_BITS / KEY_SIEVE_SHARDS + 1;
	uint64_t max = keys->sieve_bytes_max / KEY_SIEVE_LINE_BYTES / (KEY_SIEVE_SHARDS + 1);

	max = max == 0 ? 1 : max;
	return lines < max ? lines : max;
}

/* Full for its size, and making it anew would help. */
static bool worn(const struct keys *keys, uint64_t live)
{
	uint64_t lines = lines_for(keys, live);

	if (keys->sieve_lines == 0) {
		return live > 0;
	}
	return keys->sieve_keys * BITS_LEAST > keys->sieve_lines * LINE_BITS * KEY_SIEVE_SHARDS &&
	       (lines > keys->sieve_lines + keys->sieve_lines / 4 ||
		keys->sieve_keys > live + live / 4);
}

static void spoil(struct key_item *item, const struct err *err)
{
	log_error("journal_keys_unreadable", log_str("error", err->text));
	item->run->damaged = true;
	item->sieved = false;
}

/* Put a table that is new into all shards that are there. */
static bool add_table(struct file_journal *j, struct key_item *item)
{
	struct keys *keys = &j->keys;
	struct key_walk walk;
	struct key_entry entry;
	struct err err = { 0 };
	enum found found;

	key_walk_init(&walk, &item->run->table);
	while ((found = key_walk_next(&walk, &entry, &err)) == FOUND) {
		key_sieve_add(&keys->sieve, entry.hash);
	}
	key_walk_release(&walk);
	keys->sieve_keys += item->run->table.entries;
	item->sieved = found == NOT_FOUND;
	if (found == FAILED) {
		spoil(item, &err);
	}
	keys_publish(j);
	return true;
}

static bool add_new(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	bool any = false;

	for (size_t i = 0; i < KEY_SIEVE_SHARDS && !any; i++) {
		any = keys->sieve.shards[i] != NULL;
	}
	for (size_t i = 0; i < keys->n; i++) {
		struct key_item *item = &keys->items[i];

		if (item->sieved || item->run->damaged) {
			continue;
		}
		if (any) {
			return add_table(j, item);
		}
		item->sieved = true; /* in all shards: there are none */
	}
	return false;
}

static void give_up_shard(struct key_sifting *s)
{
	key_walk_release(&s->walk);
	key_shard_unref(&s->made);
	s->walking = false;
	s->item = 0;
}

void keys_sift_stop(struct keys *keys)
{
	if (keys->sifting != NULL) {
		give_up_shard(keys->sifting);
		free(keys->sifting);
		keys->sifting = NULL;
	}
}

/* The next entry of the shard, from whichever table. NOT_FOUND: it has all. */
static enum found next_entry(struct keys *keys, struct key_entry *entry)
{
	struct key_sifting *s = keys->sifting;
	struct err err = { 0 };

	for (; s->item < keys->n; s->item++, s->walking = false) {
		struct key_item *item = &keys->items[s->item];
		enum found found = NOT_FOUND;

		if (item->run->damaged) { /* not in this shard, so not in all */
			item->sieved = false;
			continue;
		}
		if (!s->walking) {
			key_walk_release(&s->walk);
			key_walk_init(&s->walk, &item->run->table);
			key_walk_seek(&s->walk, key_shard_first(s->shard));
			s->walking = true;
		}
		do {
			found = key_walk_next(&s->walk, entry, &err);
		} while (found == FOUND && entry->hash < key_shard_first(s->shard));
		if (found == FOUND && key_shard_of(entry->hash) == s->shard) {
			return FOUND;
		}
		if (found == FAILED) {
			spoil(item, &err);
		}
	}
	return NOT_FOUND;
}

static void shard_done(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct key_sifting *s = keys->sifting;

	key_shard_unref(&keys->sieve.shards[s->shard]);
	keys->sieve.shards[s->shard] = s->made;
	s->made = NULL;
	give_up_shard(s);
	if (++s->shard == KEY_SIEVE_SHARDS) {
		keys->sieve_lines = s->lines;
		keys->sieve_keys = s->keys;
		keys_sift_stop(keys);
	}
	keys_publish(j);
}

/* False: there is no room until the loop gave back what it does not use any more. */
static bool fill_shard(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	struct key_sifting *s = keys->sifting;
	struct key_entry entry;

	if (s->made == NULL || s->version != keys->version) {
		give_up_shard(s);
		if (keys->sieve_bytes + s->lines * KEY_SIEVE_LINE_BYTES > keys->sieve_bytes_max) {
			return false;
		}
		s->made = key_shard_new(s->lines, &keys->sieve_bytes);
		s->version = keys->version;
	}
	for (size_t i = 0; i < STEP_ENTRIES; i++) {
		if (next_entry(keys, &entry) != FOUND) {
			shard_done(j);
			return true;
		}
		key_shard_add(s->made, entry.hash);
	}
	return true;
}

bool keys_sift(struct file_journal *j)
{
	struct keys *keys = &j->keys;
	uint64_t live;

	if (add_new(j)) {
		return true;
	}
	live = keys_of(keys);
	if (keys->sifting == NULL && worn(keys, live)) {
		keys->sifting = mem_alloc(1, sizeof(*keys->sifting));
		keys->sifting->lines = lines_for(keys, live);
		keys->sifting->keys = live;
	}
	return keys->sifting != NULL && fill_shard(j);
}
