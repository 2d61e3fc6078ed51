/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table for finding, and a heap by the time at which a bucket will be full again, for dropping.
 * Each taking moves the bucket down the heap: some comparisons, beside a request that costs
 * thousands.
 */
#include "bus/limits.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/map.h"
#include "base/rand.h"

#define DROPS_PER_TAKE 2 /* more than one comes, so that what is over goes */

struct entry {
	struct heap_node full; /* due: when it is full again */
	struct limit_key key;
	struct token_bucket bucket;
};

struct limits {
	pthread_mutex_t lock;
	struct map entries; /* all below under the lock */
	struct heap heap;
	size_t max;
	uint64_t evicted;
	uint64_t made;
	struct hash_key hash;
};

struct limits *limits_new(size_t max)
{
	struct limits *l = mem_alloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	map_init(&l->entries);
	heap_init(&l->heap);
	l->max = max != 0 ? max : LIMITS_MAX;
	rand_bytes(&l->hash, sizeof(l->hash));
	return l;
}

void limits_free(struct limits **lp)
{
	struct limits *l = *lp;
	struct entry *e;
	size_t at = 0;

	if (l == NULL) {
		return;
	}
	while ((e = map_next(&l->entries, &at)) != NULL) {
		free(e);
	}
	map_release(&l->entries);
	heap_release(&l->heap);
	pthread_mutex_destroy(&l->lock);
	free(l);
	*lp = NULL;
}

struct limit_key limit_key_id(enum limit_of of, uint64_t id)
{
	return (struct limit_key) { .who = { .lo = id }, .of = of };
}

struct limit_key limit_key_address(enum limit_of of, const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct limit_key key = { .of = of };

	memcpy(&key.who.hi, ip, 8);
	if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
		memcpy(&key.who.lo, ip + 8, 8);
	}
	return key;
}

struct limit_key limit_key_account(const struct limits *l, struct slice account,
				   const uint8_t ip[16])
{
	struct limit_key key = limit_key_address(LIMIT_OF_ACCOUNT, ip);
	struct hash128 name = hash_sip128(&l->hash, account);

	key.who.lo ^= name.lo;
	key.who.hi ^= name.hi;
	return key;
}

static void drop(struct limits *l, struct entry *e)
{
	heap_remove(&l->heap, &e->full);
	map_del(&l->entries, MAP_KEY(e->key));
	free(e);
}

/* NULL: there is none. */
static struct entry *first_full(const struct limits *l)
{
	struct heap_node *node = heap_min(&l->heap);

	return node == NULL ? NULL : CONTAINER_OF(node, struct entry, full);
}

static void make_room(struct limits *l, int64_t mono_us)
{
	struct entry *e;

	for (int i = 0; i < DROPS_PER_TAKE; i++) {
		e = first_full(l);
		if (e == NULL || e->full.due > mono_us) {
			break;
		}
		drop(l, e);
	}
	if (l->entries.n >= l->max) {
		drop(l, first_full(l));
		l->evicted++;
	}
}

static struct entry *add(struct limits *l, const struct limit_key *key, int64_t mono_us)
{
	struct entry *e;

	make_room(l, mono_us);
	e = mem_alloc(1, sizeof(*e));
	e->key = *key;
	e->full.id = ++l->made;
	map_put(&l->entries, MAP_KEY(e->key), e);
	return e;
}

static struct bucket_verdict take(struct limits *l, const struct limit_key *key,
				  const struct rate *rate, int64_t mono_us)
{
	struct entry *e = map_get(&l->entries, MAP_KEY(*key));
	struct bucket_verdict v;

	if (e == NULL) {
		e = add(l, key, mono_us);
	}
	v = bucket_take(&e->bucket, rate, mono_us);
	heap_remove(&l->heap, &e->full);
	e->full.due = mono_us + v.reset_us;
	heap_put(&l->heap, &e->full);
	return v;
}

struct bucket_verdict limits_take(struct limits *l, const struct limit_key *key,
				  const struct rate *rate, int64_t mono_us)
{
	struct bucket_verdict v = { .ok = true };

	if (rate->per_minute == 0) {
		return v;
	}
	pthread_mutex_lock(&l->lock);
	v = take(l, key, rate, mono_us);
	pthread_mutex_unlock(&l->lock);
	return v;
}

void limits_undo(struct limits *l, const struct limit_key *key)
{
	struct entry *e;

	pthread_mutex_lock(&l->lock);
	e = map_get(&l->entries, MAP_KEY(*key));
	if (e != NULL) {
		bucket_undo(&e->bucket);
	}
	pthread_mutex_unlock(&l->lock);
}

size_t limits_len(struct limits *l)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = l->entries.n;
	pthread_mutex_unlock(&l->lock);
	return n;
}

uint64_t limits_evicted(struct limits *l)
{
	uint64_t n;

	pthread_mutex_lock(&l->lock);
	n = l->evicted;
	pthread_mutex_unlock(&l->lock);
	return n;
}
