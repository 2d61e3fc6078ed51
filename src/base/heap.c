/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of intrusive nodes that know their place, so that any of them can be taken out. */
#include "base/heap.h"

#include <stdlib.h>

void heap_init(struct heap *h)
{
	*h = (struct heap) { 0 };
}

void heap_release(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap) { 0 };
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	return a->due < b->due || (a->due == b->due && a->id < b->id);
}

static void place(struct heap *h, size_t pos, struct heap_node *node)
{
	h->nodes[pos - 1] = node;
	node->pos = pos;
}

static void sift_up(struct heap *h, struct heap_node *node)
{
	size_t pos = node->pos;

	while (pos > 1 && before(node, h->nodes[pos / 2 - 1])) {
		place(h, pos, h->nodes[pos / 2 - 1]);
		pos /= 2;
	}
	place(h, pos, node);
}

static void sift_down(struct heap *h, struct heap_node *node)
{
	size_t pos = node->pos;

	for (;;) {
		size_t child = pos * 2;

		if (child > h->n) {
			break;
		}
		if (child < h->n && before(h->nodes[child], h->nodes[child - 1])) {
			child++;
		}
		if (!before(h->nodes[child - 1], node)) {
			break;
		}
		place(h, pos, h->nodes[child - 1]);
		pos = child;
	}
	place(h, pos, node);
}

void heap_put(struct heap *h, struct heap_node *node)
{
	ensure(node->pos == 0);
	if (h->n == h->cap) {
		h->cap = h->cap == 0 ? 16 : h->cap * 2;
		h->nodes = mem_resize(h->nodes, h->cap, sizeof(struct heap_node *));
	}
	h->n++;
	place(h, h->n, node);
	sift_up(h, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	size_t pos = node->pos;
	struct heap_node *last;

	if (pos == 0) {
		return;
	}
	ensure(pos <= h->n && h->nodes[pos - 1] == node);
	last = h->nodes[h->n - 1];
	h->n--;
	node->pos = 0;
	if (last != node) {
		place(h, pos, last);
		sift_up(h, last);
		sift_down(h, last);
	}
}

struct heap_node *heap_min(const struct heap *h)
{
	return h->n == 0 ? NULL : h->nodes[0];
}
