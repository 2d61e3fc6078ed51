/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_OUT_H
#define NET_HTTP_OUT_H

#include "net/chunk.h"

/*
 * Net-internal: bytes on their way out. Small pieces are packed into blocks of one size, which a
 * pool hands round; large bodies and stream frames are queued as shared chunks. One writev(2) takes
 * as much as the kernel wants. Loop thread.
 */
struct out_item {
	struct chunk *chunk;
	size_t from; /* bytes already taken by the kernel */
	bool packed; /* a block of ours: more may be appended */
};

struct out {
	struct out_item *items; /* a ring */
	size_t head;
	size_t n;
	size_t cap; /* 0 or a power of two */
	size_t bytes;
};

#define OUT_BLOCK_BYTES ((size_t)8192 - sizeof(struct chunk)) /* two pages with its header */
#define OUT_POOL_BLOCKS_MAX 256				      /* 2 MiB kept for the next replies */
#define OUT_IOV_MAX 64					      /* chunks per writev */

struct out_pool {
	struct chunk *blocks[OUT_POOL_BLOCKS_MAX];
	size_t n;
};
void out_pool_release(struct out_pool *pool);

/* A zeroed struct out is empty. */
void out_release(struct out *q, struct out_pool *pool);
/* Append a copy of s. */
void out_put(struct out *q, struct out_pool *pool, struct slice s);
/* Append c itself and keep it. */
void out_share(struct out *q, struct chunk *c);
/* Move all of from behind what q has. */
void out_splice(struct out *q, struct out *from);

enum out_result { OUT_EMPTY, OUT_BLOCKED, OUT_BROKEN };
/* One sendmsg(2) per OUT_IOV_MAX items until the kernel takes no more. */
enum out_result out_write(struct out *q, struct out_pool *pool, int fd);

#endif
