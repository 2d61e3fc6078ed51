/* SPDX-License-Identifier: Apache-2.0 */
/* The output queue: a ring of runs of bytes. */
#include "net/http_out.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RING_FIRST ((size_t)4)

void out_pool_release(struct out_pool *pool)
{
	while (pool->n > 0) {
		chunk_unref(&pool->blocks[--pool->n]);
	}
}

static struct chunk *block_take(struct out_pool *pool)
{
	return pool->n > 0 ? pool->blocks[--pool->n] : chunk_new(OUT_BLOCK_BYTES);
}

static struct out_item *item_at(struct out *q, size_t i)
{
	return &q->items[(q->head + i) & (q->cap - 1)];
}

static void pop(struct out *q, struct out_pool *pool)
{
	struct out_item *item = item_at(q, 0);

	q->bytes -= item->chunk->n - item->from;
	if (item->packed && pool->n < OUT_POOL_BLOCKS_MAX) {
		item->chunk->n = 0;
		pool->blocks[pool->n++] = item->chunk;
	} else {
		chunk_unref(&item->chunk);
	}
	q->head++;
	q->n--;
}

static void clear(struct out *q, struct out_pool *pool)
{
	while (q->n > 0) {
		pop(q, pool);
	}
}

void out_release(struct out *q, struct out_pool *pool)
{
	clear(q, pool);
	free(q->items);
	*q = (struct out) { 0 };
}

static void push(struct out *q, struct out_item item)
{
	if (q->n == q->cap) {
		size_t cap = q->cap == 0 ? RING_FIRST : q->cap * 2;
		struct out_item *items = mem_alloc(cap, sizeof(*items));

		for (size_t i = 0; i < q->n; i++) {
			items[i] = *item_at(q, i);
		}
		free(q->items);
		q->items = items;
		q->head = 0;
		q->cap = cap;
	}
	q->n++;
	*item_at(q, q->n - 1) = item;
	q->bytes += item.chunk->n - item.from;
}

void out_put(struct out *q, struct out_pool *pool, struct slice s)
{
	while (s.n > 0) {
		struct out_item *tail = q->n == 0 ? NULL : item_at(q, q->n - 1);
		size_t room, n;

		if (tail == NULL || !tail->packed || tail->chunk->n == tail->chunk->cap) {
			push(q, (struct out_item) { .chunk = block_take(pool), .packed = true });
			tail = item_at(q, q->n - 1);
		}
		room = tail->chunk->cap - tail->chunk->n;
		n = s.n < room ? s.n : room;
		memcpy(tail->chunk->p + tail->chunk->n, s.p, n);
		tail->chunk->n += n;
		q->bytes += n;
		s = (struct slice) { s.p + n, s.n - n };
	}
}

void out_share(struct out *q, struct chunk *c)
{
	if (c->n > 0) {
		push(q, (struct out_item) { .chunk = chunk_ref(c) });
	}
}

void out_splice(struct out *q, struct out *from)
{
	for (size_t i = 0; i < from->n; i++) {
		push(q, *item_at(from, i));
	}
	from->n = 0;
	from->bytes = 0;
}

static ssize_t send_some(struct out *q, int fd)
{
	struct iovec iov[OUT_IOV_MAX];
	struct msghdr msg = { .msg_iov = iov };
	size_t n = q->n < OUT_IOV_MAX ? q->n : OUT_IOV_MAX;

	for (size_t i = 0; i < n; i++) {
		struct out_item *item = item_at(q, i);

		iov[i] = (struct iovec) { .iov_base = item->chunk->p + item->from,
					  .iov_len = item->chunk->n - item->from };
	}
	if (n == 1) {
		return send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
	}
	msg.msg_iovlen = n;
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void took(struct out *q, struct out_pool *pool, size_t n)
{
	while (n > 0) {
		struct out_item *item = item_at(q, 0);
		size_t has = item->chunk->n - item->from;

		if (n < has) {
			item->from += n;
			q->bytes -= n;
			return;
		}
		n -= has;
		pop(q, pool);
	}
}

enum out_result out_write(struct out *q, struct out_pool *pool, int fd)
{
	while (q->n > 0) {
		ssize_t n = send_some(q, fd);

		if (n >= 0) {
			took(q, pool, (size_t)n);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return OUT_BLOCKED;
		} else if (errno != EINTR) {
			return OUT_BROKEN;
		}
	}
	return OUT_EMPTY;
}
