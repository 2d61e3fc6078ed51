/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; a deleted slot keeps its place until the next growth. */
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/rand.h"

#define CAP_MIN 16

struct map_entry {
	uint64_t hash;
	struct slice key;
	void *value; /* NULL: free, or deleted when key.p is not NULL */
};

static struct hash_key seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static const char deleted[1];

static void make_seed(void)
{
	rand_bytes(&seed, sizeof(seed));
}

void map_init(struct map *m)
{
	*m = (struct map) { 0 };
	pthread_once(&seed_once, make_seed);
}

void map_release(struct map *m)
{
	free(m->entries);
	*m = (struct map) { 0 };
}

/* The entry of key, or the free slot that ends its probe run. cap must be > used. */
static struct map_entry *probe(const struct map *m, uint64_t hash, struct slice key)
{
	size_t i = hash & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct map_entry *e = &m->entries[i];

		if (e->value == NULL && e->key.p != deleted) {
			return e;
		}
		if (e->value != NULL && e->hash == hash && slice_eq(e->key, key)) {
			return e;
		}
	}
}

static void grow(struct map *m)
{
	struct map bigger = { .cap = CAP_MIN };

	while (bigger.cap < m->n * 4) {
		bigger.cap *= 2;
	}
	bigger.entries = mem_alloc(bigger.cap, sizeof(*bigger.entries));
	for (size_t i = 0; i < m->cap; i++) {
		const struct map_entry *e = &m->entries[i];

		if (e->value != NULL) {
			*probe(&bigger, e->hash, e->key) = *e;
		}
	}
	bigger.n = bigger.used = m->n;
	free(m->entries);
	*m = bigger;
}

void *map_get(const struct map *m, struct slice key)
{
	return m->n == 0 ? NULL : probe(m, hash_sip64(&seed, key), key)->value;
}

void *map_put(struct map *m, struct slice key, void *value)
{
	uint64_t hash = hash_sip64(&seed, key);
	struct map_entry *e;
	void *old;

	ensure(value != NULL);
	if ((m->used + 1) * 4 > m->cap * 3) {
		grow(m);
	}
	e = probe(m, hash, key);
	old = e->value;
	if (old == NULL) {
		m->n++;
		m->used++;
	}
	*e = (struct map_entry) { .hash = hash, .key = key, .value = value };
	return old;
}

void *map_del(struct map *m, struct slice key)
{
	struct map_entry *e;
	void *old;

	if (m->n == 0) {
		return NULL;
	}
	e = probe(m, hash_sip64(&seed, key), key);
	old = e->value;
	if (old != NULL) {
		*e = (struct map_entry) { .key = { .p = deleted } };
		m->n--;
	}
	return old;
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap) {
		void *value = m->entries[(*at)++].value;

		if (value != NULL) {
			return value;
		}
	}
	return NULL;
}
