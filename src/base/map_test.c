/* SPDX-License-Identifier: Apache-2.0 */
/* The map does what a plain array would, through growth, deletions and walks. */
#include "base/map.h"

#include <stdio.h>

#include "test/t.h"

#define KEYS 500

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return *state >> 33;
}

static char names[KEYS][16];

static struct slice name(size_t i)
{
	return slice_of(names[i]);
}

/* The walk meets each live value once and nothing else. */
static void check_walk(const struct map *m, void *const *model)
{
	size_t at = 0, seen = 0;
	char *value;

	while ((value = map_next(m, &at)) != NULL) {
		size_t i = (size_t)(value - names[0]) / sizeof(names[0]);

		T_TRUE(model[i] == value);
		seen++;
	}
	T_INT(seen, m->n);
}

TEST(it_agrees_with_an_array)
{
	void *model[KEYS] = { 0 };
	uint64_t seed = 7;
	size_t live = 0;
	struct map m;

	for (size_t i = 0; i < KEYS; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
	}
	map_init(&m);
	T_TRUE(map_get(&m, S("x")) == NULL);
	T_TRUE(map_del(&m, S("x")) == NULL);
	for (int step = 0; step < 50000; step++) {
		size_t i = next(&seed) % KEYS;
		void *was = model[i];

		switch (next(&seed) % 3) {
		case 0:
			model[i] = names[i];
			T_TRUE(map_put(&m, name(i), model[i]) == was);
			live += was == NULL;
			break;
		case 1:
			model[i] = NULL;
			T_TRUE(map_del(&m, name(i)) == was);
			live -= was != NULL;
			break;
		default:
			T_TRUE(map_get(&m, name(i)) == was);
		}
		T_INT(m.n, live);
		if (step % 1000 == 0) {
			check_walk(&m, model);
		}
	}
	T_TRUE(m.cap <= 4096);
	map_release(&m);
}

TEST(values_can_be_deleted_in_a_walk)
{
	static uint64_t ids[1000];
	struct map m;
	size_t at = 0;
	uint64_t *id;

	map_init(&m);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		ids[i] = i;
		T_TRUE(map_put(&m, MAP_KEY(ids[i]), &ids[i]) == NULL);
	}
	while ((id = map_next(&m, &at)) != NULL) {
		if (*id % 2 == 0) {
			T_TRUE(map_del(&m, MAP_KEY(*id)) == id);
		}
	}
	T_INT(m.n, 500);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		T_TRUE(map_get(&m, MAP_KEY(ids[i])) == (i % 2 == 0 ? NULL : &ids[i]));
	}
	map_release(&m);
}

TEST(a_replaced_value_comes_back)
{
	char one[] = "key", two[] = "key";
	struct map m;

	map_init(&m);
	T_TRUE(map_put(&m, slice_of(one), one) == NULL);
	T_TRUE(map_put(&m, slice_of(two), two) == one);
	/* The key now borrows from the new value, so the old one may go. */
	one[0] = 'x';
	T_TRUE(map_get(&m, S("key")) == two);
	T_TRUE(map_put(&m, S(""), one) == NULL);
	T_TRUE(map_get(&m, (struct slice) { 0 }) == one);
	T_INT(m.n, 2);
	map_release(&m);
}

T_MAIN(T(it_agrees_with_an_array), T(values_can_be_deleted_in_a_walk),
       T(a_replaced_value_comes_back))
