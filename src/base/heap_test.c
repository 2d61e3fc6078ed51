/* SPDX-License-Identifier: Apache-2.0 */
/* Timers come out by due time, then by id, whatever the order of puts and removals was. */
#include "base/heap.h"

#include "test/t.h"

#define NODES 300

/* A fixed sequence, so that a failure comes back. */
static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return *state >> 33;
}

static struct heap_node *linear_min(struct heap_node *nodes)
{
	struct heap_node *min = NULL;

	for (size_t i = 0; i < NODES; i++) {
		struct heap_node *n = &nodes[i];

		if (n->pos != 0 &&
		    (min == NULL || n->due < min->due || (n->due == min->due && n->id < min->id))) {
			min = n;
		}
	}
	return min;
}

TEST(it_agrees_with_a_plain_list)
{
	static struct heap_node nodes[NODES];
	uint64_t seed = 1;
	size_t inside = 0;
	struct heap h;

	heap_init(&h);
	T_TRUE(heap_min(&h) == NULL);
	for (int step = 0; step < 20000; step++) {
		struct heap_node *n = &nodes[next(&seed) % NODES];

		if (n->pos != 0) {
			heap_remove(&h, n);
			inside--;
		} else {
			/* Few due times, so that ids decide often. */
			n->due = (int64_t)(next(&seed) % 20) - 10;
			n->id = next(&seed);
			heap_put(&h, n);
			inside++;
		}
		T_INT(h.n, inside);
		T_TRUE(heap_min(&h) == linear_min(nodes));
	}
	heap_remove(&h, &(struct heap_node) { 0 });
	T_INT(h.n, inside);
	while (h.n > 0) {
		struct heap_node *min = linear_min(nodes);

		T_TRUE(heap_min(&h) == min);
		heap_remove(&h, min);
		T_INT(min->pos, 0);
	}
	heap_release(&h);
}

T_MAIN(T(it_agrees_with_a_plain_list))
