/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

/*
 * A queue of due times. Nodes live inside their owners; equal times come out in the order of their
 * ids, so that timers fire the same way in every replay. One thread at a time.
 */
struct heap_node {
	int64_t due;
	uint64_t id;
	size_t pos; /* 1-based place in the heap, 0 when outside */
};
struct heap {
	struct heap_node **nodes;
	size_t n;
	size_t cap;
};

void heap_init(struct heap *h);
/* Frees the array, not the nodes. */
void heap_release(struct heap *h);
/* node->due and node->id are set; the node is in no heap. O(log n). */
void heap_put(struct heap *h, struct heap_node *node);
/* Does nothing when the node is in no heap. O(log n). */
void heap_remove(struct heap *h, struct heap_node *node);
/* The earliest node, still inside, or NULL. */
struct heap_node *heap_min(const struct heap *h);

#endif
