/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

/*
 * A hash map from bytes to pointers, seeded per process against chosen collisions. Keys are
 * borrowed: their bytes must live as long as the entry (usually inside the value). Iteration order
 * is not defined, so nothing that decides may depend on it. One thread at a time.
 */
struct map_entry;
struct map {
	struct map_entry *entries;
	size_t n;    /* live entries */
	size_t used; /* live and deleted slots */
	size_t cap;  /* 0 or a power of two */
};

void map_init(struct map *m);
/* Frees the table, not the values. */
void map_release(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, struct slice key);
/* Put or replace; value must not be NULL. Returns the old value or NULL. */
void *map_put(struct map *m, struct slice key, void *value);
/* Remove and return the value, or NULL. Safe while iterating. */
void *map_del(struct map *m, struct slice key);
/* Walk all values: start with *at = 0; NULL at the end. No map_put in between. */
void *map_next(const struct map *m, size_t *at);

/* The bytes of an integer as a key; v must outlive the entry. */
#define MAP_KEY(v) ((struct slice) { .p = (const char *)&(v), .n = sizeof(v) })

#endif
